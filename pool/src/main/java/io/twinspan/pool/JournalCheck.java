package io.twinspan.pool;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The part of {@link PoolCheck} that reads the journal on every drive, finds out where it ends and
 * whether that is where it was written to, and replays it as an open after a loss of power would.
 */
final class JournalCheck {
  private final PoolCheck check;
  private final Superblock root;
  private final PoolImages images;
  private final MetadataPage page;
  private final MemorySegment memory;
  private final int halfBlocks;
  private final boolean[] readable;
  private final List<JournalReader.Batch> batches = new ArrayList<>();

  /** First and last batch that each drive lacks while another has it; 0 for none. */
  private final long[] firstLacking;

  private final long[] lastLacking;
  private JournalPosition end;
  private long lastEpoch;
  private long stableSequence;
  private int dropped;

  JournalCheck(PoolCheck check, Superblock root) {
    this.check = check;
    this.root = root;
    this.images = check.images();
    this.page = new MetadataPage(16, check.checksums());
    this.halfBlocks = root.layout.journalHalfBlocks();
    this.memory = check.allocate((long) halfBlocks * images.count());
    this.readable = new boolean[images.count()];
    this.firstLacking = new long[images.count()];
    this.lastLacking = new long[images.count()];
    this.end = new JournalPosition(root.journalHalf, 0, root.journalSequence, root.journalSequence);
    this.stableSequence = Math.max(root.stableSequence, root.journalSequence - 1);
  }

  /** Batches that count. */
  int batchCount() {
    return batches.size() - dropped;
  }

  /** Reads the journal as far as any drive has it. */
  void read() {
    int first = walk(root.journalHalf, root.journalSequence);
    long beyond = findBeyond(first);
    int second = walk(root.journalHalf ^ 1, end.nextSequence());
    if (second == 0) {
      end = new JournalPosition(root.journalHalf, first, root.journalSequence, end.nextSequence());
    }
    beyond = Math.max(beyond, findBeyond(second));
    sayLacking();
    if (Math.max(beyond, stableSequence) >= end.nextSequence()) {
      sayGap(Math.max(beyond, stableSequence));
    }
  }

  /** Takes the batches of one half; returns the blocks that they fill. */
  private int walk(int half, long sequence) {
    for (int drive = 0; drive < images.count(); drive++) {
      readable[drive] =
          check.isUsable(drive)
              && images.read(
                  drive, root.layout.journalBlock(half, 0), halfBlocks, memory, offset(drive, 0));
    }
    int block = 0;
    long next = sequence;
    while (block < halfBlocks && take(half, block, next)) {
      block += page.blocks();
      next++;
    }
    end = new JournalPosition(half, block, sequence, next);
    return block;
  }

  private long offset(int drive, int block) {
    return ((long) drive * halfBlocks + block) * Drive.BLOCK_BYTES;
  }

  private boolean take(int half, int block, long sequence) {
    int source = -1;
    long best = lastEpoch;
    for (int drive = 0; drive < images.count(); drive++) {
      if (holds(drive, block, sequence) && (source < 0 || page.epoch() > best)) {
        source = drive;
        best = page.epoch();
      }
    }
    if (source < 0 || !holds(source, block, sequence)) {
      return false;
    }
    for (int drive = 0; drive < images.count(); drive++) {
      if (check.isUsable(drive) && !(holds(drive, block, sequence) && page.epoch() == best)) {
        firstLacking[drive] = firstLacking[drive] == 0 ? sequence : firstLacking[drive];
        lastLacking[drive] = sequence;
      }
    }
    if (!holds(source, block, sequence)) { // loads the page again
      return false;
    }
    int[] words = Arrays.copyOfRange(page.words, MetadataPage.HEADER_WORDS, page.wordCount);
    long stable = page.stableSequence();
    stableSequence = Math.max(stableSequence, stable);
    batches.add(new JournalReader.Batch(sequence, stable, half, block, words));
    lastEpoch = page.epoch();
    return true;
  }

