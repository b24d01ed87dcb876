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
 *   <li>Before serving alone: reservations of a majority of the drives, then a higher epoch
 *       persisted there. What the log held is on the drives before that epoch: so a mirror matters
 *       exactly if its epoch is the drives' epoch.
 *   <li>With the link lost nobody serves until the drives have decided; requests wait.
 *   <li>A takeover fences, opens, replays, and only then serves.
 *   <li>A controller that returns gets an empty mirror; the owner switches to it with an empty log.
 *   <li>After a pause the drives are asked who owns the pool before anything is served.
 * </ol>
 */
final class Ownership {
  /** What a state machine for one pool needs of its controller. */
  interface Controller {
    long nowNs();

    /** Whether the link is up and the peer has said hello. */
    boolean peerKnown();

    boolean peerLeaving();

    boolean leaving();

    void tell(ControlMessage message);

    void declareDown(String reason);

    void changed(int pool, PoolState state);
  }

  private static final Logger LOG = LoggerFactory.getLogger(Ownership.class);
  private static final long RETRY_NS = TimeUnit.SECONDS.toNanos(1);
  private static final long GIVEBACK_RETRY_NS = TimeUnit.SECONDS.toNanos(10);

  /** Why the drives are being taken. */
  private enum Purpose {
    /** Nobody owns the pool. */
    CLAIM,
    /** The owner is silent. */
    TAKEOVER,
    /** The owner has handed it over. */
    HANDOVER,
    /** The handover to the peer has failed. */
    RECLAIM
  }

  /** Steps within RESYNCING, HANDING_OVER and STOPPING. */
  private enum Step {
    NONE,
    ADVANCING,
    DRAINING,
    PLACING_HEADER,
    CLOSING,
    RELEASING,
    OFFERED
  }

  private final ArrayConfig array;
  private final PoolParts parts;
  private final PeerLink link;
  private final Controller controller;
  private final int index;
  private final String name;

  private PoolState state = PoolState.STARTING;
  private Step step = Step.NONE;
  private Purpose purpose = Purpose.CLAIM;
  private ControlMessage.Part peer = new ControlMessage.Part(PoolState.STARTING, 0, 0);
  private boolean peerReady;
  private boolean readySent;
  private boolean controlUnderWay;
  private boolean validating;
  private boolean reclaim;
  private boolean quiet;
  private long mirroredEpoch;
  private long epoch;
  private long startDeadlineNs;
  private long stepDeadlineNs;
  private long retryAtNs;
  private long mirroredSinceNs;
  private long givebackAtNs;

  Ownership(ArrayConfig array, PoolParts parts, PeerLink link, Controller controller, long nowNs) {
    this.array = array;
    this.parts = parts;
    this.link = link;
    this.controller = controller;
    index = parts.config.index();
    name = parts.config.name();
    startDeadlineNs = nowNs + array.startupWaitNs();
  }

  PoolState state() {
    return state;
  }

  ControlMessage.Part part() {
    return new ControlMessage.Part(state, epoch(), mirroredEpoch);
  }

  long epoch() {
    return Math.max(epoch, peer.epoch());
  }

  boolean peerOwns() {
    return controller.peerKnown() && peer.state().isOwner();
  }

  /** Whether new requests may be admitted to the owner's path. */
  boolean admits() {
    return state.isServing() && step != Step.DRAINING && step != Step.PLACING_HEADER;
  }

  /** Whether requests may be served at this very moment. */
  boolean mayServe() {
    boolean serving = state.isServing() || (state.isOwner() && step == Step.DRAINING);
    return serving
        && !validating
        && switch (parts.log.mode()) {
          case ALONE -> true;
          case MIRRORED -> link.isGranted(PeerLink.Lane.MIRROR);
          case HELD, SETTLING -> false;
        };
  }

  /** The agent has not run for a while: whatever is believed must be asked again. */
  void suspect() {
    if (state.isServing() || (state.isOwner() && step == Step.DRAINING)) {
      validating = true;
      parts.fencing.start(Fencing.Procedure.VALIDATE);
    }
  }

