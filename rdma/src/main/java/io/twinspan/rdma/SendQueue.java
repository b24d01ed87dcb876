package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import io.twinspan.concurrent.SharedMemory;
import io.twinspan.dma.DmaAddress;
import io.twinspan.dma.DmaStatus;
import io.twinspan.dma.Translation;
import io.twinspan.rdma.WorkRequest.Operation;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/**
 * The send side of a queue pair: a ring of work requests, each of which is posted, then issued,
 * then stored where the peer can see it, then completed, in this order.
 *
 * <pre>
 *   completed  &lt;=  stored  &lt;=  issued  &lt;=  posted,   posted - completed, and what was not polled, &lt;= depth
 * </pre>
 *
 * <p>A short inline request is stored by the post itself if none before it is in the engine; every
 * other one goes by the channel's descriptor ring. A stored request completes when, after a full
 * fence, the peer's key and connection are still what they were: so success means that the peer saw
 * the bytes before it took a right or the connection back. One fence serves for all that are
 * stored, and the post of a short request has none.
 */
final class SendQueue implements TransferOwner {
  private static final long NEVER = Long.MAX_VALUE;

  /** How many rounds requests that nobody waits for may wait for others, to share their fence. */
  private static final int PATIENCE_ROUNDS = 64;

  private static final int MAX_PIECES = 2 * ChannelLayout.MAX_SGE;
  private static final ValueLayout.OfLong LONG =
      JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final QueuePair queuePair;
  private final Channel channel;
  private final ProtectionDomain domain;
  private final CompletionSource completions;
  private final PeerReceives ownReceives;
  private PeerReceives receives;
  private boolean shared;
  private final Requester requester;

  /** Null without checksums. */
  private final @Nullable SendChecks checks;

  private final int mask;
  private final int lazily;
  private final int maxInlineBytes;
  private final MemorySegment inlineMemory;
  private final int inlineKey;
  private final SendSlot[] slots;
  private final LatencySample sample;
  private final Translation target = new Translation();

  private long posted;
  private long issued;
  private long stored;
  private long completed;
  private boolean failing;
  private boolean ended;
  private boolean awaited;
  private boolean unverified;
  private int idleRounds;
  private String failure = "";
  private long waitsSinceNs = NEVER;
  private boolean mayWrite;

  /** What is wanted of a region to write to: the right, and the domain of the partner. */
  private long writeRights;

  SendQueue(QueuePair queuePair, Channel channel, int index, CompletionQueue completions) {
    this.queuePair = queuePair;
    this.channel = channel;
    domain = queuePair.protectionDomain();
    ChannelSpec spec = channel.spec();
    int depth = spec.sendDepth();
    mask = depth - 1;
    lazily = depth / 4;
    long block = ChannelLayout.queuePair(spec, index);
    long receiveBlock = block + ChannelLayout.RECEIVE_BLOCK;
    ownReceives = new PeerReceives(channel, queuePair, receiveBlock, spec.receiveDepth());
    receives = ownReceives;
    requester = new Requester(channel, domain, block);
    PayloadCrc crc = channel.crc();
    checks = crc == null ? null : new SendChecks(channel, domain, requester, crc, depth);
    maxInlineBytes = spec.maxInlineBytes();
    inlineMemory = Arena.ofAuto().allocate(Math.max(1L, (long) depth * maxInlineBytes), 64);
    inlineKey = domain.register(inlineMemory).lkey();
    slots = new SendSlot[depth];
    for (int i = 0; i < depth; i++) {
      slots[i] = new SendSlot(index);
    }
    sample = new LatencySample(channel.latency(), channel.link().clock());
    this.completions = completions.source(depth);
  }

