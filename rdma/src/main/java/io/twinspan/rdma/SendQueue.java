package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.twinspan.concurrent.SharedMemory;
import io.twinspan.dma.DmaAddress;
import io.twinspan.dma.DmaStatus;
import io.twinspan.rdma.WorkRequest.Operation;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The send side of a queue pair: a ring of work requests that are posted, then issued to the
 * channel's descriptor ring, then completed, in this order.
 *
 * <pre>
 *   completed  &lt;=  issued  &lt;=  posted,   posted - completed, and what was not polled, &lt;= depth
 * </pre>
 */
final class SendQueue implements TransferOwner {
  private static final long NO_RECEIVE = -1;
  private static final long NEVER = Long.MAX_VALUE;

  /** How an attempt to issue a request went. */
  private enum Verdict {
    ISSUED,
    WAIT,
    FAILED
  }

  private final QueuePair queuePair;
  private final Channel channel;
  private final CompletionSource completions;
  private final long control;
  private final int depth;
  private final int mask;
  private final int peerReceives;
  private final int maxInlineBytes;
  private final MemorySegment inlineMemory;
  private final int inlineKey;

  private final Operation[] operations;
  private final long[] ids;
  private final boolean[] signaled;
  private final int[] localKeys;
  private final long[] localOffsets;
  private final int[] lengths;
  private final int[] remoteKeys;
  private final long[] remoteOffsets;
  private final int[] immediates;
  private final long[] receiveIndices;

  private long posted;
  private long issued;
  private long completed;
  private long receivesUsed;
  private long waitsSinceNs = NEVER;

  SendQueue(QueuePair queuePair, Channel channel, int index, CompletionQueue completions) {
    this.queuePair = queuePair;
    this.channel = channel;
    ChannelSpec spec = channel.spec();
    control = ChannelLayout.queuePair(spec, index) + ChannelLayout.RECEIVE_BLOCK;
    depth = spec.sendDepth();
    mask = depth - 1;
    peerReceives = spec.receiveDepth();
    maxInlineBytes = spec.maxInlineBytes();
    inlineMemory = Arena.ofAuto().allocate(Math.max(1L, (long) depth * maxInlineBytes), 64);
    inlineKey = channel.link().protectionDomain().register(inlineMemory).lkey();
    operations = new Operation[depth];
    ids = new long[depth];
    signaled = new boolean[depth];
    localKeys = new int[depth];
    localOffsets = new long[depth];
    lengths = new int[depth];
    remoteKeys = new int[depth];
    remoteOffsets = new long[depth];
    immediates = new int[depth];
    receiveIndices = new long[depth];
    this.completions = completions.source(depth);
  }

  /** Keeps a request, or says why not. */
  int post(WorkRequest request) {
    if (completions.isFull(posted - completed)) {
      return QueuePair.FULL;
    }
    int length = request.lengthBytes;
    if (length < 0 || (request.inline && length > maxInlineBytes)) {
      return QueuePair.INVALID;
    }
    int i = (int) posted & mask;
    if (request.inline) {
      long place = (long) i * maxInlineBytes;
      MemorySegment.copy(request.inlineData, request.localOffset, inlineMemory, place, length);
      localKeys[i] = inlineKey;
      localOffsets[i] = place;
    } else {
      localKeys[i] = request.localKey;
      localOffsets[i] = request.localOffset;
    }
    operations[i] = request.operation;
    ids[i] = request.wrId;
    signaled[i] = request.signaled;
    lengths[i] = length;
    remoteKeys[i] = request.remoteKey;
    remoteOffsets[i] = request.remoteOffset;
    immediates[i] = request.immediate;
    posted++;
    return QueuePair.OK;
  }

  /** A connection begins: the peer's receives count from here. */
  void connected(long firstReceive) {
    receivesUsed = firstReceive;
    waitsSinceNs = NEVER;
  }

