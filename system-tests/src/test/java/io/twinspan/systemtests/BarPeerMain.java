package io.twinspan.systemtests;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.twinspan.bridge.LinkDown;
import io.twinspan.bridge.PciBridge;
import io.twinspan.bridge.PciOptions;
import io.twinspan.bridge.Side;
import io.twinspan.concurrent.Agent;
import io.twinspan.concurrent.AgentErrorHandler;
import io.twinspan.concurrent.AgentRunner;
import io.twinspan.concurrent.Idle;
import io.twinspan.concurrent.SystemClock;
import io.twinspan.rdma.Access;
import io.twinspan.rdma.Channel;
import io.twinspan.rdma.ChannelPlan;
import io.twinspan.rdma.ChannelSpec;
import io.twinspan.rdma.CompletionQueue;
import io.twinspan.rdma.Link;
import io.twinspan.rdma.LinkListener;
import io.twinspan.rdma.MemoryRegion;
import io.twinspan.rdma.QpState;
import io.twinspan.rdma.QueuePair;
import io.twinspan.rdma.WcOpcode;
import io.twinspan.rdma.WcStatus;
import io.twinspan.rdma.WorkCompletion;
import io.twinspan.rdma.WorkRequest;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * One side of a link through a BAR. A begins rounds: it writes a pattern into B's memory and
 * announces it, by SEND or by the write's immediate data; B checks every byte, writes another
 * pattern into A's memory, and says so likewise; A checks that. After some rounds A also reads back
 * what it wrote, and counts up a number in B's memory by two atomics. A short round carries no
 * pattern and measures the way there and back.
 *
 * <p>A tells of each life in which it has done its rounds, and ends after the second, which B is
 * killed for in the midst of the rounds of the first.
 */
final class BarPeerMain implements Agent, LinkListener {
  static final int ROUNDS = 40;

