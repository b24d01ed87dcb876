package io.twinspan.array;

import io.twinspan.pool.Pool;
import io.twinspan.pool.PoolStatus;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The way to a pool: FENCING, OPENING, REPLAYING, AWAITING_LOG. Takes the reservations of a
 * majority of the drives and opens the pool under a higher epoch. The drives name the log that may
 * hold what they lack: if it is here, as the mirror or as the own log of before, it is written to
 * the pool, and only when the drives have it all they are told that no log is needed any more. Then
 * the pool is served. Single-threaded.
 */
final class Takeover {
  /** Why the drives are being taken. */
  enum Purpose {
    /** Nobody owns the pool. */
    CLAIM,
    /** The owner is silent. */
    TAKEOVER,
    /** The owner has handed it over. */
    HANDOVER,
    /** The handover to the peer has failed. */
    RECLAIM
  }

  private static final Logger LOG = LoggerFactory.getLogger(Takeover.class);
  private static final long RETRY_NS = TimeUnit.SECONDS.toNanos(1);

  private final ArrayConfig array;
  private final PoolParts parts;
  private final Ownership ownership;
  private final Ownership.Controller controller;
  private final String name;
  private Purpose purpose = Purpose.CLAIM;
  private boolean openUnderWay;
  private boolean settleUnderWay;
  private long retryAtNs;
  private MirrorReplay replay;

  Takeover(
      ArrayConfig array, PoolParts parts, Ownership ownership, Ownership.Controller controller) {
    this.array = array;
    this.parts = parts;
    this.ownership = ownership;
    this.controller = controller;
    name = parts.config.name();
    replay = parts.replay;
  }

  /** Epoch of the newest log that lies in this controller's memory, its own or its peer's; or 0. */
  long heldEpoch() {
    return Math.max(parts.replay.loggedEpoch(), parts.ownReplay.loggedEpoch());
  }

  /** An owner is known, so the drives have what these logs held: they are not needed any more. */
  void forgetLogs() {
    parts.replay.forget();
    parts.ownReplay.forget();
  }

  /**
   * Begins.
   *
   * @param mayRegister false for who was registered at the drives all along: when the key is gone,
   *     the other controller was faster
   */
  void begin(Purpose why, boolean mayRegister) {
    purpose = why;
    parts.fencing.start(mayRegister ? Fencing.Procedure.REGISTER_AND_TAKE : Fencing.Procedure.TAKE);
    ownership.transition(PoolState.FENCING);
  }

  void fencing() {
    if (controller.leaving() && purpose != Purpose.TAKEOVER && heldEpoch() == 0) {
      parts.fencing.cancel();
      ownership.transition(PoolState.STOPPED);
    } else if (parts.fencing.result() == Fencing.Result.CONFLICT
        || (ownership.peerOwns() && purpose != Purpose.HANDOVER)) {
      ownership.lose("the peer was faster at the drives");
    } else if (parts.fencing.result() == Fencing.Result.WON
        && parts.pool.state() == Pool.State.CLOSED) {
      ownership.transition(PoolState.OPENING);
      open();
    }
  }

  private void open() {
    openUnderWay = true;
    long atLeast = Math.max(heldEpoch(), ownership.epoch()) + 1;
    boolean drivesStayedPowered = purpose != Purpose.CLAIM;
    parts.pool.open(array.arrayId(), atLeast, drivesStayedPowered, this::opened);
  }

  private void opened(PoolStatus status) {
    openUnderWay = false;
    if (ownership.state() != PoolState.OPENING) {
      return;
    }
    switch (status) {
      case OK -> openedWell();
      case FENCED -> ownership.lose("the drives refuse this controller");
      case NOT_FORMATTED -> {
        if (array.formatIfBlank() && purpose == Purpose.CLAIM) {
          LOG.info("pool {}: writing an empty pool to blank drives", name);
          openUnderWay = true;
          parts.pool.format(array.arrayId(), this::formatted);
        } else {
          failed(status);
        }
      }
      case NO_SPACE, MEDIA_ERROR, NO_QUORUM, INVALID, CLOSED -> failed(status);
    }
  }

