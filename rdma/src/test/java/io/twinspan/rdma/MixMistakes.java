package io.twinspan.rdma;

import java.util.Random;

/** Makes up requests that must fail, each with its own status, and end the connection. */
final class MixMistakes {
  private static final int OTHER_KEY = 1 << 20;

  /** What may be wrong. */
  private enum Mistake {
    LOCAL_KEY(WcStatus.LOC_PROT_ERR),
    LOCAL_BOUNDS(WcStatus.LOC_PROT_ERR),
    REMOTE_KEY(WcStatus.REM_ACCESS_ERR),
    REMOTE_BOUNDS(WcStatus.REM_ACCESS_ERR),
    REMOTE_RIGHT(WcStatus.REM_ACCESS_ERR),
    TOO_LONG(WcStatus.REM_INV_REQ_ERR),
    NO_RECEIVE(WcStatus.RNR_RETRY_EXC_ERR),
    READ_KEY(WcStatus.REM_ACCESS_ERR),
    READ_BOUNDS(WcStatus.REM_ACCESS_ERR),
    READ_RIGHT(WcStatus.REM_ACCESS_ERR),
    READ_INTO_CLOSED(WcStatus.LOC_PROT_ERR),
    ATOMIC_RIGHT(WcStatus.REM_ACCESS_ERR),
    ATOMIC_BOUNDS(WcStatus.REM_ACCESS_ERR),
    ATOMIC_UNALIGNED(WcStatus.REM_INV_REQ_ERR),
    ATOMIC_TOO_SHORT(WcStatus.LOC_LEN_ERR);

    final WcStatus status;

    Mistake(WcStatus status) {
      this.status = status;
    }
  }

  private final MixQueuePair owner;
  private final MixRequester requester;
  private final MixShape shape;
  private final MixSource source;
  private final WorkRequest request;
  private final Random random;
  private final boolean shares;

  MixMistakes(MixQueuePair owner, MixRequester requester, MixSource source, WorkRequest request) {
    this.owner = owner;
    this.requester = requester;
    this.source = source;
    this.request = request;
    shape = owner.shape();
    random = owner.random();
    shares = MixShape.sharesReceives(owner.channel().spec(), owner.index());
  }

  /** Posts one; false if that can't be done now. */
  boolean post() {
    Mistake[] all = Mistake.values();
    Mistake mistake = all[random.nextInt(all.length)];
    if (requester.isFull() || (mistake == Mistake.NO_RECEIVE && shares)) {
      return false;
    }
    if (mistake == Mistake.NO_RECEIVE) {
      tell(mistake);
      requester.starve();
      return true;
    }
    MixSent sent = requester.begin(mistake.name(), true);
    sent.mistake = mistake.status;
    int length = 1 + random.nextInt(shape.messageBytes());
    switch (mistake) {
      case LOCAL_KEY, LOCAL_BOUNDS, TOO_LONG, NO_RECEIVE -> send(mistake, sent, length);
      case REMOTE_KEY, REMOTE_BOUNDS, REMOTE_RIGHT -> write(mistake, sent, length);
      case READ_KEY, READ_BOUNDS, READ_RIGHT, READ_INTO_CLOSED -> read(mistake, sent);
      case ATOMIC_RIGHT, ATOMIC_BOUNDS, ATOMIC_UNALIGNED, ATOMIC_TOO_SHORT -> atomic(mistake, sent);
    }
    tell(mistake);
    requester.submit(sent);
    return true;
  }

  private void tell(Mistake mistake) {
    requester.knowsWhy();
    owner.side().tally().count("wrong " + mistake);
  }

  private void send(Mistake mistake, MixSent sent, int length) {
    MemoryRegion region = source.region();
    request.send(sent.id);
    if (mistake == Mistake.LOCAL_KEY) {
      request.sge(region.lkey() ^ OTHER_KEY, source.place(sent), length);
    } else if (mistake == Mistake.LOCAL_BOUNDS) {
      request.sge(region.lkey(), region.lengthBytes() - length + 1, length);
    } else {
      source.name(request, sent, shape.messageBytes() + 1 + random.nextInt(64));
    }
  }

  private void write(Mistake mistake, MixSent sent, int length) {
    int key = mistake == Mistake.REMOTE_RIGHT ? key(MixShape.CLOSED) : key(MixShape.CELLS);
    switch (mistake) {
      case REMOTE_KEY -> request.write(sent.id, key ^ OTHER_KEY, 0);
      case REMOTE_BOUNDS -> request.write(sent.id, key, cellsBytes() - length + 1);
      default -> request.write(sent.id, key, 0);
    }
    source.name(request, sent, length);
  }

  private void read(Mistake mistake, MixSent sent) {
    name(sent, mistake == Mistake.READ_RIGHT ? MixShape.CLOSED : MixShape.CELLS);
    MemoryRegion results = owner.regions().own(MixShape.RESULTS);
    int key = mistake == Mistake.READ_KEY ? sent.key ^ OTHER_KEY : sent.key;
    long offset = mistake == Mistake.READ_BOUNDS ? cellsBytes() - Long.BYTES + 1 : 0;
    request.read(sent.id, key, offset);
    if (results == null || mistake == Mistake.READ_INTO_CLOSED) {
      sent.mistake = WcStatus.LOC_PROT_ERR;
      request.sge(source.region().lkey(), 0, Long.BYTES);
    } else {
      sent.resultKey = results.lkey();
      request.sge(results.lkey(), 0, Long.BYTES);
    }
  }

  private void atomic(Mistake mistake, MixSent sent) {
    name(sent, mistake == Mistake.ATOMIC_RIGHT ? MixShape.CLOSED : MixShape.COUNTERS);
    long offset =
        switch (mistake) {
          case ATOMIC_BOUNDS -> MixShape.COUNTER_WORDS * Long.BYTES;
          case ATOMIC_UNALIGNED -> Integer.BYTES;
          default -> 0;
        };
    request.fetchAndAdd(sent.id, sent.key, offset, 0);
    int bytes = mistake == Mistake.ATOMIC_TOO_SHORT ? Integer.BYTES : Long.BYTES;
    source.takeResult(request, sent, bytes);
  }

  private void name(MixSent sent, int kind) {
    sent.slot = kind;
    sent.key = key(kind);
  }

  private long cellsBytes() {
    return shape.cellsBytes(owner.channel().spec());
  }

  private int key(int kind) {
    return owner.regions().remote(kind).rkey();
  }
}
