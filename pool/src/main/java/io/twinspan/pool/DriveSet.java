package io.twinspan.pool;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The drives of a pool: keeps what they have no room for, splits what is too large for them, and
 * knows which of them have failed. A drive fails for the pool when it is gone, or a write or flush
 * fails for another reason than lack of space; a failed read is the reader's matter.
 */
final class DriveSet {
  /** Learns what concerns the whole pool. */
  interface Watcher {
    /** The drive takes part no more. */
    void driveFailed(int drive, int status);

    /** Another controller holds a drive. */
    void fenced();
  }

  private final Drive[] drives;
  private final @Nullable DriveIo[] waitingFirst;
  private final @Nullable DriveIo[] waitingLast;
  private final boolean[] failed;
  private final int maxTransferBlocks;
  private @Nullable DriveIo free;
  private @Nullable DriveIo unreachable;
  private @Nullable Watcher watcher;
  private int outstanding;
  private long writtenBlocks;

  DriveSet(List<Drive> drives) {
    this.drives = drives.toArray(Drive[]::new);
    this.waitingFirst = new DriveIo[this.drives.length];
    this.waitingLast = new DriveIo[this.drives.length];
    this.failed = new boolean[this.drives.length];
    int most = Pool.MAX_IO_BLOCKS;
    for (Drive drive : this.drives) {
      most = Math.min(most, drive.maxTransferBlocks());
    }
    this.maxTransferBlocks = most;
  }

  int count() {
    return drives.length;
  }

  Drive drive(int index) {
    return drives[index];
  }

  /** Most blocks of one data request, on any drive; at most {@link Pool#MAX_IO_BLOCKS}. */
  int maxTransferBlocks() {
    return maxTransferBlocks;
  }

  /** Blocks that were written since {@link #reset}. */
  long writtenBlocks() {
    return writtenBlocks;
  }

  /** Requests that have not ended yet. */
  int outstanding() {
    return outstanding;
  }

  boolean isLive(int index) {
    return !failed[index];
  }

  int liveCount() {
    int live = 0;
    for (boolean f : failed) {
      live += f ? 0 : 1;
    }
    return live;
  }

  /** Failed drives as bits. */
  int failedBits() {
    int bits = 0;
    for (int i = 0; i < failed.length; i++) {
      bits |= failed[i] ? 1 << i : 0;
    }
    return bits;
  }

  /** Starts anew: drives that answer are live. */
  void reset(Watcher newWatcher) {
    watcher = newWatcher;
    writtenBlocks = 0;
    for (int i = 0; i < drives.length; i++) {
      failed[i] = !drives[i].isPresent();
    }
  }

  /** From now on tells somebody else. */
  void watchedBy(Watcher newWatcher) {
    watcher = newWatcher;
  }

  void fail(int index, int status) {
    if (!failed[index]) {
      failed[index] = true;
      if (watcher != null) {
        watcher.driveFailed(index, status);
      }
    }
  }

  /** Takes a drive in again that has failed and is there. */
  void join(int index) {
    failed[index] = false;
  }

  /** Reads, and returns the number of requests that were made of it. */
  int read(
      int drive,
      long block,
      int count,
      MemorySegment data,
      long offset,
      DriveIo.Listener listener,
      int tag) {
    return transfer(DriveOperation.READ, drive, block, count, data, offset, listener, tag);
  }

  /** Writes, and returns the number of requests that were made of it. */
  int write(
      int drive,
      long block,
      int count,
      MemorySegment data,
      long offset,
      DriveIo.Listener listener,
      int tag) {
    return transfer(DriveOperation.WRITE, drive, block, count, data, offset, listener, tag);
  }

  /** Flushes one drive. */
  int flush(int drive, DriveIo.Listener listener) {
    DriveIo io = take(DriveOperation.FLUSH, drive, listener, 0);
    issue(io);
    return 1;
  }

  private int transfer(
      DriveOperation operation,
      int drive,
      long block,
      int count,
      MemorySegment data,
      long offset,
      DriveIo.Listener listener,
      int tag) {
    int most = drives[drive].maxTransferBlocks();
    int made = 0;
    writtenBlocks += operation == DriveOperation.WRITE ? count : 0;
    for (int done = 0; done < count; done += most) {
      DriveIo io = take(operation, drive, listener, tag);
      io.block = block + done;
      io.blockCount = Math.min(most, count - done);
      io.data = data;
      io.dataOffset = offset + (long) done * Drive.BLOCK_BYTES;
      issue(io);
      made++;
    }
    return made;
  }

  private DriveIo take(DriveOperation operation, int drive, DriveIo.Listener listener, int tag) {
    DriveIo io = free;
    if (io == null) {
      io = new DriveIo(this);
    } else {
      free = io.next;
      io.next = null;
    }
    io.operation = operation;
    io.drive = drive;
    io.listener = listener;
    io.tag = tag;
    io.isRepeated = false;
    outstanding++;
    return io;
  }

  private void issue(DriveIo io) {
    int drive = io.drive;
    if (failed[drive] || !drives[drive].isPresent()) {
      io.next = unreachable;
      unreachable = io;
    } else if (waitingFirst[drive] != null || !drives[drive].submit(io)) {
      DriveIo last = waitingLast[drive];
      if (waitingFirst[drive] == null || last == null) {
        waitingFirst[drive] = io;
      } else {
        last.next = io;
      }
      waitingLast[drive] = io;
    }
  }

  void completed(DriveIo io, int status) {
    if (status == Drive.ABORTED && !io.isRepeated) {
      io.isRepeated = true; // it took too long, or its completion was lost: no reason to give up
      issue(io);
      return;
    }
    outstanding--;
    if (status == Drive.RESERVATION_CONFLICT) {
      if (watcher != null) {
        watcher.fenced();
      }
    } else if (status == Drive.GONE || !drives[io.drive].isPresent()) {
      fail(io.drive, Drive.GONE);
    } else if (status != Drive.OK
        && (status != Drive.CAPACITY_EXCEEDED || io.operation == DriveOperation.FLUSH)
        && io.operation != DriveOperation.READ) {
      fail(io.drive, status);
    }
    DriveIo.Listener listener = io.listener;
    if (listener != null) {
      listener.ioDone(io, status);
    }
    io.listener = null;
    io.data = MemorySegment.NULL;
    io.next = free;
    free = io;
  }

  /** Submits what had no room before, and ends what no drive will answer. */
  int work() {
    int work = 0;
    for (int i = 0; i < drives.length; i++) {
      work += retry(i);
    }
    DriveIo io = unreachable;
    unreachable = null;
    while (io != null) {
      DriveIo next = io.next;
      io.next = null;
      completed(io, Drive.GONE);
      io = next;
      work++;
    }
    return work;
  }

  private int retry(int drive) {
    int work = 0;
    if (!failed[drive] && !drives[drive].isPresent()) {
      fail(drive, Drive.GONE);
      work++;
    }
    for (DriveIo io = waitingFirst[drive]; io != null; io = waitingFirst[drive]) {
      DriveIo next = io.next;
      io.next = null;
      if (failed[drive] || !drives[drive].isPresent()) {
        io.next = unreachable;
        unreachable = io;
      } else if (!drives[drive].submit(io)) {
        io.next = next;
        return work;
      }
      waitingFirst[drive] = next;
      work++;
    }
    return work;
  }
}
