package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;

/**
 * A word of shared memory in which the kernel writes that this thread has died, in the first
 * moments of its death: a list of robust futexes with one entry (set_robust_list(2)).
 *
 * <p>While it is open the word is {@link Futex#WAITERS} and the thread's number. When the thread
 * dies, alone or with its process and however that dies, the kernel replaces the number by {@link
 * Futex#OWNER_DIED} and wakes one sleeper. It does so before the process's memory is given back and
 * its sockets are closed, which may take tens of milliseconds; other threads of the process may
 * still run for an instant. A process that dumps core dies only when that is done.
 *
 * <p>A thread has one such list: the C library's own is put aside meanwhile, so the thread must not
 * use robust mutexes. Belongs to the thread that made it, which must close it before the word is
 * unmapped.
 */
public final class Obituary implements AutoCloseable {
  /** {@code struct robust_list_head}: the first entry, futex offset, pending entry. */
  private static final long HEAD_BYTES = 24;

  private static final long FUTEX_OFFSET = 8;
  private static final long NODE_OFFSET = HEAD_BYTES;
  private static final VarHandle WORD = JAVA_INT.varHandle().withInvokeExactBehavior();

  private final Arena arena = Arena.ofConfined();
  private final MemorySegment word;
  private final long formerHead;

  private Obituary(MemorySegment word) {
    this.word = word;
    MemorySegment list = arena.allocate(HEAD_BYTES + Long.BYTES, Long.BYTES);
    long head = list.address();
    long node = head + NODE_OFFSET;
    list.set(JAVA_LONG, 0, node);
    list.set(JAVA_LONG, FUTEX_OFFSET, word.address() - node);
    list.set(JAVA_LONG, NODE_OFFSET, head); // a ring: the last entry leads back to the head
    formerHead = currentHead();
    setHead(head);
    int tid = Threads.currentId();
    WORD.setRelease(word, 0L, Futex.WAITERS | tid);
  }

  /** Whether a word says that the thread which left it has died; any thread may ask. */
  public static boolean tellsOfDeath(int word) {
    return (word & Futex.OWNER_DIED) != 0;
  }

  /**
   * Leaves word of this thread.
   *
   * @param word 4 bytes of native memory, aligned, which the thread's death shall be written to
   * @throws ErrnoException if the kernel refuses
   * @throws IllegalStateException on a virtual thread, or if {@link Futex#isSupported} is false
   */
  public static Obituary of(MemorySegment word) {
    if (Thread.currentThread().isVirtual() || !Futex.isSupported()) {
      throw new IllegalStateException("the kernel knows no such thread");
    }
    if (!word.isNative() || word.byteSize() < Integer.BYTES || word.address() % 4 != 0) {
      throw new IllegalArgumentException("not a futex: " + word);
    }
    return new Obituary(word);
  }

  /** Takes it back: the word is 0 afterwards, and the thread's death changes nothing. */
  @Override
  public void close() {
    WORD.setRelease(word, 0L, 0);
    setHead(formerHead);
    arena.close();
  }

  private static long currentHead() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment head = arena.allocate(ADDRESS);
      MemorySegment length = arena.allocate(JAVA_LONG);
      long self = 0;
      long result =
          Native.syscall(SystemCalls.GET_ROBUST_LIST, self, head.address(), length.address());
      ErrnoException.check((int) result, "get_robust_list");
      return head.get(JAVA_LONG, 0);
    }
  }

  private static void setHead(long address) {
    long result = Native.syscall(SystemCalls.SET_ROBUST_LIST, address, HEAD_BYTES, 0);
    ErrnoException.check((int) result, "set_robust_list");
  }
}
