package io.twinspan.rdma;

import java.lang.foreign.MemorySegment;
import java.util.Random;

/** Makes up right requests, posts them, and looks at what came of reads and atomics. */
final class MixRequests {
  private final MixQueuePair owner;
  private final MixRequester requester;
  private final MixShape shape;
  private final Random random;
  private final MixSource source;
  private final WorkRequest request;
  private final int places;
  private final MixCells cells;
  private final MixCounters counters = new MixCounters();
  private final MixPieces pieces = new MixPieces();
  private final boolean[] resultTaken = new boolean[MixShape.RESULT_PLACES];
  private long nextStamp = System.nanoTime();
  private int leftAlone;
  private int messages;
  private int invalidatedKey;

  MixRequests(MixQueuePair owner, MixRequester requester, MixSource source, WorkRequest request) {
    this.owner = owner;
    this.requester = requester;
    this.source = source;
    this.request = request;
    random = owner.random();
    shape = owner.shape();
    places = MixShape.places(owner.channel().spec());
    cells = new MixCells(shape.cells().size());
  }

  MixCells cells() {
    return cells;
  }

  MixCounters counters() {
    return counters;
  }

  /** How many messages of this connection were posted. */
  int messages() {
    return messages;
  }

  /** The cell that is not written during this connection, so that the partner can look at it. */
  int leftAlone() {
    return leftAlone;
  }

  void begin() {
    leftAlone = random.nextInt(cells.count());
    messages = 0;
    invalidatedKey = 0;
  }

  /** Posts one request or a few; false if nothing can be done now. */
  boolean post() {
    int choice = random.nextInt(20);
    if (choice < 8) {
      return message();
    }
    if (choice < 12) {
      return write(random.nextInt(cells.count()));
    }
    if (choice < 15) {
      return stamp();
    }
    return choice < 17 ? read(random.nextInt(cells.count())) : atomic();
  }

  boolean message() {
    MixMessage message = MixMessage.of(shape, requester.epoch(), messages);
    int kind =
        switch (message.kind()) {
          case WRITE_WITH_IMMEDIATE -> MixShape.CELLS;
          case SEND_WITH_INVALIDATE -> MixShape.GUEST;
          case SEND, SEND_WITH_IMMEDIATE -> MixSent.NONE;
        };
    int key = kind == MixSent.NONE ? 0 : key(kind);
    boolean gone = kind == MixShape.GUEST && key == invalidatedKey;
    if (requester.isFull() || gone || (kind != MixSent.NONE && key == 0)) {
      return false;
    }
    MixSent sent = requester.begin(message.kind().name(), requester.signal());
    sent.isMessage = true;
    int immediate = MixMessage.immediate(messages);
    switch (message.kind()) {
      case SEND -> request.send(sent.id);
      case SEND_WITH_IMMEDIATE -> request.sendWithImmediate(sent.id, immediate);
      case SEND_WITH_INVALIDATE -> {
        invalidatedKey = key;
        request.sendWithInvalidate(sent.id, key);
      }
      case WRITE_WITH_IMMEDIATE -> {
        sent.key = key;
        sent.slot = kind;
        long offset = shape.announcedOffset(messages % places);
        request.writeWithImmediate(sent.id, key, offset, immediate);
      }
    }
    request.solicited(message.solicited());
    source.fill(request, sent, message.length(), message.stamp());
    messages++;
    submit(sent);
    return true;
  }

  /** An empty message, after which the partner posts no more receives. */
  void starve() {
    MixSent sent = requester.begin("starve", true);
    sent.isMessage = true;
    request.send(sent.id).inline(MemorySegment.NULL, 0, 0);
    messages++;
    requester.submit(sent);
  }

  private boolean write(int cell) {
    if (cell == leftAlone) {
      return true;
    }
    int key = key(MixShape.CELLS);
    if (requester.isFull() || key == 0) {
      return false;
    }
    MixSent sent = requester.begin("write", requester.signal());
    sent.key = key;
    sent.slot = MixShape.CELLS;
    sent.written = cell;
    sent.stamp = nextStamp++;
    request.write(sent.id, key, shape.cellOffset(cell));
    if (cells.isRead(cell)) {
      request.fence(true);
    }
    source.fill(request, sent, shape.cells().get(cell), sent.stamp);
    cells.posted(cell, sent.stamp);
    submit(sent);
    return true;
  }

  private boolean stamp() {
    int key = key(MixShape.STAMP);
    if (requester.isFull() || key == 0) {
      return false;
    }
    MixSent sent = requester.begin("stamp", requester.signal());
    sent.key = key;
    sent.slot = MixShape.STAMP;
    sent.isStamp = true;
    sent.stamp = nextStamp++;
    request.write(sent.id, key, 0);
    source.fillWithStamp(request, sent, shape.stampBytes(owner.index()));
    submit(sent);
    return true;
  }

