package io.twinspan.pool;

import org.jspecify.annotations.Nullable;

/**
 * Writes the whole map to the checkpoint area that is not in use, a piece per round, while the pool
 * goes on working; then flushes and makes it the root's.
 *
 * <p>Pieces are taken at different moments, so the checkpoint may hold effects of batches in the
 * current journal half. That is sound: those batches are complete, the flush before the new root
 * covers them, and replaying them again ends in the same state.
 */
final class Checkpoint implements DriveIo.Listener, Flusher.Waiter, RootWriter.Waiter {
  private enum Phase {
    IDLE,
    WRITING,
    FLUSHING,
    PERSISTING
  }

  private final OpenPool pool;
  private final MetadataPage page;
  private Phase phase = Phase.IDLE;
  private int pendingIos;
  private boolean again;
  private int area;
  private long id;
  private int pieces;
  private int volumeNumber;
  private @Nullable Volume volume;
  private long block;

  /** The leaf that is being written, and a block of it. */
  private @Nullable Object leaf;

  private long leafBlock;
  private boolean everything;
  private long completedCount;

  Checkpoint(OpenPool pool) {
    this.pool = pool;
    this.page = new MetadataPage(pool.layout.segmentBlocks(), pool.checksums);
    this.id = pool.root.checkpointId;
  }

  boolean isIdle() {
    return phase == Phase.IDLE;
  }

  /** Checkpoints that this pool has finished since it was opened. */
  long completedCount() {
    return completedCount;
  }

  /** Starts a checkpoint of everything before the start of the journal's current half. */
  void start() {
    phase = Phase.WRITING;
    area = pool.root.checkpointArea ^ 1;
    id++;
    pieces = 0;
    volumeNumber = 0;
    volume = null;
    everything = false;
    again = false;
  }

  int work() {
    if (phase != Phase.WRITING || pendingIos > 0) {
      return 0;
    }
    if (again) {
      write(pieces - 1);
    } else if (everything) {
      phase = Phase.FLUSHING;
      pool.flusher.request(this);
    } else if (pieces == pool.layout.segments()) {
      start(); // volumes came and went while this was written: what was read is more than there is
    } else {
      writePiece();
    }
    return 1;
  }

  private void writePiece() {
    page.clear();
    fill();
    if (!page.isEmpty()) {
      page.store(
          MetadataPage.CHECKPOINT,
          pool.root.pool,
          id,
          pool.epoch(),
          pool.flusher.stableSequence(),
          pieces,
          pool.memory,
          PoolMemory.CHECKPOINT_OFFSET);
      write(pieces++);
    }
  }

  private void write(int piece) {
    again = false;
    for (int i = 0; i < pool.drives.count(); i++) {
      if (pool.drives.isLive(i)) {
        long at = pool.layout.checkpointBlock(area, piece);
        pendingIos +=
            pool.drives.write(
                i, at, page.blocks(), pool.memory, PoolMemory.CHECKPOINT_OFFSET, this, 0);
      }
    }
  }

  @Override
  public void ioDone(DriveIo io, int status) {
    pendingIos--;
    again |= status == Drive.CAPACITY_EXCEEDED;
  }

  private void fill() {
    while (page.room() >= Records.CREATE_WORDS) {
      Volume current = volume;
      if (current == null) {
        current = pool.volumes.fromNumber(volumeNumber);
        if (current == null) {
          everything = true;
          return;
        }
        Records.create(
            page, current.id, current.sizeBlocks(), current.flags, current.origin, current.name);
        leaf = null;
        volume = current;
        volumeNumber = (current.id & VolumeTable.MAX_NUMBER) + 1;
        block = 0;
      } else {
        fillFrom(current);
      }
    }
  }

  private void fillFrom(Volume current) {
    long next = current.nextMapped(block);
    Object before = leaf;
    if (before != null
        && (next < 0 || next / Volume.LEAF_BLOCKS != leafBlock / Volume.LEAF_BLOCKS)) {
      current.written(leafBlock, before, id); // all of it, and nobody has copied it meanwhile
      leaf = null;
    }
    if (next < 0 || pool.volumes.find(current.id) != current) {
      volume = null;
      return;
    }
    if (leaf == null && shareFrom(current, next)) {
      return;
    }
    if (leaf == null) {
      leaf = current.leafOf(next);
      leafBlock = next;
    }
    int count = current.runLength(next, page.room() - Records.WRITE_WORDS);
    int at = Records.write(page, current.id, next, current.physical(next), count);
    current.copyChecksums(next, count, page.words, at);
    block = next + count;
  }

  /** Names leaves that the checkpoint has already, as those of another volume. */
  private boolean shareFrom(Volume current, long next) {
    int other = current.writtenBy(next, id);
    if (other == 0) {
      return false;
    }
    long first = next / Volume.LEAF_BLOCKS;
    long end = first + 1;
    while (current.writtenBy(end * Volume.LEAF_BLOCKS, id) == other) {
      end++;
    }
    Records.share(page, current.id, other, (int) first, (int) (end - first));
    block = end * Volume.LEAF_BLOCKS;
    return true;
  }

  @Override
  public void flushed() {
    phase = Phase.PERSISTING;
    pool.root.checkpointArea = area;
    pool.root.checkpointId = id;
    pool.root.checkpointPieces = pieces;
    pool.root.journalHalf = pool.journal.half();
    pool.root.journalSequence = pool.journal.halfSequence();
    pool.root.nextVolumeNumber = pool.volumes.nextNumber();
    pool.rootWriter.changed(this);
  }

  @Override
  public void persisted(boolean majority) {
    completedCount++;
    phase = Phase.IDLE;
  }
}
