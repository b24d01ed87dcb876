package io.twinspan.pool;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Applies the journal to the map, as far as its data can be relied on.
 *
 * <p>If power may have been lost, data of batches after the last stable one may be missing. Every
 * block that such a batch maps, and that no later batch up to the end supersedes, must be there in
 * at least one copy; else the journal ends before the batch. (Superseded blocks don't count: their
 * place may have been used again, which only happens when the batch that superseded them was
 * flushed.) Copies that turn out missing are made again from the other one. With parities, what can
 * be made again from its stripe is there; {@link TailStripes} puts that right afterwards.
 */
final class TailCheck implements DriveIo.Listener, StripeRecovery.Client, StripeKnowledge {
  private static final int SLOTS = 8;
  private static final int SLOT_BYTES = 2 * Pool.MAX_IO_BLOCKS * Drive.BLOCK_BYTES;

  /**
   * A run of blocks that a batch of the tail maps, and what became of its two copies (blocks as
   * bits). With parities the second one stands for what could be made again.
   */
  private static final class Run {
    final int volume;
    final int block;
    final int physical;
    final int[] checksums;
    final int[] good = new int[2];

    Run(int volume, int block, int physical, int[] checksums) {
      this.volume = volume;
      this.block = block;
      this.physical = physical;
      this.checksums = checksums;
    }
  }

  /** The batch that maps a block last, and whether the data is there. */
  private record Last(long sequence, boolean there) {}

  private final DriveSet drives;
  private final MemorySegment memory;
  private final Checksums checksums;
  private final Superblock root;
  private final VolumeTable volumes;
  private final @Nullable StripeRecovery recovery;
  private final List<Run> runs = new ArrayList<>();
  private final Run[] inSlot = new Run[SLOTS];
  private List<JournalReader.Batch> batches = new ArrayList<>();
  private JournalPosition position = new JournalPosition(0, 0, 1, 1);
  private long stableSequence;
  private int nextRun;
  private int inSlots;
  private int pendingIos;
  private boolean repairing;

  TailCheck(
      DriveSet drives,
      MemorySegment memory,
      Checksums checksums,
      Superblock root,
      VolumeTable volumes) {
    this.drives = drives;
    this.memory = memory;
    this.checksums = checksums;
    this.root = root;
    this.volumes = volumes;
    this.recovery =
        root.layout.hasParity()
            ? new StripeRecovery(drives, memory, root.layout, checksums, this)
            : null;
  }

  /** Nothing is known yet of what the cells should hold. */
  @Override
  public long checksumOf(int cell) {
    return StripeSolver.UNKNOWN;
  }

  @Override
  public boolean isDoubtful(int drive) {
    return (root.rebuildingDrives & 1 << drive) != 0;
  }

  /** Stripes that the tail may have left torn, sorted. */
  int[] stripes() {
    Set<Integer> stripes = new TreeSet<>();
    for (Run run : runs) {
      for (int i = 0; i < run.checksums.length; i++) {
        stripes.add(root.layout.stripe(run.physical + i));
      }
    }
    return stripes.stream().mapToInt(Integer::intValue).toArray();
  }

  VolumeTable volumes() {
    return volumes;
  }

  JournalPosition position() {
    return position;
  }

  long stableSequence() {
    return stableSequence;
  }

  boolean isReady() {
    return pendingIos == 0;
  }

  void start(List<JournalReader.Batch> found, JournalPosition end, boolean stayedPowered) {
    batches = found;
    position = end;
    stableSequence = Math.max(root.stableSequence, root.journalSequence - 1);
    for (JournalReader.Batch batch : batches) {
      stableSequence = Math.max(stableSequence, batch.stableSequence());
    }
    if (!stayedPowered) {
      for (JournalReader.Batch batch : batches) {
        if (batch.sequence() > stableSequence) {
          collectRuns(batch.words());
        }
      }
    }
  }

  private void collectRuns(int[] words) {
    for (int at = 0; at < words.length; at += Math.max(1, Records.length(words[at]))) {
      if (Records.type(words[at]) == Records.WRITE) {
        int count = Records.length(words[at]) - Records.WRITE_WORDS;
        int[] crcs = new int[count];
        System.arraycopy(words, at + Records.WRITE_WORDS, crcs, 0, count);
        runs.add(new Run(words[at + 1], words[at + 2], words[at + 3], crcs));
      } else if (Records.type(words[at]) == Records.MOVE) {
        int[] crc = {words[at + 4]};
        runs.add(new Run(words[at + Records.MOVE_WORDS], words[at + 1], words[at + 3], crc));
      }
    }
  }

