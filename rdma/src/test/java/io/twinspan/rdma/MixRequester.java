package io.twinspan.rdma;

import io.twinspan.rdma.MixGreeting.Cause;
import java.util.ArrayDeque;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/**
 * The sending half of a queue pair: posts what {@link MixRequests} and {@link MixMistakes} make up,
 * and judges what becomes of it. Requests complete in the order in which they were posted; the
 * first that fails says why, all after it are flushed.
 */
final class MixRequester {
  private static final int NUMBER_SHIFT = 40;
  private static final int MOST_UNSIGNALED = 12;

  private final MixQueuePair owner;
  private final QueuePair qp;
  private final Random random;
  private final int depth;
  private final MixSource source;
  private final MixRequests requests;
  private final MixMistakes mistakes;
  private final ArrayDeque<MixSent> outstanding = new ArrayDeque<>();
  private final WorkRequest request = new WorkRequest();

  private long serial;
  private int unsignaled;
  private int drains;
  private long epoch;
  private int delivered;
  private boolean failed;
  private boolean starves;
  private boolean erring;
  private Cause cause = Cause.NONE;
  private final long[] stampKeys = new long[MixGreeting.REPORTS];
  private final long[] stamps = new long[MixGreeting.REPORTS];

  MixRequester(MixQueuePair owner) {
    this.owner = owner;
    random = owner.random();
    qp = owner.qp();
    ChannelSpec spec = owner.channel().spec();
    depth = spec.sendDepth();
    ProtectionDomain domain = qp.channel().link().protectionDomain();
    source = new MixSource(owner.shape(), spec, domain, random);
    requests = new MixRequests(owner, this, source, request);
    mistakes = new MixMistakes(owner, this, source, request);
  }

  MixRequests requests() {
    return requests;
  }

  /** How many messages of the connection were successful. */
  int delivered() {
    return delivered;
  }

  Cause cause() {
    return cause;
  }

  long epoch() {
    return epoch;
  }

  long[] stampKeys() {
    return stampKeys.clone();
  }

  long[] stamps() {
    return stamps.clone();
  }

  boolean isFull() {
    return outstanding.size() >= depth;
  }

  /** What the partner's memory is must not be relied upon. */
  void forget() {
    requests.cells().forget();
    requests.counters().forget();
  }

  /** The partner's memory is that of a new process. */
  void beginMemory() {
    requests.cells().begin();
    requests.counters().begin();
  }

  /** What was written to stamp regions is not to be reported: somebody else wrote there too. */
  void forgetStamps() {
    stampKeys[0] = 0;
    stampKeys[1] = 0;
  }

  /** A connection is going to be made. */
  void begin(long newEpoch) {
    MixViolation.require(outstanding.isEmpty(), "requests of the connection before are left");
    requests.begin();
    epoch = newEpoch;
    delivered = 0;
    unsignaled = 0;
    failed = false;
    starves = false;
    erring = false;
    cause = Cause.NONE;
  }

  /** This side does something that ends the connection. */
  void knowsWhy() {
    if (cause == Cause.NONE) {
      cause = Cause.KNOWN;
    }
  }

  /** The connection is over, and all completions were polled. */
  void over() {
    while (!outstanding.isEmpty()) {
      MixSent sent = outstanding.poll();
      MixViolation.require(!sent.signaled, "%s %x was never completed", sent.kind, sent.id);
      succeeded(sent);
    }
    if (cause == Cause.NONE) {
      cause = Cause.TOLD;
    }
  }

  /** What is posted from now on must wait for RTS. */
  void drains() {
    drains++;
  }

  /** Posts one request or a few; false if the queue is full, or nothing can be done now. */
  boolean post() {
    return starves ? requests.message() : requests.post();
  }

  /** Posts a request that must fail; false if it can't now. */
  boolean err() {
    erring = erring || mistakes.post();
    return erring;
  }

  /** Tells the partner to post no more receives, and waits for that in vain. */
  void starve() {
    starves = true;
    requests.starve();
    if (qp.state() == QpState.RTS) {
      qp.modify(QpState.RTS, qp.attributes().withRnrRetry(1 + random.nextInt(6)));
    }
  }

