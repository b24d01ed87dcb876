package io.twinspan.array;

import io.twinspan.pool.Pool;
import io.twinspan.pool.PoolStatus;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The way to a pool: FENCING, OPENING, REPLAYING. Takes the reservations of a majority of the
 * drives, opens the pool under a higher epoch, writes what the mirror holds to it; only then the
 * pool is served. Single-threaded.
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
  private long retryAtNs;

  /** Epoch of the mirror that may have to be replayed, 0 for none. */
  private long mirroredEpoch;

  Takeover(
      ArrayConfig array, PoolParts parts, Ownership ownership, Ownership.Controller controller) {
    this.array = array;
    this.parts = parts;
    this.ownership = ownership;
    this.controller = controller;
    name = parts.config.name();
  }

  /** Epoch of a mirror that was kept although the takeover was lost, 0 for none. */
  long mirroredEpoch() {
    return mirroredEpoch;
  }

  /** The mirror begins a new life: what it held is not needed any more. */
  void forgetMirror() {
    parts.replay.forget();
    mirroredEpoch = 0;
  }

  /**
   * Begins.
   *
   * @param mayRegister false for who was registered at the drives all along: when the key is gone,
   *     the other controller was faster
   */
  void begin(Purpose why, boolean mayRegister) {
    purpose = why;
    if (why == Purpose.TAKEOVER) {
      mirroredEpoch = parts.replay.mirroredEpoch();
      if (mirroredEpoch < ownership.epoch()) {
        // The owner has told a later epoch: before that it had put all of this on the drives.
        mirroredEpoch = 0;
      }
    }
    parts.fencing.start(mayRegister ? Fencing.Procedure.REGISTER_AND_TAKE : Fencing.Procedure.TAKE);
    ownership.transition(PoolState.FENCING);
  }

  void fencing() {
    if (controller.leaving() && purpose != Purpose.TAKEOVER) {
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
    // A claim asks for no more than the mirror's next epoch, to see whether anybody was there
    // since.
    long atLeast =
        purpose == Purpose.CLAIM
            ? mirroredEpoch + 1
            : Math.max(mirroredEpoch, ownership.epoch()) + 1;
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
    ownership.epochPersisted(epoch);
    parts.reset(CommitLog.Mode.HELD, epoch);
    boolean replays =
        mirroredEpoch > 0
            && (purpose == Purpose.TAKEOVER
                || (purpose == Purpose.CLAIM && epoch == mirroredEpoch + 1));
    if (mirroredEpoch > 0 && !replays) {
      LOG.warn("pool {}: mirror of epoch {} is out of date", name, mirroredEpoch);
    }
    mirroredEpoch = 0;
    if (replays) {
      parts.replay.start();
      ownership.transition(PoolState.REPLAYING);
    } else {
      ownership.serve();
    }
  }

  void opening() {
    if (!openUnderWay
        && controller.nowNs() >= retryAtNs
        && parts.pool.state() == Pool.State.CLOSED) {
      open();
    }
  }

  void replaying() {
    switch (parts.replay.pump(controller.nowNs())) {
      case RUNNING -> {}
      case FENCED -> ownership.lose("the drives refuse this controller");
      case DONE -> {
        LOG.info("pool {}: replayed up to record {}", name, parts.replay.lastSequence());
        ownership.serve();
      }
    }
  }

  long retryAtNs() {
    return retryAtNs;
  }
}
