package io.twinspan.array;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Carries out the peer's forwarded requests: bounds every field, has the pool's owner path do it,
 * places what was read into the peer's landing slot, replies. Single-threaded.
 */
final class ForwardServer {
  /** Who carries requests out. */
  interface Acceptor {
    void accept(Operation operation);
  }

  private static final HostOperation[] KINDS = HostOperation.values();

  private final PeerLink link;
  private final MemorySegment landing;
  private final Acceptor acceptor;
  private final ForwardMessage message = new ForwardMessage();
  private Life life = new Life();
  private int orphans;
  private long served;

  /** Requests of one life of the link. */
  private final class Life implements Operation.Source {
    final Operation[] operations = new Operation[ForwardClient.REQUESTS];
    final boolean[] busy = new boolean[ForwardClient.REQUESTS];
    final boolean[] executing = new boolean[ForwardClient.REQUESTS];
    final int[] slots = new int[ForwardClient.REQUESTS];
    final int[] tags = new int[ForwardClient.REQUESTS];
    final @Nullable HostStatus[] statuses = new HostStatus[ForwardClient.REQUESTS];
    final int[] ready = new int[ForwardClient.REQUESTS];
    int readyFirst;
    int readyCount;
    long slotsInUse;
    boolean over;

    Life() {
      for (int i = 0; i < operations.length; i++) {
        operations[i] = new Operation(this, i);
      }
    }

    @Override
    public void ended(Operation operation, HostStatus status) {
      answer(operation.index, status);
    }

    @Override
    public void notOwner(Operation operation) {
      answer(operation.index, null);
    }

    private void answer(int index, @Nullable HostStatus status) {
      executing[index] = false;
      if (over) {
        orphans--;
        return;
      }
      statuses[index] = status;
      ready[(readyFirst + readyCount) % ready.length] = index;
      readyCount++;
    }
  }

  ForwardServer(PeerLink link, Acceptor acceptor) {
    this.link = link;
    this.acceptor = acceptor;
    landing = link.landing(PeerLink.Lane.DATA);
  }

  /** Requests carried out for the peer. */
  long served() {
    return served;
  }

  /** Whether requests of an earlier life of the link may still use the landing memory. */
  boolean hasOrphans() {
    return orphans > 0;
  }

  /** A request came; returns what is wrong with it, or an empty text. */
  String request(ForwardMessage request) {
    int index = request.index();
    int slot = request.slot();
    int code = request.code();
    if (index >= ForwardClient.REQUESTS || life.busy[index] || code >= KINDS.length) {
      return "forwarded request " + index + " of kind " + code;
    }
    HostOperation kind = KINDS[code];
    boolean data = kind == HostOperation.READ || kind == HostOperation.WRITE;
    if (data
        && (slot >= ForwardClient.SLOTS
            || (life.slotsInUse & 1L << slot) != 0
            || request.length() < 0
            || request.length() > HostRequest.MAX_BYTES)) {
      return "forwarded request with slot " + slot + " and " + request.length() + " bytes";
    }
    if (ForwardClient.indexOf(request.tag()) != index) {
      return "forwarded request " + index + " with tag " + request.tag();
    }
    if (request.volume() >>> 24 >= ArrayNode.POOLS) {
      return "forwarded request for volume " + request.volume();
    }
    Operation operation = life.operations[index];
    operation.kind = kind;
    operation.volume = request.volume();
    operation.offset = request.offset();
    operation.length = request.length();
    operation.forceUnitAccess = request.forceUnitAccess();
    operation.data = landing;
    operation.dataOffset = data ? (long) slot * ForwardClient.SLOT_BYTES : 0;
    operation.cancelled = false;
    operation.origin = request.tag();
    life.busy[index] = true;
    life.executing[index] = true;
    life.tags[index] = request.tag();
    life.slots[index] = data ? slot : -1;
    life.slotsInUse |= data ? 1L << slot : 0;
    acceptor.accept(operation);
    return "";
  }

  /** Sends what is ready, in order. */
  int pump() {
    int work = 0;
    while (life.readyCount > 0 && link.isUp() && answer(life.ready[life.readyFirst])) {
      life.readyFirst = (life.readyFirst + 1) % life.ready.length;
      life.readyCount--;
      work++;
    }
    return work;
  }

  private boolean answer(int index) {
    Operation operation = life.operations[index];
    boolean hasData =
        life.statuses[index] == HostStatus.OK
            && operation.kind == HostOperation.READ
            && operation.length > 0;
    return hasData ? placeData(index, operation) : reply(index);
  }

  private boolean placeData(int index, Operation operation) {
    if (!link.isGranted(PeerLink.Lane.DATA)) {
      // The peer still has requests of an earlier life in its landing memory.
      return false;
    }
    long remote =
        ForwardClient.LANDING_OFFSET + (long) life.slots[index] * ForwardClient.SLOT_BYTES;
    return link.place(
        PeerLink.Lane.DATA,
        landing,
        operation.dataOffset,
        remote,
        (int) operation.length,
        ForwardClient.REQUESTS + (long) index);
  }

  private boolean reply(int index) {
    message.encodeReply(life.statuses[index], index, life.tags[index]);
    boolean sent = link.send(PeerLink.Lane.FORWARD, message.segment(), ForwardMessage.BYTES);
    if (sent) {
      life.busy[index] = false;
      int slot = life.slots[index];
      life.slotsInUse &= slot < 0 ? -1L : ~(1L << slot);
      served++;
    }
    return sent;
  }

  /**
   * The data of a read is in the peer's memory: now the reply may go; or it has to be placed again.
   */
  void placed(int index, boolean success) {
    if (life.busy[index] && !life.executing[index]) {
      if (success) {
        // Nothing more to place: the reply waits its turn if there is no room now.
        life.operations[index].length = 0;
      }
      life.ready[(life.readyFirst + life.readyCount) % life.ready.length] = index;
      life.readyCount++;
    }
  }

  /** The link is gone: nobody waits for these requests any more. */
  void linkDown() {
    Life ended = life;
    ended.over = true;
    for (int i = 0; i < ForwardClient.REQUESTS; i++) {
      if (ended.executing[i]) {
        ended.operations[i].cancelled = true;
        orphans++;
      }
    }
    life = new Life();
  }
}