  private boolean holds(int drive, int block, long sequence) {
    return readable[drive]
        && page.load(
            MetadataPage.JOURNAL,
            root.pool,
            sequence,
            0,
            memory,
            offset(drive, block),
            halfBlocks - block)
        && counts(sequence);
  }

  /** Whether a recovery has not dropped the page that was loaded. */
  private boolean counts(long sequence) {
    return page.epoch() >= lastEpoch
        && (sequence < root.recoverySequence || page.epoch() >= root.recoveryEpoch);
  }

  /**
   * The last batch, of those in the half that was read last, that lies behind the journal's end and
   * was written after what is there; 0 when there is none. Learns from it what was flushed.
   */
  private long findBeyond(int from) {
    long last = 0;
    for (int drive = 0; drive < images.count(); drive++) {
      for (int block = from; block < halfBlocks && readable[drive]; block++) {
        long at = offset(drive, block);
        long sequence = MetadataPage.sequenceAt(memory, at);
        if (sequence >= end.nextSequence() && holds(drive, block, sequence)) {
          last = Math.max(last, sequence);
          stableSequence = Math.max(stableSequence, page.stableSequence());
        }
      }
    }
    return last;
  }

  private void sayLacking() {
    for (int drive = 0; drive < images.count(); drive++) {
      if (firstLacking[drive] > stableSequence) {
        check.note(
            PoolFinding.Kind.JOURNAL_END,
            "%s lacks batches between %d and %d at the end of the journal, as after a crash"
                .formatted(images.name(drive), firstLacking[drive], lastLacking[drive]));
      } else if (firstLacking[drive] != 0) {
        check.degraded(
            PoolFinding.Kind.JOURNAL_COPY,
            "%s lacks batches of the journal between %d and %d that another drive has"
                .formatted(images.name(drive), firstLacking[drive], lastLacking[drive]));
      }
    }
  }

  private void sayGap(long beyond) {
    long missing = end.nextSequence();
    if (missing <= stableSequence) {
      check.lost(
          PoolFinding.Kind.JOURNAL_GAP,
          "batch %d of the journal is on no drive, though it was flushed: changes from there to"
                  .formatted(missing)
              + " batch %d are lost".formatted(beyond));
    } else {
      check.note(
          PoolFinding.Kind.JOURNAL_END,
          "batches %d to %d of the journal are incomplete; they were not flushed and don't count"
              .formatted(missing, beyond));
    }
  }

  /** Replays it; false when the pool can't be opened because of it. */
  boolean replayInto(VolumeTable volumes) {
    ImageDrive[] drives = new ImageDrive[images.count()];
    Arrays.setAll(drives, drive -> new ImageDrive(images, drive));
    DriveSet set = new DriveSet(List.of(drives));
    for (int drive = 0; drive < drives.length; drive++) {
      if (!check.isUsable(drive)) {
        set.fail(drive, Drive.GONE);
      }
    }
    MemorySegment work = check.allocate(PoolMemory.BYTES / Drive.BLOCK_BYTES);
    TailCheck tail = new TailCheck(set, work, check.checksums(), root, volumes);
    tail.start(batches, end, false);
    try {
      while (!(tail.isReady() && tail.step())) {
        set.work();
        for (ImageDrive drive : drives) {
          drive.work();
        }
      }
    } catch (IllegalStateException nonsense) {
      check.lost(PoolFinding.Kind.RECORD, "the journal makes no sense: " + nonsense.getMessage());
      return false;
    }
    long next = tail.position().nextSequence();
    dropped = (int) (end.nextSequence() - next);
    if (dropped > 0) {
      check.note(
          PoolFinding.Kind.JOURNAL_END,
          "batches %d to %d of the journal don't count: they were not flushed, and data that they"
                  .formatted(next, end.nextSequence() - 1)
              + " map is missing");
    }
    return true;
  }
}
