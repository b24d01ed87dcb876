package io.twinspan.array;

import io.twinspan.pool.Pool;
import java.lang.foreign.MemorySegment;

/** What one pool's logic consists of, wired together. */
final class PoolParts {
  final PoolConfig config;
  final Pool pool;
  final CommitLog log;
  final LogMirror mirror;
  final Destager destager;
  final OwnerCheck check;
  final OwnerPath path;

  /** Replays the mirror of the peer's log. */
  final MirrorReplay replay;

  /** Replays the own log, from its memory, when the peer has died in the middle of a takeover. */
  final MirrorReplay ownReplay;

  final Fencing fencing;
  final SignOfLife sign;

  PoolParts(
      ArrayConfig array,
      PoolConfig config,
      PeerLink link,
      Scratch scratch,
      OwnerPath.Guard guard,
      int capacity) {
    if (config.log().byteSize() != array.logBytes()) {
      throw new IllegalArgumentException("log of " + config.log().byteSize() + " bytes");
    }
    this.config = config;
    pool = config.pool();
    OperationQueue committed = new OperationQueue();
    log = new CommitLog(config.log(), config.index(), array.arrayId(), committed);
    mirror = new LogMirror(link, log, config.index(), array.arrayId());
    destager = new Destager(log, pool);
    check = new OwnerCheck(config.drives(), array.ownKey());
    path =
        new OwnerPath(
            pool,
            config.drives(),
            log,
            mirror,
            committed,
            destager,
            check,
            scratch,
            guard,
            capacity);
    MemorySegment landing =
        link.landing(PeerLink.Lane.MIRROR)
            .asSlice(config.index() * array.logBytes(), array.logBytes());
    replay = new MirrorReplay(landing, pool, config.index(), array.arrayId());
    ownReplay = new MirrorReplay(config.log(), pool, config.index(), array.arrayId());
    fencing = new Fencing(config.drives(), array.ownKey(), array.peerKey());
    sign = new SignOfLife(config.drives(), array.ownKey(), array.leaseNs());
  }

  int pump(long nowNs) {
    int work = pool.doWork();
    work += check.pump(nowNs);
    work += path.pump(nowNs);
    work += mirror.pump();
    work += destager.pump(nowNs);
    work += path.pump(nowNs);
    return work + check.pump(nowNs);
  }

  /** Whether the drives have refused this controller. */
  boolean isFenced() {
    return pool.state() == Pool.State.FENCED
        || destager.isFenced()
        || path.isFenced()
        || check.isFenced();
  }

  /** Whether nothing of this pool is under way at the drives. */
  boolean isQuiet() {
    return path.active() == 0
        && !path.isUnderWay()
        && destager.underWay() == 0
        && replay.underWay() == 0
        && ownReplay.underWay() == 0
        && pool.state() == Pool.State.CLOSED
        && check.isIdle()
        && fencing.isIdle();
  }

  /** Whether everything that was accepted is finished and on the drives. */
  boolean isDrained() {
    return path.active() == 0 && log.isEmpty() && destager.underWay() == 0;
  }

  /** Forgets the log and all requests; the parts must be quiet, except for a pool that is open. */
  void reset(CommitLog.Mode mode, long epoch) {
    log.reset(mode, epoch);
    destager.reset();
    path.reset();
    check.reset();
  }

  long deadlineNs() {
    long deadline = Math.min(path.deadlineNs(), destager.retryAtNs());
    deadline = Math.min(deadline, check.retryAtNs());
    deadline = Math.min(deadline, Math.min(replay.retryAtNs(), ownReplay.retryAtNs()));
    return Math.min(deadline, fencing.retryAtNs());
  }
}
