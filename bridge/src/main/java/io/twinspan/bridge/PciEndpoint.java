package io.twinspan.bridge;

import io.twinspan.concurrent.SharedMemory;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** One life of a link through a BAR. */
final class PciEndpoint implements BridgeEndpoint {
  private final long generation;
  private final String peerName;
  private final long peerAttempt;
  private final Window local;
  private final Window remote;
  private final MemorySegment localPage;
  private final MemorySegment remotePage;
  private final MemorySegment localControl;
  private final MemorySegment remoteControl;

  private final @Nullable Doorbell doorbell;
  private final int peerBell;

  private long sleeps;
  private long lastRung;
  private long rings;
  private long heard;
  private long heartbeat;

  PciEndpoint(
      PciHandshake.Agreement agreed,
      Side side,
      BarLayout layout,
      Window local,
      @Nullable Doorbell doorbell) {
    generation = agreed.generation();
    peerName = agreed.peer().nodeName();
    peerAttempt = agreed.peerAttempt();
    this.local = local;
    peerBell = agreed.peerBell() - 1;
    this.doorbell = peerBell >= 0 ? doorbell : null;
    remote = layout.window(side.peer(), agreed.peer().windowBytes());
    localPage = layout.control(side, agreed.ownArea());
    remotePage = layout.control(side.peer(), agreed.peerArea());
    localControl = localPage.asSlice(Window.HEADER_BYTES);
    remoteControl = remotePage.asSlice(Window.HEADER_BYTES);
    Window control = new Window(localPage);
    control.initialise();
    control.generation(generation);
  }

  @Override
  public long generation() {
    return generation;
  }

  @Override
  public String peerName() {
    return peerName;
  }

  @Override
  public Window local() {
    return local;
  }

  @Override
  public Window remote() {
    return remote;
  }

  @Override
  public MemorySegment localControl() {
    return localControl;
  }

  @Override
  public MemorySegment remoteControl() {
    return remoteControl;
  }

  /**
   * Without a doorbell there is no fence: a ring that is missed because the peer arms just now
   * costs it one short sleep.
   */
  @Override
  public void ring() {
    if (doorbell != null) {
      SharedMemory.fullFence(); // what was stored is visible before we look whether it sleeps
    }
    long armed = SharedMemory.getLongAcquire(localPage, ControlPage.ARMED);
    if (armed != 0 && armed != lastRung) {
      lastRung = armed;
      rings++;
      SharedMemory.setLongRelease(remotePage, ControlPage.BELL, rings);
      if (doorbell != null) {
        doorbell.ring(peerBell);
      }
    }
  }

  @Override
  public long scratchpad(int index) {
    return SharedMemory.getLongAcquire(localPage, ControlPage.scratchpad(index));
  }

  @Override
  public void peerScratchpad(int index, long value) {
    SharedMemory.setLongRelease(remotePage, ControlPage.scratchpad(index), value);
  }

  /** Whether a ring of either side ends the other one's sleep. */
  boolean wakes() {
    return doorbell != null;
  }

  /** Which attempt of the peer this life was made with. */
  long peerAttempt() {
    return peerAttempt;
  }

  /** Whether the peer has rung since the last call. */
  boolean takeRing() {
    long bell = SharedMemory.getLongAcquire(localPage, ControlPage.BELL);
    boolean rung = bell != heard;
    heard = bell;
    return rung;
  }

  void arm() {
    sleeps++;
    SharedMemory.setLongRelease(remotePage, ControlPage.ARMED, sleeps);
    SharedMemory.fullFence();
  }

  void disarm() {
    SharedMemory.setLongRelease(remotePage, ControlPage.ARMED, 0);
  }

  /** Shows the peer that this side works. */
  void beat() {
    heartbeat++;
    SharedMemory.setLongRelease(remotePage, ControlPage.HEARTBEAT, heartbeat);
  }

  /** The peer's heartbeat; any change is a sign of life. */
  long peerHeartbeat() {
    return SharedMemory.getLongAcquire(localPage, ControlPage.HEARTBEAT);
  }
}
