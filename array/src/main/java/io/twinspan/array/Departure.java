package io.twinspan.array;

import io.twinspan.pool.PoolOperation;
import io.twinspan.pool.PoolRequest;
import io.twinspan.pool.PoolStatus;
import java.util.concurrent.TimeUnit;

/**
 * The way from a pool in good order: HANDING_OVER to the peer, and STOPPING. What was accepted is
 * finished and on the drives, the pool is closed, the drives are released. Single-threaded.
 */
final class Departure {
  private enum Step {
    /** No new requests; those under way, and the log, come to an end. */
    DRAINING,
    /** The pool is being closed. */
    CLOSING,
    /** At a stop that the peer knows of: the drives are being released. */
    RELEASING,
    /** The peer was told to take the pool, drives and all, and has not answered. */
    OFFERED
  }

  /** A flush of this length is short enough to wait for. */
  private static final long SHORT_FLUSH_NS = TimeUnit.MILLISECONDS.toNanos(3);

  private static final int MOST_FLUSHES = 4;

  /** A checkpoint of a large map takes longer: then the peer reads a longer journal. */
  private static final long CHECKPOINT_NS = TimeUnit.SECONDS.toNanos(1);

  private static final long AGAIN_NS = TimeUnit.SECONDS.toNanos(10);

  private final ArrayConfig array;
  private final PoolParts parts;
  private final Ownership ownership;
  private final Ownership.Controller controller;
  private Step step = Step.DRAINING;
  private HandoverCompletion whenHandedOver = HandoverCompletion.NONE;
  private long frozenAtNs;
  private final Flush flush = new Flush();
  private boolean preparing;
  private int flushes;
  private long checkpointsBefore;
  private long checkpointDeadlineNs;
  private boolean reclaim;
  private long deadlineNs;
  private long notBeforeNs;

  /** Puts on the drives beforehand what the close would have to wait for. */
  private final class Flush extends PoolRequest {
    boolean underWay;
    long begunNs;
    long tookNs;
    boolean failed;

    Flush() {
      operation = PoolOperation.FLUSH;
    }

    @Override
    public void completed(PoolStatus status) {
      underWay = false;
      failed = status != PoolStatus.OK;
      tookNs = controller.nowNs() - begunNs;
    }
  }

  Departure(
      ArrayConfig array, PoolParts parts, Ownership ownership, Ownership.Controller controller) {
    this.array = array;
    this.parts = parts;
    this.ownership = ownership;
    this.controller = controller;
  }

  /** Whether requests that were admitted may still be served. */
  boolean isDraining() {
    return step == Step.DRAINING;
  }

  long deadlineNs() {
    return deadlineNs;
  }

  /** Earliest time for the next handover, after one that failed. */
  long notBeforeNs() {
    return notBeforeNs;
  }

  /**
   * Begins to hand the pool to the peer.
   *
   * @param done told how it ended
   */
  void handOver(HandoverCompletion done) {
    whenHandedOver = done;
    preparing = true;
    flush.failed = false;
    flushes = 0;
    checkpointsBefore = parts.pool.checkpoints();
    checkpointDeadlineNs = controller.nowNs() + CHECKPOINT_NS;
    parts.pool.wantCheckpoint();
  }

  /** Whether a handover is about to begin: hosts are still served. */
  boolean isPreparing() {
    return preparing;
  }

  /** When {@link #prepare} is due although nothing has happened. */
  long prepareDeadlineNs() {
    return checkpointDeadlineNs;
  }

  /**
   * Waits for the checkpoint and flushes the drives while hosts go on, until that is soon done;
   * then requests have to wait.
   */
  void prepare() {
    boolean checkpointed =
        parts.pool.checkpoints() > checkpointsBefore || controller.nowNs() >= checkpointDeadlineNs;
    if (flush.underWay || !checkpointed) {
      return;
    }
    if (flush.failed) {
      notBeforeNs = controller.nowNs() + AGAIN_NS;
      end(PoolStatus.CLOSED);
    } else if (flushes > 0 && (flush.tookNs <= SHORT_FLUSH_NS || flushes == MOST_FLUSHES)) {
      preparing = false;
      frozenAtNs = controller.nowNs();
      begin(PoolState.HANDING_OVER);
    } else {
      flush.begunNs = controller.nowNs();
      flush.underWay = parts.pool.submit(flush);
      flushes += flush.underWay ? 1 : 0;
    }
  }