  /**
   * Takes over what was read and reads on.
   *
   * @return whether that was all
   */
  boolean step() {
    if (!repairing) {
      verifySlots();
      if (pendingIos > 0) {
        return false; // cells are being made again
      }
      if (nextRun < runs.size()) {
        readSlots();
        return false;
      }
      applyAll(lastReliable());
      repairing = true;
      nextRun = 0;
    }
    return recovery != null || !repairSome();
  }

  private void readSlots() {
    for (inSlots = 0; inSlots < SLOTS && nextRun < runs.size(); inSlots++) {
      Run run = runs.get(nextRun++);
      inSlot[inSlots] = run;
      for (int copy = 0; copy < copies(); copy++) {
        int drive = root.layout.drive(run.physical, copy);
        if (drives.isLive(drive)) {
          run.good[copy] = -1;
          long block = root.layout.driveBlock(run.physical, copy);
          long offset = offset(inSlots, copy);
          int tag = inSlots << 1 | copy;
          pendingIos += drives.read(drive, block, run.checksums.length, memory, offset, this, tag);
        }
      }
    }
  }

  private static long offset(int slot, int copy) {
    return PoolMemory.RECOVERY_OFFSET + (long) slot * SLOT_BYTES + (long) copy * SLOT_BYTES / 2;
  }

  @Override
  public void ioDone(DriveIo io, int status) {
    pendingIos--;
    if (status != Drive.OK && io.operation == DriveOperation.READ) {
      inSlot[io.tag >> 1].good[io.tag & 1] = 0;
    }
  }

  private void verifySlots() {
    for (int slot = 0; slot < inSlots; slot++) {
      Run run = inSlot[slot];
      for (int copy = 0; copy < copies(); copy++) {
        for (int i = 0; i < run.checksums.length && run.good[copy] != 0; i++) {
          long offset = offset(slot, copy) + (long) i * Drive.BLOCK_BYTES;
          if (checksums.of(memory, offset, Drive.BLOCK_BYTES) != run.checksums[i]) {
            run.good[copy] &= ~(1 << i);
          }
        }
      }
      if (recovery != null) {
        makeAgain(run, slot, recovery);
      }
    }
    inSlots = 0;
  }

  private int copies() {
    return recovery == null ? 2 : 1;
  }

  private void makeAgain(Run run, int slot, StripeRecovery stripes) {
    int all = (int) ((1L << run.checksums.length) - 1);
    int bad = all & ~run.good[0];
    pendingIos += Integer.bitCount(bad);
    for (int rest = bad; rest != 0; rest &= rest - 1) {
      int index = Integer.numberOfTrailingZeros(rest);
      long offset = offset(slot, 0) + (long) index * Drive.BLOCK_BYTES;
      int tag = slot * Pool.MAX_IO_BLOCKS + index;
      stripes.request(run.physical + index, run.checksums[index], memory, offset, this, tag);
    }
  }

  @Override
  public void recovered(int tag, boolean right) {
    pendingIos--;
    Run run = inSlot[tag / Pool.MAX_IO_BLOCKS];
    run.good[1] |= right ? 1 << (tag % Pool.MAX_IO_BLOCKS) : 0;
  }

  /** The last batch such that everything it and those before it map last is there. */
  private long lastReliable() {
    Set<Long> missing = new HashSet<>();
    for (Run run : runs) {
      for (int i = 0; i < run.checksums.length; i++) {
        if (((run.good[0] | run.good[1]) & 1 << i) == 0) {
          missing.add(key(run.physical + i, run.checksums[i]));
        }
      }
    }
    long end = stableSequence + Math.max(0, position.nextSequence() - 1 - stableSequence);
    while (!missing.isEmpty()) {
      long lost = firstLost(end, missing);
      if (lost > end) {
        break;
      }
      end = lost - 1;
    }
    return end;
  }

  private static long key(int high, int low) {
    return ((long) high << 32) | (low & 0xffff_ffffL);
  }

  /**
   * The first batch up to {@code end} that is the last to map a block whose data is missing; beyond
   * {@code end} if there is none.
   */
  private long firstLost(long end, Set<Long> missing) {
    Map<Long, Last> last = new HashMap<>();
    for (JournalReader.Batch batch : batches) {
      if (batch.sequence() > stableSequence && batch.sequence() <= end) {
        follow(batch, missing, last);
      }
    }
    long first = Long.MAX_VALUE;
    for (Last one : last.values()) {
      first = one.there() ? first : Math.min(first, one.sequence());
    }
    return first;
  }

