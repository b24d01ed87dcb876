package io.twinspan.linux;

import static io.twinspan.linux.Symbols.link;
import static io.twinspan.linux.Symbols.linkIfPresent;
import static io.twinspan.linux.Symbols.variadic;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/**
 * The symbols of the C library that this module calls, one static method each; those of sockets are
 * in {@link NativeSockets}.
 *
 * <p>Every method returns what the function returned, or the negated errno where it returned -1.
 * Methods repeat a call that a signal interrupted, except for those whose timeout would start again
 * ({@link #epollWait}, {@link #futex}). Segments are passed as addresses, so the linker keeps their
 * arena open during the call. Nothing is allocated after a thread's first call.
 */
final class Native {
  /** x86-64 packs {@code struct epoll_event} to 12 bytes; other machines pad it to 16. */
  static final boolean X86_64 = System.getProperty("os.arch", "").equals("amd64");

  private static final MethodHandle OPEN =
      variadic(2, "open", JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT);
  private static final MethodHandle CLOSE = link("close", JAVA_INT, JAVA_INT);
  private static final MethodHandle READ = link("read", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);
  private static final MethodHandle WRITE = link("write", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);
  private static final MethodHandle PREAD =
      link("pread", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle PWRITE =
      link("pwrite", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle PREADV2 =
      link("preadv2", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT, JAVA_LONG, JAVA_INT);
  private static final MethodHandle FDATASYNC = link("fdatasync", JAVA_INT, JAVA_INT);
  private static final MethodHandle FTRUNCATE = link("ftruncate", JAVA_INT, JAVA_INT, JAVA_LONG);
  private static final MethodHandle FALLOCATE =
      link("fallocate", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle STATX =
      link("statx", JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT, ADDRESS);
  private static final MethodHandle FCHMOD = link("fchmod", JAVA_INT, JAVA_INT, JAVA_INT);
  private static final MethodHandle FCNTL =
      variadic(2, "fcntl", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT);
  private static final MethodHandle IOCTL =
      variadic(2, "ioctl", JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle MEMFD_CREATE =
      link("memfd_create", JAVA_INT, ADDRESS, JAVA_INT);
  private static final MethodHandle MMAP =
      link("mmap", JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);
  private static final MethodHandle MUNMAP = link("munmap", JAVA_INT, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle EVENTFD = link("eventfd", JAVA_INT, JAVA_INT, JAVA_INT);
  private static final MethodHandle EPOLL_CREATE1 = link("epoll_create1", JAVA_INT, JAVA_INT);
  private static final MethodHandle EPOLL_CTL =
      link("epoll_ctl", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS);
  private static final MethodHandle EPOLL_WAIT =
      link("epoll_wait", JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT);
  private static final Optional<MethodHandle> EPOLL_PWAIT2_IF_PRESENT =
      linkIfPresent("epoll_pwait2", JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT, ADDRESS, ADDRESS);
  private static final MethodHandle EPOLL_PWAIT2 = EPOLL_PWAIT2_IF_PRESENT.orElse(EPOLL_WAIT);
  private static final MethodHandle KILL = link("kill", JAVA_INT, JAVA_INT, JAVA_INT);
  private static final MethodHandle SETSID = link("setsid", JAVA_INT);
  private static final MethodHandle PRCTL =
      variadic(1, "prctl", JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle SCHED_SETAFFINITY =
      link("sched_setaffinity", JAVA_INT, JAVA_INT, JAVA_LONG, ADDRESS);
  private static final MethodHandle SCHED_GETAFFINITY =
      link("sched_getaffinity", JAVA_INT, JAVA_INT, JAVA_LONG, ADDRESS);
  private static final MethodHandle SYSCALL =
      variadic(1, "syscall", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle FUTEX =
      variadic(1, "syscall", JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS);

  private static final MethodHandle IO_URING_ENTER =
      variadic(
          1, "syscall", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS,
          JAVA_LONG);

  private Native() {}

  static int open(MemorySegment path, int flags, int mode) {
    MemorySegment state = Symbols.state();
    try {
      while (true) {
        int result = (int) OPEN.invokeExact(state, path, flags, mode);
        if (result != -1) {
          return result;
        }
        int errno = Symbols.errno(state);
        if (errno != Errno.EINTR) {
          return -errno;
        }
      }
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int close(int fd) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) CLOSE.invokeExact(state, fd);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static long read(int fd, MemorySegment buffer, long length) {
    MemorySegment state = Symbols.state();
    try {
      while (true) {
        long result = (long) READ.invokeExact(state, fd, buffer, length);
        if (result != -1) {
          return result;
        }
        int errno = Symbols.errno(state);
        if (errno != Errno.EINTR) {
          return -errno;
        }
      }
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static long write(int fd, MemorySegment buffer, long length) {
    MemorySegment state = Symbols.state();
    try {
      while (true) {
        long result = (long) WRITE.invokeExact(state, fd, buffer, length);
        if (result != -1) {
          return result;
        }
        int errno = Symbols.errno(state);
        if (errno != Errno.EINTR) {
          return -errno;
        }
      }
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static long preadv2(int fd, MemorySegment vector, int count, long offset, int flags) {
    MemorySegment state = Symbols.state();
    try {
      long result = (long) PREADV2.invokeExact(state, fd, vector, count, offset, flags);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static long pread(int fd, MemorySegment buffer, long length, long offset) {
    MemorySegment state = Symbols.state();
    try {
      while (true) {
        long result = (long) PREAD.invokeExact(state, fd, buffer, length, offset);
        if (result != -1) {
          return result;
        }
        int errno = Symbols.errno(state);
        if (errno != Errno.EINTR) {
          return -errno;
        }
      }
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static long pwrite(int fd, MemorySegment buffer, long length, long offset) {
    MemorySegment state = Symbols.state();
    try {
      while (true) {
        long result = (long) PWRITE.invokeExact(state, fd, buffer, length, offset);
        if (result != -1) {
          return result;
        }
        int errno = Symbols.errno(state);
        if (errno != Errno.EINTR) {
          return -errno;
        }
      }
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int fdatasync(int fd) {
    MemorySegment state = Symbols.state();
    try {
      while (true) {
        int result = (int) FDATASYNC.invokeExact(state, fd);
        if (result != -1) {
          return result;
        }
        int errno = Symbols.errno(state);
        if (errno != Errno.EINTR) {
          return -errno;
        }
      }
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int ftruncate(int fd, long length) {
    MemorySegment state = Symbols.state();
    try {
      while (true) {
        int result = (int) FTRUNCATE.invokeExact(state, fd, length);
        if (result != -1) {
          return result;
        }
        int errno = Symbols.errno(state);
        if (errno != Errno.EINTR) {
          return -errno;
        }
      }
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int fallocate(int fd, int mode, long offset, long length) {
    MemorySegment state = Symbols.state();
    try {
      while (true) {
        int result = (int) FALLOCATE.invokeExact(state, fd, mode, offset, length);
        if (result != -1) {
          return result;
        }
        int errno = Symbols.errno(state);
        if (errno != Errno.EINTR) {
          return -errno;
        }
      }
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int statx(int dirFd, MemorySegment path, int flags, int mask, MemorySegment statx) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) STATX.invokeExact(state, dirFd, path, flags, mask, statx);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int fchmod(int fd, int mode) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) FCHMOD.invokeExact(state, fd, mode);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int fcntl(int fd, int command, int argument) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) FCNTL.invokeExact(state, fd, command, argument);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int ioctl(int fd, long request, long argument) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) IOCTL.invokeExact(state, fd, request, argument);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int memfdCreate(MemorySegment name, int flags) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) MEMFD_CREATE.invokeExact(state, name, flags);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static long mmap(
      MemorySegment hint, long length, int protection, int flags, int fd, long offset) {
    MemorySegment state = Symbols.state();
    try {
      long result = (long) MMAP.invokeExact(state, hint, length, protection, flags, fd, offset);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int munmap(long address, long length) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) MUNMAP.invokeExact(state, address, length);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int eventfd(int initial, int flags) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) EVENTFD.invokeExact(state, initial, flags);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int epollCreate1(int flags) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) EPOLL_CREATE1.invokeExact(state, flags);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int epollCtl(int epollFd, int operation, int fd, MemorySegment event) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) EPOLL_CTL.invokeExact(state, epollFd, operation, fd, event);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int epollWait(int epollFd, MemorySegment events, int capacity, int timeoutMs) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) EPOLL_WAIT.invokeExact(state, epollFd, events, capacity, timeoutMs);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  /** Whether {@link #epollPwait2} is there (Linux 5.11, glibc 2.35). */
  static boolean hasEpollPwait2() {
    return EPOLL_PWAIT2_IF_PRESENT.isPresent();
  }

  static int epollPwait2(
      int epollFd,
      MemorySegment events,
      int capacity,
      MemorySegment timeout,
      MemorySegment signalMask) {
    MemorySegment state = Symbols.state();
    try {
      int result =
          (int) EPOLL_PWAIT2.invokeExact(state, epollFd, events, capacity, timeout, signalMask);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int kill(int pid, int signal) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) KILL.invokeExact(state, pid, signal);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int setsid() {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) SETSID.invokeExact(state);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int prctl(int option, long arg2, long arg3, long arg4, long arg5) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) PRCTL.invokeExact(state, option, arg2, arg3, arg4, arg5);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int sched_setaffinity(int pid, long length, MemorySegment mask) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) SCHED_SETAFFINITY.invokeExact(state, pid, length, mask);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int sched_getaffinity(int pid, long length, MemorySegment mask) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) SCHED_GETAFFINITY.invokeExact(state, pid, length, mask);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static long syscall(long number, long arg1, long arg2, long arg3) {
    MemorySegment state = Symbols.state();
    try {
      long result = (long) SYSCALL.invokeExact(state, number, arg1, arg2, arg3);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  /** As {@link #syscall}, but keeps the memory open meanwhile; a signal may end a wait. */
  static int futex(
      long number, MemorySegment word, int operation, int value, MemorySegment timeout) {
    MemorySegment state = Symbols.state();
    try {
      long result =
          (long) FUTEX.invokeExact(state, number, word, (long) operation, (long) value, timeout);
      return result != -1 ? (int) result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  /** A signal may end a wait. */
  static int ioUringEnter(long number, int fd, int submit, int least, int flags) {
    MemorySegment state = Symbols.state();
    try {
      long result =
          (long)
              IO_URING_ENTER.invokeExact(
                  state,
                  number,
                  (long) fd,
                  (long) submit,
                  (long) least,
                  (long) flags,
                  MemorySegment.NULL,
                  0L);
      return result != -1 ? (int) result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }
}