  /**
   * Keeps a request, or says why not; a short one is stored at once if it can be.
   *
   * @param mayStore whether the queue pair's state allows that
   */
  int post(WorkRequest request, boolean mayStore) {
    if (completions.isFull(posted - completed) && !makesRoom()) {
      return QueuePair.FULL;
    }
    SendSlot slot = slot(posted);
    if (!slot.keep(request) || (slot.inline && slot.lengthBytes > maxInlineBytes)) {
      return QueuePair.INVALID;
    }
    if (checks != null) {
      checks.post(slot, request);
    }
    if (slot.inline) {
      if (mayStore
          && stored == posted
          && !failing
          && slot.lengthBytes <= ChannelLayout.EAGER_BYTES
          && store(slot, request.inlineData, request.inlineOffset)) {
        awaited |= slot.signaled;
        unverified = true;
        sample.posted(posted);
        posted++;
        issued = posted;
        stored = posted;
        return QueuePair.OK;
      }
      long place = (posted & mask) * maxInlineBytes;
      MemorySegment.copy(
          request.inlineData, request.inlineOffset, inlineMemory, place, slot.lengthBytes);
      slot.keepInline(inlineKey, place);
    }
    sample.posted(posted);
    posted++;
    return QueuePair.OK;
  }

  /**
   * Before a connection is asked for or accepted.
   *
   * @param sharesReceives whether this side's receives are the channel's shared ones
   */
  void announce(boolean sharesReceives) {
    requester.announce(sharesReceives);
  }

  /**
   * A connection begins: the peer's receives count from here.
   *
   * @param serial the connection's, which fills name
   */
  void connected(ConnectionTerms peers, long serial) {
    int attempt = ChannelLayout.attemptOf(serial);
    for (SendSlot slot : slots) {
      slot.attempt = attempt;
    }
    shared = requester.peerSharesReceives();
    PeerReceives sharedReceives = channel.peerSharedReceives();
    if (shared && sharedReceives != null) {
      receives = sharedReceives;
    } else {
      shared = false;
      receives = ownReceives;
      receives.begin(peers.firstReceive());
    }
    mayWrite = peers.allows(Access.REMOTE_WRITE);
    writeRights = RegionTable.rights(Access.REMOTE_WRITE.bit(), peers.domain());
    waitsSinceNs = NEVER;
    failing = false;
  }

  /** Whether something that was posted waits to be issued. */
  boolean hasUnissued() {
    return issued < posted;
  }

  /** Issues and carries out what can be, and completes what is stored. */
  int progress() {
    long before = completed;
    while (issued < posted && !failing && !ended && !issue(slot(issued))) {
      // What waits for room in the ring, or for those before it, may go on when they are done.
      long done = stored;
      channel.transfer();
      channel.collect();
      if (stored == done || waitsSinceNs != NEVER) {
        break;
      }
    }
    if (issued > stored) {
      channel.transfer();
      if (slot(issued - 1).operation.takesReceive) {
        channel.collect(); // its receiver waits to be told
      }
    }
    if (awaited || stored - completed > lazily || ++idleRounds >= PATIENCE_ROUNDS) {
      complete();
    }
    return (int) (completed - before);
  }

  /** Completes what is issued, and issues nothing. */
  int drain() {
    long before = completed;
    if (issued > stored) {
      channel.transfer();
      channel.collect();
    }
    complete();
    return (int) (completed - before);
  }

  /** Whether nothing is issued that is not complete. */
  boolean isDrained() {
    return issued == completed;
  }

  /** When it must have its turn though nothing wakes it, in the link's time. */
  long nextDeadlineNs() {
    if (completed < stored && !awaited) {
      return channel.link().nowNs(); // what nobody waits for is completed before this side sleeps
    }
    return waitsSinceNs == NEVER ? NEVER : queuePair.receiverDeadlineNs(waitsSinceNs);
  }

