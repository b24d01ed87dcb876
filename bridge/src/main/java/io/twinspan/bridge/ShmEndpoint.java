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

/** One life of a link between two processes: mappings of windows, and two doorbells. */
final class ShmEndpoint extends PagedEndpoint implements AutoCloseable {
  private final int peerPid;
  private final EventFd ownDoorbell;
  private final EventFd peerDoorbell;
  private final Lifeline.Life life;
  private final List<AutoCloseable> resources;

  private ShmEndpoint(
      long generation,
      Hello peer,
      Window local,
      Window remote,
      MemorySegment localPage,
      MemorySegment remotePage,
      EventFd ownDoorbell,
      EventFd peerDoorbell,
      Lifeline.Life life,
      List<AutoCloseable> resources) {
    super(generation, peer.nodeName(), local, remote, localPage, remotePage);
    peerPid = peer.pid();
    this.ownDoorbell = ownDoorbell;
    this.peerDoorbell = peerDoorbell;
    this.life = life;
    this.resources = resources;
  }

  /**
   * Maps the windows. Takes over all descriptors if it succeeds, none if it throws.
   *
   * @param control this side's control window
   * @param doorbell this side's
   * @param fds the peer's data window, control window and doorbell
   */
  static ShmEndpoint map(
      long generation, Hello peer, Window local, Fd control, EventFd doorbell, List<Fd> fds) {
    List<AutoCloseable> resources = new ArrayList<>();
    try {
      MemorySegment localPage = map(control, control.size(), resources);
      Window remote =
          new Window(map(fds.get(0), exactly(fds.get(0), peer.windowBytes()), resources));
      MemorySegment remotePage =
          map(fds.get(1), exactly(fds.get(1), peer.controlBytes()), resources);
      if (!remote.isSound()) {
        throw new TwinspanException("the peer's window has no header of this version");
      }
      EventFd peerDoorbell = EventFd.adopt(fds.get(2));
      Lifeline.Life life = new Lifeline.Life(control, fds.get(1));
      // Mappings keep what they map; these descriptors have done their work.
      control.close();
      fds.get(0).close();
      fds.get(1).close();
      resources.add(doorbell);
      resources.add(peerDoorbell);
      return new ShmEndpoint(
          generation,
          peer,
          local,
          remote,
          localPage,
          remotePage,
          doorbell,
          peerDoorbell,
          life,
          resources);
    } catch (RuntimeException e) {
      close(resources);
      throw e;
    }
  }

  private static MemorySegment map(Fd fd, long lengthBytes, List<AutoCloseable> resources) {
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
  public void ring() {
    SharedMemory.fullFence(); // what was stored is visible before we look whether the peer sleeps
    if (takeSleep()) {
      peerDoorbell.signal();
    }
  }

  int peerPid() {
    return peerPid;
  }

  EventFd doorbell() {
    return ownDoorbell;
  }

  /** The death words of this life, for the lifeline, which closes them. */
  Lifeline.Life life() {
    return life;
  }

  /** What the peer's lifeline, or the kernel in its place, has written here. */
  int deathWord() {
    return SharedMemory.getIntOpaque(controlPage(), ControlPage.DEATH);
  }

  @Override
  public void close() {
    close(resources);
  }

  private static void close(List<AutoCloseable> resources) {
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
