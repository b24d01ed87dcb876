package io.twinspan.pool;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Reads the journal from the root's start sequence on, as long as any drive has the next batch, and
 * copies each batch to the drives that lack it: after that every live drive has the same journal.
 *
 * <p>A batch is written when the one before it is on every live drive. So, unless drives have lost
 * power, a drive that has the last batch has them all, and they are read once, a slice from each
 * drive; where that comes to an end all drives are looked at, from the last batch on. If one of
 * them lacks that, or power may have been lost, all is read from every drive.
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

  /** Blocks of every drive that are looked at side by side. */
  private static final int WINDOW_BLOCKS = 64;

  /** Blocks that are read once. */
  private static final int SHARED_BLOCKS = 256;

  private static final int MOST_BATCH_BLOCKS = 16;

  private final DriveSet drives;
  private final MemorySegment memory;
  private final Superblock root;
  private final MetadataPage page;
  private final List<Batch> batches = new ArrayList<>();
  private final int[] status;
  private final int windowBlocks;
  private int pendingIos;

  /** Nothing is read once only. */
  private boolean everyCopy = true;

  /** What lies in the window comes from one drive each, and may be missing on others. */
  private boolean shared;

  /** A slice of what was to be read once is not there. */
  private boolean readFailed;

  private int half;
  private int position;
  private int inWindow;

  /** Blocks at the beginning of the window that hold the last batch taken, to be looked for. */
  private int knownBlocks;

  /** Blocks of the last batch that was taken in this half; 0 before there is one. */
  private int lastBlocks;

  private int firstHalfEnd;
  private long nextSequence;
  private long halfSequence;
  private long lastEpoch;
  private boolean ended;

  JournalReader(DriveSet drives, MemorySegment memory, Checksums checksums, Superblock root) {
    this.drives = drives;
    this.memory = memory;
    this.root = root;
    this.page = new MetadataPage(MOST_BATCH_BLOCKS, checksums);
    this.status = new int[drives.count()];
    int share = PoolMemory.RECOVERY_BYTES / Drive.BLOCK_BYTES / drives.count();
    this.windowBlocks = Math.min(WINDOW_BLOCKS, share);
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

  /**
   * Begins.
   *
   * @param stayedPowered whether no drive can have lost what was written to it
   */
  void start(boolean stayedPowered) {
    fromStart(!stayedPowered);
  }

  private void fromStart(boolean fromEveryDrive) {
    everyCopy = fromEveryDrive;
    shared = !everyCopy;
    batches.clear();
    half = root.journalHalf;
    position = 0;
    lastBlocks = 0;
    lastEpoch = 0;
    nextSequence = root.journalSequence;
    halfSequence = root.journalSequence;
    readWindow();
  }

  private void readWindow() {
    if (shared) {
      readShared();
    } else {
      readEvery();
    }
  }

  private void readEvery() {
    knownBlocks = everyCopy ? 0 : lastBlocks;
    int first = position - knownBlocks;
    Arrays.fill(status, Drive.GONE);
    inWindow = Math.min(windowBlocks, root.layout.journalHalfBlocks() - first);
    for (int i = 0; i < drives.count(); i++) {
      if (drives.isLive(i)) {
        status[i] = Drive.OK;
        read(i, first, inWindow, offset(i, 0));
      }
    }
  }

  private void readShared() {
    knownBlocks = 0;
    inWindow = Math.min(SHARED_BLOCKS, root.layout.journalHalfBlocks() - position);
    int live = 0;
    for (int i = 0; i < drives.count(); i++) {
      live += drives.isLive(i) ? 1 : 0;
    }
    readFailed = live == 0;
    int slice = (inWindow + live - 1) / Math.max(1, live);
    int block = 0;
    for (int i = 0; i < drives.count() && block < inWindow; i++) {
      if (drives.isLive(i)) {
        int count = Math.min(slice, inWindow - block);
        read(i, position + block, count, PoolMemory.RECOVERY_OFFSET + bytes(block));
        block += count;
      }
    }
  }

  private void read(int drive, int block, int count, long offset) {
    long at = root.layout.journalBlock(half, block);
    pendingIos += drives.read(drive, at, count, memory, offset, this, 0);
  }

  private static long bytes(int blocks) {
    return (long) blocks * Drive.BLOCK_BYTES;
  }

  private long offset(int drive, int block) {
    return PoolMemory.RECOVERY_OFFSET + bytes(drive * windowBlocks + block);
  }

  @Override
  public void ioDone(DriveIo io, int ioStatus) {
    pendingIos--;
    if (io.operation == DriveOperation.READ && ioStatus != Drive.OK) {
      status[io.drive] = ioStatus;
      readFailed = true;
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
    } else if (shared) {
      takeShared();
    } else if (knownBlocks > 0 && !isEverywhere()) {
      fromStart(true);
    } else {
      takeEvery();
    }
    return false;
  }

  /** Takes what each drive has of its slice. */
  private void takeShared() {
    int block = 0;
    while (!readFailed && block < inWindow && isNextAt(PoolMemory.RECOVERY_OFFSET, block)) {
      take(block);
      block += page.blocks();
    }
    position += block;
    boolean cut =
        block > 0
            && inWindow - block < MOST_BATCH_BLOCKS
            && position < root.layout.journalHalfBlocks();
    shared = cut; // else this is the end, or what one drive lacks: all are asked
    inWindow = 0;
  }

  private void takeEvery() {
    int block = knownBlocks;
    // Copies are made one after the other, so that it stays so: who has a batch has those before.
    while (block < inWindow && (everyCopy || pendingIos == 0) && takeFromAny(block)) {
      block += page.blocks();
    }
    int taken = block - knownBlocks;
    position += taken;
    boolean cutOff = taken > 0 && position < root.layout.journalHalfBlocks();
    if (cutOff) {
      shared = !everyCopy && pendingIos == 0;
    } else {
      endOfHalf();
    }
    inWindow = 0;
  }

  /** Goes to the other half if the sequence goes on there. */
  private void endOfHalf() {
    lastBlocks = 0;
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

  /** Whether every live drive has the last batch at the beginning of the window. */
  private boolean isEverywhere() {
    for (int i = 0; i < drives.count(); i++) {
      boolean has =
          status[i] == Drive.OK
              && isBatchAt(nextSequence - 1, offset(i, 0), inWindow)
              && page.epoch() == lastEpoch;
      if (drives.isLive(i) && !has) {
        return false;
      }
    }
    return true;
  }

  /** Takes the next batch from any drive that has it. */
  private boolean takeFromAny(int block) {
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
    take(block - knownBlocks);
    copyToOthers(source, block, page.blocks());
    return true;
  }

  /** Takes the batch in {@link #page}, which lies so many blocks behind {@link #position}. */
  private void take(int block) {
    int[] words = Arrays.copyOfRange(page.words, MetadataPage.HEADER_WORDS, page.wordCount);
    long stable = page.stableSequence();
    batches.add(new Batch(nextSequence, stable, half, position + block, words));
    lastEpoch = page.epoch();
    lastBlocks = page.blocks();
    nextSequence++;
  }

  private boolean isNext(int drive, int block) {
    return status[drive] == Drive.OK && isNextAt(offset(drive, 0), block);
  }

  private boolean isNextAt(long window, int block) {
    return isBatchAt(nextSequence, window + bytes(block), inWindow - block)
        && page.epoch() >= lastEpoch
        && (nextSequence < root.recoverySequence || page.epoch() >= root.recoveryEpoch);
  }

  private boolean isBatchAt(long sequence, long offset, int maxBlocks) {
    return page.load(MetadataPage.JOURNAL, root.pool, sequence, 0, memory, offset, maxBlocks);
  }

  private void copyToOthers(int source, int block, int count) {
    long from = offset(source, block);
    long length = bytes(count);
    for (int i = 0; i < drives.count(); i++) {
      long to = offset(i, block);
      boolean differs =
          i != source
              && drives.isLive(i)
              && (status[i] != Drive.OK
                  || MemorySegment.mismatch(memory, from, from + length, memory, to, to + length)
                      >= 0);
      if (differs) {
        long at = root.layout.journalBlock(half, position - knownBlocks + block);
        pendingIos += drives.write(i, at, count, memory, from, this, 0);
      }
    }
  }
}