  /** The pool's state has changed. */
  void changed(PoolState from, PoolState to) {
    boolean began = from == PoolState.OWNER_MIRRORED && to == PoolState.HANDING_OVER;
    boolean concerned = from == PoolState.OWNER_MIRRORED || from == PoolState.HANDING_OVER;
    if (concerned && !began) {
      end(to == PoolState.STANDBY ? PoolStatus.OK : PoolStatus.CLOSED);
    }
  }

  private void end(PoolStatus status) {
    preparing = false;
    HandoverCompletion done = whenHandedOver;
    whenHandedOver = HandoverCompletion.NONE;
    done.completed(status, status == PoolStatus.OK ? controller.nowNs() - frozenAtNs : 0);
  }

  void stop() {
    begin(PoolState.STOPPING);
  }

  private void begin(PoolState state) {
    step = Step.DRAINING;
    reclaim = false;
    deadlineNs = controller.nowNs() + array.controlTimeoutNs();
    ownership.transition(state);
  }

  void handingOver() {
    boolean late = controller.nowNs() >= deadlineNs;
    switch (step) {
      case DRAINING -> {
        if (parts.mirror.isBroken()) {
          controller.declareDown("the mirror can't be reached");
        } else if (parts.isDrained()) {
          close();
        } else if (late) {
          notBeforeNs = controller.nowNs() + AGAIN_NS;
          ownership.transition(PoolState.OWNER_MIRRORED);
        }
      }
      case CLOSING, RELEASING -> {}
      case OFFERED -> {
        if (ownership.peerOwns()) {
          ownership.standBy();
        } else if (ownership.peerHasLost()) {
          refused();
        } else if (late) {
          controller.declareDown("no answer to a handover");
        }
      }
    }
  }

  /** The peer could not open the pool. */
  void refused() {
    if (step == Step.OFFERED) {
      notBeforeNs = controller.nowNs() + AGAIN_NS;
      ownership.take(Takeover.Purpose.RECLAIM, true);
    }
  }

  /** The link is gone in the middle of a handover. */
  void linkDown() {
    switch (step) {
      case DRAINING -> ownership.freeze();
      case CLOSING -> reclaim = true;
      case RELEASING, OFFERED -> ownership.take(Takeover.Purpose.RECLAIM, false);
    }
  }

  /** The link is gone while stopping. */
  void linkDownAtStop() {
    parts.mirror.end();
    if (step == Step.DRAINING) {
      parts.log.become(CommitLog.Mode.SETTLING);
    }
  }

  private void close() {
    parts.mirror.end();
    parts.log.become(CommitLog.Mode.HELD);
    step = Step.CLOSING;
    parts.pool.close(this::closed);
  }

  private void closed(PoolStatus status) {
    boolean handsOver = ownership.state() == PoolState.HANDING_OVER;
    if (!handsOver && ownership.state() != PoolState.STOPPING) {
      return;
    }
    if (status == PoolStatus.FENCED) {
      ownership.lose("the drives refuse this controller");
    } else if (handsOver && (reclaim || status != PoolStatus.OK)) {
      ownership.take(Takeover.Purpose.RECLAIM, false);
    } else if (handsOver) {
      // The peer takes the reservations, which costs it no more than if they were free.
      step = Step.OFFERED;
      controller.tell(new ControlMessage.Handover(parts.config.index(), ownership.epoch()));
    } else if (ownership.peerHasClosed()) {
      step = Step.RELEASING;
      parts.fencing.start(Fencing.Procedure.RELEASE);
    } else {
      // The peer may have been fenced in the middle of a write: the reservation keeps that out.
      ownership.transition(PoolState.STOPPED);
    }
  }

  void stopping() {
    if (parts.log.mode() == CommitLog.Mode.SETTLING && parts.log.isDestaged()) {
      // The mirror is gone, and nothing may be committed alone before the peer is fenced: the
      // drives
      // have what was committed before, the rest ends unanswered.
      parts.path.dropAll();
      parts.log.become(CommitLog.Mode.SETTLING);
    }
    boolean late = controller.nowNs() >= deadlineNs && !holdsCommitted();
    if (step == Step.DRAINING && (late || parts.isDrained())) {
      close();
    } else if (step == Step.RELEASING && parts.fencing.result() == Fencing.Result.WON) {
      ownership.transition(PoolState.STOPPED);
    }
  }

  /**
   * Whether the log may hold what was acknowledged and is not on the drives. A pool that is closed
   * in good order makes the peer forget its mirror, so this one isn't: when the process ends, the
   * peer takes over and replays.
   */
  private boolean holdsCommitted() {
    return parts.log.mode() != CommitLog.Mode.ALONE && !parts.log.isDestaged();
  }
}
