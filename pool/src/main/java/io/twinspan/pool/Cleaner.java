package io.twinspan.pool;

import java.util.BitSet;

/**
 * Makes room in a pool with parities: a stripe can be written only when none of its cells is in
 * use, so cells that are in use are moved out of stripes that are mostly wasted, into whole new
 * ones. It moves as many as fill stripes, never fewer, so whatever it moves, it gains; the emptiest
 * stripes go first. A few stripes are kept for it, so that a pool that is full can be cleaned
 * still.
 *
 * <p>It holds up nobody: a move changes nothing that anybody can see, and whatever was superseded
 * meanwhile stays so (see {@link #journaling}). Only the places that cells were moved from wait
 * until the reads that may have begun there are over.
 */
final class Cleaner {
  private enum Phase {
    IDLE,
    /** Looks for stripes that are worth to be emptied. */
    GATHERING,
    /** Reads what is in use there. */
    READING,
    /** What was read is being checked; what is wrong is made again. */
    RECOVERING,
    /** Is written to its new place, and journaled. */
    MOVING,
    /** Reads that may have begun before are still under way. */
    SETTLING
  }

  private final ParityPath path;
  private final OpenPool pool;
  private final StripeMap space;
  private final Layout layout;
  private final Mover[] movers = new Mover[PoolMemory.MOVES];
  private final int[] owners = new int[1 << 14];

  /** Stripes with data that is lost: nothing can be gained there. */
  private final BitSet stuck = new BitSet();

  private boolean paused;
  private boolean urgent;
  private long movedBlocks;

  /**
   * State of the space in which nothing was to be gained, even at a high price; -1 when that is not
   * known.
   */
  private long fruitlessAt = -1;

  /** State of the space in which nothing was to be gained at a low price. */
  private long dearAt = -1;

  Cleaner(ParityPath path) {
    this.path = path;
    this.pool = path.pool;
    this.space = path.space;
    this.layout = path.pool.layout;
    for (int i = 0; i < movers.length; i++) {
      movers[i] = new Mover(PoolMemory.MOVE_OFFSET + (long) i * PoolMemory.MOVE_BYTES);
    }
  }

  /** Stripes that a move fills. */
  private static int stripesOfMove(Layout layout) {
    return Move.MOST / layout.dataColumns();
  }

  private static int keptStripes(Layout layout) {
    return 2 * stripesOfMove(layout) + 1;
  }

  /** Blocks that a pool must hold back, so that whatever it holds it can be cleaned. */
  static int leastSlackBlocks(Layout layout) {
    return (keptStripes(layout) + 2) * layout.dataColumns();
  }

  /** Stripes that only moves may take. */
  int keptStripes() {
    return keptStripes(layout);
  }

  long movedBlocks() {
    return movedBlocks;
  }

  void pause() {
    paused = true;
  }

  /** Whether it makes room, or will if it has to. */
  boolean makesRoom() {
    for (Mover mover : movers) {
      if (mover.phase != Phase.IDLE) {
        return true;
      }
    }
    return fruitlessAt != space.changes() && space.deadCells() >= layout.dataColumns();
  }

  /**
   * Does what is due.
   *
   * @param stalled whether a write waits for room
   */
  int work(boolean stalled) {
    int work = 0;
    urgent = stalled || space.freeStripes() <= 2 * keptStripes();
    boolean gathering = false;
    for (Mover mover : movers) {
      gathering |= mover.phase == Phase.GATHERING;
    }
    for (Mover mover : movers) {
      if (mover.phase == Phase.IDLE && !gathering && isWanted(stalled)) {
        mover.gather();
        gathering = true;
        work++;
      }
      work += mover.work();
    }
    return work;
  }

  private boolean isWanted(boolean stalled) {
    boolean low = space.freeStripes() < 2 * keptStripes() + layout.stripes() / 16;
    return (stalled || (low && !paused))
        && pool.epoch() != 0 // before that no batch may be written
        && (urgent || dearAt != space.changes())
        && fruitlessAt != space.changes()
        && space.deadCells() >= layout.dataColumns();
  }

  /** Writes a move into the journal: of each cell that still holds what it held. */
  void journaling(Operation operation, MetadataPage page) {
    Move move = operation.move();
    move.journaled = 0;
    for (int run = 0; run < operation.runCount; run++) {
      for (int i = 0; i < operation.runLength[run]; i++) {
        int index = operation.runIndex[run] + i;
        int from = move.from[index];
        int count =
            space.blockOf(from) == move.block[index] ? path.owners.findAll(from, owners) : 0;
        if (count > 0
            && count <= owners.length
            && page.room() >= Records.MOVE_WORDS + count
            && move.checksum[index] == (int) path.owners.checksumOf(from)) {
          int to = operation.runPhysical[run] + i;
          Records.move(page, move.block[index], from, to, move.checksum[index], owners, count);
          move.journaled |= 1 << index;
        }
      }
    }
  }

  /** The move counts: what was not part of it gives its new places back. */
  void journaled(Operation operation) {
    Move move = operation.move();
    for (int run = 0; run < operation.runCount; run++) {
      for (int i = 0; i < operation.runLength[run]; i++) {
        if ((move.journaled & 1 << (operation.runIndex[run] + i)) == 0) {
          space.release(operation.runPhysical[run] + i, 1);
        }
      }
    }
    movedBlocks += Integer.bitCount(move.journaled);
  }

