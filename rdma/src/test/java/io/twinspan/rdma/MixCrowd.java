package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;

/**
 * A queue pair to which several threads submit, whatever its state. What one thread submits arrives
 * in its order, nothing twice, and nothing is missing within a connection; everything completes
 * once, in its order; and the partner has received what was successful.
 */
final class MixCrowd implements MixFlow {
  static final int THREADS = 3;

  /** How many requests of a thread may be outstanding. */
  static final int PLACES = 16;

  static final int HEADER_BYTES = 2 * Long.BYTES;
  static final int MESSAGE_BYTES = 1024;

  private static final int GREETING_BYTES = 3 * Integer.BYTES + THREADS * Long.BYTES;
  private static final int SUBMITTER_DEPTH = 16;
  private static final int SLOT = 0;
  private static final long RECEIVE = 1L << 62;
  private static final long MS = 1_000_000;
  private static final long PATIENCE_NS = 40_000 * MS;

  /** A receive that is posted, or wanted. */
  record Buffer(int place, MemoryRegion region) {}

  private final MixSide side;
  private final QueuePair qp;
  private final Random random;
  private final MemorySegment memory;
  private final boolean[] isPosted;
  private final @Nullable MemoryRegion[] regionOf;
  private final List<MixCrowdMember> members = new ArrayList<>();
  private final Queue<Buffer> wanted = new ConcurrentLinkedQueue<>();

  private @Nullable MemoryRegion region;
  private volatile boolean open;
  private boolean told;
  private boolean missed;

  /** Names of this connection, and of the one before if it was told: each side has its own. */
  private int epoch;

  private int peerEpoch;
  private int lastEpoch;
  private boolean tainted;
  private boolean lastTainted;
  private boolean ending;
  private long wakeNs;
  private long endNs;
  private long sinceNs;

  /** The partner's process, and what came from its threads: the last number, and whether any. */
  private int peerIncarnation;

  private final long[] received = new long[THREADS];
  private final boolean[] hasReceived = new boolean[THREADS];

  MixCrowd(MixSide side, Channel channel, CompletionQueue sends, CompletionQueue receives) {
    this.side = side;
    random = new Random(side.random().nextLong());
    qp = channel.createQueuePair(0, sends, receives);
    int depth = channel.spec().receiveDepth();
    memory = channel.allocate((long) depth * MESSAGE_BYTES);
    isPosted = new boolean[depth];
    regionOf = new @Nullable MemoryRegion[depth];
    Submitter common = qp.createSubmitter(SUBMITTER_DEPTH);
    Submitter single = qp.createSubmitter(SUBMITTER_DEPTH);
    for (int i = 0; i < THREADS; i++) {
      boolean last = i == THREADS - 1;
      members.add(new MixCrowdMember(this, i, last ? single : common, random.nextLong()));
    }
  }

  void start() {
    members.forEach(MixCrowdMember::start);
  }

  /** No thread submits any more when this returns. */
  void stop() {
    members.forEach(MixCrowdMember::stop);
  }

  MixSide side() {
    return side;
  }

  /** Whether it is worth to submit; any thread may ask. */
  boolean isOpen() {
    return open;
  }

  /** A receive to be submitted; null if there is none; any thread may ask. */
  @Nullable Buffer wanted() {
    return wanted.poll();
  }

  void notTaken(Buffer buffer) {
    wanted.add(buffer);
  }

  @Override
  public QueuePair qp() {
    return qp;
  }

  @Override
  public void up() {
    region = channel().register(SLOT, memory, Access.LOCAL_WRITE);
    sinceNs = System.nanoTime();
    for (int place = 0; place < isPosted.length; place++) {
      if (!isPosted[place]) {
        want(place);
      }
    }
  }

  @Override
  public void down() {
    region = null;
    open = false;
  }

  @Override
  public void taint() {
    tainted = true;
    Arrays.fill(hasReceived, false);
  }

  @Override
  public boolean isConnected() {
    return qp.state() == QpState.RTS && !ending;
  }

  @Override
  public long nextDeadlineNs() {
    return channel().isUp() ? wakeNs : Long.MAX_VALUE;
  }

  @Override
  public int step(long nowNs) {
    if (!channel().isUp()) {
      return 0;
    }
    MixViolation.require(
        tainted || side.isTainted() || nowNs - sinceNs < PATIENCE_NS,
        "the crowd got nothing through for 40 s in %s",
        qp.state());
    MemoryRegion present = region;
    if (present != null && !present.isValid()) { // by a corrupt message
      MixViolation.require(side.isTainted(), "a crowd's region was invalidated");
      region = channel().register(SLOT, memory, Access.LOCAL_WRITE);
    }
    if (nowNs < wakeNs) {
      return 0;
    }
    switch (qp.state()) {
      case RESET -> {
        if (side.isPolled()) { // what is told from now on is of the next connection
          connect();
        }
      }
      case ERR -> {
        open = false;
        qp.modify(QpState.RESET);
        rest(20);
      }
      case RTS -> {
        if (nowNs >= endNs) {
          end();
        } else {
          wakeNs = endNs;
        }
      }
      default -> rest(50);
    }
    return 1;
  }

  private void connect() {
    ending = false;
    lastEpoch = told ? epoch : 0;
    int previous = told ? peerEpoch : 0;
    epoch = random.nextInt() | 1;
    told = false;
    lastTainted = tainted;
    tainted = side.isTainted();
    qp.modify(QpState.INIT);
    ByteBuffer greeting = ByteBuffer.allocate(GREETING_BYTES);
    greeting.putInt(side.incarnation()).putInt(epoch).putInt(previous);
    for (MixCrowdMember member : members) {
      greeting.putLong(member.delivered());
    }
    qp.connect(greeting.array());
    rest(1);
  }

