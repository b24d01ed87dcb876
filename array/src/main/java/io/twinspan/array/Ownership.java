package io.twinspan.array;

import io.twinspan.pool.Pool;
import io.twinspan.pool.PoolStatus;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Who owns a pool: the state machine of {@link PoolState} of one controller for one pool, with the
 * rules of failover. Single-threaded.
 *
 * <ol>
 *   <li>A write is acknowledged when both logs hold it, or, alone, when the drives do; alone only
 *       after the peer was fenced, or as long as every answer comes from the drives anyway.
 *   <li>The first act after the loss of the link is to revoke the mirror: no placement of an old
 *       owner can succeed later.
 *   <li>Before serving alone: reservations of a majority of the drives, then what the log held on
 *       the drives, then a higher epoch persisted there that names no log. The drives name a log,
 *       by its epoch, as long as it may hold what they lack: so a log or a mirror matters exactly
 *       if the drives name it.
 *   <li>With the link lost nobody serves until the drives have decided; requests wait.
 *   <li>A takeover fences, opens, replays, settles, and only then serves. When the log that the
 *       drives name is not here, it waits until it is certain that it is nowhere.
 *   <li>A controller that returns gets an empty mirror; the owner switches to it with an empty log,
 *       and until the drives name that log a write needs both mirror and drives.
 *   <li>Who was fenced keeps its log, and who lost a race its mirror, until an owner is known.
 *   <li>After a pause the drives are asked who owns the pool before anything is served.
 * </ol>
 */
final class Ownership {
  /** What a state machine for one pool needs of its controller. */
  interface Controller {
    long nowNs();

    /**
     * Whether the agent has not been away for longer than its lease since this turn began: read
     * from the clock itself, since a pause may come between any two instructions.
     */
    boolean leaseHolds();

    /** Whether the link is up and the peer has said hello. */
    boolean peerKnown();

    boolean peerLeaving();

    boolean leaving();

    /** Whether the peer's process is known to have ended. */
    boolean peerGone();

    void tell(ControlMessage message);

    void declareDown(String reason);

    void changed(int pool, PoolState state);

    /** What was acknowledged since the last flush may be lost. */
    void writesLost(int pool);
  }

  private static final Logger LOG = LoggerFactory.getLogger(Ownership.class);
  private static final long RETRY_NS = TimeUnit.SECONDS.toNanos(1);

  /** Steps of RESYNCING. */
  private enum Step {
    /** No new requests; those under way, and the log, come to an end. */
    DRAINING,
    /** The empty log's header is on its way to the peer. */
    PLACING_HEADER,
    /** Requests go on; the drives are being told which log may hold what they lack. */
    NAMING
  }

  private final ArrayConfig array;
  private final PoolParts parts;
  private final PeerLink link;
  private final Controller controller;
  private final Takeover takeover;
  private final Departure departure;
  private final int index;
  private final String name;

  private PoolState state = PoolState.STARTING;
  private Step step = Step.DRAINING;
  private ControlMessage.Part peer = new ControlMessage.Part(PoolState.STARTING, 0, 0);
  private boolean peerReady;
  private boolean readySent;

  /** Standby: the owner needs the mirror no more. Owner: it has said so. */
  private boolean released;

  private boolean controlUnderWay;
  private boolean validating;
  private boolean quiet;
  private long epoch;
  private long startDeadlineNs;
  private long stepDeadlineNs;
  private long retryAtNs;
  private long mirroredSinceNs;

  /**
   * The pool was handed to this controller, which is not its home, and its home controller was
   * there ever since: it stays until somebody hands it back.
   */
  private boolean visits;

  Ownership(ArrayConfig array, PoolParts parts, PeerLink link, Controller controller, long nowNs) {
    this.array = array;
    this.parts = parts;
    this.link = link;
    this.controller = controller;
    takeover = new Takeover(array, parts, this, controller);
    departure = new Departure(array, parts, this, controller);
    index = parts.config.index();
    name = parts.config.name();
    startDeadlineNs = nowNs + array.startupWaitNs();
  }

  PoolState state() {
    return state;
  }

  ControlMessage.Part part() {
    return new ControlMessage.Part(state, epoch(), takeover.heldEpoch());
  }

  long epoch() {
    return Math.max(epoch, peer.epoch());
  }