  private static void follow(JournalReader.Batch batch, Set<Long> missing, Map<Long, Last> last) {
    int[] words = batch.words();
    for (int at = 0; at < words.length; at += Math.max(1, Records.length(words[at]))) {
      int volume = words[at + 1];
      int block = words[at + 2 < words.length ? at + 2 : at + 1];
      switch (Records.type(words[at])) {
        case Records.WRITE -> {
          int count = Records.length(words[at]) - Records.WRITE_WORDS;
          for (int i = 0; i < count; i++) {
            int checksum = words[at + Records.WRITE_WORDS + i];
            boolean there = !missing.contains(key(words[at + 3] + i, checksum));
            last.put(key(volume, block + i), new Last(batch.sequence(), there));
          }
        }
        case Records.ZERO -> forget(last, volume, block, (long) block + words[at + 3]);
        case Records.RESIZE -> forget(last, volume, Words.getLong(words, at + 2), Long.MAX_VALUE);
        case Records.DELETE, Records.HIDE -> forget(last, volume, 0, Long.MAX_VALUE);
        case Records.MOVE -> {
          boolean there = !missing.contains(key(words[at + 3], words[at + 4]));
          for (int i = Records.MOVE_WORDS; i < Records.length(words[at]); i++) {
            last.put(key(words[at + i], volume), new Last(batch.sequence(), there));
          }
        }
        case Records.CLONE -> inherit(last, words[at + 2], volume);
        default -> {}
      }
    }
  }

  /** What a clone finds in its source goes on to count, whatever becomes of the source. */
  private static void inherit(Map<Long, Last> last, int source, int volume) {
    Map<Long, Last> found = new HashMap<>();
    last.forEach((key, one) -> {
      if (key >>> 32 == source) {
        found.put(key(volume, (int) (long) key), one);
      }
    });
    last.putAll(found);
  }

  private static void forget(Map<Long, Last> last, int volume, long from, long to) {
    last.keySet()
        .removeIf(key -> key >>> 32 == volume && (int) (long) key >= from && (int) (long) key < to);
  }

  private void applyAll(long end) {
    for (JournalReader.Batch batch : batches) {
      if (batch.sequence() <= end) {
        int physical = root.layout.physicalBlocks();
        Records.apply(batch.words(), 0, batch.words().length, volumes, physical, _ -> {});
      } else if (batch.sequence() == end + 1) {
        boolean first = batch.half() == root.journalHalf;
        long halfSequence = first ? root.journalSequence : position.halfSequence();
        position = new JournalPosition(batch.half(), batch.block(), halfSequence, end + 1);
      }
    }
  }

  /**
   * Makes copies that are missing again: first reads the good one, then writes it over the other.
   */
  private boolean repairSome() {
    if (inSlots > 0) {
      writeRepairs();
      inSlots = 0;
      return true;
    }
    while (inSlots < SLOTS && nextRun < runs.size()) {
      Run run = runs.get(nextRun++);
      int all = (int) ((1L << run.checksums.length) - 1);
      boolean oneSided = (run.good[0] & all) != all || (run.good[1] & all) != all;
      if (oneSided && readForRepair(run, inSlots)) {
        inSlot[inSlots++] = run;
      }
    }
    return inSlots > 0;
  }

  private boolean readForRepair(Run run, int slot) {
    boolean reads = false;
    for (int i = 0; i < run.checksums.length; i++) {
      int copy = repairSource(run, i);
      if (copy >= 0) {
        int physical = run.physical + i;
        int drive = root.layout.drive(physical, copy);
        long offset = offset(slot, 0) + (long) i * Drive.BLOCK_BYTES;
        long block = root.layout.driveBlock(physical, copy);
        pendingIos += drives.read(drive, block, 1, memory, offset, this, slot << 1 | copy);
        reads = true;
      }
    }
    return reads;
  }

  /**
   * The copy that has a block while the other, on a live drive, has not; -1 when there is nothing
   * to repair.
   */
  private int repairSource(Run run, int index) {
    boolean good0 = (run.good[0] & 1 << index) != 0;
    boolean good1 = (run.good[1] & 1 << index) != 0;
    int source = good0 ? 0 : 1;
    Volume volume = volumes.find(run.volume);
    long block = (long) run.block + index;
    boolean current =
        volume != null
            && volume.physical(block) == run.physical + index
            && volume.checksum(block) == run.checksums[index];
    boolean live =
        drives.isLive(root.layout.drive(run.physical, 0))
            && drives.isLive(root.layout.drive(run.physical, 1));
    return good0 != good1 && current && live ? source : -1;
  }

  private void writeRepairs() {
    for (int slot = 0; slot < inSlots; slot++) {
      Run run = inSlot[slot];
      for (int i = 0; i < run.checksums.length; i++) {
        long offset = offset(slot, 0) + (long) i * Drive.BLOCK_BYTES;
        int source = repairSource(run, i);
        if (source >= 0 && checksums.of(memory, offset, Drive.BLOCK_BYTES) == run.checksums[i]) {
          int physical = run.physical + i;
          int drive = root.layout.drive(physical, 1 - source);
          long block = root.layout.driveBlock(physical, 1 - source);
          pendingIos += drives.write(drive, block, 1, memory, offset, this, slot << 1);
        }
      }
    }
  }
}
