package io.twinspan.rdma;

/**
 * Receives that all queue pairs of a channel share that were created with it ({@code ibv_srq}). A
 * message takes the oldest, whichever queue pair it comes for, and completes in that queue pair's
 * completion queue.
 *
 * <p>Receives outlast the failure of a queue pair; one that such a failure had taken comes back as
 * flushed. They end with a life of the link: post anew in the next. For the link's thread.
 */
public final class SharedReceiveQueue {
  private final Channel channel;
  private final ReceiveRing ring;
  private final int depth;
  private int limit;
  private boolean polling;
  private boolean broken;

  SharedReceiveQueue(Channel channel) {
    this.channel = channel;
    depth = channel.spec().sharedReceiveDepth();
    ring =
        new ReceiveRing(
            channel, channel.link().protectionDomain(), ChannelLayout.SHARED_RECEIVES, depth);
  }

  /** The channel it belongs to. */
  public Channel channel() {
    return channel;
  }

  /** The protection domain of the regions that its receives lie in. */
  public ProtectionDomain protectionDomain() {
    return ring.domain();
  }

  /** How many receives wait for a message. */
  public int size() {
    return ring.outstanding();
  }

  /**
   * Posts a receive ({@code ibv_post_srq_recv}).
   *
   * @param wrId returned in the completion
   * @param region registered on this channel with {@link Access#LOCAL_WRITE}
   * @param offset where in that region the buffer begins, in bytes
   * @param lengthBytes size of the buffer
   * @return {@link QueuePair#OK}, {@link QueuePair#FULL}, {@link QueuePair#INVALID}, or {@link
   *     QueuePair#BAD_STATE} while the link is down or after the peer broke the queue
   */
  public int postReceive(long wrId, MemoryRegion region, long offset, int lengthBytes) {
    int refusal = refusal();
    if (refusal != QueuePair.OK) {
      return refusal;
    }
    return ring.post(wrId, region, offset, lengthBytes) ? QueuePair.OK : QueuePair.INVALID;
  }

  /**
   * Posts a receive with a list of buffers ({@code ibv_post_srq_recv}).
   *
   * @param request read, not kept
   * @return {@link QueuePair#OK}, {@link QueuePair#FULL}, {@link QueuePair#INVALID}, or {@link
   *     QueuePair#BAD_STATE} while the link is down or after the peer broke the queue
   */
  public int postReceive(ReceiveRequest request) {
    int refusal = refusal();
    if (refusal != QueuePair.OK) {
      return refusal;
    }
    return ring.post(request) ? QueuePair.OK : QueuePair.INVALID;
  }

  /**
   * Asks to be told once when fewer receives than this are left ({@code ibv_modify_srq}, {@code
   * IBV_SRQ_LIMIT}), by {@link AsyncEvent.Type#SRQ_LIMIT_REACHED}.
   *
   * @param receives 0 for never
   */
  public void limit(int receives) {
    limit = receives;
  }

  // --- for the channel and the queue pairs

  ReceiveRing ring() {
    return ring;
  }

  int depth() {
    return depth;
  }

  /** A life of the link begins, or the channel's memory was reset: both sides count from 0. */
  void up() {
    ring.restart();
    broken = false;
  }

  /** Takes what the peer has filled. */
  int poll() {
    if (polling || broken) {
      return 0;
    }
    polling = true;
    int work = 0;
    ReceiveRing.Found found = ring.look();
    while (found == ReceiveRing.Found.FILL) {
      QueuePair taker = channel.sharer(ring.queuePair());
      if (taker == null) {
        found = ReceiveRing.Found.BREACH;
        break;
      }
      if (!taker.takeShared()) {
        break; // until its completions were polled
      }
      work++;
      found = ring.look();
    }
    polling = false;
    if (found == ReceiveRing.Found.BREACH) {
      broken = true;
      channel.breachOfSharers(ring.describe());
      return work + 1;
    }
    if (work > 0) {
      ring.publishIfShort();
      if (limit > ring.outstanding()) {
        limit = 0;
        channel.link().events().add(AsyncEvent.Type.SRQ_LIMIT_REACHED, channel, null);
      }
    }
    return work;
  }

  private int refusal() {
    if (broken || !channel.isUp()) {
      return QueuePair.BAD_STATE;
    }
    return ring.outstanding() == depth ? QueuePair.FULL : QueuePair.OK;
  }
}
