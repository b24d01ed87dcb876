package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.twinspan.rdma.MixGreeting.Cause;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/**
 * The sending half of a queue pair: makes up requests, right and wrong ones, and compares what
 * becomes of them with the model. Requests complete in the order in which they were posted; the
 * first that fails says why, all after it are flushed.
 */
final class MixRequester {
  private static final int NUMBER_SHIFT = 40;
  private static final int MOST_UNSIGNALED = 12;
  private static final int NONE = -1;

  /** What may be wrong with a request on purpose. */
  private enum Mistake {
    LOCAL_KEY(WcStatus.LOC_PROT_ERR),
    LOCAL_BOUNDS(WcStatus.LOC_PROT_ERR),
    REMOTE_KEY(WcStatus.REM_ACCESS_ERR),
    REMOTE_BOUNDS(WcStatus.REM_ACCESS_ERR),
    REMOTE_RIGHT(WcStatus.REM_ACCESS_ERR),
    TOO_LONG(WcStatus.REM_INV_REQ_ERR),
    NO_RECEIVE(WcStatus.RNR_RETRY_EXC_ERR);

    final WcStatus status;

    Mistake(WcStatus status) {
      this.status = status;
    }
  }

  /** One request that was posted. */
  private static final class Sent {
    long id;
    String kind = "";
    boolean signaled = true;
    @Nullable Mistake mistake;

    /** Slot and key of the partner's region it names; key 0 if it names none. */
    int slot;

    int key;
    int cell = NONE;
    boolean isStamp;
    boolean isMessage;
    long stamp;
  }

  private final MixQueuePair owner;
  private final QueuePair qp;
  private final Random random;
  private final MixShape shape;
  private final int depth;
  private final int receiveDepth;
  private final int maxInlineBytes;
  private final int placeBytes;
  private final MemorySegment memory;
  private final MemoryRegion region;
  private final MixCells cells;
  private final ArrayDeque<Sent> outstanding = new ArrayDeque<>();
  private final WorkRequest request = new WorkRequest();

  // What the request in hand takes its data from.
  private int dataBytes;
  private boolean isInline;

  private long serial;
  private long nextStamp = System.nanoTime();
  private int unsignaled;
  private long epoch;
  private int leftAlone;
  private int messages;
  private int delivered;
  private boolean failed;
  private boolean starves;
  private boolean erring;
  private Cause cause = Cause.NONE;
  private final long[] stampKeys = new long[MixGreeting.REPORTS];
  private final long[] stamps = new long[MixGreeting.REPORTS];

  MixRequester(MixQueuePair owner, MixShape shape, Random random) {
    this.owner = owner;
    this.shape = shape;
    this.random = random;
    qp = owner.qp();
    ChannelSpec spec = qp.channel().spec();
    depth = spec.sendDepth();
    receiveDepth = spec.receiveDepth();
    maxInlineBytes = spec.maxInlineBytes();
    int longest = Math.max(shape.messageBytes() + 64, shape.announcedBytes());
    for (int length : shape.cells()) {
      longest = Math.max(longest, length);
    }
    placeBytes = Math.max(longest, shape.stampBytes(0) + Long.BYTES * 2) + 7 & -8;
    for (int length : shape.stampBytes()) {
      MixViolation.require(length <= placeBytes, "a stamp of %d bytes", length);
    }
    memory = Arena.ofAuto().allocate((long) depth * placeBytes, 64);
    region = qp.channel().link().protectionDomain().register(memory);
    cells = new MixCells(shape.cells().size());
  }

  MixCells cells() {
    return cells;
  }

  int delivered() {
    return delivered;
  }

  int messages() {
    return messages;
  }

  Cause cause() {
    return cause;
  }

  /** The cell that is not written during this connection, so that the partner can look at it. */
  int leftAlone() {
    return leftAlone;
  }

  long[] stampKeys() {
    return stampKeys.clone();
  }

  long[] stamps() {
    return stamps.clone();
  }

  /** What was written to stamp regions is not to be reported: somebody else wrote there too. */
  void forgetStamps() {
    stampKeys[0] = 0;
    stampKeys[1] = 0;
  }

