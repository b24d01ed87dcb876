package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.twinspan.concurrent.SharedMemory;
import java.lang.foreign.MemorySegment;

/**
 * The receive side of a queue pair: receives are mirrored to the peer as they are posted, and the
 * peer fills them in order.
 *
 * <p>Counts go on over connections and lives of the link; what a connection begins with is agreed
 * when it is made. So a count of a former connection is never mistaken for one of the present.
 */
final class ReceiveQueue {
  private final QueuePair queuePair;
  private final Channel channel;
  private final CompletionSource completions;
  private final long control;
  private final int depth;
  private final int mask;
  private final long[] ids;
  private final int[] lengths;
  private long posted;
  private long completed;

  ReceiveQueue(QueuePair queuePair, Channel channel, int index, CompletionQueue completions) {
    this.queuePair = queuePair;
    this.channel = channel;
    control = ChannelLayout.queuePair(channel.spec(), index) + ChannelLayout.RECEIVE_BLOCK;
    depth = channel.spec().receiveDepth();
    mask = depth - 1;
    ids = new long[depth];
    lengths = new int[depth];
    this.completions = completions.source(depth);
  }

  /** Which receive would be the first of a connection made now. */
  long first() {
    return completed;
  }

  int post(long id, MemoryRegion region, long offset, int lengthBytes) {
    if (completions.isFull(posted - completed)) {
      return QueuePair.FULL;
    }
    if (!region.isReceivable(channel, offset, lengthBytes)) {
      return QueuePair.INVALID;
    }
    int i = (int) posted & mask;
    ids[i] = id;
    lengths[i] = lengthBytes;
    MemorySegment peer = channel.remoteControl();
    long entry = control + ChannelLayout.RECEIVES + i * ChannelLayout.SGE_BYTES;
    peer.set(JAVA_INT, entry + ChannelLayout.SGE_RKEY, region.rkey());
    peer.set(JAVA_INT, entry + ChannelLayout.SGE_LENGTH, lengthBytes);
    peer.set(JAVA_LONG, entry + ChannelLayout.SGE_OFFSET, offset);
    posted++;
    publish();
    channel.link().ringLater(); // the peer may wait for just this
    return QueuePair.OK;
  }

  /** A receive of a queue pair that has failed already. */
  int postFlushed(long id) {
    if (completions.isFull(posted - completed)) {
      return QueuePair.FULL;
    }
    complete(id, WcStatus.WR_FLUSH_ERR, WcOpcode.RECV, 0, 0);
    return QueuePair.OK;
  }

  /** Tells the peer how many receives there have been; the memory of a new life is zero. */
  void publish() {
    SharedMemory.setLongRelease(channel.remoteControl(), control + ChannelLayout.POSTED, posted);
  }

  /** Takes what the peer has filled. */
  int poll() {
    MemorySegment own = channel.localControl();
    int work = 0;
    for (; completed < posted; work++) {
      int i = (int) completed & mask;
      long entry = control + ChannelLayout.fills(depth) + i * ChannelLayout.FILL_BYTES;
      long word = SharedMemory.getLongAcquire(own, entry);
      int distance = ChannelLayout.distance(word, completed);
      if (word == 0 || distance < 0) {
        break; // not yet
      }
      int opcode = ChannelLayout.opcode(word);
      if (distance > 0 || opcode == 0) {
        queuePair.breach("it filled %x instead of %d".formatted(word, completed));
        return work + 1;
      }
      int length = (int) own.get(JAVA_LONG, entry + ChannelLayout.FILL_LENGTH);
      int immediate = own.get(JAVA_INT, entry + ChannelLayout.FILL_IMMEDIATE);
      boolean isSend = opcode == ChannelLayout.OPCODE_SEND;
      if (length < 0
          || (isSend && length > lengths[i])
          || (!isSend && opcode != ChannelLayout.OPCODE_WRITE)) {
        queuePair.breach(
            "it filled a receive of %d with %d, opcode %d".formatted(lengths[i], length, opcode));
        return work + 1;
      }
      WcOpcode what = isSend ? WcOpcode.RECV : WcOpcode.RECV_RDMA_WITH_IMM;
      complete(ids[i], WcStatus.SUCCESS, what, length, immediate);
      completed++;
    }
    return work;
  }

  /** Completes everything outstanding without success. */
  void flush() {
    for (; completed < posted; completed++) {
      complete(ids[(int) completed & mask], WcStatus.WR_FLUSH_ERR, WcOpcode.RECV, 0, 0);
    }
  }

  private void complete(long id, WcStatus status, WcOpcode opcode, int byteLength, int immediate) {
    int flags = opcode == WcOpcode.RECV_RDMA_WITH_IMM ? WorkCompletion.WITH_IMMEDIATE : 0;
    completions.add(id, status, opcode, flags, byteLength, immediate, queuePair.number());
  }
}
