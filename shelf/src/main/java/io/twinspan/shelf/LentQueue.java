package io.twinspan.shelf;

import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.Errno;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.Memfd;
import io.twinspan.linux.UnixSocket;
import io.twinspan.nvme.DoorbellPage;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * The doorbells of a queue pair that was lent: a page in a memfd of its own, which nobody else can
 * reach, and a bell, by which the drive is woken and tells of completions.
 *
 * <p>The bell is a pair of sockets, not an eventfd: an eventfd's blocking mode belongs to all who
 * share it, and would let its holder stop the drive. It hangs up when the queue pair is taken away.
 * The drive's agent thread owns it.
 */
final class LentQueue implements WakeSource, AutoCloseable {
  private static final int DRAIN_BYTES = 4096;
  private static final MemorySegment INTERRUPT =
      Arena.global().allocateFrom(ValueLayout.JAVA_LONG, 1L);

  private final QueueDomain domain;
  private final Fd memory;
  private final Mapping mapping;
  private final DoorbellPage page;
  private final UnixSocket bell;
  private final UnixSocket farBell;
  private final MemorySegment rung = Arena.ofAuto().allocate(DRAIN_BYTES, Long.BYTES);
  private boolean armed;
  private boolean hungUp;

  private LentQueue(QueueDomain domain, Fd memory, Mapping mapping, List<UnixSocket> bell) {
    this.domain = domain;
    this.memory = memory;
    this.mapping = mapping;
    this.bell = bell.getFirst();
    farBell = bell.getLast();
    page = new DoorbellPage(mapping.segment(), 0);
    this.bell.setNonBlocking(true);
  }

  /** Doorbells for a queue pair of a domain. */
  static LentQueue of(QueueDomain domain) {
    Fd memory = Memfd.create("nvme-doorbells", DoorbellPage.BYTES);
    Mapping mapping = null;
    try {
      mapping = Mapping.shared(memory, 0, DoorbellPage.BYTES, Mapping.Protection.READ_WRITE);
      return new LentQueue(domain, memory, mapping, UnixSocket.pair());
    } catch (RuntimeException e) {
      memory.close();
      if (mapping != null) {
        mapping.close();
      }
      throw e;
    }
  }

  QueueDomain domain() {
    return domain;
  }

  DoorbellPage page() {
    return page;
  }

  /** What goes to whoever gets the queue pair: page and bell. */
  Fd[] shared() {
    return new Fd[] {memory, farBell.fd()};
  }

  /** Those went: the last one who has the bell is to be noticed when it goes. */
  void sent() {
    memory.close();
    farBell.fd().close(); // without a shutdown, which would be for all who have it
  }

  /** Says that there are completions; a full buffer means that nobody has looked yet. */
  void interrupt() {
    var _ = bell.send(INTERRUPT, 0, Long.BYTES);
  }

  /** Whether nobody has the bell any more, or somebody has shut it. */
  boolean hungUp() {
    return hungUp;
  }

  @Override
  public void arm() {
    armed = true;
    page.sleeping(true);
  }

  @Override
  public void disarm() {
    if (armed) {
      armed = false;
      page.sleeping(false);
      long count = bell.fd().read(rung, 0, DRAIN_BYTES); // descriptors are dropped
      hungUp |= count == 0 || (count < 0 && count != -Errno.EAGAIN && count != -Errno.EINTR);
    }
  }

  @Override
  public Fd fd() {
    return bell.fd();
  }

  @Override
  public void close() {
    sent();
    mapping.close();
    bell.close();
  }
}
