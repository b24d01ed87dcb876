package io.twinspan.shelf;

import io.twinspan.linux.Errno;
import io.twinspan.linux.ErrnoException;
import io.twinspan.linux.Fd;
import io.twinspan.linux.IoRing;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Transfers by io_uring, all of one drive in one ring. */
final class RingEngine implements TransferEngine {
  private static final Logger LOG = LoggerFactory.getLogger(RingEngine.class);
  private static final int ENTRIES = 256;

  /**
   * How many requests are given to the kernel at a time, so that the disk has some while others are
   * made ready; each time is a system call. A disk that has none gets the first one at once.
   */
  private static final int BATCH = 4;

  private final IoRing ring;
  private final @Nullable Transfer[] transfers = new @Nullable Transfer[ENTRIES];
  private final @Nullable Fd[] files = new @Nullable Fd[ENTRIES];
  private int begun;

  /** How many the kernel has been given, or will be with the next call, that have not ended. */
  private int underWay;

  private int result;

  private RingEngine(IoRing ring) {
    this.ring = ring;
  }

  /** Asks the kernel for a ring; says so and returns null if it refuses. */
  static @Nullable RingEngine open(String drive) {
    try {
      return new RingEngine(IoRing.open(ENTRIES));
    } catch (ErrnoException e) {
      LOG.warn("{}: {}", drive, refusal(e));
      return null;
    }
  }

  /** What it means that there is no ring, and what to do. */
  static String refusal(ErrnoException e) {
    String remedy =
        switch (e.errno()) {
          case Errno.EPERM ->
              "; sysctl kernel.io_uring_disabled, or the seccomp profile of a container, forbids"
                  + " it";
          case Errno.ENOSYS ->
              "; Linux 5.6 or later has it, unless it was left out or a seccomp profile hides it";
          case Errno.ENOMEM -> "; older kernels count rings as locked memory (ulimit -l)";
          default -> "";
        };
    return "one request is at the disk at a time, as the kernel gives no io_uring: "
        + e.getMessage()
        + remedy;
  }

  /** What is readable while transfers have ended. */
  Fd fd() {
    return ring.fd();
  }

  @Override
  public int capacity() {
    return ENTRIES;
  }

  /**
   * No: the kernel hands a write to a thread of its own where the file's time of change is due, at
   * every tick of its clock, and to another one at the end, where pwrite does all that itself.
   */
  @Override
  public boolean helpsSingleWrites() {
    return false;
  }

  @Override
  public void begin(Transfer transfer, Fd file) {
    int index = transfer.index();
    transfers[index] = transfer;
    files[index] = file;
    if (transfer.isWrite()) {
      ring.write(file, transfer.vector(), transfer.pieces(), transfer.position(), index);
    } else {
      ring.read(file, transfer.vector(), transfer.pieces(), transfer.position(), index);
    }
    begun++;
    underWay++;
    if (begun >= BATCH || begun == underWay) {
      var _ = submit(); // what has not gone goes with the next one
    }
  }

  @Override
  public boolean submit() {
    begun = 0;
    int refused = ring.submit();
    return refused == 0 || isGone(refused, "submit");
  }

  @Override
  public @Nullable Transfer next() {
    if (!ring.next()) {
      return null;
    }
    int index = (int) ring.token();
    Transfer transfer = transfers[index];
    Fd file = files[index];
    if (transfer == null || file == null) {
      throw new IllegalStateException("io_uring ends transfer " + index + ", which never began");
    }
    transfers[index] = null;
    underWay--;
    result = ring.result() == transfer.bytes() ? 0 : again(transfer, file);
    return transfer;
  }

  @Override
  public int result() {
    return result;
  }

  @Override
  public void await() {
    int refused = ring.await();
    if (refused != 0) {
      var _ = isGone(refused, "wait");
    }
  }

  @Override
  public void close() {
    ring.close();
  }

  /** Short of memory for requests the kernel says so, and there is some again later. */
  private static boolean isGone(int refused, String what) {
    if (refused == -Errno.EAGAIN || refused == -Errno.EBUSY || refused == -Errno.ENOMEM) {
      return false;
    }
    throw new ErrnoException("io_uring_enter to " + what, -refused);
  }

  /**
   * A transfer that fell short is carried out once more, piece by piece: that tells why, or moves
   * the rest.
   */
  private static int again(Transfer transfer, Fd file) {
    long position = transfer.position();
    for (int i = 0; i < transfer.pieces(); i++) {
      MemorySegment piece = transfer.piece(i);
      long done = transfer.isWrite() ? file.pwrite(piece, position) : file.pread(piece, position);
      if (done != piece.byteSize()) {
        return done < 0 ? (int) done : -Errno.EIO;
      }
      position += done;
    }
    return 0;
  }
}
