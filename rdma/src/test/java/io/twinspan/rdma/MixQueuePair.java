package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.twinspan.rdma.MixGreeting.Cause;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/**
 * One queue pair of the mixer over all its connections, and the memory that it offers its partner.
 *
 * <pre>
 *   RESTING -> ASKED_FOR or ASKING -> OPEN -> OVER -> RESTING     from anywhere with the link: OVER
 * </pre>
 */
final class MixQueuePair {
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
  private final MemorySegment[] memory = new MemorySegment[MixShape.SLOTS_PER_QUEUE_PAIR];
  private final @Nullable MemoryRegion[] regions =
      new @Nullable MemoryRegion[MixShape.SLOTS_PER_QUEUE_PAIR];

  /** By key of a stamp region that was taken back: the least stamp that was then visible. */
  private final Map<Long, Long> visible = new HashMap<>();

  private Phase phase = Phase.RESTING;
  private long wakeNs;
  private long endNs;
  private long churnNs;
  private long sinceNs;
  private boolean wasAsked;
  private boolean tainted;
  private boolean ending;
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
  private long peerEpoch;

  MixQueuePair(
      MixSide side, Channel channel, int index, CompletionQueue sends, CompletionQueue receives) {
    this.side = side;
    this.channel = channel;
    this.index = index;
    random = new Random(side.random().nextLong());
    qp = channel.createQueuePair(index, sends, receives);
    shape = MixShape.of(channel.id());
    int depth = channel.spec().receiveDepth();
    memory[MixShape.RECEIVES] = channel.allocate((long) depth * shape.messageBytes());
    memory[MixShape.CELLS] = channel.allocate(shape.cellsBytes(depth));
    memory[MixShape.STAMP] = channel.allocate(shape.stampBytes(index));
    memory[MixShape.CLOSED] = channel.allocate(MixShape.CLOSED_BYTES);
    requester = new MixRequester(this, shape, random);
    receiver = new MixReceiver(this, shape, memory[MixShape.RECEIVES], memory[MixShape.CELLS]);
  }

  Channel channel() {
    return channel;
  }

  QueuePair qp() {
    return qp;
  }

  int index() {
    return index;
  }

  MixSide side() {
    return side;
  }

  MixTrace trace() {
    return trace;
  }

  boolean isOpen() {
    return phase == Phase.OPEN || phase == Phase.OVER;
  }

  boolean isConnected() {
    return phase == Phase.OPEN && !ending;
  }

  /** Whether the contents of this connection are not to be checked. */
  boolean isTainted() {
    return tainted;
  }

  @Nullable MemoryRegion region(int kind) {
    return regions[kind];
  }

  /** The partner's region of a kind. */
  RemoteRegion remote(int kind) {
    return channel.remoteRegion(slot(kind));
  }

  /** Notes that the partner's receives are gone, which it may only do with the link. */
  boolean isReceiveRevoked() {
    receiveRevoked = true;
    return !remote(MixShape.RECEIVES).isValid();
  }

  void progress() {
    sinceNs = System.nanoTime();
    side.progress();
  }

  void requestCompletion(WorkCompletion wc) {
    requester.completion(wc);
  }

  void receiveCompletion(WorkCompletion wc) {
    receiver.completion(wc);
  }

  // --- what the link tells

  /** The link, or only the channel, can be used. */
  void up() {
    trace.add("up", side.life(), 0);
    for (int kind = 0; kind < regions.length; kind++) {
      register(kind);
    }
    wasAsked = false;
    sinceNs = System.nanoTime();
  }

  /** The link, or only the channel, can't be used any more. */
  void down() {
    trace.add("down", side.life(), 0);
    requester.knowsWhy();
    if (regions[MixShape.STAMP] != null) {
      noteVisible(regions[MixShape.STAMP]);
    }
    Arrays.fill(regions, null);
    if (phase != Phase.RESTING) {
      over();
    }
  }