  // ---- what the peer says ----

  void peerIs(ControlMessage.Part part) {
    peer = part;
    peerReady &= part.state() == PoolState.STANDBY;
  }

  void peerIsReady() {
    peerReady = true;
  }

  void handedOver() {
    if (state == PoolState.STANDBY) {
      parts.replay.forget();
      take(Purpose.HANDOVER);
    }
  }

  void refused() {
    if (state == PoolState.HANDING_OVER && step == Step.OFFERED) {
      LOG.warn("pool {}: the peer could not open it, taking it back", name);
      givebackAtNs = controller.nowNs() + GIVEBACK_RETRY_NS;
      take(Purpose.RECLAIM);
    }
  }

  /** The link is gone; the mirror's right has been revoked before this. */
  void linkDown() {
    peer = new ControlMessage.Part(PoolState.STARTING, peer.epoch(), 0);
    peerReady = false;
    switch (state) {
      case STARTING -> startDeadlineNs = controller.nowNs() + array.startupWaitNs();
      case STANDBY -> take(Purpose.TAKEOVER);
      case OWNER_ALONE, RESYNCING, OWNER_MIRRORED -> freeze();
      case HANDING_OVER -> {
        switch (step) {
          case DRAINING -> freeze();
          case CLOSING -> reclaim = true;
          default -> take(Purpose.RECLAIM);
        }
      }
      case STOPPING -> {
        parts.mirror.end();
        if (step == Step.DRAINING) {
          parts.log.become(CommitLog.Mode.SETTLING);
        }
      }
      case FENCING, OPENING, REPLAYING, FROZEN, SETTLING, LOST, STOPPED -> {}
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
    switch (state) {
      case STARTING -> starting();
      case STANDBY -> standingBy();
      case FENCING -> fencing();
      case OPENING -> opening();
      case REPLAYING -> replaying();
      case OWNER_ALONE -> alone();
      case RESYNCING -> resyncing();
      case OWNER_MIRRORED -> mirrored();
      case FROZEN -> frozen();
      case SETTLING -> settling();
      case HANDING_OVER -> handingOver();
      case STOPPING -> stopping();
      case LOST -> lost();
      case STOPPED -> parts.path.dropAll();
    }
    return state == before ? 0 : 1;
  }

  private void transition(PoolState next) {
    if (!state.mayBecome(next)) {
      throw new IllegalStateException("pool " + name + ": " + state + " can't become " + next);
    }
    LOG.info("pool {}: {} -> {}", name, state, next);
    state = next;
    step = Step.NONE;
    validating = false;
    controller.changed(index, next);
  }

  private boolean isHome() {
    return parts.config.home().equals(array.node());
  }

  /** Of two controllers of which none owns the pool: whether this one is to take it. */
  private boolean claims() {
    if (controller.peerLeaving() || peer.state() == PoolState.STOPPED) {
      return true;
    }
    return mirroredEpoch == peer.mirroredEpoch() ? isHome() : mirroredEpoch > peer.mirroredEpoch();
  }

  private boolean nobodyOwns() {
    return controller.peerKnown() && !peer.state().isOwner() && !peer.state().isUndecided();
  }

  private void starting() {
    if (controller.leaving()) {
      transition(PoolState.STOPPED);
    } else if (peerOwns()) {
      standBy();
    } else if (nobodyOwns() && peer.state() != PoolState.STANDBY && claims()) {
      take(Purpose.CLAIM);
    } else if (!controller.peerKnown() && controller.nowNs() >= startDeadlineNs) {
      LOG.warn("pool {}: no peer found, taking the pool at the drives", name);
      take(Purpose.CLAIM);
    }
  }

  private void standBy() {
    parts.replay.forget();
    mirroredEpoch = 0;
    readySent = false;
    parts.fencing.start(Fencing.Procedure.REGISTER);
    transition(PoolState.STANDBY);
  }

  private void standingBy() {
    if (controller.leaving()) {
      transition(PoolState.STOPPED);
      return;
    }
    if (!readySent
        && peerOwns()
        && parts.fencing.procedure() == Fencing.Procedure.REGISTER
        && parts.fencing.result() == Fencing.Result.WON) {
      readySent = true;
      controller.tell(new ControlMessage.Ready(index));
    }
    if (nobodyOwns()) {
      if (peer.state() == PoolState.STOPPED) {
        // Closed in good order: what the mirror holds is on the drives.
        parts.replay.forget();
      }
      if (peer.state() != PoolState.STANDBY || isHome()) {
        take(Purpose.TAKEOVER);
      }
    }
  }

  private void take(Purpose why) {
    purpose = why;
    if (why == Purpose.TAKEOVER) {
      mirroredEpoch = parts.replay.mirroredEpoch();
    }
    // Whoever kept a complete mirror, or gave the pool away, must not come back after it was
    // fenced.
    boolean registered = why == Purpose.TAKEOVER && readySent;
    boolean reclaims = why == Purpose.RECLAIM && !controller.peerKnown();
    parts.fencing.start(
        registered || reclaims ? Fencing.Procedure.TAKE : Fencing.Procedure.REGISTER_AND_TAKE);
    transition(PoolState.FENCING);
  }

  private void fencing() {
    if (controller.leaving() && purpose != Purpose.TAKEOVER) {
      parts.fencing.cancel();
      transition(PoolState.STOPPED);
    } else if (parts.fencing.result() == Fencing.Result.CONFLICT
        || (peerOwns() && purpose != Purpose.HANDOVER)) {
      lose("the peer was faster at the drives");
    } else if (parts.fencing.result() == Fencing.Result.WON
        && parts.pool.state() == Pool.State.CLOSED) {
      transition(PoolState.OPENING);
      open();
    }
  }

  private void open() {
    controlUnderWay = true;
    long atLeast =
        purpose == Purpose.CLAIM
            ? mirroredEpoch + 1
            : Math.max(mirroredEpoch, Math.max(peer.epoch(), epoch)) + 1;
    boolean drivesStayedPowered = purpose != Purpose.CLAIM;
    parts.pool.open(array.arrayId(), atLeast, drivesStayedPowered, this::opened);
  }

  private void opened(PoolStatus status) {
    controlUnderWay = false;
    if (state != PoolState.OPENING) {
      return;
    }
    switch (status) {
      case OK -> openedWell();
      case FENCED -> lose("the drives refuse this controller");
      case NOT_FORMATTED -> {
        if (array.formatIfBlank() && purpose == Purpose.CLAIM) {
          LOG.info("pool {}: writing an empty pool to blank drives", name);
          controlUnderWay = true;
          parts.pool.format(array.arrayId(), this::formatted);
        } else {
          openFailed(status);
        }
      }
      case NO_SPACE, MEDIA_ERROR, NO_QUORUM, INVALID, CLOSED -> openFailed(status);
    }
  }

  private void formatted(PoolStatus status) {
    controlUnderWay = false;
    if (state == PoolState.OPENING && status == PoolStatus.OK) {
      open();
    } else if (state == PoolState.OPENING) {
      openFailed(status);
    }
  }

  private void openFailed(PoolStatus status) {
    LOG.warn("pool {}: can't be opened: {}", name, status);
    if (purpose == Purpose.HANDOVER && controller.peerKnown()) {
      controller.tell(new ControlMessage.Refused(index));
      standBy();
    } else {
      retryAtNs = controller.nowNs() + RETRY_NS;
    }
  }

  private void openedWell() {
    epoch = parts.pool.epoch();
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
      transition(PoolState.REPLAYING);
    } else {
      serve();
    }
  }