  @Override
  public void transferred(long index, int dmaStatus) {
    if (index != stored || index == issued) {
      return; // of a connection that has failed since
    }
    SendSlot slot = slot(index);
    if (dmaStatus != DmaStatus.SUCCESS) {
      slot.status = statusOf(dmaStatus, slot.operation);
      failing = true;
      failure = "the engine says 0x%x".formatted(dmaStatus);
    } else if (slot.operation.takesReceive && !failing) {
      receives.fill(slot); // after a failure no message may arrive: one before it would be missing
      unverified = true;
    } else if (checks != null && !failing) {
      checks.stored(slot);
    }
    stored++;
    awaited |= slot.signaled || failing;
    channel.link().ringLater();
  }

  /**
   * Completes what is stored, after one full fence for all of it: the peer takes a right or the
   * connection back, fences, and looks for what came before; so one of us sees the other.
   */
  void complete() {
    idleRounds = 0;
    if (completed == stored || ended) {
      return;
    }
    if (isUnanswered(slot(completed))) {
      awaited = true;
      return;
    }
    if (unverified) { // what the engine carried out it has verified
      SharedMemory.fullFence();
      unverified = false;
    }
    boolean stands = queuePair.peerIsConnected();
    long before = completed;
    long bytes = 0;
    while (completed < stored && !isPending(slot(completed), stands)) {
      SendSlot slot = slot(completed);
      WcStatus status = slot.status == WcStatus.SUCCESS ? verdict(slot, stands) : slot.status;
      if (status != WcStatus.SUCCESS) {
        slot.status = status;
        break;
      }
      if (checks != null) {
        checks.completed(slot);
      }
      bytes += slot.lengthBytes;
      if (slot.signaled) {
        add(slot, status, slot.lengthBytes);
      }
      completed++;
    }
    if (completed > before) {
      sample.completed(completed);
      channel.countSent(bytes, completed - before);
    }
    awaited = completed < stored;
    if (completed < stored && slot(completed).status != WcStatus.SUCCESS) {
      fail(slot(completed), stands);
    }
  }

  /** Completes everything outstanding without success. */
  void flush() {
    for (; completed < posted; completed++) {
      giveBack(slot(completed));
      add(slot(completed), WcStatus.WR_FLUSH_ERR, 0);
    }
    if (checks != null) {
      checks.forget();
    }
    sample.dropped();
    issued = posted;
    stored = posted;
    failing = false;
    ended = false;
    awaited = false;
    waitsSinceNs = NEVER;
  }

  /** Tells the peer how many of its receives were filled. */
  void publishCounts() {
    ownReceives.publish();
  }

  // --- for tools

  long postedCount() {
    return posted;
  }

  long issuedCount() {
    return issued;
  }

  long completedCount() {
    return completed;
  }

  /** How many receives the peer has for this side, as far as was seen. */
  long credit() {
    return receives.posted() - receives.taken();
  }

  // --- posting

  /** Completes a request that was never kept, without success; false if there is no room. */
  boolean refuse(WorkRequest request, WcStatus status) {
    if (completions.isFull(posted - completed)) {
      return false;
    }
    WcOpcode opcode = request.operation.wcOpcode;
    completions.add(request.wrId, status, opcode, 0, 0, 0, queuePair.number());
    return true;
  }

  private boolean makesRoom() {
    if (completed < stored) {
      complete();
    }
    return !completions.isFull(posted - completed);
  }

  // --- issuing

  /** Stores a short request where the peer sees it; false if that can't be, or must wait. */
  private boolean store(SendSlot slot, MemorySegment data, long offset) {
    Operation operation = slot.operation;
    if (slot.fence && requester.outstanding() > 0) {
      return false;
    }
    if (checks != null && !checks.mayIssue(slot)) {
      return false;
    }
    if (operation.takesReceive && receives.look() != PeerReceives.Credit.SOME) {
      return false;
    }
    if (operation.isSend) {
      if (receives.room() < slot.lengthBytes) {
        return false;
      }
      if (slot.lengthBytes > 0) {
        channel.table().witness(receives.key(0), slot);
      }
      slot.receiveIndex = receives.take();
      receives.fillEagerly(slot, data, offset);
    } else {
      if (slot.lengthBytes > 0 && !write(slot, data, offset)) {
        return false;
      }
      if (checks != null) {
        checks.issued(slot);
      }
      if (operation.takesReceive) {
        slot.receiveIndex = receives.take();
        receives.fill(slot);
      } else if (checks != null) {
        checks.stored(slot);
      }
    }
    channel.link().ringLater();
    return true;
  }

