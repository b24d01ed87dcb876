package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;

/**
 * Reads and writes of files that go on while the thread does other things (io_uring(7)).
 *
 * <p>Requests are prepared, submitted together, and end in any order; each names itself by a token.
 * The caller bounds them: never more than {@link #entries} between {@link #read} or {@link #write}
 * and their completions, and all have ended before {@link #close()} and before the memory that they
 * name is unmapped.
 *
 * <p>The rings are shared with the kernel: it writes the head of submissions, the tail of
 * completions and the completions, this object all else. One thread at a time. Nothing is allocated
 * after construction.
 */
public final class IoRing implements AutoCloseable {
  /** The size of one entry of a vector: address, then length, 8 bytes each ({@code iovec}). */
  public static final int VECTOR_BYTES = 16;

  private static final int PARAMS_BYTES = 120;
  private static final int PARAMS_CQ_ENTRIES = 4;
  private static final int PARAMS_FLAGS = 8;
  private static final int PARAMS_FEATURES = 20;
  private static final int SQ_OFFSETS = 40;
  private static final int SQ_TAIL = SQ_OFFSETS + 4;
  private static final int SQ_ARRAY = SQ_OFFSETS + 24;
  private static final int CQ_OFFSETS = 80;
  private static final int CQ_HEAD = CQ_OFFSETS;
  private static final int CQ_TAIL = CQ_OFFSETS + 4;
  private static final int CQ_CQES = CQ_OFFSETS + 20;

  /** Both rings in one mapping (Linux 5.4), and completions that are never dropped (5.5). */
  private static final int FEATURES = 1 | 2;

  /**
   * Completions wait for the thread's next system call instead of interrupting it on its processor
   * ({@code IORING_SETUP_COOP_TASKRUN}, Linux 5.19); a sleep they end at once.
   */
  private static final int COOPERATIVE = 1 << 8;

  private static final long MAP_RINGS = 0;
  private static final long MAP_SQES = 0x1000_0000L;
  private static final int GET_EVENTS = 1;

  private static final int SQE_BYTES = 64;
  private static final int SQE_FD_SHIFT = 32;
  private static final int SQE_POSITION = 8;
  private static final int SQE_ADDRESS = 16;
  private static final int SQE_LENGTH = 24;
  private static final int SQE_TOKEN = 32;
  private static final int CQE_BYTES = 16;
  private static final int CQE_RESULT = 8;

  private static final byte READV = 1;
  private static final byte WRITEV = 2;
  private static final byte READ = 22;
  private static final byte WRITE = 23;

  private static final VarHandle INDEX = JAVA_INT.varHandle().withInvokeExactBehavior();

  private final Fd fd;
  private final Mapping ringMapping;
  private final Mapping sqeMapping;
  private final MemorySegment rings;
  private final MemorySegment sqes;
  private final int entries;
  private final long sqTail;
  private final long cqHead;
  private final long cqTail;
  private final long cqes;
  private final int cqMask;
  private int tail;
  private int prepared;
  private int head;
  private long token;
  private int result;

  private IoRing(Fd fd, int entries, MemorySegment params) {
    this.fd = fd;
    this.entries = entries;
    int cqEntries = params.get(JAVA_INT, PARAMS_CQ_ENTRIES);
    sqTail = params.get(JAVA_INT, SQ_TAIL);
    cqHead = params.get(JAVA_INT, CQ_HEAD);
    cqTail = params.get(JAVA_INT, CQ_TAIL);
    cqes = params.get(JAVA_INT, CQ_CQES);
    cqMask = cqEntries - 1;
    long array = params.get(JAVA_INT, SQ_ARRAY);
    long ringBytes =
        Math.max(array + (long) entries * Integer.BYTES, cqes + (long) cqEntries * CQE_BYTES);
    Mapping.Protection protection = Mapping.Protection.READ_WRITE;
    ringMapping = Mapping.device(fd, MAP_RINGS, ringBytes, protection);
    try {
      sqeMapping = Mapping.device(fd, MAP_SQES, (long) entries * SQE_BYTES, protection);
    } catch (RuntimeException e) {
      ringMapping.close();
      throw e;
    }
    rings = ringMapping.segment();
    sqes = sqeMapping.segment();
    for (int i = 0; i < entries; i++) {
      rings.set(JAVA_INT, array + (long) i * Integer.BYTES, i); // each place has its own entry
    }
  }