  /** Issues and carries out what can be. */
  int progress() {
    long before = completed;
    while (issued < posted) {
      Verdict verdict = issue((int) issued & mask);
      if (verdict == Verdict.ISSUED) {
        issued++;
        continue;
      }
      if (verdict == Verdict.FAILED) {
        return (int) (completed - before); // the queue was flushed
      }
      // What waits for room in the ring, or for those before it, may go on when they are done.
      long done = completed;
      channel.transfer();
      if (completed == done || waitsSinceNs != NEVER) {
        break;
      }
    }
    if (issued > completed) {
      channel.transfer();
    }
    return (int) (completed - before);
  }

  /** When waiting for a receive ends in failure, in the link's time. */
  long nextDeadlineNs() {
    return waitsSinceNs == NEVER ? NEVER : queuePair.receiverDeadlineNs(waitsSinceNs);
  }

  @Override
  public void transferred(long index, int dmaStatus) {
    if (index != completed || queuePair.state() != QpState.RTS) {
      return; // of a connection that has failed since
    }
    int i = (int) index & mask;
    if (dmaStatus != DmaStatus.SUCCESS) {
      fail(i, statusOf(dmaStatus, operations[i]), "the engine says 0x%x".formatted(dmaStatus));
      return;
    }
    if (receiveIndices[i] != NO_RECEIVE && !announce(i, receiveIndices[i])) {
      fail(i, WcStatus.RETRY_EXC_ERR, "the peer ended the connection");
      return;
    }
    channel.countSent(lengths[i]);
    channel.link().ringLater();
    if (signaled[i]) {
      complete(i, WcStatus.SUCCESS, lengths[i]);
    }
    completed++;
  }

  /** Completes everything outstanding without success. */
  void flush() {
    for (; completed < posted; completed++) {
      complete((int) completed & mask, WcStatus.WR_FLUSH_ERR, 0);
    }
    issued = posted;
    waitsSinceNs = NEVER;
  }

  private Verdict issue(int i) {
    if (!channel.link().protectionDomain().covers(localKeys[i], localOffsets[i], lengths[i])) {
      return failed(i, WcStatus.LOC_PROT_ERR, "the local key or range is not valid");
    }
    boolean takesReceive = operations[i] != Operation.WRITE;
    if (takesReceive && !hasReceive()) {
      return waitForReceive(i);
    }
    waitsSinceNs = NEVER;
    if (operations[i] == Operation.SEND) {
      return issueSend(i);
    }
    boolean allowed =
        lengths[i] == 0
            || channel
                .table()
                .allows(remoteKeys[i], remoteOffsets[i], lengths[i], Access.REMOTE_WRITE);
    if (!allowed) {
      return failed(i, WcStatus.REM_ACCESS_ERR, "the peer does not grant this write");
    }
    return insert(i, remoteKeys[i], remoteOffsets[i], takesReceive);
  }

  private Verdict issueSend(int i) {
    long entry = receive(receivesUsed);
    MemorySegment window = channel.localControl();
    int rkey = window.get(JAVA_INT, entry + ChannelLayout.SGE_RKEY);
    int room = window.get(JAVA_INT, entry + ChannelLayout.SGE_LENGTH);
    long offset = window.get(JAVA_LONG, entry + ChannelLayout.SGE_OFFSET);
    if (lengths[i] > room) {
      return failed(i, WcStatus.REM_INV_REQ_ERR, "the peer's receive has " + room + " bytes");
    }
    if (lengths[i] > 0 && !channel.table().allows(rkey, offset, lengths[i], Access.LOCAL_WRITE)) {
      return failed(i, WcStatus.REM_OP_ERR, "the peer's receive is not usable");
    }
    return insert(i, rkey, offset, true);
  }

