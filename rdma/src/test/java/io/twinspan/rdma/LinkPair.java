package io.twinspan.rdma;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.bridge.Bridge;
import io.twinspan.bridge.LinkDown;
import io.twinspan.bridge.ShmBridge;
import io.twinspan.bridge.ShmOptions;
import io.twinspan.bridge.Side;
import io.twinspan.bridge.Witness;
import io.twinspan.concurrent.Clock;
import io.twinspan.concurrent.ManualClock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.function.BooleanSupplier;
import java.util.function.Function;

/** Both sides of a link in one thread, in a time that moves when it is told to. */
final class LinkPair implements AutoCloseable {
  static final long MS = 1_000_000;
  private static final int MAX_ROUNDS = 2000;
  private static final byte[] SECRET = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);

  final ManualClock clock = new ManualClock();
  final Node a;
  Node b;
  private final Function<Side, Link> opener;
  private boolean bRuns = true;

  LinkPair(Path directory, ChannelPlan plan) {
    this(directory, plan, LinkOptions.DEFAULT);
  }

  LinkPair(Path directory, ChannelPlan plan, LinkOptions options) {
    this(plan, side -> new ShmBridge(timeless(side, directory, plan)), options);
  }

  /** A pair over bridges of another kind. */
  LinkPair(ChannelPlan plan, Function<Side, Bridge> bridges, LinkOptions options) {
    opener = side -> new Link(bridges.apply(side), plan, clock, options);
    clock.advance(1000 * MS);
    a = new Node(opener.apply(Side.A)).listen();
    b = new Node(opener.apply(Side.B)).listen();
    runUntil(() -> a.link.isUp() && b.link.isUp());
  }

  static Link open(Side side, Path socket, ChannelPlan plan, Clock clock) {
    return open(side, socket, plan, clock, LinkOptions.DEFAULT);
  }

  static Link open(Side side, Path socket, ChannelPlan plan, Clock clock, LinkOptions options) {
    return new Link(new ShmBridge(shm(side, socket, plan)), plan, clock, options);
  }

  private static ShmOptions shm(Side side, Path socket, ChannelPlan plan) {
    return plan.fit(new ShmOptions(side, socket, new UUID(1, 2), SECRET));
  }

  /** What keeps a peer on the real machine says nothing in a time that is played. */
  private static ShmOptions timeless(Side side, Path directory, ChannelPlan plan) {
    return shm(side, directory.resolve("link.sock"), plan).witness(_ -> Witness.NOBODY);
  }

  /** B's process restarts: a new window, no memory of the past. */
  void restartB() {
    b.link.close();
    b = new Node(opener.apply(Side.B)).listen();
    runUntil(() -> a.link.isUp() && b.link.isUp());
  }

  /** As SIGSTOP and SIGCONT would. */
  void bRuns(boolean runs) {
    bRuns = runs;
  }

  void run(int rounds) {
    for (int i = 0; i < rounds; i++) {
      clock.advance(MS);
      a.link.doWork();
      if (bRuns) {
        b.link.doWork();
      }
    }
  }

  void runUntil(BooleanSupplier condition) {
    for (int i = 0; i < MAX_ROUNDS && !condition.getAsBoolean(); i++) {
      run(1);
    }
    assertThat(condition.getAsBoolean()).as("in %d rounds", MAX_ROUNDS).isTrue();
  }

  @Override
  public void close() {
    a.link.close();
    b.link.close();
  }

  /** One side, which notes what it is told. */
  static final class Node implements LinkListener {
    final Link link;
    final List<LinkDown> downs = new ArrayList<>();
    final List<CmEvent> events = new ArrayList<>();

    /** Everything it was told, in order. */
    final List<String> told = new ArrayList<>();

    final List<String> channelsDown = new ArrayList<>();
    final List<String> channelsUp = new ArrayList<>();
    Runnable onConnectionEvent = () -> {};
    private final WorkCompletion completion = new WorkCompletion();

    Node(Link link) {
      this.link = link;
    }

    Node listen() {
      link.listener(this);
      return this;
    }

    /** A queue pair of a channel with a completion queue of its own. */
    End end(int channel) {
      Channel of = link.channel(channel);
      ChannelSpec spec = of.spec();
      CompletionQueue queue = link.createCompletionQueue(spec.sendDepth() + spec.receiveDepth());
      return new End(of, of.createQueuePair(0, queue, queue), queue, completion);
    }

    @Override
    public void linkUp(long generation) {
      told.add("linkUp");
    }

    @Override
    public void linkDown(LinkDown why) {
      downs.add(why);
      told.add("linkDown");
    }

    @Override
    public void connectionEvent(QueuePair queuePair, CmEvent event) {
      events.add(event);
      told.add(event + " of " + queuePair.number());
      onConnectionEvent.run();
    }

    @Override
    public void asyncEvent(AsyncEvent event) {
      QueuePair about = event.queuePair();
      told.add(event.type() + (about == null ? "" : " of " + about.number()));
    }

    @Override
    public void channelDown(Channel channel, String reason) {
      channelsDown.add(channel.id() + ": " + reason);
    }

    @Override
    public void channelUp(Channel channel, long life) {
      channelsUp.add(channel.id() + ": " + life);
    }
  }

  /** A queue pair and its completion queue. */
  record End(Channel channel, QueuePair qp, CompletionQueue cq, WorkCompletion completion) {
    /** The next completion, which must be there. */
    WorkCompletion next() {
      assertThat(cq.poll(completion)).as("there is a completion").isTrue();
      return completion;
    }

    boolean isEmpty() {
      return cq.size() == 0;
    }
  }
}
