package io.twinspan.pool;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/**
 * Writes changes of the map to the drives, in batches with consecutive sequence numbers, one batch
 * at a time: what becomes ready while one is being written shares the next. A change counts, here
 * and in the map, when its batch is on every live drive.
 *
 * <p>The journal has two halves. When one is 3/4 full, the next batch goes to the start of the
 * other, and a {@link Checkpoint} starts whose end makes the first half free again.
 */
final class Journal implements DriveIo.Listener {
  private final OpenPool pool;
  private final MetadataPage page;
  private final ArrayDeque<Operation> ready = new ArrayDeque<>();
  private final ArrayDeque<Operation> moves = new ArrayDeque<>();
  private final ArrayDeque<Operation> alone = new ArrayDeque<>();
  private final List<Operation> inBatch = new ArrayList<>();
  private boolean switchWanted;
  private boolean running;
  private boolean again;
  private int pendingIos;
  private int half;
  private int position;

  /** Sequence of the batch at the start of the current half. */
  private long halfSequence;

  private long completedSequence;

  Journal(OpenPool pool, JournalPosition start) {
    this.pool = pool;
    this.page = new MetadataPage(pool.options.batchBlocks(), pool.checksums);
    this.half = start.half();
    this.position = start.block();
    this.halfSequence = start.halfSequence();
    this.completedSequence = start.nextSequence() - 1;
  }

  /** The last batch that is on the drives. */
  long completedSequence() {
    return completedSequence;
  }

  int half() {
    return half;
  }

  long halfSequence() {
    return halfSequence;
  }

  /**
   * Takes an operation whose change is to be journaled; it is told through {@link
   * OpenPool#journaled}.
   */
  void add(Operation operation) {
    (operation.kind == Operation.Kind.MOVE ? moves : ready).add(operation);
  }

  /**
   * Takes a CLONE: its batch must be complete before a checkpoint begins, and not begin before one
   * has ended.
   */
  void addAlone(Operation operation) {
    alone.add(operation);
  }

  void clear() {
    moves.clear();
    alone.clear();
    ready.clear();
    inBatch.clear();
  }

  int work() {
    if (running && pendingIos == 0) {
      if (again) {
        write();
      } else {
        complete();
      }
      return 1;
    }
    if (!running && switchWanted && pool.checkpoint.isIdle()) {
      switchHalf();
      return 1;
    }
    if (!running && !alone.isEmpty() && pool.checkpoint.isIdle()) {
      if (isDue()) {
        switchHalf();
        return 1;
      }
      ready.addFirst(alone.remove());
    }
    if (running || (ready.isEmpty() && moves.isEmpty()) || !makeRoom()) {
      return 0;
    }
    start();
    return 1;
  }

  /** Goes to the other half, and starts a checkpoint, as soon as that can be done. */
  void wantCheckpoint() {
    switchWanted = true;
  }

  private boolean isDue() {
    int size = pool.layout.journalHalfBlocks();
    return position >= size - size / 4;
  }

  private void switchHalf() {
    switchWanted = false;
    half ^= 1;
    position = 0;
    halfSequence = completedSequence + 1;
    pool.checkpoint.start();
  }

  /** Goes to the other half when it is time; false while that one is not free yet. */
  private boolean makeRoom() {
    if (isDue() && pool.checkpoint.isIdle()) {
      switchHalf();
    }
    return position + pool.options.batchBlocks() <= pool.layout.journalHalfBlocks();
  }

  private void start() {
    running = true;
    page.clear();
    encodeMoves();
    while (!ready.isEmpty() && words(ready.peek()) <= page.room()) {
      Operation operation = ready.remove();
      encode(operation);
      inBatch.add(operation);
    }
    page.store(
        MetadataPage.JOURNAL,
        pool.root.pool,
        completedSequence + 1,
        pool.epoch(),
        pool.flusher.stableSequence(),
        0,
        pool.memory,
        PoolMemory.JOURNAL_OFFSET);
    write();
  }

  /**
   * Moves come first in a batch, as they name what the map says now. They take half of it at most,
   * or one of them.
   */
  private void encodeMoves() {
    boolean first = true;
    while (!moves.isEmpty() && (first || page.room() > page.words.length / 2)) {
      Operation operation = moves.remove();
      pool.path.journaling(operation, page);
      inBatch.add(operation);
      first = false;
    }
  }

  private void write() {
    again = false;
    long block = pool.layout.journalBlock(half, position);
    for (int i = 0; i < pool.drives.count(); i++) {
      if (pool.drives.isLive(i)) {
        pendingIos +=
            pool.drives.write(
                i, block, page.blocks(), pool.memory, PoolMemory.JOURNAL_OFFSET, this, 0);
      }
    }
  }

  @Override
  public void ioDone(DriveIo io, int status) {
    pendingIos--;
    again |= status == Drive.CAPACITY_EXCEEDED;
  }

  private void complete() {
    running = false;
    if (pool.isHalted()) {
      return;
    }
    position += page.blocks();
    completedSequence++;
    pool.space.supersededBy(completedSequence);
    Records.apply(
        page.words,
        MetadataPage.HEADER_WORDS,
        page.wordCount,
        pool.volumes,
        pool.layout.physicalBlocks(),
        pool.space);
    pool.flusher.wrote(page.blocks() * (long) Drive.BLOCK_BYTES);
    for (Operation operation : inBatch) {
      pool.journaled(operation);
    }
    inBatch.clear();
  }

  private static int words(Operation operation) {
    return operation.kind == Operation.Kind.WRITE
        ? operation.runCount * Records.WRITE_WORDS + (int) operation.blockCount
        : Records.CREATE_WORDS;
  }

  private void encode(Operation operation) {
    int volume = operation.volume;
    switch (operation.kind) {
      case WRITE -> encodeWrite(operation);
      case ZERO -> Records.zero(page, volume, operation.block, (int) operation.blockCount);
      case CREATE -> Records.create(page, volume, operation.sizeBlocks, operation.name);
      case RESIZE -> Records.resize(page, volume, operation.sizeBlocks);
      case DELETE -> {
        if (operation.last) {
          Records.delete(page, volume);
        } else {
          Records.hide(page, volume);
        }
      }
      case RECLAIM -> {
        Records.zero(page, volume, operation.block, (int) operation.blockCount);
        if (operation.last) {
          Records.delete(page, volume);
        }
      }
      case CLONE ->
          Records.clone(
              page,
              operation.newVolume,
              volume,
              operation.readOnly ? Volume.READ_ONLY : 0,
              operation.name);
      case READ, SWEEP, MOVE, FLUSH, FAIL_DRIVE, REPLACE_DRIVE, START_SCRUB, STOP_SCRUB ->
          throw new IllegalStateException("nothing to journal: " + operation.kind);
    }
  }

  private void encodeWrite(Operation operation) {
    int[] checksums = operation.request().checksums;
    for (int run = 0; run < operation.runCount; run++) {
      int index = operation.runIndex[run];
      int count = operation.runLength[run];
      long block = operation.block + index;
      int at = Records.write(page, operation.volume, block, operation.runPhysical[run], count);
      System.arraycopy(checksums, index, page.words, at, count);
    }
    pool.flusher.wrote(operation.blockCount * Drive.BLOCK_BYTES);
  }
}