  private boolean write(SendSlot slot, MemorySegment data, long offset) {
    int length = slot.lengthBytes;
    if (!mayWrite
        || !channel.table().find(slot.remoteKey, slot.remoteOffset, length, writeRights, target)) {
      return false;
    }
    slot.witnessAt = target.slot();
    slot.witness = target.witness();
    VarHandle.releaseFence(); // writes arrive in order: a flag comes after what it is about
    MemorySegment to = target.segment();
    long at = target.offset();
    if (length == Long.BYTES && (at & (Long.BYTES - 1)) == 0) {
      SharedMemory.setLongRelease(to, at, data.get(LONG, offset)); // in one piece
    } else if (length == Integer.BYTES && (at & (Integer.BYTES - 1)) == 0) {
      SharedMemory.setIntRelease(to, at, data.get(INT, offset));
    } else {
      MemorySegment.copy(data, offset, to, at, length);
    }
    return true;
  }

  /** Issues the next request; false if it must wait, or has failed. */
  private boolean issue(SendSlot slot) {
    if (slot.fence && requester.outstanding() > 0) {
      return false;
    }
    if (checks != null && !checks.mayIssue(slot)) {
      awaited = true;
      return false;
    }
    for (int i = 0; i < slot.sges; i++) {
      if (!domain.covers(slot.localKeys[i], slot.localOffsets[i], slot.lengths[i])) {
        return refuse(slot, WcStatus.LOC_PROT_ERR, "the local key or range is not valid");
      }
    }
    if (slot.operation.isAnswered) {
      return ask(slot);
    }
    if (slot.operation.takesReceive && !hasReceive(slot)) {
      return false;
    }
    waitsSinceNs = NEVER;
    boolean small = slot.inline && slot.lengthBytes <= ChannelLayout.EAGER_BYTES;
    if ((small || slot.lengthBytes == 0) && stored == issued) {
      long at = slot.sges == 0 ? 0 : slot.localOffsets[0];
      if (store(slot, inlineMemory, at)) {
        awaited |= slot.signaled;
        unverified = true;
        issued++;
        stored++;
        return true;
      }
    }
    return slot.operation.isSend ? issueSend(slot) : issueWrite(slot);
  }

  /** Asks the peer, after everything before is where the peer sees it. */
  private boolean ask(SendSlot slot) {
    int limit = queuePair.readsAndAtomics();
    if (limit == 0) {
      return refuse(slot, WcStatus.LOC_QP_OP_ERR, "one side allows no reads and atomics");
    }
    if (stored < issued || requester.outstanding() >= limit) {
      return false;
    }
    WcStatus status = requester.check(slot);
    if (status != WcStatus.SUCCESS) {
      return refuse(slot, status, "the local buffers can't take the answer");
    }
    requester.ask(slot);
    awaited = true;
    issued++;
    stored++;
    return true;
  }

  private boolean issueSend(SendSlot slot) {
    long room = receives.room();
    if (room < slot.lengthBytes) {
      return refuse(slot, WcStatus.REM_INV_REQ_ERR, "the peer's receive has " + room + " bytes");
    }
    receives.locate();
    int left = slot.lengthBytes;
    for (int i = 0; i < receives.entries() && left > 0; i++) {
      int part = Math.min(left, receives.lengthBytes(i));
      left -= part;
      long right = RegionTable.rights(Access.LOCAL_WRITE.bit(), RegionTable.ANY_DOMAIN);
      boolean usable =
          part == 0
              || channel.table().find(receives.key(i), receives.offset(i), part, right, target);
      if (!usable) {
        return refuse(slot, WcStatus.REM_OP_ERR, "the peer's receive is not usable");
      }
    }
    return insert(slot);
  }

