package io.twinspan.benchmarks;

import io.twinspan.bridge.ShmBridge;
import io.twinspan.bridge.ShmOptions;
import io.twinspan.bridge.Side;
import io.twinspan.concurrent.SystemClock;
import io.twinspan.rdma.Access;
import io.twinspan.rdma.Channel;
import io.twinspan.rdma.ChannelPlan;
import io.twinspan.rdma.CompletionQueue;
import io.twinspan.rdma.Link;
import io.twinspan.rdma.MemoryRegion;
import io.twinspan.rdma.QpState;
import io.twinspan.rdma.QueuePair;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;

/** Both sides of a link in one thread, connected on the mirror channel of the default plan. */
final class LoopedLinks implements AutoCloseable {
  private static final byte[] SECRET = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);

  private final Path folder;
  final Node a;
  final Node b;

  LoopedLinks() throws IOException {
    folder = Files.createTempDirectory("twinspan-bench");
    a = new Node(Side.A, folder.resolve("link"));
    b = new Node(Side.B, folder.resolve("link"));
    while (!a.link.isUp() || !b.link.isUp()) {
      doWork();
    }
    a.connect();
    b.connect();
    while (a.queuePair.state() != QpState.RTS || b.queuePair.state() != QpState.RTS) {
      doWork();
    }
  }

  void doWork() {
    a.link.doWork();
    b.link.doWork();
  }

  @Override
  public void close() throws IOException {
    a.link.close();
    b.link.close();
    Files.deleteIfExists(folder.resolve("link"));
    Files.deleteIfExists(folder);
  }

  /** One side. */
  static final class Node {
    static final int BUFFER_BYTES = 1 << 20;

    final Link link;
    final Channel channel;
    final CompletionQueue completions;
    final QueuePair queuePair;
    final MemorySegment memory;
    final MemorySegment source;
    final int sourceKey;
    MemoryRegion region;

    @SuppressWarnings("NullAway.Init") // connect() follows at once
    Node(Side side, Path socket) {
      ChannelPlan plan = ChannelPlan.defaults();
      ShmOptions options =
          new ShmOptions(side, socket, new UUID(1, 2), SECRET)
              .contract(plan.contract())
              .windowBytes(plan.windowBytes(side))
              .controlBytes(plan.controlBytes());
      link = new Link(new ShmBridge(options), plan, SystemClock.INSTANCE);
      channel = link.channel(ChannelPlan.MIRROR);
      completions =
          link.createCompletionQueue(channel.spec().sendDepth() + channel.spec().receiveDepth());
      queuePair = channel.createQueuePair(0, completions, completions);
      memory = channel.allocate(BUFFER_BYTES);
      source = java.lang.foreign.Arena.ofAuto().allocate(BUFFER_BYTES, 4096);
      sourceKey = link.protectionDomain().register(source).lkey();
    }

    private void connect() {
      region = channel.register(0, memory, Access.LOCAL_WRITE, Access.REMOTE_WRITE);
      queuePair.init();
      for (int i = 0; i < channel.spec().receiveDepth(); i++) {
        receive();
      }
      queuePair.connect();
    }

    void receive() {
      int result = queuePair.postReceive(0, region, 0, 4096);
      if (result != QueuePair.OK) {
        throw new IllegalStateException("a receive is refused with " + result);
      }
    }
  }
}
