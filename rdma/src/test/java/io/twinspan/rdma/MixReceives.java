package io.twinspan.rdma;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The receives of one queue pair, or the shared ones of a channel: with one buffer or a list of
 * them. They complete in the order in which they were posted, and each exactly once.
 */
final class MixReceives {
  private static final long RECEIVE = 1L << 62;
  private static final int NAME_SHIFT = 40;

  private final @Nullable QueuePair queuePair;
  private final @Nullable SharedReceiveQueue shared;
  private final int depth;
  private final int bytes;
  private final long name;
  private final MemorySegment memory;
  private final ReceiveRequest request = new ReceiveRequest();
  private final MixPieces pieces = new MixPieces();
  private long posted;
  private long completed;

  MixReceives(QueuePair queuePair, int bytes, MemorySegment memory) {
    this(queuePair, null, queuePair.channel().spec().receiveDepth(), bytes, memory);
  }

  MixReceives(SharedReceiveQueue shared, int bytes, MemorySegment memory) {
    this(null, shared, shared.depth(), bytes, memory);
  }

  private MixReceives(
      @Nullable QueuePair queuePair,
      @Nullable SharedReceiveQueue shared,
      int depth,
      int bytes,
      MemorySegment memory) {
    this.queuePair = queuePair;
    this.shared = shared;
    this.depth = depth;
    this.bytes = bytes;
    this.memory = memory;
    name = RECEIVE | (long) (queuePair == null ? 0 : queuePair.number()) << NAME_SHIFT;
  }

  int depth() {
    return depth;
  }

  /** Whether nothing is outstanding. */
  boolean isDrained() {
    return completed == posted;
  }

  /** What is outstanding is lost without a completion. */
  void drop() {
    completed = posted;
  }

  /**
   * Posts receives for those that completed.
   *
   * @param region where they lie; null if there is none now
   * @param mayBeBroken whether the peer may have broken the shared receives
   */
  int post(int most, @Nullable MemoryRegion region, boolean mayBeBroken) {
    int done = 0;
    while (region != null && done < most && posted - completed < depth) {
      int result = post(region);
      if (mayBeBroken && result == QueuePair.BAD_STATE) {
        break; // until the next life
      }
      MixViolation.require(result == QueuePair.OK, "a receive was not taken: %d", result);
      posted++;
      done++;
    }
    return done;
  }

  private int post(MemoryRegion region) {
    long id = name | posted;
    long offset = posted % depth * bytes;
    cut(posted);
    if (pieces.count() == 1) {
      return shared == null
          ? queuePair().postReceive(id, region, offset, bytes)
          : shared.postReceive(id, region, offset, bytes);
    }
    request.receive(id);
    for (int i = 0; i < pieces.count(); i++) {
      request.sge(region, offset + pieces.start(i), pieces.length(i));
    }
    return shared == null ? queuePair().postReceive(request) : shared.postReceive(request);
  }

  /** The next one completes, which must be this one; returns which it is. */
  long take(long id) {
    MixViolation.require(
        completed < posted && id == (name | completed),
        "receive %x completes, not %x of %x",
        id,
        name | completed,
        name | posted);
    return completed++;
  }

  /** Where the contents of a receive are not those of a stamp; -1 if they are. */
  int mismatch(long receive, int length, long stamp) {
    return cut(receive).mismatch(memory, receive % depth * bytes, length, stamp, 0);
  }

  private MixPieces cut(long receive) {
    return pieces.cut(MixPattern.hash(name, receive), bytes);
  }

  private QueuePair queuePair() {
    if (queuePair == null) {
      throw new IllegalStateException("shared receives");
    }
    return queuePair;
  }
}