  private Verdict insert(int i, int rkey, long remoteOffset, boolean takesReceive) {
    long source = 0;
    long destination = 0;
    if (lengths[i] > 0) {
      source = DmaAddress.of(localKeys[i], localOffsets[i]);
      destination = DmaAddress.of(rkey, remoteOffset);
    }
    if (!channel.insert(this, issued, true, source, destination, lengths[i])) {
      return Verdict.WAIT;
    }
    receiveIndices[i] = takesReceive ? receivesUsed++ : NO_RECEIVE;
    return Verdict.ISSUED;
  }

  /** Whether the peer has a receive left for us; its count is checked before it is believed. */
  private boolean hasReceive() {
    long count =
        SharedMemory.getLongAcquire(channel.localControl(), control + ChannelLayout.POSTED);
    long left = count - receivesUsed;
    if (left < 0 || left > peerReceives) {
      queuePair.breach("its count of receives is " + count + " after " + receivesUsed);
      return false;
    }
    return left > 0;
  }

  private Verdict waitForReceive(int i) {
    if (queuePair.state() != QpState.RTS) {
      return Verdict.FAILED; // that count was a breach
    }
    long nowNs = channel.link().nowNs();
    if (waitsSinceNs == NEVER) {
      waitsSinceNs = nowNs;
    }
    if (nowNs >= queuePair.receiverDeadlineNs(waitsSinceNs)) {
      return failed(i, WcStatus.RNR_RETRY_EXC_ERR, "the peer posts no receive");
    }
    return Verdict.WAIT;
  }

  /**
   * Tells the peer that its receive is filled.
   *
   * @return false if it had ended the connection before: then it may never look
   */
  private boolean announce(int i, long receiveIndex) {
    MemorySegment peer = channel.remoteControl();
    long entry =
        control
            + ChannelLayout.fills(peerReceives)
            + (receiveIndex & (peerReceives - 1)) * ChannelLayout.FILL_BYTES;
    boolean isSend = operations[i] == Operation.SEND;
    int opcode = isSend ? ChannelLayout.OPCODE_SEND : ChannelLayout.OPCODE_WRITE;
    peer.set(JAVA_LONG, entry + ChannelLayout.FILL_LENGTH, lengths[i]);
    peer.set(JAVA_INT, entry + ChannelLayout.FILL_IMMEDIATE, immediates[i]);
    long word = ChannelLayout.word(receiveIndex, opcode, 0, 0, 0);
    SharedMemory.setLongRelease(peer, entry, word);
    // The peer ends a connection, fences, and looks for fills: one of us sees the other.
    SharedMemory.fullFence();
    return queuePair.peerIsConnected();
  }

  private long receive(long index) {
    return control
        + ChannelLayout.RECEIVES
        + (index & (peerReceives - 1)) * ChannelLayout.SGE_BYTES;
  }

  /** A request that can't be issued fails only after those before it are done. */
  private Verdict failed(int i, WcStatus status, String why) {
    if (issued > completed) {
      return Verdict.WAIT;
    }
    fail(i, status, why);
    return Verdict.FAILED;
  }

  private void fail(int i, WcStatus status, String why) {
    channel.counters().sendError();
    complete(i, status, 0);
    completed++;
    issued = Math.max(issued, completed);
    queuePair.fail(status + ": " + why);
  }

  private void complete(int i, WcStatus status, int byteLength) {
    WcOpcode opcode = operations[i] == Operation.SEND ? WcOpcode.SEND : WcOpcode.RDMA_WRITE;
    completions.add(ids[i], status, opcode, 0, byteLength, 0, queuePair.number());
  }

  private static WcStatus statusOf(int dmaStatus, Operation operation) {
    if (DmaStatus.isReadFault(dmaStatus)) {
      return WcStatus.LOC_PROT_ERR;
    }
    if (DmaStatus.isWriteFault(dmaStatus)) {
      return operation == Operation.SEND ? WcStatus.REM_OP_ERR : WcStatus.REM_ACCESS_ERR;
    }
    return WcStatus.GENERAL_ERR;
  }
}
