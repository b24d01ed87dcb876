package io.twinspan.rdma;

import io.twinspan.rdma.MixGreeting.Cause;
import java.time.Duration;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/**
 * One queue pair of the mixer over all its connections.
 *
 * <pre>
 *   RESTING -> ASKED_FOR or ASKING -> OPEN -> OVER -> RESTING     from anywhere with the link: OVER
 * </pre>
 */
final class MixQueuePair implements MixFlow {
  private static final long MS = 1_000_000;
  private static final long PATIENCE_NS = 40_000 * MS;

  private enum Phase {
    /** Waits for the link, or for its time. */
    RESTING,
    /** Lets the partner ask. */
    ASKED_FOR,
    ASKING,
    OPEN,
    /** Waits until its completions were polled. */
    OVER
  }

  private final MixSide side;
  private final Channel channel;
  private final int index;
  private final QueuePair qp;
  private final MixShape shape;
  private final Random random;
  private final MixTrace trace = new MixTrace();
  private final MixRequester requester;
  private final MixReceiver receiver;
  private final MixRegions regions;

  private Phase phase = Phase.RESTING;
  private long wakeNs;
  private long endNs;
  private long sinceNs;
  private boolean wasAsked;
  private boolean tainted;
  private boolean ending;
  private boolean isDrained;
  private boolean overSeen;
  private int connections;
  private long epoch;
  private long life;
  private int peerIncarnation;

  // Of the connection before.
  private long lastPeerEpoch;
  private long lastEpoch;
  private long lastLife;
  private boolean lastTainted;
  private Cause lastCause = Cause.NONE;
  private int lastDelivered;
  private int lastMessages;
  private int lastReceived;
  private boolean receiveRevoked;
  private boolean wentDown;
  private long peerEpoch;

  /**
   * One queue pair.
   *
   * @param shared the receives that it shares with others; null if it has its own
   */
  MixQueuePair(
      MixSide side,
      Channel channel,
      int index,
      CompletionQueue sends,
      CompletionQueue receives,
      @Nullable MixSharedReceives shared) {
    this.side = side;
    this.channel = channel;
    this.index = index;
    random = new Random(side.random().nextLong());
    qp =
        shared == null
            ? channel.createQueuePair(index, sends, receives)
            : channel.createQueuePair(index, sends, receives, shared.queue());
    shape = MixShape.of(channel.id());
    regions = new MixRegions(side, channel, index, shape, random);
    requester = new MixRequester(this);
    MixReceives taken =
        shared == null
            ? new MixReceives(qp, shape.messageBytes(), regions.memory(MixShape.RECEIVES))
            : shared.receives();
    receiver = new MixReceiver(this, taken, shared != null, regions.memory(MixShape.CELLS));
  }

  @Override
  public QueuePair qp() {
    return qp;
  }

  int index() {
    return index;
  }

  MixShape shape() {
    return shape;
  }

  Random random() {
    return random;
  }

  MixSide side() {
    return side;
  }

  MixTrace trace() {
    return trace;
  }

  MixRegions regions() {
    return regions;
  }

  /** Whether the link or channel went down during this connection, or attempt to make one. */
  boolean isDown() {
    return wentDown;
  }

  @Override
  public boolean isConnected() {
    return phase == Phase.OPEN && !ending;
  }

  /** Whether the contents of this connection are not to be checked. */
  boolean isTainted() {
    return tainted;
  }

  /** Notes that the partner's receives are gone, which it may only do with the link. */
  boolean isReceiveRevoked() {
    receiveRevoked = true;
    return !regions.remote(MixShape.RECEIVES).isValid();
  }

  void progress() {
    sinceNs = System.nanoTime();
    side.progress();
  }

  @Override
  public void requestCompletion(WorkCompletion wc) {
    requester.completion(wc);
  }

  @Override
  public void receiveCompletion(WorkCompletion wc) {
    receiver.completion(wc);
  }

  // --- what the link tells

  @Override
  public void up() {
    trace.add("up", side.life(), 0);
    regions.up();
    wasAsked = false;
    sinceNs = System.nanoTime();
  }

  @Override
  public void down() {
    trace.add("down", side.life(), 0);
    requester.knowsWhy();
    regions.down();
    wentDown = true;
    if (phase != Phase.RESTING) {
      over();
    }
  }

  @Override
  public void drained() {
    isDrained = true;
  }