  void event(CmEvent event) {
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

  void taint() {
    tainted = true;
    requester.cells().forget();
    requester.forgetStamps();
    visible.clear();
  }

  // --- the life of a connection

  int step(long nowNs) {
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
    churn(nowNs);
    return switch (phase) {
      case RESTING -> channel.isUp() && nowNs >= wakeNs ? begin() : 0;
      case ASKED_FOR -> letAsk(nowNs);
      case ASKING -> 0;
      case OPEN -> work(nowNs);
      case OVER -> conclude();
    };
  }

  long nextDeadlineNs() {
    if (!channel.isUp()) {
      return Long.MAX_VALUE;
    }
    return phase == Phase.ASKING ? churnNs : Math.min(wakeNs, churnNs);
  }

  private int begin() {
    if (lastTainted) {
      requester.cells().forget();
    }
    qp.modify(QpState.RESET);
    QpAttributes patient = QpAttributes.DEFAULTS.withMinRnrTimer(Duration.ofMillis(2));
    qp.modify(QpState.INIT, patient);
    connections++;
    life = side.life();
    epoch = MixPattern.hash(side.incarnation(), (long) qp.number() << 32 | connections) | 1;
    tainted = side.isTainted();
    ending = false;
    overSeen = false;
    receiveRevoked = false;
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
    return new MixGreeting(
            epoch,
            side.incarnation(),
            (int) lastPeerEpoch,
            lastReceived,
            lastCause,
            requester.leftAlone(),
            requester.cells().settled(requester.leftAlone()),
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
        requester.cells().begin();
      }
      peerIncarnation = greeting.incarnation();
    } else if (!lastTainted && lastEpoch != 0 && greeting.previous() == (int) lastEpoch) {
      compare(greeting);
    }
    for (int i = 0; i < MixGreeting.REPORTS; i++) {
      Long seen = visible.get(greeting.stampKeys()[i]);
      if (seen != null) {
        side.tally().count("revocations checked");
        MixViolation.require(
            greeting.stamps()[i] <= seen,
            "stamp %d was successful, but only %d visible when region %x was taken back",
            greeting.stamps()[i],
            seen,
            greeting.stampKeys()[i]);
      }
    }
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
      side.tally().count("cells checked");
      int cell = greeting.cell();
      int length = shape.cells().get(cell);
      long stamp = greeting.cellStamp();
      MemorySegment cells = memory[MixShape.CELLS];
      int at = MixPattern.mismatch(cells, shape.cellOffset(cell), length, stamp);
      MixViolation.require(
          at < 0, "cell %d of %d bytes is not what was written last, at %d", cell, length, at);
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
    lastMessages = requester.messages();
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
      qp.modify(QpState.RTS);
    } else if (random.nextInt(500) == 0) {
      side.tally().count("drains");
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

  // --- regions

  /** Takes a region back in the middle of the traffic, and grants it anew. */
  private void churn(long nowNs) {
    if (nowNs < churnNs || !channel.isUp()) {
      return;
    }
    int kind = random.nextInt(4) == 0 ? MixShape.CELLS : MixShape.STAMP;
    MemoryRegion region = regions[kind];
    if (region == null) {
      register(MixShape.CELLS);
      register(MixShape.STAMP);
    } else {
      trace.add("take back", kind, region.rkey());
      region.close();
      side.tally().count("taken back");
      if (kind == MixShape.STAMP) {
        noteVisible(region);
      }
      regions[kind] = null;
      requester.knowsWhy();
      if (random.nextBoolean()) {
        register(kind);
      }
    }
    boolean gap = regions[MixShape.CELLS] == null || regions[MixShape.STAMP] == null;
    churnNs = nowNs + (gap ? random.nextInt(4) : 50 + random.nextInt(1500)) * MS;
    checkGaps();
  }

  private void register(int kind) {
    if (regions[kind] == null) {
      Access[] access =
          switch (kind) {
            case MixShape.RECEIVES, MixShape.CLOSED -> new Access[] {Access.LOCAL_WRITE};
            default ->
                new Access[] {
                  Access.LOCAL_WRITE, Access.REMOTE_WRITE, Access.REMOTE_READ, Access.REMOTE_ATOMIC
                };
          };
      regions[kind] = channel.register(slot(kind), memory[kind], access);
    }
  }

  private void noteVisible(@Nullable MemoryRegion region) {
    if (region == null || side.isTainted()) {
      return;
    }
    long least = Long.MAX_VALUE;
    MemorySegment stamps = memory[MixShape.STAMP];
    for (long i = 0; i < shape.stampBytes(index); i += MixShape.STAMP_STRIDE) {
      least = Math.min(least, stamps.get(JAVA_LONG, i));
    }
    visible.put(side.regionName(region.rkey()), least);
  }

  /** Between the cells nobody writes. */
  private void checkGaps() {
    if (side.wasTainted()) {
      return;
    }
    for (int cell = 0; cell < shape.cells().size(); cell++) {
      long gap = (long) shape.cellOffset(cell) - MixShape.GAP;
      for (int i = 0; i < MixShape.GAP; i++) {
        MixViolation.require(
            memory[MixShape.CELLS].get(JAVA_BYTE, gap + i) == 0, "bytes beside cell %d", cell);
      }
    }
  }

  private int slot(int kind) {
    return index * MixShape.SLOTS_PER_QUEUE_PAIR + kind;
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
