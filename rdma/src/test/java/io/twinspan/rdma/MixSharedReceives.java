package io.twinspan.rdma;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** A channel's shared receives, which end with a life of the link or channel. */
final class MixSharedReceives {
  private final MixSide side;
  private final Channel channel;
  private final SharedReceiveQueue queue;
  private final MixReceives receives;
  private final MemorySegment memory;
  private @Nullable MemoryRegion region;
  private boolean stale;
  private boolean asked;

  MixSharedReceives(MixSide side, Channel channel) {
    this.side = side;
    this.channel = channel;
    queue = channel.sharedReceiveQueue();
    int bytes = MixShape.of(channel.id()).messageBytes();
    memory = channel.allocate((long) queue.depth() * bytes);
    receives = new MixReceives(queue, bytes, memory);
  }

  SharedReceiveQueue queue() {
    return queue;
  }

  MixReceives receives() {
    return receives;
  }

  void up() {
    region = channel.register(MixShape.SHARED_SLOT, memory, Access.LOCAL_WRITE);
  }

  void down() {
    region = null;
    stale = true;
  }

  /** Fewer receives are left than was asked about. */
  void limitReached() {
    MixViolation.require(asked, "a limit is reached that was not set");
    asked = false;
    side.tally().count("limits reached");
  }

  int step() {
    MemoryRegion present = region;
    if (stale) {
      if (!side.isPolled()) {
        return 0; // completions of the life before
      }
      stale = false;
      receives.drop();
    }
    if (present == null || !channel.isUp()) {
      return 0;
    }
    if (!present.isValid()) { // by a corrupt message
      up();
      return 1;
    }
    if (side.random().nextInt(1000) == 0) {
      asked = true;
      queue.limit(1 + side.random().nextInt(queue.depth()));
    }
    return receives.post(side.random().nextInt(8), present, side.isTainted());
  }
}
