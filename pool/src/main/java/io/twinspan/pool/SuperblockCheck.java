package io.twinspan.pool;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** The part of {@link PoolCheck} that looks at superblocks, and says which drives take part. */
final class SuperblockCheck {
  private final PoolCheck check;
  private final PoolImages images;
  private final long arrayId;
  private final int poolIndex;
  private final MemorySegment memory;
  private final @Nullable Superblock[] newest;
  private final boolean[] readable;

  SuperblockCheck(PoolCheck check, long arrayId, int poolIndex) {
    this.check = check;
    this.images = check.images();
    this.arrayId = arrayId;
    this.poolIndex = poolIndex;
    this.memory = check.allocate(Layout.SUPERBLOCKS);
    this.newest = new Superblock[images.count()];
    this.readable = new boolean[images.count()];
  }

  /** The pool's newest superblock; null when there is none. */
  @Nullable Superblock newest() {
    Superblock best = null;
    for (int drive = 0; drive < images.count(); drive++) {
      Superblock own = read(drive);
      newest[drive] = own;
      best = own != null && (best == null || own.isNewerThan(best)) ? own : best;
    }
    if (best == null) {
      check.lost(PoolFinding.Kind.NOT_FORMATTED, "there is no superblock of this array's pool");
      return null;
    }
    for (int drive = 0; drive < images.count(); drive++) {
      judge(drive, best);
    }
    for (int drive = 0; drive < images.count(); drive++) {
      if ((best.rebuildingDrives & 1 << drive) != 0) {
        check.degraded(
            PoolFinding.Kind.DRIVE_REBUILDING,
            images.name(drive) + " is not rebuilt yet: it may lack copies of data");
      }
    }
    if (best.unsettledEpoch != 0) {
      check.note(
          PoolFinding.Kind.UNSETTLED,
          "the pool was not closed: writes that were acknowledged and not flushed may be in the"
              + " commit log of epoch "
              + best.unsettledEpoch
              + " only");
    }
    return best;
  }

  private @Nullable Superblock read(int drive) {
    boolean there = images.blockCount(drive) > Layout.SUPERBLOCKS;
    readable[drive] = there && images.read(drive, 0, Layout.SUPERBLOCKS, memory, 0);
    if (!readable[drive]) {
      check.degraded(
          PoolFinding.Kind.DRIVE_MISSING, images.name(drive) + " is missing or can't be read");
      return null;
    }
    Superblock found = null;
    int damaged = 0;
    for (int slot = 0; slot < Layout.SUPERBLOCKS; slot++) {
      Superblock candidate = new Superblock(Layout.NONE);
      long offset = (long) slot * Drive.BLOCK_BYTES;
      if (!candidate.load(memory, offset, check.checksums())) {
        damaged |= isBlank(offset) ? 0 : 1 << slot;
      } else if (isOurs(candidate, drive) && (found == null || candidate.isNewerThan(found))) {
        found = candidate;
      }
    }
    sayDamaged(drive, damaged, found != null);
    return found;
  }

  private boolean isBlank(long offset) {
    return check.checksums().of(memory, offset, Drive.BLOCK_BYTES) == Checksums.ZERO_BLOCK;
  }

  private boolean isOurs(Superblock candidate, int drive) {
    return candidate.arrayId == arrayId
        && candidate.poolIndex == poolIndex
        && candidate.driveIndex == drive
        && candidate.layout.driveCount() == images.count()
        && candidate.layout.blocks() <= images.blockCount(drive);
  }

  private void sayDamaged(int drive, int damaged, boolean other) {
    for (int slot = 0; slot < Layout.SUPERBLOCKS; slot++) {
      if ((damaged & 1 << slot) != 0) {
        String text =
            "superblock %d of %s is damaged%s"
                .formatted(
                    slot,
                    images.name(drive),
                    other ? "; the other one counts, as after a crash while it was written" : "");
        if (other) {
          check.note(PoolFinding.Kind.SUPERBLOCK, text);
        } else {
          check.degraded(PoolFinding.Kind.SUPERBLOCK, text);
        }
      }
    }
  }

  private void judge(int drive, Superblock best) {
    Superblock own = newest[drive];
    String name = images.name(drive);
    if (!best.isMember(drive)) {
      check.degraded(PoolFinding.Kind.DRIVE_OUT, name + " has failed: the pool goes on without it");
    } else if (own != null && own.pool == best.pool) {
      check.use(drive);
      if (own.epoch != best.epoch || own.generation != best.generation) {
        check.note(
            PoolFinding.Kind.DRIVE_STALE,
            "%s has superblock %d of epoch %d, another drive has %d of epoch %d"
                .formatted(name, own.generation, own.epoch, best.generation, best.epoch));
      }
    } else if (readable[drive]) {
      check.degraded(
          PoolFinding.Kind.SUPERBLOCK, name + " holds no superblock of this pool, but is a member");
    }
  }
}