  private boolean issueWrite(SendSlot slot) {
    int length = slot.lengthBytes;
    boolean granted =
        length == 0
            || (mayWrite
                && channel
                    .table()
                    .find(slot.remoteKey, slot.remoteOffset, length, writeRights, target));
    if (!granted) {
      return refuse(slot, WcStatus.REM_ACCESS_ERR, "the peer does not grant this write");
    }
    return insert(slot);
  }

  /** Puts a request into the descriptor ring, as many transfers as both its lists make of it. */
  private boolean insert(SendSlot slot) {
    if (!channel.hasRoom(MAX_PIECES)) {
      return false;
    }
    boolean isSend = slot.operation.isSend;
    if (slot.operation.takesReceive) {
      slot.receiveIndex = receives.take();
    }
    int left = slot.lengthBytes;
    if (left == 0) {
      channel.insert(this, issued, true, 0, 0, 0);
    }
    int local = 0;
    int localDone = 0;
    int remote = 0;
    int remoteDone = 0;
    while (left > 0) {
      int key = isSend ? receives.key(remote) : slot.remoteKey;
      long offset = (isSend ? receives.offset(remote) : slot.remoteOffset) + remoteDone;
      int remoteLeft = isSend ? receives.lengthBytes(remote) - remoteDone : left;
      int piece = Math.min(Math.min(slot.lengths[local] - localDone, remoteLeft), left);
      if (piece > 0) {
        left -= piece;
        long source = DmaAddress.of(slot.localKeys[local], slot.localOffsets[local] + localDone);
        channel.insert(this, issued, left == 0, source, DmaAddress.of(key, offset), piece);
      }
      localDone += piece;
      remoteDone += piece;
      if (localDone == slot.lengths[local]) {
        local++;
        localDone = 0;
      }
      if (isSend && remoteDone == receives.lengthBytes(remote)) {
        remote++;
        remoteDone = 0;
      }
    }
    if (checks != null) {
      checks.issued(slot);
    }
    issued++;
    return true;
  }

  private boolean hasReceive(SendSlot slot) {
    return switch (receives.look()) {
      case SOME -> true;
      case NONE -> waitForReceive(slot);
      case BREACH -> {
        queuePair.breach("its count of receives can't be after " + receives.taken());
        yield false;
      }
    };
  }

  /** Returns false: there is none. */
  private boolean waitForReceive(SendSlot slot) {
    long nowNs = channel.link().nowNs();
    if (waitsSinceNs == NEVER) {
      waitsSinceNs = nowNs;
      channel.counters().receiverWait();
    }
    if (nowNs >= queuePair.receiverDeadlineNs(waitsSinceNs)) {
      return refuse(slot, WcStatus.RNR_RETRY_EXC_ERR, "the peer posts no receive");
    }
    return false;
  }

  /** A request that can't be issued fails when those before it are done; returns false. */
  private boolean refuse(SendSlot slot, WcStatus status, String why) {
    if (stored == issued) {
      slot.status = status;
      failing = true;
      failure = why;
      awaited = true;
      issued++;
      stored++;
    }
    return false;
  }

  // --- completing

  /** What became of a stored request; to be asked after a full fence. */
  private WcStatus verdict(SendSlot slot, boolean stands) {
    if (slot.answered) {
      return requester.take(slot);
    }
    boolean withdrawn = isWithdrawn(slot);
    if (withdrawn && !slot.operation.isSend && !isTaken(slot)) {
      return WcStatus.REM_ACCESS_ERR;
    }
    // The count that says that the peer took it may be of its next attempt already.
    boolean holds = stands && ((!withdrawn && checks == null) || queuePair.peerIsConnected());
    if (slot.operation.takesReceive && !holds && !queuePair.peerTook(slot.receiveIndex)) {
      if (queuePair.peerFoundBadMessage()) {
        slot.crcFault = SendSlot.CRC_TOLD;
        return WcStatus.GENERAL_ERR;
      }
      return withdrawn ? WcStatus.REM_OP_ERR : WcStatus.RETRY_EXC_ERR;
    }
    return WcStatus.SUCCESS;
  }

