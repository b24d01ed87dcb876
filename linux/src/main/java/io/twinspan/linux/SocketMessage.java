package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.List;

/**
 * One {@code struct msghdr} with one {@code struct iovec} and room for the descriptors of one
 * message, used again for every message of one direction.
 *
 * <pre>
 *   0  msg_name, msg_namelen    16  msg_iov, msg_iovlen
 *  32  msg_control, msg_controllen      48  msg_flags
 *  56  iov_base, iov_len
 *  72  control: cmsg_len (8), cmsg_level (4), cmsg_type (4), descriptors (4 each)
 * </pre>
 */
final class SocketMessage {
  private static final long IOV_POINTER = 16;
  private static final long IOV_COUNT = 24;
  private static final long CONTROL_POINTER = 32;
  private static final long CONTROL_LENGTH = 40;
  private static final long FLAGS = 48;
  private static final long IOV_BASE = 56;
  private static final long IOV_LENGTH = 64;
  private static final long CONTROL = 72;
  private static final long CMSG_HEADER_BYTES = 16;

  private static final int SOL_SOCKET = 1;
  private static final int SCM_RIGHTS = 1;
  private static final int MSG_CTRUNC = 8;
  private static final int MSG_CMSG_CLOEXEC = 0x40000000;

  private final MemorySegment memory;
  private final long controlBytes;

  /** A message with room for so many descriptors. */
  SocketMessage(int maxFds) {
    controlBytes = align(CMSG_HEADER_BYTES + (long) maxFds * Integer.BYTES);
    memory = Arena.ofAuto().allocate(CONTROL + controlBytes, Long.BYTES);
    memory.set(ADDRESS, IOV_POINTER, memory.asSlice(IOV_BASE));
    memory.set(JAVA_LONG, IOV_COUNT, 1);
    memory.set(ADDRESS, CONTROL_POINTER, memory.asSlice(CONTROL));
  }

  int send(int socket, MemorySegment bytes, Fd[] fds, int flags) {
    long length = CMSG_HEADER_BYTES + (long) fds.length * Integer.BYTES;
    memory.set(JAVA_LONG, CONTROL, length);
    memory.set(JAVA_INT, CONTROL + 8, SOL_SOCKET);
    memory.set(JAVA_INT, CONTROL + 12, SCM_RIGHTS);
    for (int i = 0; i < fds.length; i++) {
      memory.set(JAVA_INT, descriptorOffset(CONTROL, i), fds[i].number());
    }
    memory.set(JAVA_LONG, CONTROL_LENGTH, align(length));
    point(bytes);
    try {
      return (int) NativeSockets.sendmsg(socket, memory, flags);
    } finally {
      Reference.reachabilityFence(bytes);
    }
  }

  int receive(int socket, MemorySegment bytes, List<Fd> received) {
    memory.set(JAVA_LONG, CONTROL_LENGTH, controlBytes);
    memory.set(JAVA_INT, FLAGS, 0);
    point(bytes);
    int count;
    try {
      count = (int) NativeSockets.recvmsg(socket, memory, MSG_CMSG_CLOEXEC);
    } finally {
      Reference.reachabilityFence(bytes);
    }
    if (count < 0) {
      return count;
    }
    boolean truncated = (memory.get(JAVA_INT, FLAGS) & MSG_CTRUNC) != 0;
    takeDescriptors(received, truncated);
    return truncated ? -Errno.EMSGSIZE : count;
  }

  private void point(MemorySegment bytes) {
    memory.set(ADDRESS, IOV_BASE, bytes);
    memory.set(JAVA_LONG, IOV_LENGTH, bytes.byteSize());
  }

  /** Adds the descriptors to the list, or closes them, so that none leaks. */
  private void takeDescriptors(List<Fd> received, boolean discard) {
    long end = CONTROL + memory.get(JAVA_LONG, CONTROL_LENGTH);
    long header = CONTROL;
    while (header + CMSG_HEADER_BYTES <= end) {
      long length = memory.get(JAVA_LONG, header);
      if (length < CMSG_HEADER_BYTES || length > end - header) {
        return;
      }
      boolean rights =
          memory.get(JAVA_INT, header + 8) == SOL_SOCKET
              && memory.get(JAVA_INT, header + 12) == SCM_RIGHTS;
      int count = rights ? (int) ((length - CMSG_HEADER_BYTES) / Integer.BYTES) : 0;
      for (int i = 0; i < count; i++) {
        Fd fd = Fd.adopt(memory.get(JAVA_INT, descriptorOffset(header, i)));
        if (discard) {
          fd.close();
        } else {
          received.add(fd);
        }
      }
      header += align(length);
    }
  }

  private static long descriptorOffset(long header, int i) {
    return header + CMSG_HEADER_BYTES + (long) i * Integer.BYTES;
  }

  private static long align(long length) {
    return (length + Long.BYTES - 1) & -Long.BYTES;
  }
}