  private void opening() {
    if (!controlUnderWay
        && controller.nowNs() >= retryAtNs
        && parts.pool.state() == Pool.State.CLOSED) {
      open();
    }
  }

  private void replaying() {
    switch (parts.replay.pump(controller.nowNs())) {
      case RUNNING -> {}
      case FENCED -> lose("the drives refuse this controller");
      case DONE -> {
        LOG.info("pool {}: replayed up to record {}", name, parts.replay.lastSequence());
        serve();
      }
    }
  }

  private void serve() {
    transition(PoolState.OWNER_ALONE);
    parts.log.become(CommitLog.Mode.ALONE);
  }

  private void alone() {
    if (controller.leaving()) {
      stop();
    } else if (peerReady
        && controller.peerKnown()
        && link.isGranted(PeerLink.Lane.MIRROR)
        && !controlUnderWay
        && !validating
        && !parts.destager.isStuck()
        && controller.nowNs() >= retryAtNs) {
      transition(PoolState.RESYNCING);
      step = Step.ADVANCING;
      controlUnderWay = true;
      parts.pool.advanceEpoch(this::advanced);
    }
  }

  private void advanced(PoolStatus status) {
    controlUnderWay = false;
    if (status == PoolStatus.OK) {
      epoch = parts.pool.epoch();
    }
    if (state == PoolState.RESYNCING) {
      if (status == PoolStatus.OK) {
        step = Step.DRAINING;
        stepDeadlineNs = controller.nowNs() + array.controlTimeoutNs();
      } else {
        backToAlone();
      }
    } else if (state == PoolState.SETTLING) {
      if (status == PoolStatus.OK) {
        serve();
      } else {
        retryAtNs = controller.nowNs() + RETRY_NS;
      }
    }
  }

