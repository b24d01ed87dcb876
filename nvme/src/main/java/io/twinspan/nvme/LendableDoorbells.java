package io.twinspan.nvme;

import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.Errno;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.Memfd;
import io.twinspan.linux.UnixSocket;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * The doorbells of a queue pair that another process gets, as who looks at them has them: a page of
 * {@value DoorbellPage#BYTES} bytes in a memfd of its own, which nobody else can reach, and a bell,
 * by which the one is woken and the other told of completions: eight bytes either way.
 *
 * <p>The bell is a pair of sockets, not an eventfd: an eventfd's blocking mode belongs to all who
 * share it, and would let its holder stop who looks.
 *
 * <p>For one thread at a time. What the other process writes is untrusted.
 */
public final class LendableDoorbells implements WakeSource, AutoCloseable {
  private static final int DRAIN_BYTES = 4096;
  private static final int QUESTIONS_PER_LOOK = 1024;
  private static final MemorySegment INTERRUPT =
      Arena.global().allocateFrom(ValueLayout.JAVA_LONG, 1L);

  private final Fd memory;
  private final Mapping mapping;
  private final DoorbellPage page;
  private final UnixSocket bell;
  private final UnixSocket farBell;
  private final MemorySegment rung = Arena.ofAuto().allocate(DRAIN_BYTES, Long.BYTES);
  private boolean armed;
  private boolean hungUp;
  private int questions;

  private LendableDoorbells(Fd memory, Mapping mapping, List<UnixSocket> bell) {
    this.memory = memory;
    this.mapping = mapping;
    this.bell = bell.getFirst();
    farBell = bell.getLast();
    page = new DoorbellPage(mapping.segment(), 0);
    this.bell.setNonBlocking(true);
  }

  /**
   * {@return new doorbells, all zero}
   *
   * @throws io.twinspan.linux.TwinspanException if there are no descriptors or no memory left
   */
  public static LendableDoorbells create() {
    Fd memory = Memfd.create("nvme-doorbells", DoorbellPage.BYTES);
    Mapping mapping = null;
    try {
      mapping = Mapping.shared(memory, 0, DoorbellPage.BYTES, Mapping.Protection.READ_WRITE);
      return new LendableDoorbells(memory, mapping, UnixSocket.pair());
    } catch (RuntimeException e) {
      memory.close();
      if (mapping != null) {
        mapping.close();
      }
      throw e;
    }
  }

  /** {@return the page} */
  public DoorbellPage page() {
    return page;
  }

  /** {@return what goes to the other process, owned by this: page and bell} */
  public Fd[] shared() {
    return new Fd[] {memory, farBell.fd()};
  }

  /** Those went for good: the last one who has the bell is to be noticed when it goes. */
  public void sent() {
    memory.close();
    farBell.fd().close(); // without a shutdown, which would be for all who have it
  }

  /** Says that there are completions; a full buffer means that nobody has looked yet. */
  public void interrupt() {
    var _ = bell.send(INTERRUPT, 0, Long.BYTES);
  }

  /**
   * {@return whether nobody has the bell any more, or somebody has shut it}
   *
   * <p>It is listened to after each sleep and, as others may keep the thread from sleeping, at
   * every 1024th question.
   */
  public boolean hungUp() {
    if (++questions % QUESTIONS_PER_LOOK == 0 && !armed) {
      listen();
    }
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
      listen();
    }
  }

  @Override
  public Fd fd() {
    return bell.fd();
  }

  /** Hangs up, and unmaps the page. */
  @Override
  public void close() {
    sent();
    mapping.close();
    bell.close();
  }

  private void listen() {
    long count = bell.fd().read(rung, 0, DRAIN_BYTES); // descriptors are dropped
    hungUp |= count == 0 || (count < 0 && count != -Errno.EAGAIN && count != -Errno.EINTR);
  }
}