  private boolean isWithdrawn(SendSlot slot) {
    return slot.witnessAt != SendSlot.NO_WITNESS
        && !channel.table().stillGranted(slot.witnessAt, slot.witness);
  }

  /**
   * Whether it is not known yet what becomes of a stored request: it waits for an answer; or the
   * peer can't see it before a shared receive that another queue pair has yet to fill; or the peer
   * has taken the right to its buffer back, and did not say yet whether it had seen it before. If
   * it had not, it ends the connection as soon as it sees the message.
   */
  private boolean isPending(SendSlot slot, boolean stands) {
    if (isUnanswered(slot)) {
      return true;
    }
    return stands
        && slot.operation.takesReceive
        && slot.status == WcStatus.SUCCESS
        && (!receives.isReached(slot.receiveIndex)
            || (slot.operation.isSend
                && isWithdrawn(slot)
                && !receives.peerTook(slot.receiveIndex)));
  }

  /** Whether a stored request waits for the peer's answer, or for the peer to check it. */
  private boolean isUnanswered(SendSlot slot) {
    if (slot.answered) {
      return slot.status == WcStatus.SUCCESS && !requester.isAnswered(slot);
    }
    return checks != null
        && slot.operation.takesReceive
        && slot.status == WcStatus.SUCCESS
        && !receives.peerTook(slot.receiveIndex)
        && queuePair.peerMayTake();
  }

  /** Whether the peer has checked it and taken it. */
  private boolean isTaken(SendSlot slot) {
    return checks != null && slot.operation.takesReceive && receives.peerTook(slot.receiveIndex);
  }

  private void fail(SendSlot slot, boolean stands) {
    WcStatus status = slot.status;
    String why = failure;
    if (!failing) {
      why =
          slot.answered
              ? "the peer refused"
              : stands ? "the peer took its right back" : "the peer ended the connection";
    }
    if (slot.crcFault != SendSlot.CRC_FINE) {
      why = "the CRC of it or of its answer is wrong";
      queuePair.badRequest(status + ": " + why, slot.crcFault == SendSlot.CRC_FOUND);
    }
    ended = true;
    channel.counters().sendError();
    giveBack(slot);
    add(slot, status, 0);
    completed++;
    queuePair.fail(status + ": " + why);
  }

  /** Other queue pairs go on with the shared receives: none may be missing in their order. */
  private void giveBack(SendSlot slot) {
    if (shared && slot.receiveIndex != SendSlot.NONE && !slot.filled) {
      receives.abort(slot);
    }
  }

  private void add(SendSlot slot, WcStatus status, int byteLength) {
    WcOpcode opcode = slot.operation.wcOpcode;
    int flags = slot.crcFault == SendSlot.CRC_FINE ? 0 : WorkCompletion.BAD_CRC_FLAG;
    completions.add(slot.wrId, status, opcode, flags, byteLength, 0, queuePair.number());
  }

  private SendSlot slot(long index) {
    return slots[(int) index & mask];
  }

  private static WcStatus statusOf(int dmaStatus, Operation operation) {
    if (DmaStatus.isReadFault(dmaStatus)) {
      return WcStatus.LOC_PROT_ERR;
    }
    if (DmaStatus.isWriteFault(dmaStatus)) {
      return operation.isSend ? WcStatus.REM_OP_ERR : WcStatus.REM_ACCESS_ERR;
    }
    return WcStatus.GENERAL_ERR;
  }
}