  /** Moves some cells at a time. */
  private final class Mover implements DriveIo.Listener, StripeRecovery.Client, PoolCompletion {
    final Operation operation = new Operation(pool);
    final Move move;
    final int[] victims = new int[Move.MOST];
    Phase phase = Phase.IDLE;
    int victimCount;
    int level;
    int pendingIos;
    int bad;
    int lost;
    long settlesAfter;

    Mover(long dataOffset) {
      move = new Move(dataOffset);
    }

    void gather() {
      phase = Phase.GATHERING;
      victimCount = 0;
      move.count = 0;
      level = Math.max(1, space.leastUsed());
      space.startScan();
    }

    int work() {
      switch (phase) {
        case IDLE -> {
          return 0;
        }
        case GATHERING -> look();
        case READING -> {
          if (pendingIos > 0) {
            return 0;
          }
          verify();
        }
        case RECOVERING -> {
          if (pendingIos > 0) {
            return 0;
          }
          begin();
        }
        case MOVING -> {
          return 0;
        }
        case SETTLING -> {
          if (pool.isReadingSince(settlesAfter)) {
            return 0;
          }
          letGo();
        }
      }
      return 1;
    }

    private void look() {
      int columns = layout.dataColumns();
      int wanted = stripesOfMove(layout) * columns;
      int highest = urgent ? columns - 1 : Math.max(1, columns / 2);
      while (move.count < wanted && victimCount < victims.length && level <= highest) {
        int stripe = space.nextVictim(level);
        if (stripe >= 0) {
          take(stripe, wanted);
        } else if (space.isScanned()) {
          level++;
          space.startScan();
        } else {
          return; // a large pool: goes on the next time
        }
      }
      boolean fewInSeveral = move.count < columns && victimCount > 1;
      move.count -= fewInSeveral ? 0 : move.count % columns;
      if (move.count == 0) {
        letGo();
        fruitlessAt = highest == columns - 1 ? space.changes() : fruitlessAt;
        dearAt = space.changes();
      } else {
        read();
      }
    }

    private void take(int stripe, int wanted) {
      int before = move.count;
      for (int column = 0; column < layout.dataColumns() && !stuck.get(stripe); column++) {
        int cell = layout.cell(stripe, column);
        long checksum = path.owners.checksumOf(cell);
        if (move.count < wanted && space.isUsed(cell) && checksum != StripeSolver.UNKNOWN) {
          move.from[move.count] = cell;
          move.block[move.count] = space.blockOf(cell);
          move.checksum[move.count++] = (int) checksum;
        }
      }
      if (move.count > before) {
        victims[victimCount++] = stripe;
        space.hold(stripe);
      }
    }

    private long offset(int index) {
      return move.dataOffset + (long) index * Drive.BLOCK_BYTES;
    }

    private void read() {
      phase = Phase.READING;
      bad = 0;
      lost = 0;
      for (int index = 0; index < move.count; index++) {
        int cell = move.from[index];
        int drive = layout.drive(cell, 0);
        if (pool.drives.isLive(drive)) {
          long block = layout.driveBlock(cell, 0);
          pendingIos += pool.drives.read(drive, block, 1, pool.memory, offset(index), this, index);
        } else {
          bad |= 1 << index;
        }
      }
    }

    @Override
    public void ioDone(DriveIo io, int status) {
      pendingIos--;
      bad |= status == Drive.OK ? 0 : 1 << io.tag;
    }

    private void verify() {
      phase = Phase.RECOVERING;
      for (int index = 0; index < move.count; index++) {
        int found = pool.checksums.of(pool.memory, offset(index), Drive.BLOCK_BYTES);
        bad |= found == move.checksum[index] ? 0 : 1 << index;
      }
      pendingIos = Integer.bitCount(bad);
      for (int rest = bad; rest != 0; rest &= rest - 1) {
        int index = Integer.numberOfTrailingZeros(rest);
        path.recovery.request(
            move.from[index], move.checksum[index], pool.memory, offset(index), this, index);
      }
    }

    @Override
    public void recovered(int index, boolean right) {
      pendingIos--;
      if (!right) {
        lost |= 1 << index;
        stuck.set(layout.stripe(move.from[index]));
      }
    }

    private void begin() {
      if (lost != 0) {
        letGo(); // the others again, without what is lost
        return;
      }
      phase = Phase.MOVING;
      operation.begin(Operation.Kind.MOVE, 0, 0, move.count);
      operation.move = move;
      operation.completion = this;
      pool.add(operation);
    }

    @Override
    public void completed(PoolStatus status) {
      phase = Phase.SETTLING;
      settlesAfter = pool.lastOrder();
      if (status == PoolStatus.NO_SPACE) {
        fruitlessAt = space.changes(); // a thin drive is full
      }
      if (urgent && space.pendingBlocks() > 0) {
        pool.flusher.request();
      }
    }

    private void letGo() {
      for (int i = 0; i < victimCount; i++) {
        space.unhold(victims[i]);
      }
      victimCount = 0;
      phase = Phase.IDLE;
    }
  }
}