  private void end() {
    ending = true;
    open = false;
    side.tally().count("crowd ends");
    if (random.nextBoolean()) {
      qp.disconnect();
    } else {
      qp.modify(QpState.RESET);
    }
    rest(1);
  }

  private void rest(int mostMs) {
    wakeNs = System.nanoTime() + random.nextLong(mostMs * MS);
  }

  @Override
  public void event(CmEvent event) {
    if (event == CmEvent.ESTABLISHED) {
      established();
    } else {
      open = false;
      wakeNs = Math.min(wakeNs, System.nanoTime() + MS);
    }
  }

  private void established() {
    side.tally().count("crowd connections");
    sinceNs = System.nanoTime();
    endNs = sinceNs + (50 + random.nextInt(800)) * MS;
    wakeNs = endNs;
    open = true;
    told = true;
    if (tainted) {
      return;
    }
    byte[] data = qp.peerPrivateData();
    MixViolation.require(data.length == GREETING_BYTES, "private data of %d bytes", data.length);
    ByteBuffer greeting = ByteBuffer.wrap(data);
    int incarnation = greeting.getInt();
    peerEpoch = greeting.getInt();
    // Only if both sides were told of the same connection, the one must have what the other sent.
    boolean same = greeting.getInt() == lastEpoch && lastEpoch != 0;
    boolean known = same && incarnation == peerIncarnation && !lastTainted && !missed;
    if (known) {
      side.tally().count("crowd checked");
    }
    missed = false;
    boolean young = incarnation != peerIncarnation;
    peerIncarnation = incarnation;
    for (int thread = 0; thread < THREADS; thread++) {
      long delivered = greeting.getLong();
      MixViolation.require(
          !known || received[thread] >= delivered,
          "number %d of thread %d was successful, but only %d has come",
          delivered,
          thread,
          received[thread]);
      received[thread] = young ? delivered : Math.max(delivered, received[thread]);
      hasReceived[thread] = false; // what was lost with the connection before is not known
    }
  }

  // --- completions

  @Override
  public void requestCompletion(WorkCompletion wc) {
    int thread = MixCrowdMember.thread(wc.wrId());
    MixViolation.require(thread < THREADS, "a completion of %x", wc.wrId());
    WcStatus status = wc.status();
    boolean allowed =
        switch (status) {
          case SUCCESS, WR_FLUSH_ERR, RETRY_EXC_ERR -> true;
          case REM_OP_ERR -> !channel().remoteRegion(SLOT).isValid() || side.isTainted();
          default -> side.isTainted() || tainted;
        };
    MixViolation.require(allowed, "%x of the crowd: %s", wc.wrId(), status);
    members.get(thread).completed(wc.wrId(), wc.isSuccess());
    if (wc.isSuccess()) {
      sinceNs = System.nanoTime();
      side.progress();
      side.tally().count("crowd sends");
    }
  }

  @Override
  public void receiveCompletion(WorkCompletion wc) {
    int place = (int) (wc.wrId() ^ RECEIVE);
    MixViolation.require(
        place >= 0 && place < isPosted.length && isPosted[place],
        "receive %x completes, which is not posted",
        wc.wrId());
    isPosted[place] = false;
    if (wc.isSuccess() && !tainted && !told) {
      missed = true; // the link went down before this connection was told
      MixViolation.require(!channel().isUp() || qp.state() != QpState.RTS, "it was not told");
    } else if (wc.isSuccess() && !tainted) {
      check(place, wc.byteLength());
    } else if (!wc.isSuccess()) {
      boolean old = wc.status() == WcStatus.LOC_QP_OP_ERR && regionOf[place] != region;
      MixViolation.require(
          wc.status() == WcStatus.WR_FLUSH_ERR || old || tainted || side.isTainted(),
          "a receive of the crowd: %s",
          wc.status());
    }
    want(place);
  }

  private void want(int place) {
    MemoryRegion present = region;
    if (present != null) {
      isPosted[place] = true;
      regionOf[place] = present;
      wanted.add(new Buffer(place, present));
    }
  }

  static long receiveId(Buffer buffer) {
    return RECEIVE | buffer.place();
  }

  private void check(int place, int length) {
    long at = (long) place * MESSAGE_BYTES;
    MixViolation.require(
        length >= HEADER_BYTES && length <= MESSAGE_BYTES, "%d bytes came for the crowd", length);
    int incarnation = (int) memory.get(JAVA_LONG, at);
    long id = memory.get(JAVA_LONG, at + Long.BYTES);
    int thread = MixCrowdMember.thread(id);
    long number = MixCrowdMember.number(id);
    MixViolation.require(
        incarnation == peerIncarnation && thread < THREADS,
        "message %x of %x, not %x",
        id,
        incarnation,
        peerIncarnation);
    boolean next = hasReceived[thread] ? number == received[thread] + 1 : number > received[thread];
    MixViolation.require(
        next, "number %d of thread %d comes after %d", number, thread, received[thread]);
    received[thread] = number;
    hasReceived[thread] = true;
    MixViolation.require(
        length == HEADER_BYTES + MixCrowdMember.payloadBytes(id), "%x has %d bytes", id, length);
    int payload = length - HEADER_BYTES;
    long stamp = MixCrowdMember.stamp(incarnation, id);
    int differs = MixPattern.mismatch(memory, at + HEADER_BYTES, payload, stamp);
    MixViolation.require(differs < 0, "message %x of the crowd differs at %d", id, differs);
  }

  @Override
  public String toString() {
    return "  crowd: %s, '%s', %s%n".formatted(qp.state(), qp.lastError(), members);
  }
}