  @Override
  public void event(CmEvent event) {
    trace.add(event.name(), phase.name().charAt(0), 0);
    switch (event) {
      case CONNECT_REQUEST -> wasAsked = true;
      case ESTABLISHED -> established();
      case REJECTED -> {
        side.tally().count(event.name());
        if (phase == Phase.ASKING) {
          rest(1);
          phase = Phase.ASKED_FOR;
        }
      }
      case UNREACHABLE -> {
        side.tally().count(event.name());
        if (phase == Phase.ASKING) {
          qp.modify(QpState.RESET); // with new receives: docs/known-faults.md
          over();
        }
      }
      case DISCONNECTED, DEVICE_REMOVAL -> {}
    }
  }

  @Override
  public void taint() {
    tainted = true;
    requester.forget();
    requester.forgetStamps();
    regions.taint();
  }

  // --- the life of a connection

  @Override
  public int step(long nowNs) {
    QpState state = qp.state();
    boolean connected = state == QpState.RTS || state == QpState.SQD;
    if (phase == Phase.OPEN && !connected) {
      over();
      return 1;
    }
    if ((phase == Phase.ASKING || phase == Phase.ASKED_FOR) && state == QpState.ERR) {
      over();
      return 1;
    }
    if (phase != Phase.RESTING && channel.isUp() && !side.isTainted()) {
      MixViolation.require(
          nowNs - sinceNs < PATIENCE_NS, "nothing happens for 40 s in phase %s, %s", phase, state);
    }
    if (channel.isUp() && regions.churn(nowNs)) {
      trace.add("took back", 0, 0);
      requester.knowsWhy();
    }
    return switch (phase) {
      case RESTING -> channel.isUp() && nowNs >= wakeNs ? begin() : 0;
      case ASKED_FOR -> letAsk(nowNs);
      case ASKING -> 0;
      case OPEN -> work(nowNs);
      case OVER -> conclude();
    };
  }

  @Override
  public long nextDeadlineNs() {
    if (!channel.isUp()) {
      return Long.MAX_VALUE;
    }
    return phase == Phase.ASKING
        ? regions.nextDeadlineNs()
        : Math.min(wakeNs, regions.nextDeadlineNs());
  }

  private int begin() {
    if (lastTainted) {
      requester.forget();
    }
    qp.modify(QpState.RESET);
    QpAttributes patient =
        QpAttributes.DEFAULTS
            .withMinRnrTimer(Duration.ofMillis(2))
            .withReadsAndAtomics(readsAndAtomics(), readsAndAtomics());
    qp.modify(QpState.INIT, patient);
    connections++;
    life = side.life();
    epoch = MixPattern.hash(side.incarnation(), (long) qp.number() << 32 | connections) | 1;
    tainted = side.isTainted();
    ending = false;
    overSeen = false;
    receiveRevoked = false;
    wentDown = false;
    requester.begin(epoch);
    receiver.begin();
    sinceNs = System.nanoTime();
    if (random.nextInt(3) == 0) {
      phase = Phase.ASKED_FOR;
      rest(20);
    } else {
      connect();
    }
    return 1;
  }

  private int readsAndAtomics() {
    return 1 + random.nextInt(QpAttributes.MAX_RD_ATOMIC);
  }

  private void connect() {
    phase = Phase.ASKING;
    if (random.nextBoolean()) {
      qp.connect(greeting());
    } else {
      qp.connect(Duration.ofMillis(1 + random.nextInt(50)), greeting());
    }
  }

  private int letAsk(long nowNs) {
    if (!wasAsked) {
      if (nowNs >= wakeNs) {
        connect();
      }
      return 0;
    }
    wasAsked = false;
    try {
      if (random.nextInt(5) == 0) {
        qp.reject((byte) 1);
        rest(1);
      } else {
        qp.accept(greeting());
      }
    } catch (IllegalStateException e) {
      connect(); // the partner has changed its mind since
    }
    return 1;
  }

  private byte[] greeting() {
    MixRequests requests = requester.requests();
    return new MixGreeting(
            epoch,
            side.incarnation(),
            (int) lastPeerEpoch,
            lastReceived,
            lastCause,
            requests.leftAlone(),
            requests.cells().settled(requests.leftAlone()),
            requester.stampKeys(),
            requester.stamps())
        .encode();
  }

  private void established() {
    if (phase == Phase.OPEN) {
      return;
    }
    phase = Phase.OPEN;
    side.tally().count("connections");
    sinceNs = System.nanoTime();
    endNs = sinceNs + (20 + random.nextInt(600)) * MS;
    rest(1);
    if (tainted) {
      return;
    }
    MixGreeting greeting = MixGreeting.decode(qp.peerPrivateData());
    trace.add("established", greeting.epoch(), greeting.received());
    peerEpoch = greeting.epoch();
    receiver.established(peerEpoch);
    if (greeting.incarnation() != peerIncarnation) {
      if (peerIncarnation != 0) { // else this process may be the younger one
        requester.beginMemory();
      }
      peerIncarnation = greeting.incarnation();
    } else if (!lastTainted && lastEpoch != 0 && greeting.previous() == (int) lastEpoch) {
      compare(greeting);
    }
    regions.checkStamps(greeting.stampKeys(), greeting.stamps());
  }

