package io.twinspan.linux;

import static io.twinspan.linux.Symbols.link;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** The functions of the C library for sockets, one static method each, as in {@link Native}. */
final class NativeSockets {
  private static final MethodHandle SOCKET = link("socket", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT);
  private static final MethodHandle SOCKETPAIR =
      link("socketpair", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS);
  private static final MethodHandle BIND = link("bind", JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT);
  private static final MethodHandle LISTEN = link("listen", JAVA_INT, JAVA_INT, JAVA_INT);
  private static final MethodHandle ACCEPT4 =
      link("accept4", JAVA_INT, JAVA_INT, ADDRESS, ADDRESS, JAVA_INT);
  private static final MethodHandle CONNECT =
      link("connect", JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT);
  private static final MethodHandle SHUTDOWN = link("shutdown", JAVA_INT, JAVA_INT, JAVA_INT);
  private static final MethodHandle SEND =
      link("send", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT);
  private static final MethodHandle SENDMSG =
      link("sendmsg", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT);
  private static final MethodHandle RECVMSG =
      link("recvmsg", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT);
  private static final MethodHandle GETSOCKOPT =
      link("getsockopt", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS, ADDRESS);
  private static final MethodHandle SETSOCKOPT =
      link("setsockopt", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT);

  private NativeSockets() {}

  static int socket(int domain, int type, int protocol) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) SOCKET.invokeExact(state, domain, type, protocol);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int socketpair(int domain, int type, int protocol, MemorySegment fds) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) SOCKETPAIR.invokeExact(state, domain, type, protocol, fds);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int bind(int fd, MemorySegment address, int length) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) BIND.invokeExact(state, fd, address, length);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int listen(int fd, int backlog) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) LISTEN.invokeExact(state, fd, backlog);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int accept4(int fd, MemorySegment address, MemorySegment length, int flags) {
    MemorySegment state = Symbols.state();
    try {
      while (true) {
        int result = (int) ACCEPT4.invokeExact(state, fd, address, length, flags);
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

  static int connect(int fd, MemorySegment address, int length) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) CONNECT.invokeExact(state, fd, address, length);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int shutdown(int fd, int how) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) SHUTDOWN.invokeExact(state, fd, how);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static long send(int fd, MemorySegment buffer, long length, int flags) {
    MemorySegment state = Symbols.state();
    try {
      while (true) {
        long result = (long) SEND.invokeExact(state, fd, buffer, length, flags);
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

  static long sendmsg(int fd, MemorySegment message, int flags) {
    MemorySegment state = Symbols.state();
    try {
      while (true) {
        long result = (long) SENDMSG.invokeExact(state, fd, message, flags);
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

  static long recvmsg(int fd, MemorySegment message, int flags) {
    MemorySegment state = Symbols.state();
    try {
      while (true) {
        long result = (long) RECVMSG.invokeExact(state, fd, message, flags);
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

  static int getsockopt(int fd, int level, int option, MemorySegment value, MemorySegment length) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) GETSOCKOPT.invokeExact(state, fd, level, option, value, length);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }

  static int setsockopt(int fd, int level, int option, MemorySegment value, int length) {
    MemorySegment state = Symbols.state();
    try {
      int result = (int) SETSOCKOPT.invokeExact(state, fd, level, option, value, length);
      return result != -1 ? result : -Symbols.errno(state);
    } catch (Throwable e) {
      throw Symbols.propagate(e);
    }
  }
}
