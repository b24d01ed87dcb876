package io.twinspan.rdma;

import io.twinspan.concurrent.WakeSignal;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Lets any threads post to a queue pair, which itself is for the link's thread only: they leave
 * their requests in a ring of slots, the link's thread posts them in its next {@link Link#doWork},
 * and is woken for it if it sleeps.
 *
 * <p>What one thread submits is posted in its order, sends and receives each for themselves.
 * Nothing waits for another queue pair, since each one's submitter has its own rings; what does not
 * fit into the queue pair's queue stays in the ring until it does, and a full ring says {@link
 * QueuePair#FULL}. Nothing is allocated.
 *
 * <p>A request that was taken here completes, whatever becomes of the queue pair: with {@link
 * WcStatus#WR_FLUSH_ERR} if its state allows no posts by then; with {@link WcStatus#LOC_QP_OP_ERR},
 * and the queue pair fails, if the request can't be right. Only one that is submitted while {@link
 * Link#close} runs, or later, may be taken and lost.
 */
public final class Submitter implements AutoCloseable {
  private final QueuePair queuePair;
  private final WakeSignal wake;
  private final SubmissionRing sends;
  private final WorkRequest[] sendSlots;
  private final boolean[] isVoid;
  private final MemorySegment inlineMemory;
  private final int maxInlineBytes;
  private final SubmissionRing receives;
  private final long[] receiveIds;
  private final @Nullable MemoryRegion[] receiveRegions;
  private final long[] receiveOffsets;
  private final int[] receiveLengths;
  private volatile boolean closed;

  Submitter(QueuePair queuePair, int depth, WakeSignal wake) {
    if (depth < 2 || depth > 1 << 16 || Integer.bitCount(depth) != 1) {
      throw new IllegalArgumentException(
          "a submitter of " + depth + ", not a power of two from 2 to 65536");
    }
    this.queuePair = queuePair;
    this.wake = wake;
    sends = new SubmissionRing(depth);
    receives = new SubmissionRing(depth);
    maxInlineBytes = queuePair.channel().spec().maxInlineBytes();
    inlineMemory = Arena.ofAuto().allocate(Math.max(1L, (long) depth * maxInlineBytes), 64);
    sendSlots = new WorkRequest[depth];
    isVoid = new boolean[depth];
    receiveIds = new long[depth];
    receiveRegions = new @Nullable MemoryRegion[depth];
    receiveOffsets = new long[depth];
    receiveLengths = new int[depth];
    for (int i = 0; i < depth; i++) {
      sendSlots[i] = new WorkRequest();
    }
  }

  /**
   * As {@link QueuePair#postSend}, from any thread.
   *
   * @param request read before this returns, and its inline data as well
   * @return {@link QueuePair#OK}: taken; {@link QueuePair#FULL}; {@link QueuePair#INVALID}; {@link
   *     QueuePair#BAD_STATE} if this submitter is closed
   */
  public int postSend(WorkRequest request) {
    if (closed) {
      return QueuePair.BAD_STATE;
    }
    boolean sound = request.sges <= WorkRequest.MAX_SGE && queuePair.channel().maySend();
    int length = request.inline ? request.inlineLength : 0;
    if (!sound || length < 0 || length > maxInlineBytes) {
      return QueuePair.INVALID;
    }
    long position = sends.claim();
    if (position == SubmissionRing.NONE) {
      return QueuePair.FULL;
    }
    try {
      keep(sends.slot(position), request, length);
    } finally {
      sends.publish(position); // also what is void, because its inline data could not be read
    }
    wake.raise();
    return QueuePair.OK;
  }

  /**
   * As {@link QueuePair#postReceive(long, MemoryRegion, long, int)}, from any thread.
   *
   * @param wrId returned in the completion
   * @param region registered on this channel with {@link Access#LOCAL_WRITE}
   * @param offset where in that region the buffer begins, in bytes
   * @param lengthBytes size of the buffer
   * @return {@link QueuePair#OK}: taken; {@link QueuePair#FULL}; {@link QueuePair#INVALID} if the
   *     queue pair takes from a shared receive queue; {@link QueuePair#BAD_STATE} if this submitter
   *     is closed
   */
  public int postReceive(long wrId, MemoryRegion region, long offset, int lengthBytes) {
    if (closed) {
      return QueuePair.BAD_STATE;
    }
    if (queuePair.sharesReceives()) {
      return QueuePair.INVALID;
    }
    long position = receives.claim();
    if (position == SubmissionRing.NONE) {
      return QueuePair.FULL;
    }
    int slot = receives.slot(position);
    receiveIds[slot] = wrId;
    receiveRegions[slot] = region;
    receiveOffsets[slot] = offset;
    receiveLengths[slot] = lengthBytes;
    receives.publish(position);
    wake.raise();
    return QueuePair.OK;
  }

  /** Takes no more; what was taken is still posted. Any thread. */
  @Override
  public void close() {
    closed = true;
  }

  /** Posts what was submitted; the link's thread only. At most what the rings hold, then others. */
  int drain() {
    return drainReceives() + drainSends();
  }

  private void keep(int slot, WorkRequest request, int inlineLength) {
    isVoid[slot] = true;
    WorkRequest kept = sendSlots[slot];
    kept.copy(request);
    if (request.inline) {
      long place = (long) slot * maxInlineBytes;
      MemorySegment.copy(
          request.inlineData, request.inlineOffset, inlineMemory, place, inlineLength);
      kept.inline(inlineMemory, place, inlineLength);
    }
    isVoid[slot] = false;
  }

  private int drainReceives() {
    int work = 0;
    for (int slot = receives.first();
        slot != SubmissionRing.NONE && work < receiveIds.length;
        slot = receives.first()) {
      MemoryRegion region = receiveRegions[slot];
      if (region != null
          && !queuePair.takeReceive(
              receiveIds[slot], region, receiveOffsets[slot], receiveLengths[slot])) {
        break;
      }
      receives.release();
      work++;
    }
    return work;
  }

  private int drainSends() {
    int work = 0;
    for (int slot = sends.first();
        slot != SubmissionRing.NONE && work < sendSlots.length;
        slot = sends.first()) {
      if (!isVoid[slot] && !queuePair.takeSend(sendSlots[slot])) {
        break;
      }
      sends.release();
      work++;
    }
    return work;
  }
}