  /**
   * Asks the kernel for a ring.
   *
   * @param entries how many requests may be on their way at a time, a power of 2 up to 4096
   * @throws ErrnoException if the kernel has none to give: {@code ENOSYS} if it, or this kind of
   *     processor, knows no io_uring, or too old a one, {@code EPERM} if it may not be used here
   */
  public static IoRing open(int entries) {
    if (entries < 1 || entries > 4096 || Integer.bitCount(entries) != 1) {
      throw new IllegalArgumentException(entries + " entries, which is no power of 2 up to 4096");
    }
    if (!SystemCalls.KNOWN) {
      throw new ErrnoException("io_uring_setup", Errno.ENOSYS);
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment params = arena.allocate(PARAMS_BYTES, Long.BYTES);
      int number = setUp(entries, params, COOPERATIVE);
      if (number == -Errno.EINVAL) {
        number = setUp(entries, params, 0);
      }
      Fd fd = Fd.adopt(ErrnoException.check(number, "io_uring_setup"));
      try {
        if ((params.get(JAVA_INT, PARAMS_FEATURES) & FEATURES) != FEATURES) {
          throw new ErrnoException("io_uring_setup", Errno.ENOSYS);
        }
        return new IoRing(fd, entries, params);
      } catch (RuntimeException e) {
        fd.close();
        throw e;
      }
    }
  }

  private static int setUp(int entries, MemorySegment params, int flags) {
    params.set(JAVA_INT, PARAMS_FLAGS, flags);
    return (int) Native.syscall(SystemCalls.IO_URING_SETUP, entries, params.address(), 0);
  }

  /** How many requests may be on their way at a time. */
  public int entries() {
    return entries;
  }

  /**
   * Prepares a read.
   *
   * @param file what to read from; stays open until the request has ended
   * @param vector where the bytes go: entries of {@link #VECTOR_BYTES}; it and the memory that it
   *     names stay as they are until the request has ended
   * @param count how many entries, from 1
   * @param position where in the file the first byte is
   * @param withToken what {@link #token} returns at the end
   */
  public void read(Fd file, MemorySegment vector, int count, long position, long withToken) {
    prepare(count == 1 ? READ : READV, file, vector, count, position, withToken);
  }

  /** Prepares a write, as {@link #read} a read. */
  public void write(Fd file, MemorySegment vector, int count, long position, long withToken) {
    prepare(count == 1 ? WRITE : WRITEV, file, vector, count, position, withToken);
  }

  /**
   * Gives the kernel what was prepared; returns at once.
   *
   * @return 0, or a negative {@link Errno} such as {@code -EAGAIN}: what has not gone goes with the
   *     next call
   */
  public int submit() {
    return prepared == 0 ? 0 : enter(0, 0);
  }

  /**
   * Gives the kernel what was prepared and waits until a completion is there; a signal may end it
   * before. Something must be on its way.
   *
   * @return 0, or a negative {@link Errno}
   */
  public int await() {
    return enter(1, GET_EVENTS);
  }

  /**
   * Goes on to the next completion; returns whether there is one. A thread that makes no system
   * call meanwhile may see one as late as at the next tick of its processor.
   */
  public boolean next() {
    if (head == (int) INDEX.getAcquire(rings, cqTail)) {
      return false;
    }
    long at = cqes + (long) (head & cqMask) * CQE_BYTES;
    token = rings.get(JAVA_LONG, at);
    result = rings.get(JAVA_INT, at + CQE_RESULT);
    head++;
    INDEX.setRelease(rings, cqHead, head);
    return true;
  }

  /** Which request the completion is of that {@link #next} found. */
  public long token() {
    return token;
  }

  /** How many bytes it moved, or a negative {@link Errno}. */
  public int result() {
    return result;
  }

  /** What is readable while there are completions; owned by this object. */
  public Fd fd() {
    return fd;
  }

  /** Gives the ring back; nothing is on its way any more. */
  @Override
  public void close() {
    sqeMapping.close();
    ringMapping.close();
    fd.close();
  }

  private void prepare(
      byte opcode, Fd file, MemorySegment vector, int count, long position, long withToken) {
    if (prepared == entries || count < 1 || count > vector.byteSize() / VECTOR_BYTES) {
      throw new IllegalStateException(
          "%d prepared of %d, %d pieces of %s".formatted(prepared, entries, count, vector));
    }
    boolean single = opcode == READ || opcode == WRITE;
    long address = single ? vector.get(JAVA_LONG, 0) : vector.address();
    long length = single ? vector.get(JAVA_LONG, Long.BYTES) : count;
    long sqe = (long) (tail & (entries - 1)) * SQE_BYTES; // all else in it is 0 and stays so
    sqes.set(JAVA_LONG, sqe, opcode | (long) file.number() << SQE_FD_SHIFT);
    sqes.set(JAVA_LONG, sqe + SQE_POSITION, position);
    sqes.set(JAVA_LONG, sqe + SQE_ADDRESS, address);
    sqes.set(JAVA_LONG, sqe + SQE_LENGTH, length);
    sqes.set(JAVA_LONG, sqe + SQE_TOKEN, withToken);
    tail++;
    prepared++;
    INDEX.setRelease(rings, sqTail, tail);
  }

  private int enter(int least, int flags) {
    int taken =
        Native.ioUringEnter(SystemCalls.IO_URING_ENTER, fd.number(), prepared, least, flags);
    if (taken < 0) {
      return taken == -Errno.EINTR ? 0 : taken;
    }
    prepared -= taken;
    return 0;
  }
}