  private void backToAlone() {
    retryAtNs = controller.nowNs() + RETRY_NS;
    transition(PoolState.OWNER_ALONE);
  }

  private void resyncing() {
    if (controller.leaving() && step != Step.ADVANCING) {
      stop();
    } else if (step == Step.DRAINING && isDrained() && !parts.mirror.isBusy()) {
      parts.reset(CommitLog.Mode.MIRRORED, epoch);
      parts.mirror.begin();
      step = Step.PLACING_HEADER;
    } else if (step == Step.DRAINING && controller.nowNs() >= stepDeadlineNs) {
      backToAlone();
    } else if (step == Step.PLACING_HEADER && parts.mirror.isEstablished()) {
      mirroredSinceNs = controller.nowNs();
      transition(PoolState.OWNER_MIRRORED);
    } else if (parts.mirror.isBroken() && step == Step.PLACING_HEADER) {
      controller.declareDown("the mirror can't be reached");
    }
  }

  private boolean isDrained() {
    return parts.path.active() == 0 && parts.log.isEmpty() && parts.destager.underWay() == 0;
  }

  private void mirrored() {
    if (parts.mirror.isBroken() || !link.isGranted(PeerLink.Lane.MIRROR)) {
      controller.declareDown("the peer has revoked the mirror");
    } else if (controller.leaving()) {
      stop();
    } else if (!isHome()
        && controller.nowNs()
            >= Math.max(mirroredSinceNs + array.givebackDelayNs(), givebackAtNs)) {
      handOver();
    }
  }

  /** Begins to hand the pool to the peer; false when that isn't possible now. */
  boolean handOver() {
    boolean possible =
        state == PoolState.OWNER_MIRRORED
            && controller.peerKnown()
            && !controller.peerLeaving()
            && !validating
            && !parts.destager.isStuck()
            && peer.state() == PoolState.STANDBY;
    if (possible) {
      transition(PoolState.HANDING_OVER);
      drain();
    }
    return possible;
  }

  private void drain() {
    step = Step.DRAINING;
    stepDeadlineNs = controller.nowNs() + array.controlTimeoutNs();
    reclaim = false;
  }

