package io.twinspan.pool;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Reads the journal from all drives side by side, from the root's start sequence on, as long as any
 * drive has the next batch, and copies each batch to the drives that lack it: after that every live
 * drive has the same journal.
 */
final class JournalReader implements DriveIo.Listener {
  /**
   * A batch found.
   *
   * @param sequence its number
   * @param stableSequence batches up to it were flushed when this one was written
   * @param half journal half it lies in
   * @param block where in that half
   * @param words its records
   */
  @SuppressWarnings("ArrayRecordComponent") // a carrier that is never compared
  record Batch(long sequence, long stableSequence, int half, int block, int[] words) {}

  private static final int WINDOW_BLOCKS = 64;

  private final DriveSet drives;
  private final MemorySegment memory;
  private final Superblock root;
  private final MetadataPage page;
  private final List<Batch> batches = new ArrayList<>();
  private final int[] status;
  private final int windowBlocks;
  private int pendingIos;
  private int half;
  private int position;
  private int inWindow;
  private int firstHalfEnd;
  private long nextSequence;
  private long halfSequence;
  private long lastEpoch;
  private boolean ended;

  JournalReader(DriveSet drives, MemorySegment memory, Checksums checksums, Superblock root) {
    this.drives = drives;
    this.memory = memory;
    this.root = root;
    this.page = new MetadataPage(16, checksums);
    this.status = new int[drives.count()];
    int share = PoolMemory.RECOVERY_BYTES / Drive.BLOCK_BYTES / drives.count();
    this.windowBlocks = Math.min(WINDOW_BLOCKS, share);
    this.half = root.journalHalf;
    this.nextSequence = root.journalSequence;
    this.halfSequence = root.journalSequence;
  }

  List<Batch> batches() {
    return batches;
  }

  /** Where the next batch goes to. */
  JournalPosition position() {
    return new JournalPosition(half, position, halfSequence, nextSequence);
  }

  boolean isReady() {
    return pendingIos == 0;
  }

  void start() {
    readWindow();
  }

  private void readWindow() {
    inWindow = Math.min(windowBlocks, root.layout.journalHalfBlocks() - position);
    Arrays.fill(status, Drive.GONE);
    for (int i = 0; i < drives.count(); i++) {
      if (drives.isLive(i)) {
        status[i] = Drive.OK;
        long block = root.layout.journalBlock(half, position);
        pendingIos += drives.read(i, block, inWindow, memory, offset(i, 0), this, 0);
      }
    }
  }

  private long offset(int drive, int block) {
    return PoolMemory.RECOVERY_OFFSET + ((long) drive * windowBlocks + block) * Drive.BLOCK_BYTES;
  }

  @Override
  public void ioDone(DriveIo io, int ioStatus) {
    pendingIos--;
    if (io.operation == DriveOperation.READ && ioStatus != Drive.OK) {
      status[io.drive] = ioStatus;
    }
  }

  /**
   * Takes over what was read and reads on.
   *
   * @return whether that was all
   */
  boolean step() {
    if (ended) {
      return true;
    }
    if (inWindow == 0) {
      readWindow(); // the copies made from the last window are on the drives
      return false;
    }
    int block = 0;
    while (block < inWindow && take(block)) {
      block += page.blocks();
    }
    position += block;
    boolean cutOff = block > 0 && position < root.layout.journalHalfBlocks();
    if (!cutOff) {
      endOfHalf();
    }
    inWindow = 0;
    return false;
  }

  /** Goes to the other half if the sequence goes on there. */
  private void endOfHalf() {
    if (half == root.journalHalf) {
      firstHalfEnd = position;
      half ^= 1;
      position = 0;
      halfSequence = nextSequence;
    } else {
      ended = true;
      if (position == 0) {
        half ^= 1;
        position = firstHalfEnd;
        halfSequence = root.journalSequence;
      }
    }
  }

  /** Takes the next batch from any drive that has it. */
  private boolean take(int block) {
    int source = -1;
    long best = lastEpoch;
    for (int i = 0; i < drives.count(); i++) {
      if (isNext(i, block) && (source < 0 || page.epoch() > best)) {
        source = i;
        best = page.epoch();
      }
    }
    if (source < 0 || !isNext(source, block)) {
      return false;
    }
    int[] words = Arrays.copyOfRange(page.words, MetadataPage.HEADER_WORDS, page.wordCount);
    long stable = page.stableSequence();
    batches.add(new Batch(nextSequence, stable, half, position + block, words));
    copyToOthers(source, block, page.blocks());
    lastEpoch = page.epoch();
    nextSequence++;
    return true;
  }

  private boolean isNext(int drive, int block) {
    return status[drive] == Drive.OK
        && page.load(
            MetadataPage.JOURNAL,
            root.pool,
            nextSequence,
            0,
            memory,
            offset(drive, block),
            inWindow - block)
        && page.epoch() >= lastEpoch
        && (nextSequence < root.recoverySequence || page.epoch() >= root.recoveryEpoch);
  }

  private void copyToOthers(int source, int block, int count) {
    long from = offset(source, block);
    long bytes = (long) count * Drive.BLOCK_BYTES;
    for (int i = 0; i < drives.count(); i++) {
      long to = offset(i, block);
      boolean differs =
          i != source
              && drives.isLive(i)
              && (status[i] != Drive.OK
                  || MemorySegment.mismatch(memory, from, from + bytes, memory, to, to + bytes)
                      >= 0);
      if (differs) {
        long at = root.layout.journalBlock(half, position + block);
        pendingIos += drives.write(i, at, count, memory, from, this, 0);
      }
    }
  }
}
