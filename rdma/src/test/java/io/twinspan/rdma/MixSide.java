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
 *   nap MS        do nothing
 * </pre>
 *
 * <p>The fields read by other threads are volatile; everything else belongs to the agent's thread.
 */
final class MixSide implements Agent, LinkListener {
  private static final byte[] SECRET = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);
  private static final long MS = 1_000_000;

  private final Random random;
  private final int incarnation;
  private final Link link;
  private final MixTally tally = new MixTally();
  private final List<MixQueuePair> queuePairs = new ArrayList<>();
  private final @Nullable MixQueuePair[] byNumber = new @Nullable MixQueuePair[1 << 8];
  private final CompletionQueue sends;
  private final List<CompletionQueue> receives = new ArrayList<>();
  private final WorkCompletion completion = new WorkCompletion();
  private final MixCorruption corruption;
  private final Queue<String> commands = new ConcurrentLinkedQueue<>();
  private final Queue<String> answers = new ConcurrentLinkedQueue<>();

  private boolean tainted;
  private boolean wasTainted;
  private boolean corrupts;
  private boolean polled;
  private boolean busy = true;
  private long cleanAfterLife = Long.MAX_VALUE;
  private long moodNs;

  private final AtomicLong rounds = new AtomicLong();
  private final AtomicLong successes = new AtomicLong();
  private volatile boolean allConnected;

  MixSide(Side side, Path socket, long seed) {
    random = new Random(seed);
    incarnation = random.nextInt() | 1;
    ChannelPlan plan = MixShape.plan();
    ShmOptions options =
        new ShmOptions(side, socket, new UUID(1, 2), SECRET)
            .contract(plan.contract())
            .windowBytes(plan.windowBytes(side))
            .controlBytes(plan.controlBytes());
    link = new Link(new ShmBridge(options), plan, SystemClock.INSTANCE);
    link.listener(this);
    sends =
        link.createCompletionQueue(
            plan.channels().stream().mapToInt(c -> c.queuePairs() * c.sendDepth()).sum());
    for (ChannelSpec spec : plan.channels()) {
      CompletionQueue queue = link.createCompletionQueue(spec.queuePairs() * spec.receiveDepth());
      receives.add(queue);
      for (int i = 0; i < spec.queuePairs(); i++) {
        MixQueuePair pair = new MixQueuePair(this, link.channel(spec.id()), i, sends, queue);
        queuePairs.add(pair);
        byNumber[pair.qp().number()] = pair;
      }
    }
    corruption = new MixCorruption(link, random);
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
    queuePairs.forEach(all::append);
    return all.toString();
  }

  String summary() {
    return "side " + link.side() + ": rounds=" + rounds + " " + tally;
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
    long nowNs = System.nanoTime();
    for (String line = commands.poll(); line != null; line = commands.poll()) {
      obey(line);
    }
    if (nowNs >= moodNs) {
      busy = random.nextBoolean();
      moodNs = nowNs + (20 + random.nextInt(300)) * MS;
    }
    int work = link.doWork();
    work += poll();
    boolean connected = true;
    for (MixQueuePair pair : queuePairs) {
      work += pair.step(nowNs);
      connected &= pair.isConnected();
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
      pair(completion).requestCompletion(completion);
      work++;
    }
    boolean empty = sends.size() == 0;
    for (CompletionQueue queue : receives) {
      while (work < most && queue.poll(completion)) {
        pair(completion).receiveCompletion(completion);
        work++;
      }
      empty &= queue.size() == 0;
    }
    polled = empty;
    return work;
  }

  private MixQueuePair pair(WorkCompletion wc) {
    int number = wc.queuePairNumber();
    MixQueuePair pair = number < 0 || number >= byNumber.length ? null : byNumber[number];
    if (pair == null) {
      throw new MixViolation("a completion of queue pair " + number);
    }
    return pair;
  }

  private void obey(String line) {
    String[] words = line.split(" ");
    switch (words[0]) {
      case "taint" -> {
        tainted = true;
        wasTainted = true;
        cleanAfterLife = Long.MAX_VALUE;
        queuePairs.forEach(MixQueuePair::taint);
      }
      case "corrupt" -> corrupts = true;
      case "sound" -> corrupts = false;
      case "clean" -> cleanAfterLife = link.generation();
      case "fail" -> link.fail(LinkDown.Kind.PROTOCOL, "the mixer wants it");
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
      tainted = false;
      cleanAfterLife = Long.MAX_VALUE;
    }
    queuePairs.forEach(MixQueuePair::up);
  }

  @Override
  public void linkDown(LinkDown why) {
    tally.count("down " + why.kind());
    queuePairs.forEach(MixQueuePair::down);
  }

  @Override
  public void channelDown(Channel channel, String reason) {
    tally.count("channel down");
    MixViolation.require(tainted, "%s is down: %s", channel.spec().name(), reason);
    for (MixQueuePair pair : queuePairs) {
      if (pair.channel() == channel) {
        pair.down();
      }
    }
  }

  @Override
  public void channelUp(Channel channel, long life) {
    for (MixQueuePair pair : queuePairs) {
      if (pair.channel() == channel) {
        pair.up();
      }
    }
  }

  @Override
  public void connectionEvent(QueuePair queuePair, CmEvent event) {
    MixQueuePair pair = byNumber[queuePair.number()];
    if (pair != null) {
      pair.event(event);
    }
  }

  @Override
  public long nextDeadlineNs() {
    long deadline = Math.min(link.nextDeadlineNs(), moodNs);
    for (MixQueuePair pair : queuePairs) {
      deadline = Math.min(deadline, pair.nextDeadlineNs());
    }
    return deadline;
  }

  @Override
  public String roleName() {
    return "mix-" + link.side();
  }

  @Override
  public void onClose() {
    link.close();
  }
}