  boolean peerOwns() {
    return controller.peerKnown() && peer.state().isOwner();
  }

  /** Whether new requests may be admitted to the owner's path. */
  boolean admits() {
    return state.isServing() && (state != PoolState.RESYNCING || step == Step.NAMING);
  }

  /** Whether requests may be served at this very moment. */
  boolean mayServe() {
    return answers()
        && !validating
        && controller.leaseHolds()
        && switch (parts.log.mode()) {
          case ALONE, JOINING -> true;
          case MIRRORED -> link.isGranted(PeerLink.Lane.MIRROR);
          case HELD, SETTLING -> false;
        };
  }

  private boolean answers() {
    return state.isServing() || (state.isOwner() && departure.isDraining());
  }

  /** The agent has not run for a while: whatever is believed must be asked again. */
  void suspect() {
    if (answers()) {
      validating = true;
      parts.fencing.start(Fencing.Procedure.VALIDATE);
    }
  }

  // ---- what the peer says ----

  void peerIs(ControlMessage.Part part) {
    peer = part;
    peerReady &= part.state() == PoolState.STANDBY;
    if (state == PoolState.STANDBY && part.state() == PoolState.FENCING) {
      // A handover has failed: the owner takes the drives back, and this controller's key from
      // them.
      readySent = false;
      parts.fencing.cancel();
    }
    if (peerOwns() && part.epoch() > epoch) {
      suspect();
    }
  }

  void peerIsReady() {
    peerReady = true;
  }

  void handedOver() {
    if (state == PoolState.STANDBY) {
      take(Takeover.Purpose.HANDOVER, true);
    }
  }

  void refused() {
    if (state == PoolState.HANDING_OVER) {
      LOG.warn("pool {}: the peer could not open it, taking it back", name);
      departure.refused();
    }
  }

  void released() {
    released = true;
  }

  /** Whether the peer says that it has nothing to write to the drives any more. */
  boolean peerHasClosed() {
    return controller.peerKnown()
        && (peer.state() == PoolState.STANDBY || peer.state() == PoolState.STOPPED);
  }

  boolean peerHasLost() {
    return controller.peerKnown() && peer.state() == PoolState.LOST;
  }

  /** The link is gone; the mirror's right has been revoked before this. */
  void linkDown() {
    boolean peerStopped = peer.state() == PoolState.STOPPED;
    released = false;
    peer = new ControlMessage.Part(PoolState.STARTING, peer.epoch(), 0);
    peerReady = false;
    visits = false;
    parts.sign.reset();
    switch (state) {
      case STARTING -> startDeadlineNs = controller.nowNs() + array.startupWaitNs();
      // Once ready the key was registered: if it is gone, the owner has fenced this controller.
      case STANDBY -> take(Takeover.Purpose.TAKEOVER, !readySent);
      case OWNER_ALONE -> {
        if (!peerStopped) { // else it goes on as before: nobody is there to be fenced
          freeze();
        }
      }
      case RESYNCING, OWNER_MIRRORED -> freeze();
      case HANDING_OVER -> departure.linkDown();
      case STOPPING -> departure.linkDownAtStop();
      case FENCING, OPENING, AWAITING_LOG, REPLAYING, FROZEN, SETTLING, LOST, STOPPED -> {}
    }
  }

  // ---- one turn ----

  int pump() {
    PoolState before = state;
    parts.fencing.pump(controller.nowNs());
    if (parts.isFenced() && state.mayBecome(PoolState.LOST)) {
      lose("the drives refuse this controller");
    }
    if (validating) {
      validated();
    }
    if (givesSigns()) {
      parts.sign.give(controller.nowNs());
    }
    switch (state) {
      case STARTING -> starting();
      case STANDBY -> standingBy();
      case FENCING -> takeover.fencing();
      case OPENING -> takeover.opening();
      case AWAITING_LOG -> takeover.awaitingLog();
      case REPLAYING -> takeover.replaying();
      case OWNER_ALONE -> alone();
      case RESYNCING -> resyncing();
      case OWNER_MIRRORED -> mirrored();
      case FROZEN -> frozen();
      case SETTLING -> settling();
      case HANDING_OVER -> departure.handingOver();
      case STOPPING -> departure.stopping();
      case LOST -> lost();
      case STOPPED -> parts.path.dropAll();
    }
    return state == before ? 0 : 1;
  }