  // --- for those who make requests

  MixSent begin(String kind, boolean signaled) {
    return new MixSent((long) qp.number() << NUMBER_SHIFT | serial, kind, signaled);
  }

  static long serial(long id) {
    return id & (1L << NUMBER_SHIFT) - 1;
  }

  boolean signal() {
    boolean signaled = ++unsignaled > MOST_UNSIGNALED || random.nextInt(4) == 0;
    unsignaled = signaled ? 0 : unsignaled;
    return signaled;
  }

  void submit(MixSent sent) {
    request.signaled(sent.signaled);
    owner.trace().add(sent.kind, sent.id, sent.key);
    sent.heldBack = qp.state() == QpState.SQD ? drains : 0;
    outstanding.add(sent);
    serial++;
    int result = qp.postSend(request);
    MixViolation.require(
        result == QueuePair.OK, "with %d of %d requests: %d", outstanding.size(), depth, result);
    source.posted(request);
    owner.side().tally().count(sent.kind);
  }

  // --- completions

  void completion(WorkCompletion wc) {
    MixSent sent = outstanding.poll();
    while (sent != null && sent.id != wc.wrId() && !sent.signaled && !failed) {
      succeeded(sent);
      sent = outstanding.poll();
    }
    if (!failed) {
      owner.trace().add(wc.status().name(), wc.wrId(), 0);
    }
    MixViolation.require(
        sent != null && sent.id == wc.wrId(),
        "%x completes out of turn: %s",
        wc.wrId(),
        wc.status());
    if (wc.isSuccess()) {
      MixViolation.require(!failed, "%s %x succeeded after a failure", sent.kind, sent.id);
      MixViolation.require(sent.signaled, "%s %x completed unasked", sent.kind, sent.id);
      succeeded(sent);
      return;
    }
    if (!owner.isTainted()) {
      judge(sent, wc.status());
    }
    failed = true;
    requests.failed(sent);
  }

  private void succeeded(MixSent sent) {
    owner.progress();
    MixViolation.require(sent.mistake == null || owner.isTainted(), "%s was successful", sent.kind);
    MixViolation.require(
        sent.heldBack == 0 || sent.heldBack < drains || qp.state() != QpState.SQD,
        "%s %x was carried out in SQD",
        sent.kind,
        sent.id);
    if (sent.isMessage) {
      delivered++;
    } else if (sent.isStamp) {
      report(owner.side().regionName(sent.key), sent.stamp);
    }
    requests.succeeded(sent);
  }

  /** Whether verbs, and what was done here and by the partner, allow this status. */
  private void judge(MixSent sent, WcStatus status) {
    if (status == WcStatus.WR_FLUSH_ERR) {
      return;
    }
    MixViolation.require(!failed, "%s %x: %s after a failure", sent.kind, sent.id, status);
    owner.side().tally().count(status.name());
    if (status == sent.mistake) {
      return;
    }
    boolean allowed =
        switch (status) {
          case RETRY_EXC_ERR -> true; // then the partner must know why
          case RNR_RETRY_EXC_ERR -> starves && sent.isMessage;
          case REM_ACCESS_ERR -> isRevoked(sent);
          case REM_OP_ERR -> sent.isMessage && owner.isReceiveRevoked();
          case LOC_PROT_ERR -> sent.resultKey != 0 && sent.resultKey != resultKey();
          default -> false;
        };
    MixViolation.require(allowed, "%s %x: %s", sent.kind, sent.id, status);
    if (status != WcStatus.RETRY_EXC_ERR) {
      knowsWhy();
    }
  }

  private boolean isRevoked(MixSent sent) {
    return sent.slot != MixSent.NONE
        && (sent.key == 0 || owner.regions().remote(sent.slot).rkey() != sent.key);
  }

  private int resultKey() {
    @Nullable MemoryRegion results = owner.regions().own(MixShape.RESULTS);
    return results == null ? 0 : results.lkey();
  }

  private void report(long key, long stamp) {
    if (stampKeys[0] != key) {
      stampKeys[1] = stampKeys[0];
      stamps[1] = stamps[0];
      stampKeys[0] = key;
    }
    stamps[0] = stamp;
  }
}
