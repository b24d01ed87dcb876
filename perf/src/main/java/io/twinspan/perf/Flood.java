package io.twinspan.perf;

import io.twinspan.bridge.Window;
import io.twinspan.concurrent.SharedMemory;
import io.twinspan.rdma.Access;
import io.twinspan.rdma.Channel;
import io.twinspan.rdma.ChannelSpec;
import io.twinspan.rdma.CompletionQueue;
import io.twinspan.rdma.Link;
import io.twinspan.rdma.QpState;
import io.twinspan.rdma.QueuePair;
import io.twinspan.rdma.WorkCompletion;
import io.twinspan.rdma.WorkRequest;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A second channel of a lower priority, full of long writes: what must not hold up the channel that
 * is measured. Its buffers rotate like those of the test.
 */
final class Flood {
  /** How long a write is. */
  static final int WRITE_BYTES = 1 << 20;

  /** How much the link copies before it looks at what goes first. */
  static final int PIECE_BYTES = 1 << 16;

  private static final int CHANNEL = 1;
  private static final int LATER = 2;
  private static final int DEPTH = 16;
  private static final int REGION_SLOT = 0;

  private final Channel channel;
  private final long bytes;
  private final MemorySegment buffers;
  private final MemorySegment source;
  private final int sourceKey;
  private final CompletionQueue completions;
  private final QueuePair queuePair;
  private final WorkCompletion completion = new WorkCompletion();
  private final WorkRequest request = new WorkRequest();
  private MemorySegment peerBuffers = MemorySegment.NULL;
  private int rkey;
  private int outstanding;
  private long offset;

  /**
   * The channel's ends, without a peer yet.
   *
   * @param link of the plan that {@link #spec} is part of
   */
  Flood(Link link, PerfOptions options) {
    channel = link.channel(CHANNEL);
    bytes = bytes(options);
    buffers = channel.allocate(bytes);
    source = Arena.ofAuto().allocate(bytes, SharedMemory.PADDING_BYTES).fill((byte) 'f');
    sourceKey = link.protectionDomain().register(source).lkey();
    completions = link.createCompletionQueue(2 * DEPTH);
    queuePair = channel.createQueuePair(0, completions, completions);
  }

  /** The channel in the plan, after that of the test. */
  static ChannelSpec spec(PerfOptions options) {
    long segment = bytes(options);
    ChannelSpec.Direction both = ChannelSpec.Direction.BOTH;
    return new ChannelSpec(CHANNEL, "flood", both, segment, segment, 1, DEPTH, DEPTH, 0)
        .withPriority(LATER, 1);
  }

  private static long bytes(PerfOptions options) {
    return Math.max(1, options.rotateBytes() / WRITE_BYTES) * WRITE_BYTES;
  }

  /**
   * A life of the link begins.
   *
   * @param peerWindow where the peer's buffers are, behind the segment of the test's channel
   * @param testBytes how long that segment is
   */
  void tap(MemorySegment peerWindow, long testBytes) {
    peerBuffers = peerWindow.asSlice(Window.HEADER_BYTES + testBytes, bytes);
  }

  /** Begins to connect. */
  void linkUp() {
    int _ = channel.register(REGION_SLOT, buffers, Access.REMOTE_WRITE).rkey();
    queuePair.reset().init();
    queuePair.connect();
  }

  /** Whether it can begin. */
  boolean isConnected() {
    rkey = channel.remoteRegion(REGION_SLOT).rkey();
    return queuePair.state() == QpState.RTS && rkey != 0;
  }

  /**
   * Posts as many writes as the queue takes.
   *
   * @param endpoint is told of failures, and throws
   * @return how many
   */
  int post(PerfEndpoint endpoint) {
    int posted = 0;
    while (outstanding < DEPTH) {
      request.write(0, rkey, offset).sge(sourceKey, offset, WRITE_BYTES);
      int result = queuePair.postSend(request.signaled(true));
      if (result == QueuePair.FULL) {
        break;
      }
      if (result != QueuePair.OK) {
        endpoint.fail("the flooded queue pair refuses a request with " + result);
      }
      outstanding++;
      posted++;
      offset = offset + WRITE_BYTES == bytes ? 0 : offset + WRITE_BYTES;
    }
    return posted;
  }

  /**
   * Takes what is complete.
   *
   * @param endpoint is told of failures, and throws
   * @return how many writes
   */
  int poll(PerfEndpoint endpoint) {
    int completed = 0;
    while (completions.poll(completion)) {
      if (!completion.isSuccess()) {
        endpoint.fail("a flooding write ended with " + completion.status());
      }
      outstanding--;
      completed++;
    }
    return completed;
  }

  /** Whether nothing is on its way. */
  boolean isOver() {
    return outstanding == 0;
  }

  /**
   * Copies one piece as the link would.
   *
   * @param at where, at both sides
   */
  void copyPiece(long at) {
    MemorySegment.copy(source, at, peerBuffers, at, PIECE_BYTES);
  }

  /** How long the buffers are, at both sides. */
  long bytes() {
    return bytes;
  }
}