  private void handingOver() {
    boolean late = controller.nowNs() >= stepDeadlineNs;
    switch (step) {
      case DRAINING -> {
        if (parts.mirror.isBroken()) {
          controller.declareDown("the mirror can't be reached");
        } else if (isDrained()) {
          close();
        } else if (late) {
          givebackAtNs = controller.nowNs() + GIVEBACK_RETRY_NS;
          transition(PoolState.OWNER_MIRRORED);
        }
      }
      case RELEASING -> {
        if (parts.fencing.result() == Fencing.Result.WON) {
          step = Step.OFFERED;
          controller.tell(new ControlMessage.Handover(index, epoch));
        }
      }
      case OFFERED -> {
        if (peerOwns()) {
          standBy();
        } else if (controller.peerKnown() && peer.state() == PoolState.LOST) {
          refused();
        } else if (late) {
          controller.declareDown("no answer to a handover");
        }
      }
      case NONE, ADVANCING, PLACING_HEADER, CLOSING -> {}
    }
  }

  private void close() {
    parts.mirror.end();
    parts.log.become(CommitLog.Mode.HELD);
    step = Step.CLOSING;
    controlUnderWay = true;
    parts.pool.close(this::closed);
  }

  private void closed(PoolStatus status) {
    controlUnderWay = false;
    if (step != Step.CLOSING) {
      return;
    }
    if (status == PoolStatus.FENCED) {
      lose("the drives refuse this controller");
    } else if (state == PoolState.HANDING_OVER && (reclaim || status != PoolStatus.OK)) {
      take(Purpose.RECLAIM);
    } else {
      step = Step.RELEASING;
      parts.fencing.start(Fencing.Procedure.RELEASE);
    }
  }

  private void stop() {
    transition(PoolState.STOPPING);
    if (parts.log.mode() == CommitLog.Mode.MIRRORED && !parts.mirror.isEstablished()) {
      parts.mirror.end();
    }
    drain();
  }

  private void stopping() {
    boolean late = controller.nowNs() >= stepDeadlineNs;
    if (parts.log.mode() == CommitLog.Mode.SETTLING && parts.log.isDestaged()) {
      // The mirror is gone, and nothing may be committed alone before the peer is fenced: the
      // drives
      // have what was committed before, the rest ends unanswered.
      parts.path.dropAll();
      parts.log.become(CommitLog.Mode.SETTLING);
    }
    if (step == Step.DRAINING && (isDrained() || (late && !controlUnderWay))) {
      close();
    } else if (step == Step.RELEASING && parts.fencing.result() == Fencing.Result.WON) {
      transition(PoolState.STOPPED);
    }
  }

  private void freeze() {
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
    // A full medium can't take what the log holds: it stays in the log, and reads go on.
    boolean settled = parts.log.isDestaged() || parts.destager.isSpaceExhausted();
    if (settled && !controlUnderWay && controller.nowNs() >= retryAtNs) {
      controlUnderWay = true;
      parts.pool.advanceEpoch(this::advanced);
    }
  }

  private void lose(String reason) {
    LOG.warn("pool {}: lost: {}", name, reason);
    transition(PoolState.LOST);
    quiet = false;
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
    if (controller.leaving()) {
      transition(PoolState.STOPPED);
    } else if (peerOwns()) {
      standBy();
    } else if (nobodyOwns() && peer.state() != PoolState.STANDBY && claims()) {
      take(Purpose.CLAIM);
    }
  }

  /** Time at which {@link #pump} is due although nothing has happened. */
  long deadlineNs() {
    long deadline =
        switch (state) {
          case STARTING -> controller.peerKnown() ? Long.MAX_VALUE : startDeadlineNs;
          case OPENING, SETTLING, OWNER_ALONE -> retryAtNs;
          case RESYNCING, HANDING_OVER, STOPPING -> stepDeadlineNs;
          case OWNER_MIRRORED ->
              isHome()
                  ? Long.MAX_VALUE
                  : Math.max(mirroredSinceNs + array.givebackDelayNs(), givebackAtNs);
          case STANDBY, FENCING, REPLAYING, FROZEN, LOST, STOPPED -> Long.MAX_VALUE;
        };
    // What is over and still not done waits for something that will report itself.
    return deadline > controller.nowNs() ? deadline : Long.MAX_VALUE;
  }

  private void validated() {
    switch (parts.fencing.result()) {
      case UNDER_WAY -> {}
      case WON -> validating = false;
      case CONFLICT -> lose("after a pause the drives name another owner");
    }
  }
}
