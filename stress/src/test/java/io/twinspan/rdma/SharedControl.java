package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.twinspan.bridge.Bridge;
import io.twinspan.bridge.BridgeEndpoint;
import io.twinspan.bridge.BridgeListener;
import io.twinspan.bridge.LinkDown;
import io.twinspan.bridge.LinkState;
import io.twinspan.bridge.Side;
import io.twinspan.bridge.Window;
import io.twinspan.concurrent.SystemClock;
import io.twinspan.concurrent.WakeSignal;
import io.twinspan.concurrent.WakeSource;
import io.twinspan.rdma.ChannelSpec.Direction;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Two ends of one channel with a large control block, of which every state of a test gets a piece
 * at both ends: so that the rings and words of a queue pair can be tested alone, by the thousand.
 */
final class SharedControl {
  /** What a state gets: enough for a queue pair's block of {@link #DEPTH} receives. */
  static final long PIECE_BYTES = 4096;

  static final int DEPTH = 2;

  /** How often one side looks for what the other one stores meanwhile. */
  static final int LOOKS = 200;

  /** Memory that each state may use of each region. */
  static final int DATA_BYTES = 64;

  private static final int PIECES = 2560; // more than there are states at a time
  private static final ChannelPlan PLAN =
      new ChannelPlan(
          List.of(
              new ChannelSpec(0, "all", Direction.BOTH, 1 << 20, 1 << 20, 16, 2, 4096, 64)
                  .withSharedReceives(4096)));
  private static final AtomicLong NEXT = new AtomicLong();

  /** Both ends; what is static of them is used by one thread for each. */
  static final End A = new End(Side.A);

  static final End B = new End(Side.B);

  static {
    A.bridge.up(B.bridge);
    B.bridge.up(A.bridge);
    A.open();
    B.open();
    while (A.pair.state() != QpState.RTS || B.pair.state() != QpState.RTS) {
      int _ = A.link.doWork();
      int _ = B.link.doWork();
    }
  }

  private SharedControl() {}

  /** One end. */
  static final class End {
    final Channel channel;
    final QueuePair pair;
    private final Link link;
    private final Memory bridge;
    private @Nullable MemoryRegion region;
    private @Nullable ReceiveQueue receives;

    private End(Side side) {
      bridge = new Memory(side);
      link = new Link(bridge, PLAN, SystemClock.INSTANCE);
      channel = link.channel(0);
      CompletionQueue queue = link.createCompletionQueue(2 * 4096);
      pair = channel.createQueuePair(0, queue, queue);
    }

    private void open() {
      region =
          channel.register(
              0,
              channel.allocate((long) PIECES * DATA_BYTES),
              Access.LOCAL_WRITE,
              Access.REMOTE_WRITE,
              Access.REMOTE_ATOMIC);
      receives = new ReceiveQueue(pair, channel, 1, link.createCompletionQueue(4096), null);
      pair.init().connect();
    }

    /** The same region for all states. */
    MemoryRegion region() {
      if (region == null) {
        throw new IllegalStateException("not open");
      }
      return region;
    }

    /** A connector of a state's piece; its receives are those of all, and of no meaning. */
    Connector connector(long block) {
      if (receives == null) {
        throw new IllegalStateException("not open");
      }
      return new Connector(channel, block, receives);
    }
  }

  /** A piece of both control blocks, zeroed. */
  static long piece() {
    long first = ChannelLayout.queuePair(PLAN.channels().getFirst(), 2);
    long piece = first + NEXT.getAndIncrement() % PIECES * PIECE_BYTES;
    for (End end : List.of(A, B)) {
      var _ = end.channel.localControl().asSlice(piece, PIECE_BYTES).fill((byte) 0);
    }
    return piece;
  }

  /** Where in the regions the memory of a piece begins. */
  static long data(long piece) {
    long first = ChannelLayout.queuePair(PLAN.channels().getFirst(), 2);
    return (piece - first) / PIECE_BYTES * DATA_BYTES;
  }

  /** A word in the memory of a piece. */
  static long word(End end, long piece) {
    return end.region().segment().get(JAVA_LONG, data(piece));
  }

  /** A bridge that is up for ever, in the memory of this process. */
  private static final class Memory implements Bridge, BridgeEndpoint {
    private final Side side;
    private final Window window;
    private final MemorySegment control;
    private final WakeSignal wake = new WakeSignal();
    private @Nullable BridgeListener told;
    private @Nullable Memory peer;

    Memory(Side side) {
      this.side = side;
      Arena arena = Arena.ofAuto();
      window = new Window(arena.allocate(PLAN.windowBytes(side), 4096));
      control = arena.allocate(PLAN.controlBytes(), 4096);
    }

    void up(Memory other) {
      peer = other;
      if (told != null) {
        told.linkUp(this);
      }
    }

    @Override
    public Side side() {
      return side;
    }

    @Override
    public Window local() {
      return window;
    }

    @Override
    public Window remote() {
      return peer().window;
    }

    @Override
    public MemorySegment localControl() {
      return control;
    }

    @Override
    public MemorySegment remoteControl() {
      return peer().control;
    }

    private Memory peer() {
      if (peer == null) {
        throw new IllegalStateException("not up");
      }
      return peer;
    }

    @Override
    public LinkState state() {
      return LinkState.UP;
    }

    @Override
    public long generation() {
      return 1;
    }

    @Override
    public String peerName() {
      return "";
    }

    @Override
    public void listener(BridgeListener listener) {
      told = listener;
    }

    @Override
    public int doWork(long nowNs) {
      return 0;
    }

    @Override
    public long nextDeadlineNs() {
      return Long.MAX_VALUE;
    }

    @Override
    public WakeSource wakeSource() {
      return wake;
    }

    @Override
    public void ring() {}

    @Override
    public long scratchpad(int index) {
      return 0;
    }

    @Override
    public void peerScratchpad(int index, long value) {}

    @Override
    public void fail(LinkDown.Kind kind, String detail) {
      throw new IllegalStateException(detail);
    }

    @Override
    public void close() {}
  }
}
