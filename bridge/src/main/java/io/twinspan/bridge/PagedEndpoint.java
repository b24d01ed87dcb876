package io.twinspan.bridge;

import io.twinspan.concurrent.SharedMemory;
import java.lang.foreign.MemorySegment;

/**
 * One life of a link whose sides have mapped each other's windows: what both say through the {@link
 * ControlPage}. How one wakes the other is the provider's.
 */
abstract class PagedEndpoint implements BridgeEndpoint {
  private final long generation;
  private final String peerName;
  private final Window local;
  private final Window remote;
  private final MemorySegment localPage;
  private final MemorySegment remotePage;
  private final MemorySegment localControl;
  private final MemorySegment remoteControl;

  private long sleeps;
  private long lastRung;
  private long heartbeat;

  /**
   * A life that begins: gives this side's control window its header.
   *
   * @param localPage this side's control window, zeroed
   * @param remotePage the peer's control window
   */
  PagedEndpoint(
      long generation,
      String peerName,
      Window local,
      Window remote,
      MemorySegment localPage,
      MemorySegment remotePage) {
    this.generation = generation;
    this.peerName = peerName;
    this.local = local;
    this.remote = remote;
    this.localPage = localPage;
    this.remotePage = remotePage;
    localControl = localPage.asSlice(Window.HEADER_BYTES);
    remoteControl = remotePage.asSlice(Window.HEADER_BYTES);
    Window control = new Window(localPage);
    control.initialise();
    control.generation(generation);
  }

  @Override
  public final long generation() {
    return generation;
  }

  @Override
  public final String peerName() {
    return peerName;
  }

  @Override
  public final Window local() {
    return local;
  }

  @Override
  public final Window remote() {
    return remote;
  }

  @Override
  public final MemorySegment localControl() {
    return localControl;
  }

  @Override
  public final MemorySegment remoteControl() {
    return remoteControl;
  }

  @Override
  public final long scratchpad(int index) {
    return SharedMemory.getLongAcquire(localPage, ControlPage.scratchpad(index));
  }

  @Override
  public final void peerScratchpad(int index, long value) {
    SharedMemory.setLongRelease(remotePage, ControlPage.scratchpad(index), value);
  }

  /** Whether the peer sleeps, or is about to, and was not rung for this sleep; it counts as now. */
  final boolean takeSleep() {
    long armed = SharedMemory.getLongAcquire(localPage, ControlPage.ARMED);
    if (armed == 0 || armed == lastRung) {
      return false;
    }
    lastRung = armed;
    return true;
  }

  /** Tells the peer that from now on it must ring; ends with a full fence. */
  final void arm() {
    sleeps++;
    SharedMemory.setLongRelease(remotePage, ControlPage.ARMED, sleeps);
    SharedMemory.fullFence();
  }

  final void disarm() {
    SharedMemory.setLongRelease(remotePage, ControlPage.ARMED, 0);
  }

  /** Shows the peer that this side works. */
  final void beat() {
    heartbeat++;
    SharedMemory.setLongRelease(remotePage, ControlPage.HEARTBEAT, heartbeat);
  }

  /** The peer's heartbeat; any change is a sign of life. */
  final long peerHeartbeat() {
    return SharedMemory.getLongAcquire(localPage, ControlPage.HEARTBEAT);
  }

  /** This side's control page. */
  final MemorySegment controlPage() {
    return localPage;
  }

  /** The peer's control page. */
  final MemorySegment peerControlPage() {
    return remotePage;
  }
}
