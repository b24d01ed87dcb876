package io.twinspan.bridge;

import io.twinspan.concurrent.SharedMemory;
import io.twinspan.linux.EventFd;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.Memfd;
import io.twinspan.linux.TwinspanException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** One life of a link between two processes: four mappings and two doorbells. */
final class ShmEndpoint implements BridgeEndpoint, AutoCloseable {
  private final long generation;
  private final String peerName;
  private final int peerPid;
  private final Window local;
  private final Window remote;
  private final MemorySegment localPage;
  private final MemorySegment remotePage;
  private final MemorySegment localControl;
  private final MemorySegment remoteControl;
  private final EventFd ownDoorbell;
  private final EventFd peerDoorbell;
  private final Lifeline.Life life;
  private final List<AutoCloseable> resources = new ArrayList<>();

  private long sleeps;
  private long lastRung;
  private long heartbeat;

  /**
   * Maps the windows. Takes over all descriptors if it succeeds, none if it throws.
   *
   * @param fds the peer's data window, control window and doorbell
   */
  ShmEndpoint(
      long generation, Hello peer, Window local, Fd control, EventFd doorbell, List<Fd> fds) {
    this.generation = generation;
    this.local = local;
    peerName = peer.nodeName();
    peerPid = peer.pid();
    ownDoorbell = doorbell;
    try {
      Window ownControl = new Window(map(control, control.size()));
      ownControl.initialise();
      ownControl.generation(generation);
      localPage = ownControl.segment();
      remote = new Window(map(fds.get(0), exactly(fds.get(0), peer.windowBytes())));
      remotePage = map(fds.get(1), exactly(fds.get(1), peer.controlBytes()));
      if (!remote.isSound()) {
        throw new TwinspanException("the peer's window has no header of this version");
      }
      peerDoorbell = EventFd.adopt(fds.get(2));
      life = new Lifeline.Life(control, fds.get(1));
    } catch (RuntimeException e) {
      closeAll();
      throw e;
    }
    localControl = localPage.asSlice(Window.HEADER_BYTES);
    remoteControl = remotePage.asSlice(Window.HEADER_BYTES);
    // Mappings keep what they map; these descriptors have done their work.
    control.close();
    fds.get(0).close();
    fds.get(1).close();
    resources.add(ownDoorbell);
    resources.add(peerDoorbell);
  }

  private MemorySegment map(Fd fd, long lengthBytes) {
    Mapping mapping = Mapping.shared(fd, 0, lengthBytes, Mapping.Protection.READ_WRITE);
    resources.add(mapping);
    return mapping.segment();
  }

  private static long exactly(Fd fd, long expected) {
    long size = Memfd.requireSealed(fd, Window.HEADER_BYTES);
    if (size != expected) {
      throw new TwinspanException("a window has %d bytes, not %d".formatted(size, expected));
    }
    return size;
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

  @Override
  public void ring() {
    SharedMemory.fullFence(); // what was stored is visible before we look whether the peer sleeps
    long armed = SharedMemory.getLongAcquire(localPage, ControlPage.ARMED);
    if (armed != 0 && armed != lastRung) {
      lastRung = armed;
      peerDoorbell.signal();
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

  int peerPid() {
    return peerPid;
  }

  /** Tells the peer that from now on it must ring; ends with a full fence. */
  void arm() {
    sleeps++;
    SharedMemory.setLongRelease(remotePage, ControlPage.ARMED, sleeps);
    SharedMemory.fullFence();
  }

  void disarm() {
    SharedMemory.setLongRelease(remotePage, ControlPage.ARMED, 0);
  }

  EventFd doorbell() {
    return ownDoorbell;
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

  /** The death words of this life, for the lifeline, which closes them. */
  Lifeline.Life life() {
    return life;
  }

  /** What the peer's lifeline, or the kernel in its place, has written here. */
  int deathWord() {
    return SharedMemory.getIntOpaque(localPage, ControlPage.DEATH);
  }

  /** This side's control page. */
  MemorySegment controlPage() {
    return localPage;
  }

  @Override
  public void close() {
    closeAll();
  }

  private void closeAll() {
    for (AutoCloseable resource : resources) {
      try {
        resource.close();
      } catch (Exception e) {
        throw new TwinspanException("give back a window: " + e, e);
      }
    }
    resources.clear();
  }
}
