package io.twinspan.pool;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Goes over stripes, some at a time, whatever volumes they belong to: the progress' block is a
 * stripe. All that is in use has a part on every drive, so a rebuild goes over all of it. A stripe
 * is kept from being written anew meanwhile; one that is being written now needs no look.
 */
final class StripeSweep implements Sweep {
  private static final Logger LOG = LoggerFactory.getLogger(StripeSweep.class);

  /** Stripes that are passed over in one step, for nothing in them is in use. */
  private static final int MOST_PASSED = 4096;

  private final ParityPath path;
  private final OpenPool pool;
  private final Sweeper sweeper;
  private final StripeCheck check;
  private final Ending ending = new Ending();
  private SweepProgress progress = new SweepProgress();
  private int first;
  private int count;
  private boolean repairing;
  private int round;

  /** Looked at singly: what could not be read in one go may be in different stripes. */
  private boolean single;

  /** Drives the check on when drives have answered. */
  private final class Ending implements Runnable {
    @Override
    public void run() {
      if (!check.isReady()) {
        return;
      }
      if (!repairing && !pool.isHalted()) {
        check.solve();
        if (count > 1 && anyLost()) {
          unhold();
          single = true;
          sweeper.swept(false);
          return;
        }
        repairing = true;
        check.repair();
        if (!check.isReady()) {
          return;
        }
      }
      end();
    }
  }

  StripeSweep(ParityPath path, Sweeper sweeper) {
    this.path = path;
    this.pool = path.pool;
    this.sweeper = sweeper;
    this.check =
        new StripeCheck(pool.drives, pool.memory, pool.layout, pool.checksums, path, ending);
  }

  @Override
  public long totalBlocks() {
    return path.space.liveBlocks();
  }

  @Override
  public Step step(SweepProgress reached, boolean rebuilds) {
    progress = reached;
    int stripe = progress.block;
    int end = Math.min(pool.layout.stripes(), stripe + MOST_PASSED);
    while (stripe < end && !isConcerned(stripe)) {
      stripe++;
    }
    progress.block = stripe;
    if (stripe >= pool.layout.stripes()) {
      return Step.END;
    }
    if (stripe == end) {
      return Step.PASSED;
    }
    begin(stripe);
    return Step.BEGUN;
  }

  private boolean isConcerned(int stripe) {
    return path.space.usedOf(stripe) > 0 && !path.space.isWriting(stripe);
  }

  private void begin(int stripe) {
    int chunkBlocks = pool.layout.chunkBlocks();
    int most = single ? 1 : check.mostStripes();
    int end = Math.min(stripe + most, (stripe / chunkBlocks + 1) * chunkBlocks);
    first = stripe;
    count = 1;
    while (first + count < end && isConcerned(first + count)) {
      count++;
    }
    for (int i = 0; i < count; i++) {
      path.space.hold(first + i);
    }
    repairing = false;
    round = sweeper.round();
    sweeper.spend(count * pool.layout.dataColumns());
    check.start(first, count);
  }

  private boolean anyLost() {
    boolean any = false;
    for (int i = 0; i < count; i++) {
      any |= check.lost(i) != 0;
    }
    return any;
  }

  private void unhold() {
    for (int i = 0; i < count; i++) {
      path.space.unhold(first + i);
    }
  }

  private void end() {
    unhold();
    boolean full = check.isFull();
    if (!full && repairing && !pool.isHalted()) {
      for (int i = 0; i < count; i++) {
        account(first + i, check.wrong(i), check.lost(i));
      }
      if (round == sweeper.round()) { // else it has begun anew meanwhile
        progress.block = first + count;
      }
      progress.repaired += check.written();
      single = false;
    }
    sweeper.swept(full);
  }

  private void account(int stripe, int wrong, int lost) {
    for (int column = 0; column < pool.layout.dataColumns(); column++) {
      boolean live = path.owners.find(pool.layout.cell(stripe, column)) != null;
      int drive = pool.layout.stripeDrive(stripe, column);
      boolean known = !pool.drives.isLive(drive) || pool.isRebuilding(drive);
      progress.done += live ? 1 : 0;
      boolean error = ((wrong | lost) & 1 << column) != 0;
      pool.root.checksumErrors += error && live && !known ? 1 : 0;
    }
    if (lost != 0) {
      progress.lost += Integer.bitCount(lost);
      LOG.error(
          "pool {}: stripe {}: {} blocks can't be made again",
          pool.root.poolIndex,
          stripe,
          Integer.bitCount(lost));
    }
  }
}
