package io.twinspan.rdma;

import io.twinspan.bridge.LinkDown;
import io.twinspan.bridge.ShmBridge;
import io.twinspan.bridge.ShmOptions;
import io.twinspan.bridge.Side;
import io.twinspan.concurrent.Agent;
import io.twinspan.concurrent.SystemClock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * One side of the mixer: a link whose queue pairs carry all sorts of traffic, and a model of what
 * must come of it. Takes commands from another thread, one line each:
 *
 * <pre>
 *   taint         contents are not checked from now on
 *   corrupt       overwrite what the peer reads, at random, until the next command "sound"
 *   clean         contents are checked again from the next life on
 *   fail          end this life of the link
 *   channel       end this life of one of its channels
 *   nap MS        do nothing
 * </pre>
 *
 * <p>The fields read by other threads are volatile; everything else belongs to the agent's thread.
 */
final class MixSide implements Agent, LinkListener {
  private static final byte[] SECRET = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);
  private static final long MS = 1_000_000;
  private static final int WORKER_THRESHOLD_BYTES = 16_384;
  private static final String WANTED = "the mixer wants it";

  private final Random random;
  private final int incarnation;
  private final Link link;
  private final MixTally tally = new MixTally();
  private final List<MixFlow> flows = new ArrayList<>();
  private final @Nullable MixFlow[] byNumber = new @Nullable MixFlow[1 << 8];
  private final MixCrowd crowd;
  private final MixSharedReceives shared;
  private final MixAdder adder = new MixAdder(this);
  private final CompletionQueue sends;
  private final List<CompletionQueue> receives = new ArrayList<>();
  private final WorkCompletion completion = new WorkCompletion();
  private final MixCorruption corruption;
  private final Queue<String> commands = new ConcurrentLinkedQueue<>();
  private final Queue<String> answers = new ConcurrentLinkedQueue<>();

  private boolean tainted;
  private boolean wasTainted;

  /** Goes up when the contents are not checked any more (odd), and when they are again (even). */
  private final AtomicInteger taints = new AtomicInteger();

  private boolean corrupts;
  private boolean polled;

  /** Whose turn it is. */
  private @Nullable MixFlow about;

  /** Who broke the rules of the model. */
  private @Nullable MixFlow culprit;

  private boolean busy = true;
  private long cleanAfterLife = Long.MAX_VALUE;
  private long moodNs;

  private final AtomicLong rounds = new AtomicLong();
  private final AtomicLong successes = new AtomicLong();
  private volatile boolean allConnected;
  private volatile @Nullable MixViolation violation;

  MixSide(Side side, Path socket, long seed) {
    random = new Random(seed);
    incarnation = random.nextInt() | 1;
    ChannelPlan plan = MixShape.plan();
    ShmOptions options =
        new ShmOptions(side, socket, new UUID(1, 2), SECRET)
            .contract(plan.contract())
            .windowBytes(plan.windowBytes(side))
            .controlBytes(plan.controlBytes());
    // Workers copy on one of the two sides, or on both, or on none.
    LinkOptions engines =
        random.nextBoolean() ? LinkOptions.DEFAULT : new LinkOptions(1, WORKER_THRESHOLD_BYTES);
    link = new Link(new ShmBridge(options), plan, SystemClock.INSTANCE, engines);
    link.listener(this);
    sends =
        link.createCompletionQueue(
            plan.channels().stream().mapToInt(c -> c.queuePairs() * c.sendDepth()).sum());
    shared = new MixSharedReceives(this, link.channel(MixShape.SHARED));
    for (ChannelSpec spec : plan.channels()) {
      int most = MixShape.places(spec);
      receives.add(link.createCompletionQueue(spec.queuePairs() * most));
    }
    for (ChannelSpec spec : plan.channels()) {
      for (int i = 0; spec.id() != MixShape.CROWD && i < spec.queuePairs(); i++) {
        flows.add(queuePair(spec, i));
      }
    }
    crowd = new MixCrowd(this, link.channel(MixShape.CROWD), sends, receives.get(MixShape.CROWD));
    flows.add(crowd);
    for (MixFlow flow : flows) {
      byNumber[flow.qp().number()] = flow;
    }
    corruption = new MixCorruption(link, random);
    crowd.start();
    adder.start();
  }

  private MixQueuePair queuePair(ChannelSpec spec, int index) {
    boolean shares = MixShape.sharesReceives(spec, index);
    CompletionQueue queue = receives.get(spec.id());
    MixQueuePair pair =
        new MixQueuePair(
            this, link.channel(spec.id()), index, sends, queue, shares ? shared : null);
    adder.add(pair.regions().memory(MixShape.COUNTERS));
    return pair;
  }

  // --- for other threads

  void command(String line) {
    commands.add(line);
  }

  /** What was done on command; null if nothing was since. */
  @Nullable String answer() {
    return answers.poll();
  }

  /** Goes up as long as the agent's thread does not hang. */
  long rounds() {
    return rounds.get();
  }

  /** How many requests have succeeded. */
  long successes() {
    return successes.get();
  }

  /** Whether all queue pairs were connected at once in the latest round. */
  boolean isAllConnected() {
    return allConnected;
  }

  /** What there is to know after the run, or of one that failed; when the agent stands still. */
  String report() {
    StringBuilder all = new StringBuilder("side " + link.side() + ": " + tally + "\n");
    if (culprit != null) {
      all.append("the model is about:\n").append(culprit);
    }
    flows.forEach(all::append);
    return all.toString();
  }

  String summary() {
    return "side " + link.side() + ": rounds=" + rounds + " " + tally;
  }

  /** Ends the run in the next round; any thread. */
  void failLater(MixViolation found) {
    violation = found;
  }

  /** Changes whenever {@link #isTainted} does; any thread. */
  int taints() {
    return taints.get();
  }

  /** Whether a number that {@link #taints} gave, or a negative one, excuses what was found. */
  static boolean isTaint(int number) {
    return number < 0 || number % 2 != 0;
  }

  // --- for queue pairs

  Link link() {
    return link;
  }

  Random random() {
    return random;
  }

  MixTally tally() {
    return tally;
  }

  int incarnation() {
    return incarnation;
  }

  long life() {
    return link.generation();
  }

  /** A name for a region that no other life uses again. */
  long regionName(int rkey) {
    return link.generation() << Integer.SIZE | rkey;
  }

  boolean isTainted() {
    return tainted;
  }

  boolean wasTainted() {
    return wasTainted;
  }

  /** Whether all completions were polled in this round. */
  boolean isPolled() {
    return polled;
  }

  /** Whether this is a time of much traffic. */
  boolean isBusy() {
    return busy;
  }

  void progress() {
    successes.incrementAndGet();
  }

  // --- the agent

  @Override
  public int doWork() {
    rounds.incrementAndGet();
    try {
      return round();
    } catch (MixViolation broken) {
      culprit = about;
      throw broken;
    }
  }

  private int round() {
    long nowNs = System.nanoTime();
    MixViolation found = violation;
    if (found != null) {
      throw found;
    }
    for (String line = commands.poll(); line != null; line = commands.poll()) {
      obey(line);
    }
    if (nowNs >= moodNs) {
      busy = random.nextBoolean();
      moodNs = nowNs + (20 + random.nextInt(300)) * MS;
    }
    int work = link.doWork();
    work += poll();
    work += shared.step();
    boolean connected = true;
    for (MixFlow flow : flows) {
      about = flow;
      work += flow.step(nowNs);
      connected &= flow.isConnected();
    }
    allConnected = connected;
    if (corrupts && link.isUp()) {
      corruption.strike();
    }
    return work;
  }

  private int poll() {
    // Now and then some are left for the next round.
    int most = random.nextInt(4) == 0 ? random.nextInt(40) : Integer.MAX_VALUE;
    int work = 0;
    while (work < most && sends.poll(completion)) {
      MixFlow flow = flow(completion);
      about = flow;
      flow.requestCompletion(completion);
      work++;
    }
    boolean empty = sends.size() == 0;
    for (CompletionQueue queue : receives) {
      while (work < most && queue.poll(completion)) {
        MixFlow flow = flow(completion);
        about = flow;
        flow.receiveCompletion(completion);
        work++;
      }
      empty &= queue.size() == 0;
    }
    polled = empty;
    return work;
  }

  private MixFlow flow(WorkCompletion wc) {
    int number = wc.queuePairNumber();
    MixFlow flow = number < 0 || number >= byNumber.length ? null : byNumber[number];
    if (flow == null) {
      throw new MixViolation("a completion of queue pair " + number);
    }
    return flow;
  }

  private void obey(String line) {
    String[] words = line.split(" ");
    switch (words[0]) {
      case "taint" -> {
        int _ = taints.addAndGet(tainted ? 0 : 1);
        tainted = true;
        wasTainted = true;
        cleanAfterLife = Long.MAX_VALUE;
        flows.forEach(MixFlow::taint);
      }
      case "corrupt" -> corrupts = true;
      case "sound" -> corrupts = false;
      case "clean" -> cleanAfterLife = link.generation();
      case "fail" -> link.fail(LinkDown.Kind.PROTOCOL, WANTED);
      case "channel" -> link.channel(random.nextInt(link.plan().channels().size())).fail(WANTED);
      case "nap" -> LockSupport.parkNanos(Long.parseLong(words[1]) * MS);
      default -> throw new IllegalArgumentException(line);
    }
    tally.count(words[0]);
    answers.add(words[0]);
  }

  @Override
  public void linkUp(long generation) {
    tally.count("lives");
    if (generation > cleanAfterLife) {
      int _ = taints.addAndGet(tainted ? 1 : 0);
      tainted = false;
      cleanAfterLife = Long.MAX_VALUE;
    }
    shared.up();
    flows.forEach(MixFlow::up);
  }

  @Override
  public void linkDown(LinkDown why) {
    tally.count("down " + why.kind());
    shared.down();
    flows.forEach(MixFlow::down);
  }

  @Override
  public void channelDown(Channel channel, String reason) {
    tally.count("channel down");
    boolean wanted = reason.endsWith(WANTED);
    MixViolation.require(tainted || wanted, "%s is down: %s", channel.spec().name(), reason);
    if (channel.id() == MixShape.SHARED) {
      shared.down();
    }
    for (MixFlow flow : flows) {
      if (flow.channel() == channel) {
        flow.down();
      }
    }
  }

  @Override
  public void channelUp(Channel channel, long life) {
    tally.count("channel up");
    if (channel.id() == MixShape.SHARED) {
      shared.up();
    }
    for (MixFlow flow : flows) {
      if (flow.channel() == channel) {
        flow.up();
      }
    }
  }

  @Override
  public void connectionEvent(QueuePair queuePair, CmEvent event) {
    MixFlow flow = byNumber[queuePair.number()];
    if (flow != null) {
      about = flow;
      flow.event(event);
    }
  }

  @Override
  public void asyncEvent(AsyncEvent event) {
    QueuePair about = event.queuePair();
    MixFlow flow = about == null ? null : byNumber[about.number()];
    if (event.type() == AsyncEvent.Type.SQ_DRAINED && flow != null) {
      flow.drained();
    } else if (event.type() == AsyncEvent.Type.SRQ_LIMIT_REACHED) {
      shared.limitReached();
    }
  }

  @Override
  public long nextDeadlineNs() {
    long deadline = Math.min(link.nextDeadlineNs(), moodNs);
    for (MixFlow flow : flows) {
      deadline = Math.min(deadline, flow.nextDeadlineNs());
    }
    return deadline;
  }

  @Override
  public String roleName() {
    return "mix-" + link.side();
  }

  @Override
  public void onClose() {
    crowd.stop();
    adder.stop();
    link.close();
  }
}