  /** Reads a part of a cell. */
  private boolean read(int cell) {
    int key = key(MixShape.CELLS);
    MemoryRegion results = owner.regions().own(MixShape.RESULTS);
    int place = 0;
    while (place < MixShape.RESULT_PLACES && resultTaken[place]) {
      place++;
    }
    boolean possible = key != 0 && results != null && place < MixShape.RESULT_PLACES;
    if (requester.isFull() || !possible || results == null) {
      return false;
    }
    MixSent sent = requester.begin("read", requester.signal());
    sent.key = key;
    sent.slot = MixShape.CELLS;
    sent.read = cell;
    int length = shape.cells().get(cell);
    sent.readFrom = random.nextInt(4) == 0 ? random.nextInt(length) : 0;
    sent.readBytes = length - sent.readFrom;
    sent.resultPlace = place;
    sent.resultKey = results.lkey();
    sent.stamp = cells.reads(cell);
    resultTaken[place] = true;
    request.read(sent.id, key, shape.cellOffset(cell) + sent.readFrom);
    long offset = resultOffset(sent);
    var _ = results.segment().asSlice(offset, sent.readBytes).fill((byte) 0x55);
    cut(sent);
    for (int i = 0; i < pieces.count(); i++) {
      request.sge(results.lkey(), offset + pieces.start(i), pieces.length(i));
    }
    submit(sent);
    return true;
  }

  private boolean atomic() {
    int key = key(MixShape.COUNTERS);
    if (requester.isFull() || key == 0) {
      return false;
    }
    MixSent sent = requester.begin("atomic", requester.signal());
    sent.key = key;
    sent.slot = MixShape.COUNTERS;
    sent.counter = random.nextInt(MixShape.COUNTER_WORDS);
    sent.isSwap = random.nextBoolean();
    boolean contended = sent.counter == MixCounters.CONTENDED;
    long offset = (long) sent.counter * Long.BYTES;
    if (sent.isSwap) {
      sent.operand = counters.returned(sent.counter) + random.nextInt(3) - 1;
      sent.swap = contended ? sent.operand + 1 : random.nextLong();
      request.compareAndSwap(sent.id, key, offset, sent.operand, sent.swap);
    } else {
      sent.operand = contended ? 1 : random.nextLong();
      request.fetchAndAdd(sent.id, key, offset, sent.operand);
    }
    source.takeResult(request, sent, Long.BYTES);
    submit(sent);
    return true;
  }

  private void submit(MixSent sent) {
    if (random.nextInt(12) == 0) {
      request.fence(true);
    }
    requester.submit(sent);
  }

  // --- what became of them

  void succeeded(MixSent sent) {
    if (sent.written != MixSent.NONE) {
      cells.succeeded(sent.written, sent.stamp);
    } else if (sent.read != MixSent.NONE) {
      checkRead(sent);
      endRead(sent);
    } else if (sent.counter != MixSent.NONE) {
      long returned = source.result(sent);
      if (!owner.isTainted()) {
        owner.side().tally().count("atomics checked");
        counters.succeeded(sent, returned);
      }
    }
  }

  /** It may, or may not, have acted. */
  void failed(MixSent sent) {
    if (sent.written != MixSent.NONE) {
      cells.failed(sent.written, sent.stamp);
    } else if (sent.read != MixSent.NONE) {
      endRead(sent);
    } else if (sent.counter != MixSent.NONE) {
      counters.failed(sent);
    }
  }

  private void checkRead(MixSent sent) {
    if (owner.isTainted() || sent.stamp == MixCells.UNSETTLED) {
      return;
    }
    owner.side().tally().count("reads checked");
    MemorySegment results = owner.regions().memory(MixShape.RESULTS);
    long offset = resultOffset(sent);
    int at = cut(sent).mismatch(results, offset, sent.readBytes, sent.stamp, sent.readFrom);
    MixViolation.require(
        at < 0,
        "read %x of cell %d, %d bytes from %d, differs at %d",
        sent.id,
        sent.read,
        sent.readBytes,
        sent.readFrom,
        at);
  }

  private void endRead(MixSent sent) {
    cells.hasRead(sent.read);
    resultTaken[sent.resultPlace] = false;
  }

  private MixPieces cut(MixSent sent) {
    return pieces.cut(MixPattern.hash(sent.id), sent.readBytes);
  }

  private long resultOffset(MixSent sent) {
    return (long) sent.resultPlace * shape.resultBytes();
  }

  private int key(int kind) {
    return owner.regions().remote(kind).rkey();
  }
}
