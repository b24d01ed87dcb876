package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;

/**
 * Sleeping on a 32-bit word of memory that several processes map (futex(2), never the private
 * kind).
 *
 * <p>The word is in native memory and aligned to 4 bytes. Any thread may call; nobody allocates
 * after a thread's first call.
 */
public final class Futex {
  /** In a word that is somebody's: the thread whose number the other bits are. */
  public static final int TID_MASK = 0x3fff_ffff;

  /** Set by the kernel when the thread whose number is in the word has died ({@link Obituary}). */
  public static final int OWNER_DIED = 0x4000_0000;

  /** Asks the kernel to wake a sleeper when it sets {@link #OWNER_DIED}. */
  public static final int WAITERS = 0x8000_0000;

  private static final int WAIT = 0;
  private static final int WAKE = 1;

  /** Each thread's {@code struct timespec}. */
  private static final ThreadLocal<MemorySegment> TIMEOUT =
      ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(JAVA_LONG, 2));

  private Futex() {}

  /** Whether the numbers of the system calls are known for this kind of processor. */
  public static boolean isSupported() {
    return SystemCalls.KNOWN;
  }

  /**
   * Sleeps until the word is woken, unless it has changed already.
   *
   * @param word 4 bytes of shared memory; stays mapped during the call
   * @param expected sleeps only while the word is this
   * @param timeoutNs the longest sleep
   * @return 0 if somebody woke it (which says nothing about the word), or {@code -EAGAIN} if the
   *     word is not what was expected, {@code -ETIMEDOUT}, {@code -EINTR}
   * @throws ErrnoException if the kernel has another reason
   */
  public static int await(MemorySegment word, int expected, long timeoutNs) {
    MemorySegment timeout = TIMEOUT.get();
    long second = TimeUnit.SECONDS.toNanos(1);
    timeout.setAtIndex(JAVA_LONG, 0, timeoutNs / second);
    timeout.setAtIndex(JAVA_LONG, 1, timeoutNs % second);
    int result = Native.futex(SystemCalls.FUTEX, word, WAIT, expected, timeout);
    boolean fine =
        result == 0
            || result == -Errno.EAGAIN
            || result == -Errno.ETIMEDOUT
            || result == -Errno.EINTR;
    return fine ? result : ErrnoException.check(result, "futex wait");
  }

  /**
   * Wakes sleepers, whatever the word is now.
   *
   * @param word 4 bytes of shared memory
   * @param count how many of them at most
   * @return how many were woken
   */
  public static int wake(MemorySegment word, int count) {
    int woken = Native.futex(SystemCalls.FUTEX, word, WAKE, count, MemorySegment.NULL);
    return ErrnoException.check(woken, "futex wake");
  }
}
