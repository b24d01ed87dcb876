package io.twinspan.linux;

/** Calls about threads as the kernel knows them. */
public final class Threads {
  private Threads() {}

  /**
   * The kernel's number of the calling thread, or of its carrier if the thread is virtual; 0 where
   * it can't be told ({@link Futex#isSupported}).
   */
  public static int currentId() {
    if (!SystemCalls.KNOWN) {
      return 0;
    }
    return Math.toIntExact(Native.syscall(SystemCalls.GETTID, 0, 0, 0));
  }
}
