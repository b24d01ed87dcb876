package io.twinspan.linux;

/**
 * Numbers of system calls that the C library has no function for. The newer processors share one
 * table; x86-64 has its own.
 */
final class SystemCalls {
  /** Whether the numbers here are those of this machine. */
  static final boolean KNOWN =
      switch (System.getProperty("os.arch", "")) {
        case "amd64", "aarch64", "riscv64" -> true;
        default -> false;
      };

  static final long GETTID = Native.X86_64 ? 186 : 178;
  static final long FUTEX = Native.X86_64 ? 202 : 98;
  static final long SET_ROBUST_LIST = Native.X86_64 ? 273 : 99;
  static final long GET_ROBUST_LIST = Native.X86_64 ? 274 : 100;

  static final long IO_SETUP = Native.X86_64 ? 206 : 0;
  static final long IO_DESTROY = Native.X86_64 ? 207 : 1;
  static final long IO_SUBMIT = Native.X86_64 ? 209 : 2;

  static final long IO_URING_SETUP = 425;
  static final long IO_URING_ENTER = 426;

  private SystemCalls() {}
}
