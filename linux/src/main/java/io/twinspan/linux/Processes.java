package io.twinspan.linux;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Calls about this process and others. Any thread may make them. */
public final class Processes {
  /** A signal that one process sends another. */
  public enum Signal {
    /** The terminal has gone. */
    HUP(1),
    /** Interrupt, as from the keyboard. */
    INT(2),
    /** Die at once; can't be caught. */
    KILL(9),
    /** Please end. */
    TERM(15),
    /** Go on after {@link #STOP}. */
    CONT(18),
    /** Stand still; can't be caught. */
    STOP(19);

    private final int number;

    Signal(int number) {
      this.number = number;
    }
  }

  private static final int PR_SET_PDEATHSIG = 1;
  private static final long SYS_PIDFD_OPEN = 434;
  private static final String RESIDENT = "VmRSS:";

  private Processes() {}

  /** The number of this process. */
  public static int pid() {
    return Math.toIntExact(ProcessHandle.current().pid());
  }

  /**
   * Sends a signal to one process.
   *
   * @param pid a single process, more than 0
   * @param signal what to send
   * @return false if there is no such process
   * @throws ErrnoException with {@code EPERM} if it belongs to somebody else
   */
  public static boolean kill(int pid, Signal signal) {
    requireProcess(pid);
    int result = Native.kill(pid, signal.number);
    if (result == -Errno.ESRCH) {
      return false;
    }
    ErrnoException.check(result, "kill " + pid + " with " + signal);
    return true;
  }

  /**
   * Makes this process the leader of a new session, away from the terminal.
   *
   * @throws ErrnoException with {@code EPERM} if it leads a process group already
   */
  public static void setSid() {
    ErrnoException.check(Native.setsid(), "setsid");
  }

  /**
   * Asks for a signal to this process when the thread that started it ends. If the parent may have
   * died before the call, compare the parent's number afterwards.
   *
   * @param signal what to send
   */
  public static void parentDeathSignal(Signal signal) {
    int result = Native.prctl(PR_SET_PDEATHSIG, signal.number, 0, 0, 0);
    ErrnoException.check(result, "prctl PR_SET_PDEATHSIG");
  }

  /**
   * A descriptor that becomes readable when a process ends.
   *
   * @param pid the process
   * @throws ErrnoException with {@code ESRCH} if there is no such process
   */
  public static Fd openPidFd(int pid) {
    requireProcess(pid);
    int result = (int) Native.syscall(SYS_PIDFD_OPEN, pid, 0, 0);
    return Fd.adopt(ErrnoException.check(result, "pidfd_open " + pid));
  }

  /** How much memory this process holds at present, in bytes. */
  public static long residentBytes() {
    Path status = Path.of("/proc/self/status");
    try {
      for (String line : Files.readAllLines(status, StandardCharsets.ISO_8859_1)) {
        if (line.startsWith(RESIDENT)) {
          String number = line.substring(RESIDENT.length()).replace("kB", "").strip();
          return Long.parseLong(number) * 1024;
        }
      }
    } catch (IOException e) {
      throw new TwinspanException("read " + status + ": " + e, e);
    }
    throw new TwinspanException(status + " has no line " + RESIDENT);
  }

  /** 0 and negative numbers would mean whole groups, or every process. */
  private static void requireProcess(int pid) {
    if (pid <= 0) {
      throw new IllegalArgumentException("process " + pid);
    }
  }
}