  /** What the partner says of the connection before, and what was known here. */
  private void compare(MixGreeting greeting) {
    MixViolation.require(
        greeting.received() >= lastDelivered && greeting.received() <= lastMessages,
        "of %d messages %d were successful, but %d came",
        lastMessages,
        lastDelivered,
        greeting.received());
    side.tally().count("deliveries checked");
    if (greeting.cellStamp() != MixCells.UNSETTLED) {
      regions.checkCell(greeting.cell(), greeting.cellStamp());
    }
    if (lastLife == side.life()) {
      MixViolation.require(
          lastCause != Cause.TOLD || greeting.cause() != Cause.TOLD,
          "the connection before ended, and neither side knows why");
    }
  }

  private void over() {
    if (phase != Phase.OVER) {
      phase = Phase.OVER;
      overSeen = false;
    }
  }

  private int conclude() {
    if (!overSeen || !side.isPolled()) {
      overSeen = true;
      return 1;
    }
    if (qp.state() == QpState.INIT || qp.state() == QpState.RTS) {
      throw new MixViolation("a connection that is over is in " + qp.state());
    }
    requester.over();
    MixViolation.require(receiver.isDrained(), "receives were never completed");
    lastEpoch = peerEpoch == 0 ? 0 : epoch;
    lastPeerEpoch = peerEpoch;
    lastLife = life;
    lastTainted = tainted;
    lastCause = tainted ? Cause.KNOWN : requester.cause();
    lastDelivered = requester.delivered();
    lastMessages = requester.requests().messages();
    lastReceived = receiver.received();
    trace.add("over " + lastCause, lastDelivered, lastReceived);
    peerEpoch = 0;
    MixViolation.require(
        !receiveRevoked || lastCause == Cause.KNOWN, "receives were gone without a reason");
    phase = Phase.RESTING;
    rest(random.nextInt(4) == 0 ? 20 : 1);
    return 1;
  }

  // --- traffic

  private int work(long nowNs) {
    int done = receiver.post(random.nextInt(8) + 1);
    if (nowNs < wakeNs) {
      return done;
    }
    if (qp.state() == QpState.SQD) {
      return drain();
    }
    if (random.nextInt(500) == 0) {
      side.tally().count("drains");
      trace.add("drain", 0, 0);
      requester.drains();
      isDrained = false;
      qp.modify(QpState.SQD);
      rest(3);
      return 1;
    }
    if (nowNs >= endNs && (!ending || nowNs >= endNs + 5000 * MS)) {
      end();
      return 1;
    }
    int burst = channel.id() == MixShape.BULK ? 3 : 1 + random.nextInt(16);
    for (int i = 0; i < burst && qp.state() == QpState.RTS; i++) {
      if (!requester.post()) {
        rest(1); // the queue is full, or the region is gone: what changes that wakes us
        break;
      }
      done++;
    }
    if (random.nextInt(side.isBusy() ? 200 : 2) == 0) {
      rest(side.isBusy() ? 2 : 8);
    }
    return done;
  }

  /** In SQD: what is posted must wait, and what was begun must end. */
  private int drain() {
    if (isDrained && random.nextInt(4) == 0) {
      side.tally().count("drained");
      trace.add("drained", 0, 0);
      qp.modify(QpState.RTS);
    } else if (random.nextBoolean()) {
      boolean _ = requester.post();
    }
    rest(1);
    return 1;
  }

  private void end() {
    ending = true;
    switch (random.nextInt(8)) {
      case 0 -> {
        trace.add("disconnect", 0, 0);
        side.tally().count("disconnects");
        requester.knowsWhy();
        qp.disconnect();
      }
      case 1 -> {
        trace.add("reset", 0, 0);
        side.tally().count("resets");
        requester.knowsWhy();
        qp.modify(QpState.RESET);
      }
      default -> ending = requester.err();
    }
  }

  private void rest(int mostMs) {
    wakeNs = System.nanoTime() + random.nextLong(mostMs * MS);
  }

  @Override
  public String toString() {
    return "  channel %s, queue pair %d: %s, %s, connection %d, '%s'%n%s"
        .formatted(
            channel.spec().name(), index, phase, qp.state(), connections, qp.lastError(), trace);
  }
}