  /** A connection is going to be made. */
  void begin(long newEpoch) {
    leftAlone = random.nextInt(cells.count());
    MixViolation.require(outstanding.isEmpty(), "requests of the connection before are left");
    epoch = newEpoch;
    messages = 0;
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
      Sent sent = outstanding.poll();
      MixViolation.require(!sent.signaled, "%s %x was never completed", sent.kind, sent.id);
      succeeded(sent);
    }
    if (cause == Cause.NONE) {
      cause = Cause.TOLD;
    }
  }

  /** Posts one request or a few; false if the queue is full, or nothing can be done now. */
  boolean post() {
    int choice = random.nextInt(16);
    if (starves || choice < 8) {
      return message();
    }
    if (choice < 13) {
      return write(random.nextInt(cells.count()));
    }
    return stamp();
  }

  /** Posts a request that must fail; false if it can't now. */
  boolean err() {
    Mistake[] all = Mistake.values();
    Mistake mistake = all[random.nextInt(all.length)];
    if (mistake == Mistake.NO_RECEIVE) {
      return starve();
    }
    if (erring || outstanding.size() >= depth) {
      return erring;
    }
    Sent sent = begin(mistake.name(), true);
    sent.mistake = mistake;
    int length = 1 + random.nextInt(shape.messageBytes());
    long place = place();
    switch (mistake) {
      case LOCAL_KEY -> request.send(sent.id).sge(region.lkey() ^ 1 << 20, place, length);
      case LOCAL_BOUNDS ->
          request.send(sent.id).sge(region.lkey(), memory.byteSize() - length + 1, length);
      case TOO_LONG -> {
        request.send(sent.id);
        data(place, shape.messageBytes() + 1 + random.nextInt(64));
      }
      case REMOTE_KEY -> {
        request.write(sent.id, key(MixShape.CELLS) ^ 1 << 20, 0);
        data(place, length);
      }
      case REMOTE_BOUNDS -> {
        int bytes = shape.cellsBytes(receiveDepth);
        request.write(sent.id, key(MixShape.CELLS), bytes - length + 1L);
        data(place, length);
      }
      case REMOTE_RIGHT -> {
        request.write(sent.id, key(MixShape.CLOSED), 0);
        data(place, length);
      }
      case NO_RECEIVE -> throw new AssertionError();
    }
    erring = true;
    knowsWhy();
    owner.side().tally().count("wrong " + mistake);
    submit(sent);
    return true;
  }

  // --- right requests

  private boolean message() {
    MixMessage message = MixMessage.of(shape, epoch, messages);
    int key = message.announced() ? key(MixShape.CELLS) : 0;
    if (outstanding.size() >= depth || (message.announced() && key == 0)) {
      return false;
    }
    Sent sent = begin(message.announced() ? "write imm" : "send", signal());
    sent.isMessage = true;
    long place = place();
    MixPattern.fill(memory, place, message.length(), message.stamp());
    if (message.announced()) {
      sent.key = key;
      sent.slot = MixShape.CELLS;
      long offset = shape.announcedOffset(messages % receiveDepth);
      request.writeWithImmediate(sent.id, key, offset, MixMessage.immediate(messages));
    } else {
      request.send(sent.id);
    }
    data(place, message.length());
    messages++;
    submit(sent);
    return true;
  }

  /** Tells the partner to post no more receives, and waits for that in vain. */
  private boolean starve() {
    if (erring || outstanding.size() >= depth) {
      return erring;
    }
    starves = true;
    erring = true;
    knowsWhy();
    owner.side().tally().count("wrong NO_RECEIVE");
    Sent sent = begin("starve", true);
    sent.isMessage = true;
    request.send(sent.id).inline(memory, 0, 0);
    messages++;
    submit(sent);
    if (qp.state() == QpState.RTS) {
      qp.modify(QpState.RTS, qp.attributes().withRnrRetry(1 + random.nextInt(6)));
    }
    return true;
  }

  private boolean write(int cell) {
    if (cell == leftAlone) {
      return true;
    }
    int key = key(MixShape.CELLS);
    if (outstanding.size() >= depth || key == 0) {
      return false;
    }
    Sent sent = begin("write", signal());
    sent.key = key;
    sent.slot = MixShape.CELLS;
    sent.cell = cell;
    sent.stamp = nextStamp++;
    long place = place();
    int length = shape.cells().get(cell);
    MixPattern.fill(memory, place, length, sent.stamp);
    request.write(sent.id, key, shape.cellOffset(cell));
    data(place, length);
    cells.posted(cell, sent.stamp);
    submit(sent);
    return true;
  }

  private boolean stamp() {
    int key = key(MixShape.STAMP);
    if (outstanding.size() >= depth || key == 0) {
      return false;
    }
    Sent sent = begin("stamp", signal());
    sent.key = key;
    sent.slot = MixShape.STAMP;
    sent.isStamp = true;
    sent.stamp = nextStamp++;
    long place = place();
    int length = shape.stampBytes(owner.index());
    for (int i = 0; i < length; i += MixShape.STAMP_STRIDE) {
      memory.set(JAVA_LONG, place + i, sent.stamp);
    }
    request.write(sent.id, key, 0);
    data(place, length);
    submit(sent);
    return true;
  }

  private Sent begin(String kind, boolean signaled) {
    Sent sent = new Sent();
    sent.id = (long) qp.number() << NUMBER_SHIFT | serial;
    sent.kind = kind;
    sent.signaled = signaled;
    dataBytes = 0;
    isInline = false;
    return sent;
  }

  private boolean signal() {
    boolean signaled = ++unsignaled > MOST_UNSIGNALED || random.nextInt(4) == 0;
    unsignaled = signaled ? 0 : unsignaled;
    return signaled;
  }

  private long place() {
    return serial % depth * placeBytes;
  }

  private int key(int kind) {
    return owner.remote(kind).rkey();
  }

  private void data(long place, int length) {
    dataBytes = length;
    isInline = length <= maxInlineBytes && random.nextBoolean();
    if (isInline) {
      request.inline(memory, place, length);
    } else {
      request.sge(region.lkey(), place, length);
    }
  }

  private void submit(Sent sent) {
    request.signaled(sent.signaled);
    long place = place();
    owner.trace().add(sent.kind, sent.id, dataBytes);
    outstanding.add(sent);
    serial++;
    int result = qp.postSend(request);
    MixViolation.require(
        result == QueuePair.OK, "with %d of %d requests: %d", outstanding.size(), depth, result);
    if (isInline) {
      memory.asSlice(place, dataBytes).fill((byte) 0xEE); // it was to be copied
    }
    owner.side().tally().count(sent.kind);
  }

  // --- completions

  void completion(WorkCompletion wc) {
    Sent sent = outstanding.poll();
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
    if (sent.cell != NONE) {
      cells.failed(sent.cell, sent.stamp);
    }
  }

  private void succeeded(Sent sent) {
    owner.progress();
    MixViolation.require(sent.mistake == null || owner.isTainted(), "%s was successful", sent.kind);
    if (sent.isMessage) {
      delivered++;
    } else if (sent.cell != NONE) {
      cells.succeeded(sent.cell, sent.stamp);
    } else if (sent.isStamp) {
      report(owner.side().regionName(sent.key), sent.stamp);
    }
  }

  /** Whether verbs, and what was done here and by the partner, allow this status. */
  private void judge(Sent sent, WcStatus status) {
    if (status == WcStatus.WR_FLUSH_ERR) {
      return;
    }
    MixViolation.require(!failed, "%s %x: %s after a failure", sent.kind, sent.id, status);
    owner.side().tally().count(status.name());
    if (sent.mistake != null && status == sent.mistake.status) {
      return;
    }
    boolean allowed =
        switch (status) {
          case RETRY_EXC_ERR -> true; // then the partner must know why
          case RNR_RETRY_EXC_ERR -> starves && sent.isMessage;
          case REM_ACCESS_ERR -> isRevoked(sent);
          case REM_OP_ERR -> sent.isMessage && owner.isReceiveRevoked();
          default -> false;
        };
    MixViolation.require(allowed, "%s %x: %s", sent.kind, sent.id, status);
    if (status != WcStatus.RETRY_EXC_ERR) {
      knowsWhy();
    }
  }

  private boolean isRevoked(Sent sent) {
    return sent.key != 0 && owner.remote(sent.slot).rkey() != sent.key;
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