  private void formatted(PoolStatus status) {
    openUnderWay = false;
    if (ownership.state() == PoolState.OPENING && status == PoolStatus.OK) {
      open();
    } else if (ownership.state() == PoolState.OPENING) {
      failed(status);
    }
  }

  private void failed(PoolStatus status) {
    LOG.warn("pool {}: can't be opened: {}", name, status);
    if (purpose == Purpose.HANDOVER && controller.peerKnown()) {
      controller.tell(new ControlMessage.Refused(parts.config.index()));
      ownership.standBy();
    } else {
      retryAtNs = controller.nowNs() + RETRY_NS;
    }
  }

  private void openedWell() {
    long epoch = parts.pool.epoch();
    long unsettled = parts.pool.unsettledEpoch();
    ownership.epochPersisted(epoch);
    parts.reset(CommitLog.Mode.HELD, epoch);
    settleUnderWay = false;
    retryAtNs = 0;
    if (unsettled == 0) {
      serve();
    } else if (isHere(unsettled)) {
      replay.start();
      ownership.transition(PoolState.REPLAYING);
    } else {
      LOG.warn("pool {}: the log of epoch {} is needed and not here", name, unsettled);
      ownership.transition(PoolState.AWAITING_LOG);
    }
  }

  /** Whether the log of this epoch lies in this controller's memory; chooses it for the replay. */
  private boolean isHere(long epoch) {
    replay = parts.replay.loggedEpoch() == epoch ? parts.replay : parts.ownReplay;
    return replay.loggedEpoch() == epoch;
  }

  private void serve() {
    forgetLogs();
    ownership.serve(purpose == Purpose.HANDOVER);
  }

  void opening() {
    if (!openUnderWay && ownership.peerOwns() && purpose != Purpose.HANDOVER) {
      ownership.lose("the peer has the drives that count");
    } else if (!openUnderWay
        && controller.nowNs() >= retryAtNs
        && parts.pool.state() == Pool.State.CLOSED) {
      open();
    }
  }

  void replaying() {
    switch (replay.pump(controller.nowNs())) {
      case RUNNING -> {}
      case FENCED -> ownership.lose("the drives refuse this controller");
      case DONE -> settle();
    }
  }

  /**
   * The log is needed and not here. The peer may have it: it gets the pool. When it is certain that
   * nobody has it, what only the logs held is lost, and the pool is served as the drives have it.
   */
  void awaitingLog() {
    if (settleUnderWay) {
      return; // it was certain, and the pool may have forgotten the log's name already
    }
    long unsettled = parts.pool.unsettledEpoch();
    if (ownership.peerOwns() || ownership.peerHolds(unsettled)) {
      LOG.info("pool {}: the peer has the log that is needed", name);
      parts.pool.abandon();
      ownership.startAgain();
    } else if (controller.leaving()) {
      parts.pool.abandon();
      ownership.transition(PoolState.STOPPED);
    } else if (controller.peerKnown() || controller.peerGone()) {
      settle();
    }
  }

  /** Has the drives say that no log is needed any more. */
  private void settle() {
    if (!settleUnderWay && controller.nowNs() >= retryAtNs) {
      settleUnderWay = true;
      parts.pool.settle(this::settled);
    }
  }

  private void settled(PoolStatus status) {
    settleUnderWay = false;
    PoolState state = ownership.state();
    if (state != PoolState.REPLAYING && state != PoolState.AWAITING_LOG) {
      return;
    }
    if (status != PoolStatus.OK) {
      retryAtNs = controller.nowNs() + RETRY_NS;
      return;
    }
    ownership.epochPersisted(parts.pool.epoch());
    if (state == PoolState.REPLAYING && replay.isDamaged()) {
      LOG.error(
          "pool {}: the log is damaged behind record {}: writes since the last flush may be lost",
          name,
          replay.lastSequence());
      controller.writesLost(parts.config.index());
    } else if (state == PoolState.REPLAYING) {
      LOG.info("pool {}: replayed up to record {}", name, replay.lastSequence());
    } else {
      controller.writesLost(parts.config.index());
      LOG.error(
          "pool {}: neither controller has the log: writes since the last flush may be lost", name);
    }
    serve();
  }

  long retryAtNs() {
    return retryAtNs;
  }
}