  private static final int SHORT_ROUNDS = 100;
  private static final int FETCH_EVERY = 5;
  private static final int LIVES = 2;
  private static final int LANDING_SLOT = 1;
  private static final int INBOX_SLOT = 2;
  private static final int FETCHED_SLOT = 3;
  private static final int RECEIVES = 8;
  private static final int MESSAGE_BYTES = 64;
  private static final int AREA_BYTES = 128 << 10;
  private static final int COUNTER = AREA_BYTES;
  private static final int PAGE_BYTES = 4096;
  private static final int NOT_WRITTEN = -1;
  private static final byte[] SECRET = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);

  private static final ChannelPlan PLAN =
      new ChannelPlan(
          List.of(
              new ChannelSpec(
                  0, "test", ChannelSpec.Direction.BOTH, 1 << 20, 1 << 20, 1, 16, 16, 64)));

  private final Side side;
  private final Link link;
  private final Channel channel;
  private final CompletionQueue completions;
  private final QueuePair qp;
  private final MemorySegment landing;
  private final MemorySegment inbox;
  private final MemorySegment message = Arena.ofAuto().allocate(MESSAGE_BYTES, 8);
  private final MemorySegment pattern = Arena.ofAuto().allocate(AREA_BYTES, 64);
  private final MemorySegment fetched;
  private final MemoryRegion source;
  private final WorkRequest request = new WorkRequest();
  private final WorkCompletion completion = new WorkCompletion();
  private final long[] roundTripsNs = new long[SHORT_ROUNDS];
  private @Nullable MemoryRegion inboxRegion;
  private int fetchedKey;
  private long counted;
  private int round;
  private int livesDone;
  private long startedNs;

  private BarPeerMain(Side side, Path bar) {
    this.side = side;
    link =
        new Link(
            new PciBridge(
                PLAN.fit(new PciOptions(side, bar, new UUID(1, 2), SECRET))
                    .silence(Duration.ofSeconds(3))),
            PLAN,
            SystemClock.INSTANCE);
    link.listener(this);
    channel = link.channel(0);
    completions = link.createCompletionQueue(64);
    qp = channel.createQueuePair(0, completions, completions);
    landing = channel.allocate(AREA_BYTES + PAGE_BYTES);
    fetched = channel.allocate(AREA_BYTES + PAGE_BYTES);
    inbox = channel.allocate((long) RECEIVES * MESSAGE_BYTES);
    source = link.protectionDomain().register(pattern);
  }

  public static void main(String[] args) throws InterruptedException {
    BarPeerMain peer = new BarPeerMain(Side.valueOf(args[0]), Path.of(args[1]));
    AgentErrorHandler fatal =
        (_, error) -> {
          error.printStackTrace(System.out);
          Runtime.getRuntime().halt(1);
          return AgentErrorHandler.Decision.STOP;
        };
    Duration timeout = AgentRunner.DEFAULT_CLOSE_TIMEOUT;
    new AgentRunner(
            peer, Idle.DEFAULT, peer.link.wakeSources(), SystemClock.INSTANCE, fatal, timeout)
        .start()
        .thread()
        .join();
  }

  @Override
  public int doWork() {
    int work = link.doWork();
    while (completions.poll(completion)) {
      work++;
      if (completion.status() == WcStatus.WR_FLUSH_ERR) {
        continue;
      }
      check(completion.isSuccess(), "completion", completion.wrId(), qp.lastError());
      if (completion.opcode() == WcOpcode.RECV
          || completion.opcode() == WcOpcode.RECV_RDMA_WITH_IMM) {
        receive();
      } else if (completion.opcode() == WcOpcode.COMP_SWAP) {
        verifyFetched();
        begin(round + 1);
      }
    }
    if (side == Side.A && round == 0 && qp.state() == QpState.RTS) {
      begin(1);
      work++;
    }
    return work;
  }

  private void receive() {
    long offset = completion.wrId() * MESSAGE_BYTES;
    int told =
        completion.withImmediate() ? completion.immediate() : (int) inbox.get(JAVA_LONG, offset);
    MemoryRegion region = inboxRegion;
    if (region != null) {
      post(qp.postReceive(completion.wrId(), region, offset, MESSAGE_BYTES));
    }
    verify(told, side.peer());
    if (side == Side.B) {
      say(told);
      return;
    }
    check(told == round, "round", told, "expected " + round);
    if (round > ROUNDS) {
      roundTripsNs[round - ROUNDS - 1] = System.nanoTime() - startedNs;
    }
    if (round == ROUNDS + SHORT_ROUNDS) {
      report();
      begin(1);
    } else if (round % FETCH_EVERY == 0 && round <= ROUNDS) {
      fetch();
    } else {
      begin(round + 1);
    }
  }

  /** Reads back what this round has written, and counts up by its number and once more. */
  private void fetch() {
    Span span = span(round, side);
    int rkey = channel.remoteRegion(LANDING_SLOT).rkey();
    request.read(0, rkey, span.offset).sge(fetchedKey, span.offset, span.length);
    post(qp.postSend(request));
    request.fetchAndAdd(1, rkey, COUNTER, round).sge(fetchedKey, COUNTER, Long.BYTES);
    post(qp.postSend(request));
    long expected = counted + round;
    request.compareAndSwap(2, rkey, COUNTER, expected, expected + 1);
    post(qp.postSend(request.sge(fetchedKey, COUNTER + Long.BYTES, Long.BYTES)));
  }

  private void verifyFetched() {
    int wrong = span(round, side).firstDifference(fetched);
    check(wrong == NOT_WRITTEN, "read of round", round, "differs at " + wrong);
    long added = fetched.get(JAVA_LONG, COUNTER);
    check(added == counted, "counter", added, "expected " + counted);
    long swapped = fetched.get(JAVA_LONG, COUNTER + Long.BYTES);
    check(swapped == counted + round, "counter", swapped, "expected " + (counted + round));
    counted = swapped + 1;
  }

  private void begin(int next) {
    round = next;
    startedNs = System.nanoTime();
    say(next);
  }

  /** Writes this side's pattern of a round and tells the peer; a short round is told only. */
  private void say(int number) {
    Span span = span(number, side);
    if (span.length > 0) {
      span.fill(pattern);
      int rkey = channel.remoteRegion(LANDING_SLOT).rkey();
      if (number % 2 == 1) {
        request.writeWithImmediate(number, rkey, span.offset, number);
        post(qp.postSend(request.sge(source.lkey(), 0, span.length)));
        return;
      }
      request.write(number, rkey, span.offset);
      post(qp.postSend(request.sge(source.lkey(), 0, span.length).signaled(false)));
    }
    message.set(JAVA_LONG, 0, number);
    post(qp.postSend(request.send(number).inline(message, 0, MESSAGE_BYTES)));
  }

  private void verify(int number, Side writer) {
    Span span = span(number, writer);
    int wrong = span.firstDifference(landing);
    check(wrong == NOT_WRITTEN, "round", number, "differs at " + wrong + " of " + span);
  }

  private void report() {
    Arrays.sort(roundTripsNs);
    System.out.printf(
        "life %d: %d rounds and back verified, counted to %d, 64 B one way: p50 %d us, p99 %d us%n",
        link.generation(),
        ROUNDS,
        counted,
        roundTripsNs[SHORT_ROUNDS / 2] / 2000,
        roundTripsNs[SHORT_ROUNDS * 99 / 100] / 2000);
    livesDone++;
    if (livesDone == LIVES) {
      link.close();
      Runtime.getRuntime().halt(0);
    }
  }

  // --- patterns that both sides know

  /** What a side writes in a round: where, how much, and of which numbers. */
  private record Span(long seed, long offset, int length) {
    void fill(MemorySegment memory) {
      long x = seed;
      for (int i = 0; i < length; i += Long.BYTES) {
        memory.set(JAVA_LONG, i, x);
        x = x * 6364136223846793005L + 1442695040888963407L;
      }
    }

    int firstDifference(MemorySegment memory) {
      long x = seed;
      for (int i = 0; i < length; i += Long.BYTES) {
        if (memory.get(JAVA_LONG, offset + i) != x) {
          return i;
        }
        x = x * 6364136223846793005L + 1442695040888963407L;
      }
      return NOT_WRITTEN;
    }
  }

  private Span span(int number, Side writer) {
    if (number > ROUNDS) {
      return new Span(0, 0, 0);
    }
    long seed = link.generation() * 1_000_000 + number * 10L + (writer == Side.A ? 1 : 2);
    Random random = new Random(seed);
    int words = AREA_BYTES / Long.BYTES;
    int length = 1 + random.nextInt(words);
    int offset = random.nextInt(words - length + 1);
    return new Span(random.nextLong(), (long) offset * Long.BYTES, length * Long.BYTES);
  }

  private void post(int result) {
    check(result == QueuePair.OK, "post", result, qp.lastError());
  }

  private static void check(boolean holds, String what, long number, String detail) {
    if (!holds) {
      throw new IllegalStateException(what + " " + number + ": " + detail);
    }
  }

  // --- lives

  @Override
  public void linkUp(long generation) {
    System.out.println("up: generation " + generation);
    round = 0;
    counted = 0;
    landing.set(JAVA_LONG, COUNTER, 0);
    var _ =
        channel.register(
            LANDING_SLOT, landing, Access.REMOTE_WRITE, Access.REMOTE_READ, Access.REMOTE_ATOMIC);
    fetchedKey = channel.register(FETCHED_SLOT, fetched, Access.LOCAL_WRITE).lkey();
    MemoryRegion region = channel.register(INBOX_SLOT, inbox, Access.LOCAL_WRITE);
    inboxRegion = region;
    qp.reset().init();
    for (int i = 0; i < RECEIVES; i++) {
      post(qp.postReceive(i, region, (long) i * MESSAGE_BYTES, MESSAGE_BYTES));
    }
    qp.connect();
  }

  @Override
  public void linkDown(LinkDown why) {
    System.out.println("down: " + why.kind() + ", " + why.detail());
    if (side == Side.B && why.kind() == LinkDown.Kind.GOODBYE) {
      Runtime.getRuntime().halt(0);
    }
  }

  @Override
  public String roleName() {
    return "side-" + side;
  }

  @Override
  public long nextDeadlineNs() {
    return link.nextDeadlineNs();
  }
}
