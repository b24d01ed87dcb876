package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;

/**
 * Waits for descriptors to become ready (epoll, level-triggered).
 *
 * <p>One thread awaits and reads the results; any thread may add and remove. Nothing is allocated
 * after construction.
 */
public final class Poller implements AutoCloseable {
  /** Data or a connection is waiting, or the peer has closed ({@code EPOLLIN}). */
  public static final int READABLE = 1;

  /** There is room to write ({@code EPOLLOUT}). */
  public static final int WRITABLE = 4;

  /** Something is wrong with the descriptor; reported unasked ({@code EPOLLERR}). */
  public static final int ERROR = 8;

  /** Both directions are shut; reported unasked ({@code EPOLLHUP}). */
  public static final int HANG_UP = 16;

  /** How many events one {@link #await} reports at most; the others come with the next one. */
  public static final int CAPACITY = 64;

  private static final int EPOLL_CLOEXEC = 0x80000;
  private static final int ADD = 1;
  private static final int DELETE = 2;

  // struct epoll_event: u32 events, then u64 data, without padding between them on x86-64 only.
  private static final long EVENT_BYTES = Native.X86_64 ? 12 : 16;
  private static final long DATA_OFFSET = Native.X86_64 ? 4 : 8;

  private final Fd fd;
  private final MemorySegment ready;
  private final MemorySegment timeout;
  private int readyCount;

  /**
   * An empty set of descriptors.
   *
   * @throws ErrnoException if the process has no descriptor left
   */
  public Poller() {
    fd = Fd.adopt(ErrnoException.check(Native.epollCreate1(EPOLL_CLOEXEC), "epoll_create1"));
    Arena arena = Arena.ofAuto();
    ready = arena.allocate(EVENT_BYTES * CAPACITY, Long.BYTES);
    timeout = arena.allocate(2L * Long.BYTES, Long.BYTES);
  }

  /**
   * Watches a descriptor until it is {@link #READABLE}.
   *
   * @param fd what to watch
   * @param token what {@link #token} shall return for it
   * @throws ErrnoException with {@code EEXIST} if it is watched already
   */
  public void add(Fd fd, int token) {
    add(fd, READABLE, token);
  }

  /**
   * Watches a descriptor.
   *
   * @param fd what to watch
   * @param events {@link #READABLE}, {@link #WRITABLE} or both
   * @param token what {@link #token} shall return for it
   * @throws ErrnoException with {@code EEXIST} if it is watched already
   */
  public void add(Fd fd, int events, int token) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment event = arena.allocate(EVENT_BYTES, Long.BYTES);
      event.set(JAVA_INT, 0, events);
      event.set(JAVA_INT_UNALIGNED, DATA_OFFSET, token);
      int result = Native.epollCtl(this.fd.number(), ADD, fd.number(), event);
      ErrnoException.check(result, "epoll_ctl add " + fd);
    }
  }

  /** Watches a descriptor no more; one that is closed or was never watched is no error. */
  public void remove(Fd fd) {
    int result = Native.epollCtl(this.fd.number(), DELETE, fd.number(), MemorySegment.NULL);
    if (result != -Errno.ENOENT && result != -Errno.EBADF) {
      ErrnoException.check(result, "epoll_ctl remove " + fd);
    }
  }

  /**
   * Waits until a descriptor is ready or the time is over; a signal may end it before.
   *
   * @param timeoutNs how long to wait at most: 0 not at all, -1 for ever; where the kernel only
   *     counts milliseconds it is rounded up
   * @return how many events there are, from 0 to {@link #CAPACITY}
   * @throws ErrnoException if the poller is closed
   */
  public int await(long timeoutNs) {
    readyCount = 0;
    int count = Native.hasEpollPwait2() ? awaitNs(timeoutNs) : awaitMs(timeoutNs);
    if (count == -Errno.EINTR) {
      return 0;
    }
    readyCount = ErrnoException.check(count, "epoll_wait");
    return readyCount;
  }

  /**
   * The token of one event of the last {@link #await}.
   *
   * @param i index of the event, less than what {@code await} returned
   */
  public int token(int i) {
    return ready.get(JAVA_INT_UNALIGNED, eventOffset(i) + DATA_OFFSET);
  }

  /**
   * The kinds of one event of the last {@link #await}.
   *
   * @param i index of the event, less than what {@code await} returned
   * @return bits of {@link #READABLE}, {@link #WRITABLE}, {@link #ERROR} and {@link #HANG_UP}
   */
  public int events(int i) {
    return ready.get(JAVA_INT_UNALIGNED, eventOffset(i));
  }

  /** The set itself, readable while a descriptor in it is ready; still owned by this object. */
  public Fd fd() {
    return fd;
  }

  /** Frees the set; the descriptors in it stay open. */
  @Override
  public void close() {
    fd.close();
  }

  private long eventOffset(int i) {
    if (i < 0 || i >= readyCount) {
      throw new IndexOutOfBoundsException("event " + i + " of " + readyCount);
    }
    return i * EVENT_BYTES;
  }

  private int awaitNs(long timeoutNs) {
    if (timeoutNs < 0) {
      MemorySegment forEver = MemorySegment.NULL;
      return Native.epollPwait2(fd.number(), ready, CAPACITY, forEver, MemorySegment.NULL);
    }
    long second = TimeUnit.SECONDS.toNanos(1);
    timeout.set(JAVA_LONG, 0, timeoutNs / second);
    timeout.set(JAVA_LONG, Long.BYTES, timeoutNs % second);
    return Native.epollPwait2(fd.number(), ready, CAPACITY, timeout, MemorySegment.NULL);
  }

  private int awaitMs(long timeoutNs) {
    long millisecond = TimeUnit.MILLISECONDS.toNanos(1);
    long ms = timeoutNs / millisecond + (timeoutNs % millisecond > 0 ? 1 : 0);
    int timeoutMs = timeoutNs < 0 ? -1 : (int) Math.min(ms, Integer.MAX_VALUE);
    return Native.epollWait(fd.number(), ready, CAPACITY, timeoutMs);
  }
}
