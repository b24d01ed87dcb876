package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A counter in the kernel that one side signals and another one sleeps on; never blocks.
 *
 * <p>Any thread or process that holds the descriptor may signal; the descriptor is readable while
 * the counter is not 0. Calls on a closed one do nothing.
 */
public final class EventFd implements AutoCloseable {
  private static final int EFD_CLOEXEC = 0x80000;
  private static final int EFD_NONBLOCK = 0x800;

  private static final MemorySegment ONE = Arena.global().allocateFrom(JAVA_LONG, 1L);

  /** Each thread's landing place for the counter. */
  private static final ThreadLocal<MemorySegment> COUNT =
      ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(JAVA_LONG));

  private static final int RWF_NOWAIT = 8;
  private static final int VECTOR_BYTES = 16;
  private static final long CURRENT_POSITION = -1;

  /** Each thread's vector of one buffer, {@link #COUNT}. */
  private static final ThreadLocal<MemorySegment> VECTOR = ThreadLocal.withInitial(EventFd::vector);

  private final Fd fd;

  private EventFd(Fd fd) {
    this.fd = fd;
  }

  /**
   * Makes a counter of 0.
   *
   * @throws ErrnoException if the process has no descriptor left
   */
  public static EventFd create() {
    return new EventFd(
        Fd.adopt(ErrnoException.check(Native.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")));
  }

  /**
   * Takes over an eventfd, such as one that another process sent, and makes it non-blocking.
   *
   * @param fd closed by {@link #close()}
   */
  public static EventFd adopt(Fd fd) {
    fd.setNonBlocking(true);
    return new EventFd(fd);
  }

  /** Adds 1 to the counter, which wakes whoever polls the descriptor. */
  public void signal() {
    // EAGAIN means that the counter is full: whoever should wake has not yet, and will.
    var _ = Native.write(fd.number(), ONE, Long.BYTES);
  }

  /**
   * Sets the counter to 0.
   *
   * @return whether it was not 0
   */
  public boolean drain() {
    return take() != 0;
  }

  /**
   * Sets the counter to 0.
   *
   * @return what it was: how many signals came since the last call
   */
  public long take() {
    MemorySegment count = COUNT.get();
    return Native.read(fd.number(), count, Long.BYTES) == Long.BYTES ? count.get(JAVA_LONG, 0) : 0;
  }

  /**
   * Sets the counter to 0 and does not wait for it to be another one, also if a process that has
   * the descriptor too has made it blocking.
   *
   * @return whether it was not 0
   */
  public boolean drainShared() {
    return Native.preadv2(fd.number(), VECTOR.get(), 1, CURRENT_POSITION, RWF_NOWAIT) == Long.BYTES;
  }

  private static MemorySegment vector() {
    MemorySegment vector = Arena.ofAuto().allocate(VECTOR_BYTES, Long.BYTES);
    vector.set(JAVA_LONG, 0, COUNT.get().address());
    vector.set(JAVA_LONG, Long.BYTES, Long.BYTES);
    return vector;
  }

  /** The descriptor, to poll or to send; still owned by this object. */
  public Fd fd() {
    return fd;
  }

  @Override
  public void close() {
    fd.close();
  }
}