  void transition(PoolState next) {
    if (!state.mayBecome(next)) {
      throw new IllegalStateException("pool " + name + ": " + state + " can't become " + next);
    }
    LOG.info("pool {}: {} -> {}", name, state, next);
    PoolState before = state;
    state = next;
    validating = false;
    controller.changed(index, next);
    departure.changed(before, next);
  }

  private boolean isHome() {
    return parts.config.home().equals(array.node());
  }

  /** Of two controllers of which none owns the pool: whether this one is to take it. */
  private boolean claims() {
    if (controller.peerLeaving() || peer.state() == PoolState.STOPPED) {
      return true;
    }
    long held = takeover.heldEpoch();
    return held == peer.heldEpoch()
        ? isHome() && peer.state() != PoolState.AWAITING_LOG
        : held > peer.heldEpoch();
  }

  /** Whether the peer has the log of this epoch, as its own or as the mirror. */
  boolean peerHolds(long logEpoch) {
    return controller.peerKnown() && peer.heldEpoch() == logEpoch;
  }

  /** Whether an owner is known that began after the logs in this controller's memory. */
  private boolean peerOwnsSince() {
    return peerOwns() && peer.epoch() >= takeover.heldEpoch();
  }

  private boolean nobodyOwns() {
    return controller.peerKnown() && !peer.state().isOwner() && !peer.state().isUndecided();
  }

  private void starting() {
    if (controller.leaving()) {
      transition(PoolState.STOPPED);
    } else if (peerOwnsSince()) {
      standBy();
    } else if (nobodyOwns() && peer.state() != PoolState.STANDBY && claims()) {
      take(Takeover.Purpose.CLAIM, true);
    } else if (!controller.peerKnown() && controller.nowNs() >= noPeerAtNs()) {
      LOG.warn("pool {}: no peer found, taking the pool at the drives", name);
      take(Takeover.Purpose.CLAIM, true);
    }
  }

  /** When to go on without a peer: much sooner if it is not even running, and not just starting. */
  private long noPeerAtNs() {
    long wait = array.startupWaitNs();
    return controller.peerGone() ? startDeadlineNs - wait + wait / 5 : startDeadlineNs;
  }

  /** Leaves the pool to the peer, which is about to take it; requests go on waiting. */
  void startAgain() {
    startDeadlineNs = controller.nowNs() + array.startupWaitNs();
    transition(PoolState.STARTING);
  }

  void standBy() {
    // An owner that stops may still be bringing its log to the drives, and be fenced before it has.
    if (peer.state() != PoolState.STOPPING || peer.epoch() > takeover.heldEpoch()) {
      takeover.forgetLogs();
    }
    readySent = false;
    parts.fencing.start(Fencing.Procedure.REGISTER);
    transition(PoolState.STANDBY);
  }

  private void standingBy() {
    if (controller.leaving() && mayLeave()) {
      transition(PoolState.STOPPED);
      return;
    }
    if (!readySent && peerOwns()) {
      if (parts.fencing.procedure() == Fencing.Procedure.NONE) {
        parts.fencing.start(Fencing.Procedure.REGISTER);
      } else if (parts.fencing.result() == Fencing.Result.WON) {
        readySent = true;
        controller.tell(new ControlMessage.Ready(index));
      }
    }
    if (nobodyOwns()) {
      if (peer.state() == PoolState.STOPPED) {
        take(Takeover.Purpose.TAKEOVER, !readySent);
      } else if (peer.state() != PoolState.STANDBY || isHome()) {
        // It may own the pool again by now, and place into the mirror: that right has to end first.
        controller.declareDown("nobody owns pool " + name);
      }
    }
  }

  /**
   * Whether the mirror is not needed: it may hold what the drives lack until the owner says
   * otherwise.
   */
  private boolean mayLeave() {
    return released
        || peer.state() == PoolState.STOPPED
        || peer.state() == PoolState.STANDBY
        || peer.state() == PoolState.STARTING;
  }

  void take(Takeover.Purpose why, boolean mayRegister) {
    peerReady = false;
    takeover.begin(why, mayRegister);
  }

  void epochPersisted(long persisted) {
    epoch = persisted;
  }

  void serve(boolean handedOver) {
    visits = handedOver && !isHome();
    transition(PoolState.OWNER_ALONE);
    parts.log.become(CommitLog.Mode.ALONE);
  }

  private void alone() {
    if (controller.leaving()) {
      departure.stop();
    } else if (controller.peerLeaving()) {
      if (!released) {
        released = true;
        controller.tell(new ControlMessage.Released(index));
      }
    } else if (peerReady
        && controller.peerKnown()
        && link.isGranted(PeerLink.Lane.MIRROR)
        && !controlUnderWay
        && !validating
        && !parts.destager.isStuck()
        && controller.nowNs() >= retryAtNs) {
      transition(PoolState.RESYNCING);
      step = Step.DRAINING;
      stepDeadlineNs = controller.nowNs() + array.controlTimeoutNs();
    }
  }

  private void backToAlone() {
    retryAtNs = controller.nowNs() + RETRY_NS;
    transition(PoolState.OWNER_ALONE);
  }

  private void resyncing() {
    if (parts.mirror.isBroken() && step != Step.DRAINING) {
      controller.declareDown("the mirror can't be reached");
    } else if (controller.leaving() && !controlUnderWay) {
      departure.stop();
    } else if (controller.peerLeaving() && !controller.leaving()) {
      freeze();
    } else {
      switch (step) {
        case DRAINING -> draining();
        case PLACING_HEADER -> {
          if (parts.mirror.isEstablished()) {
            parts.log.become(CommitLog.Mode.JOINING);
            step = Step.NAMING;
            retryAtNs = 0;
          }
        }
        case NAMING -> {
          if (!controlUnderWay && controller.nowNs() >= retryAtNs) {
            controlUnderWay = true;
            parts.pool.nameLog(this::named);
          }
        }
      }
    }
  }

  private void draining() {
    if (parts.isDrained() && !parts.mirror.isBusy()) {
      parts.reset(CommitLog.Mode.HELD, parts.pool.epoch() + 1);
      parts.mirror.begin();
      step = Step.PLACING_HEADER;
    } else if (controller.nowNs() >= stepDeadlineNs) {
      backToAlone();
    }
  }

  private void named(PoolStatus status) {
    controlUnderWay = false;
    if (state != PoolState.RESYNCING) {
      return;
    }
    if (status == PoolStatus.OK) {
      epoch = parts.pool.epoch();
      parts.log.become(CommitLog.Mode.MIRRORED);
      mirroredSinceNs = controller.nowNs();
      transition(PoolState.OWNER_MIRRORED);
    } else {
      retryAtNs = controller.nowNs() + RETRY_NS;
    }
  }

  private void mirrored() {
    if (parts.mirror.isBroken() || !link.isGranted(PeerLink.Lane.MIRROR)) {
      controller.declareDown("the peer has revoked the mirror");
    } else if (controller.leaving()) {
      departure.stop();
    } else if (controller.peerLeaving()) {
      LOG.info("pool {}: the peer leaves, the log goes to the drives", name);
      freeze();
    } else if (departure.isPreparing()) {
      departure.prepare();
    } else if (!isHome() && controller.nowNs() >= givebackAtNs()) {
      var _ = handOver(HandoverCompletion.NONE);
    }
  }

  /**
   * Begins to hand the pool to the peer; false when that isn't possible now.
   *
   * @param done told how it ended, if it begins
   */
  boolean handOver(HandoverCompletion done) {
    boolean possible =
        state == PoolState.OWNER_MIRRORED
            && controller.peerKnown()
            && !controller.peerLeaving()
            && !validating
            && !departure.isPreparing()
            && !parts.destager.isStuck()
            && peer.state() == PoolState.STANDBY;
    if (possible) {
      departure.handOver(done);
    }
    return possible;
  }

  private long givebackAtNs() {
    boolean stays = visits || array.givebackDelayNs() == ArrayConfig.NO_GIVEBACK;
    return stays
        ? Long.MAX_VALUE
        : Math.max(mirroredSinceNs + array.givebackDelayNs(), departure.notBeforeNs());
  }

  void freeze() {
    transition(PoolState.FROZEN);
    parts.mirror.end();
    parts.log.become(CommitLog.Mode.HELD);
    parts.fencing.start(Fencing.Procedure.TAKE);
  }

  private void frozen() {
    if (parts.fencing.result() == Fencing.Result.CONFLICT || peerOwns()) {
      lose("the peer was faster at the drives");
    } else if (parts.fencing.result() == Fencing.Result.WON) {
      transition(PoolState.SETTLING);
      retryAtNs = 0;
      parts.log.become(CommitLog.Mode.SETTLING);
    }
  }

  private void settling() {
    // On a full medium this takes until there is space: the peer would need the log till then.
    if (parts.log.isDestaged() && !controlUnderWay && controller.nowNs() >= retryAtNs) {
      controlUnderWay = true;
      parts.pool.settle(this::settled);
    }
  }

  private void settled(PoolStatus status) {
    controlUnderWay = false;
    if (state != PoolState.SETTLING) {
      return;
    }
    if (status == PoolStatus.OK) {
      epoch = parts.pool.epoch();
      takeover.forgetLogs();
      serve(false);
    } else {
      retryAtNs = controller.nowNs() + RETRY_NS;
    }
  }

  /** Whether nobody is heard of who may be there. */
  private boolean isBlind() {
    return !controller.peerKnown() && !controller.peerGone();
  }

  /** Whether this controller holds the drives, and the peer may wonder whether it hangs. */
  private boolean givesSigns() {
    return switch (state) {
      case OPENING, REPLAYING, SETTLING, OWNER_ALONE -> isBlind();
      case STARTING,
          STANDBY,
          FENCING,
          AWAITING_LOG,
          RESYNCING,
          OWNER_MIRRORED,
          FROZEN,
          HANDING_OVER,
          STOPPING,
          LOST,
          STOPPED ->
          false;
    };
  }

  void lose(String reason) {
    LOG.warn("pool {}: lost: {}", name, reason);
    transition(PoolState.LOST);
    quiet = false;
    parts.sign.reset();
    parts.fencing.cancel();
    parts.mirror.end();
    parts.log.become(CommitLog.Mode.HELD);
    if (parts.pool.state() != Pool.State.CLOSED) {
      parts.pool.abandon();
    }
    parts.path.dropAll();
  }

  private void lost() {
    if (!quiet) {
      parts.path.dropAll();
      quiet = parts.isQuiet();
      if (!quiet) {
        return;
      }
      parts.reset(CommitLog.Mode.HELD, 0);
    }
    boolean holdsLog = takeover.heldEpoch() != 0;
    boolean mayTake =
        controller.peerKnown()
            ? nobodyOwns() && peer.state() != PoolState.STANDBY && claims()
            : controller.peerGone() || parts.sign.isMissing(controller.nowNs());
    if (peerOwnsSince()) {
      standBy();
    } else if (mayTake && (holdsLog || !controller.leaving())) {
      // One that is to leave brings its log to the drives first.
      LOG.info("pool {}: nobody owns it, taking it back", name);
      take(Takeover.Purpose.CLAIM, true);
    } else if (controller.leaving()) {
      transition(PoolState.STOPPED);
    }
  }

  /** Time at which {@link #pump} is due although nothing has happened. */
  long deadlineNs() {
    long deadline =
        switch (state) {
          case STARTING -> controller.peerKnown() ? Long.MAX_VALUE : noPeerAtNs();
          case OPENING, AWAITING_LOG -> takeover.retryAtNs();
          case SETTLING, OWNER_ALONE -> retryAtNs;
          case RESYNCING -> step == Step.NAMING ? retryAtNs : stepDeadlineNs;
          case HANDING_OVER, STOPPING -> departure.deadlineNs();
          case OWNER_MIRRORED ->
              departure.isPreparing()
                  ? departure.prepareDeadlineNs()
                  : isHome() ? Long.MAX_VALUE : givebackAtNs();
          case REPLAYING -> takeover.retryAtNs();
          case STANDBY, FENCING, FROZEN, LOST, STOPPED -> Long.MAX_VALUE;
        };
    // What is over and still not done waits for something that will report itself.
    deadline = deadline > controller.nowNs() ? deadline : Long.MAX_VALUE;
    boolean blind = givesSigns() || (state == PoolState.LOST && quiet && isBlind());
    return blind ? Math.min(deadline, parts.sign.dueNs()) : deadline;
  }

  private void validated() {
    switch (parts.fencing.result()) {
      case UNDER_WAY -> {}
      case WON -> validating = false;
      case CONFLICT -> lose("after a pause the drives name another owner");
    }
  }
}
