package io.twinspan.rdma;

import io.twinspan.bridge.Bridge;
import io.twinspan.bridge.BridgeEndpoint;
import io.twinspan.bridge.BridgeListener;
import io.twinspan.bridge.LinkDown;
import io.twinspan.bridge.ShmBridge;
import io.twinspan.bridge.ShmOptions;
import io.twinspan.bridge.Side;
import io.twinspan.concurrent.Clock;
import io.twinspan.concurrent.Idle;
import io.twinspan.concurrent.SystemClock;
import io.twinspan.concurrent.WakeSignal;
import io.twinspan.concurrent.WakeSource;
import io.twinspan.dma.DmaWorker;
import io.twinspan.dma.EngineTurns;
import io.twinspan.linux.Fd;
import io.twinspan.linux.TwinspanException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * The RDMA link of one controller with the other, over all its lives.
 *
 * <p>Everything is for one thread, which calls {@link #doWork} again and again, and may sleep on
 * {@link #wakeSources} until {@link #nextDeadlineNs} when that returned 0.
 */
public final class Link implements AutoCloseable {
  /** The most protection domains a link has. */
  public static final int MAX_DOMAINS = 1 << 16;

  /** How long rounds do without a thorough one while they follow each other fast. */
  private static final long THOROUGH_INTERVAL_NS = 10_000;

  /**
   * How many rounds that find nothing go without a look at the clock, which costs as much as one.
   */
  private static final int MAX_ROUNDS_SKIPPED = 16;

  /** The same for rounds that find something: nobody knows how long what follows takes. */
  private static final int MAX_BUSY_ROUNDS_SKIPPED = 4;

  /** How many pieces one {@link #doWork} copies at most, so that its caller gets on. */
  private static final int PIECES_PER_PASS = 4;

  private final Bridge bridge;
  private final ChannelPlan plan;
  private final Clock clock;
  private final LocalKeys localKeys = new LocalKeys();
  private final ProtectionDomain domain = new ProtectionDomain(localKeys, 0);
  private int domains = 1;
  private final LinkOptions options;
  private final EngineTurns turns = new EngineTurns();
  private final WakeSignal wakeSignal = new WakeSignal();
  private final WakeSource wakeSource = new ThoroughWakeSource();
  private final List<DmaWorker> workers = new ArrayList<>();
  private final List<Channel> channels = new ArrayList<>();
  private final Channel[] byPriority;
  private final List<CompletionQueue> notifying = new ArrayList<>();
  private final List<Submitter> submitters = new ArrayList<>();
  private final LinkEvents events = new LinkEvents();
  private @Nullable LinkListener listener;
  private @Nullable BridgeEndpoint endpoint;
  private @Nullable LinkDown pendingFailure;
  private boolean working;
  private boolean ringPending;
  private boolean channelFailurePending;
  private int pendingTransfers;
  private int roundsToSkip;
  private int roundsSkipped;
  private long lastThoroughNs;
  private long nowNs;

  private volatile boolean closed;

  /** Who waits for a snapshot; any thread sets it, the link's takes it. */
  private final AtomicReference<@Nullable CompletableFuture<LinkSnapshot>> snapshotWanted =
      new AtomicReference<>();

  /**
   * A link that is down.
   *
   * @param bridge owned by the link from now on; made with the plan's {@link ChannelPlan#contract},
   *     {@link ChannelPlan#windowBytes} and {@link ChannelPlan#controlBytes}
   * @param plan the same at both sides
   * @param clock the time
   */
  public Link(Bridge bridge, ChannelPlan plan, Clock clock) {
    this(bridge, plan, clock, LinkOptions.DEFAULT);
  }

  /**
   * A link that is down.
   *
   * @param bridge owned by the link from now on; made with the plan's {@link ChannelPlan#contract},
   *     {@link ChannelPlan#windowBytes} and {@link ChannelPlan#controlBytes}
   * @param plan the same at both sides
   * @param clock the time
   * @param options how this side moves data
   */
  public Link(Bridge bridge, ChannelPlan plan, Clock clock, LinkOptions options) {
    Side side = bridge.side();
    if (bridge.local().lengthBytes() < plan.windowBytes(side)) { // huge pages round it up
      throw new IllegalArgumentException(
          "the window has %d bytes, the channel plan needs %d"
              .formatted(bridge.local().lengthBytes(), plan.windowBytes(side)));
    }
    this.bridge = bridge;
    this.plan = plan;
    this.clock = clock;
    this.options = options;
    nowNs = clock.nanoTime();
    for (int i = 0; i < options.workerThreads(); i++) {
      workers.add(new DmaWorker("dma-" + side + "-" + i, Idle.DEFAULT, wakeSignal));
    }
    for (ChannelSpec spec : plan.channels()) {
      channels.add(new Channel(this, plan, spec, side, bridge.local().segment()));
    }
    byPriority = channels.toArray(new Channel[0]);
    Arrays.sort(byPriority, Comparator.comparingInt(Channel::priority));
    workers.forEach(DmaWorker::start);
    bridge.listener(new Lives());
  }

  /**
   * A link over shared memory with the settings most programs want, down until the peer is there.
   *
   * @param options who and where; their contract and sizes are set from the plan
   * @param plan the same at both sides
   */
  public static Link open(ShmOptions options, ChannelPlan plan) {
    return new Link(new ShmBridge(plan.fit(options)), plan, SystemClock.INSTANCE);
  }

  /** Decides who is told about the link; once, before the first {@link #doWork}. */
  public void listener(LinkListener told) {
    listener = told;
  }

  /** Which side this is. */
  public Side side() {
    return bridge.side();
  }

  /** Whether the peer is there. */
  public boolean isUp() {
    return endpoint != null;
  }

  /** The present life, or the latest if the link is down; 0 before the first. */
  public long generation() {
    return bridge.generation();
  }

  /** What the peer calls itself, for people; empty while the link is down. */
  public String peerName() {
    return endpoint == null ? "" : endpoint.peerName();
  }

  /** How the windows are cut. */
  public ChannelPlan plan() {
    return plan;
  }

  /**
   * A channel.
   *
   * @param id its number in the plan
   */
  public Channel channel(int id) {
    return channels.get(id);
  }

  /** What it can hold ({@code ibv_query_device}). */
  public DeviceAttributes queryDevice() {
    return DeviceAttributes.of(plan);
  }

  /** How it is ({@code ibv_query_port}). */
  public PortAttributes queryPort() {
    PortAttributes.PortState state =
        isUp() ? PortAttributes.PortState.ACTIVE : PortAttributes.PortState.DOWN;
    return new PortAttributes(state, Integer.MAX_VALUE, generation());
  }

  /** The protection domain of all regions and queue pairs for which no other is named. */
  public ProtectionDomain protectionDomain() {
    return domain;
  }

  /**
   * Makes another protection domain ({@code ibv_alloc_pd}), for as long as the link object lives.
   *
   * @throws TwinspanException if there are {@value #MAX_DOMAINS} already
   */
  public ProtectionDomain allocateProtectionDomain() {
    if (domains == MAX_DOMAINS) {
      throw new TwinspanException("all " + MAX_DOMAINS + " protection domains are in use");
    }
    return new ProtectionDomain(localKeys, domains++);
  }

  LocalKeys localKeys() {
    return localKeys;
  }

  /**
   * Creates a completion queue.
   *
   * @param capacity at least the depths of all queues that complete into it, added up
   */
  public CompletionQueue createCompletionQueue(int capacity) {
    return new CompletionQueue(capacity, null);
  }

  /**
   * Creates a completion queue that can notify.
   *
   * @param capacity at least the depths of all queues that complete into it, added up
   * @param events gets the events; stays owned by the caller
   */
  public CompletionQueue createCompletionQueue(int capacity, CompletionChannel events) {
    CompletionQueue queue = new CompletionQueue(capacity, events);
    events.add(queue);
    notifying.add(queue);
    return queue;
  }

  /**
   * Wakes the peer if something was posted for it, looks for its death, moves everything that can
   * move, and wakes the peer for that.
   *
   * <p>Where rounds follow each other fast, most look only for messages, requests and what is to be
   * sent; all that is rare waits for a thorough one, which also looks at clock and bridge.
   *
   * @return how much was done
   */
  public int doWork() {
    ring(); // for what was posted since; the peer's thread takes longer to wake than this round
    boolean thorough = isThoroughDue();
    int work = thorough ? bridge.doWork(nowNs) : 0;
    working = true;
    try {
      work += takeSubmitted();
      if (endpoint != null) {
        int found = thorough ? lookAround() : poll(ChannelSpec.LOWEST_PRIORITY + 1);
        work += found + transfer(found > 0 ? 1 : PIECES_PER_PASS);
      }
      work += events.deliver(listener);
    } catch (RuntimeException | Error broken) {
      reportFatal(broken);
      throw broken;
    } finally {
      working = false;
    }
    if (channelFailurePending) {
      failChannels();
    }
    if (pendingFailure != null) {
      fail(pendingFailure.kind(), pendingFailure.detail());
    }
    if (thorough && snapshotWanted.getOpaque() != null) {
      tellSnapshot();
    }
    for (int i = 0; i < notifying.size(); i++) {
      notifying.get(i).notifyIfArmed();
    }
    ring();
    if (work > 0) {
      lookAtClock(MAX_BUSY_ROUNDS_SKIPPED);
    }
    return work;
  }

  /** Looks at the clock now and then, and says whether the time for a thorough round has come. */
  private boolean isThoroughDue() {
    if (roundsToSkip > 0 && endpoint != null) {
      roundsToSkip--;
      return false;
    }
    long before = nowNs;
    nowNs = clock.nanoTime();
    long perRoundNs = (nowNs - before) / (roundsSkipped + 1);
    boolean fast = perRoundNs > 0 && perRoundNs < THOROUGH_INTERVAL_NS;
    roundsSkipped =
        fast ? (int) Math.min(MAX_ROUNDS_SKIPPED, THOROUGH_INTERVAL_NS / perRoundNs) : 0;
    roundsToSkip = roundsSkipped;
    boolean due = !fast || nowNs - lastThoroughNs >= THOROUGH_INTERVAL_NS || endpoint == null;
    if (due) {
      lastThoroughNs = nowNs;
    }
    return due;
  }

  /** The clock is looked at after so many rounds at the latest. */
  private void lookAtClock(int rounds) {
    if (roundsToSkip > rounds) {
      roundsSkipped -= roundsToSkip - rounds;
      roundsToSkip = rounds;
    }
  }

  private int takeSubmitted() {
    int work = 0;
    for (int i = 0; i < submitters.size(); i++) {
      work += submitters.get(i).drain();
    }
    return work;
  }

  private int lookAround() {
    int work = 0;
    for (int i = 0; i < byPriority.length; i++) {
      work += byPriority[i].lookAround();
    }
    return work;
  }

  /** Serves the channels of a lower priority number than this, but for what has to be copied. */
  private int poll(int below) {
    int work = 0;
    for (int i = 0; i < byPriority.length; i++) {
      Channel channel = byPriority[i];
      if (channel.priority() >= below) {
        break;
      }
      work += channel.poll();
    }
    return work;
  }

  /**
   * Copies some pieces. After each one, channels of a higher priority get a look; if there is
   * anything, this ends, so that its receiver sees it before the next piece.
   *
   * @param most how many: where something was found before, it waits for one piece only
   */
  private int transfer(int most) {
    int pieces = 0;
    while (pieces < most && pendingTransfers > 0) {
      int id = turns.step();
      if (id == EngineTurns.NONE) {
        break;
      }
      pieces++;
      Channel channel = channels.get(id);
      channel.copied();
      if (poll(channel.priority()) > 0) {
        break;
      }
    }
    return pieces;
  }

  private void failChannels() {
    channelFailurePending = false;
    for (Channel channel : byPriority) {
      channel.failIfPending();
    }
  }

  /** When {@link #doWork} must run again though nothing wakes it, in the clock's time. */
  public long nextDeadlineNs() {
    long deadline = bridge.nextDeadlineNs();
    if (endpoint != null) {
      for (int i = 0; i < channels.size(); i++) {
        deadline = Math.min(deadline, channels.get(i).nextDeadlineNs());
      }
    }
    return deadline;
  }

  /** What ends the sleep of the thread that calls {@link #doWork}. */
  public List<WakeSource> wakeSources() {
    return List.of(wakeSource, wakeSignal);
  }

  /** Ends the sleep of the thread that calls {@link #doWork}; any thread. */
  void wake() {
    wakeSignal.raise();
  }

  /** Wakes the peer, if it sleeps, for everything that was posted since; {@link #doWork} does. */
  public void ring() {
    if (ringPending && endpoint != null) {
      ringPending = false;
      endpoint.ring();
    }
  }

  /**
   * Ends this life of the link. {@link LinkListener#linkDown} follows, at the latest at the end of
   * the {@link #doWork} that is running. The peer may come back at once.
   *
   * @param kind what it comes under
   * @param detail a sentence for people
   */
  public void fail(LinkDown.Kind kind, String detail) {
    if (working) {
      pendingFailure = new LinkDown(generation(), kind, detail, nowNs, nowNs);
    } else {
      pendingFailure = null;
      bridge.fail(kind, detail);
    }
  }

  /** Says goodbye to the peer and gives the windows back; the link is of no use afterwards. */
  @Override
  public void close() {
    try {
      submitters.forEach(Submitter::close);
      workers.forEach(DmaWorker::close);
    } finally {
      bridge.close();
      int _ = takeSubmitted(); // to be flushed
      wakeSignal.close();
      closed = true;
      refuseSnapshot();
    }
  }

  /**
   * What the link looks like between two rounds of its thread; any thread may ask.
   *
   * @return completed by the next {@link #doWork}, or with an exception if the link is closed
   */
  public CompletableFuture<LinkSnapshot> snapshot() {
    CompletableFuture<LinkSnapshot> asked = new CompletableFuture<>();
    CompletableFuture<LinkSnapshot> before = snapshotWanted.compareAndExchange(null, asked);
    if (before != null) {
      return before; // somebody asked just now
    }
    wake();
    if (closed) {
      refuseSnapshot();
    }
    return asked;
  }

  private void refuseSnapshot() {
    CompletableFuture<LinkSnapshot> asked = snapshotWanted.getAndSet(null);
    if (asked != null) {
      boolean _ = asked.completeExceptionally(new TwinspanException("the link is closed"));
    }
  }

  private void tellSnapshot() {
    CompletableFuture<LinkSnapshot> asked = snapshotWanted.getAndSet(null);
    if (asked != null) {
      List<ChannelSnapshot> shots = channels.stream().map(Channel::snapshot).toList();
      asked.complete(
          new LinkSnapshot(side(), isUp(), generation(), peerName(), workers.size(), shots));
    }
  }

  // --- for channels and queue pairs

  Clock clock() {
    return clock;
  }

  void channelDown(Channel channel, String reason) {
    int _ = events.deliver(listener); // of its queue pairs
    if (listener != null) {
      listener.channelDown(channel, reason);
    }
  }

  void channelUp(Channel channel, long life) {
    if (listener != null) {
      listener.channelUp(channel, life);
    }
  }

  LinkOptions options() {
    return options;
  }

  EngineTurns turns() {
    return turns;
  }

  /** Which worker serves a channel; null if the link's thread does. */
  @Nullable DmaWorker workerOf(int channelId) {
    return workers.isEmpty() ? null : workers.get(channelId % workers.size());
  }

  /** Whether the thread is not within {@link #doWork}, where everything has its turn. */
  boolean isIdle() {
    return !working;
  }

  long nowNs() {
    return nowNs;
  }

  void ringLater() {
    ringPending = true;
  }

  /** A channel has failed; it is taken down at the end of the round. */
  void failChannelLater() {
    channelFailurePending = true;
  }

  /** Counts transfers in the rings that the link's thread serves. */
  void addPendingTransfers(int more) {
    pendingTransfers += more;
  }

  /** How many transfers there are in the rings that the link's thread serves. */
  int pendingTransfers() {
    return pendingTransfers;
  }

  WakeSignal wakeSignal() {
    return wakeSignal;
  }

  Submitter add(Submitter submitter) {
    submitters.add(submitter);
    return submitter;
  }

  LinkEvents events() {
    return events;
  }

  private void reportFatal(Throwable broken) {
    if (listener == null) {
      return;
    }
    try {
      listener.asyncEvent(new AsyncEvent(AsyncEvent.Type.DEVICE_FATAL, null, null));
    } catch (RuntimeException e) {
      broken.addSuppressed(e);
    }
  }

  /** The bridge's; before a sleep and after one comes a thorough round. */
  private final class ThoroughWakeSource implements WakeSource {
    @Override
    public void arm() {
      bridge.wakeSource().arm();
      wantThoroughRound();
    }

    @Override
    public void disarm() {
      bridge.wakeSource().disarm();
      wantThoroughRound();
    }

    private void wantThoroughRound() {
      lookAtClock(0);
      lastThoroughNs = nowNs - THOROUGH_INTERVAL_NS;
    }

    @Override
    public Fd fd() {
      return bridge.wakeSource().fd();
    }
  }

  /** Turns the bridge's lives into the link's. */
  private final class Lives implements BridgeListener {
    @Override
    public void linkUp(BridgeEndpoint newborn) {
      if (newborn.remote().lengthBytes() < plan.windowBytes(side().peer())) {
        bridge.fail(LinkDown.Kind.PROTOCOL, "the peer's window does not fit the channel plan");
        return;
      }
      endpoint = newborn;
      for (Channel channel : channels) {
        channel.up(newborn);
      }
      if (listener != null) {
        listener.linkUp(newborn.generation());
      }
      events.add(AsyncEvent.Type.PORT_ACTIVE, null, null);
      int _ = events.deliver(listener);
    }

    @Override
    public void linkDown(LinkDown why) {
      if (endpoint == null) {
        return; // it was refused in linkUp
      }
      // All rights are gone before anything else: a peer that only slept must not succeed.
      channels.forEach(Channel::revokeAll);
      events.clear();
      events.add(AsyncEvent.Type.PORT_ERR, null, null);
      channels.forEach(Channel::down);
      endpoint = null;
      pendingFailure = null;
      int _ = events.deliver(listener);
      if (listener != null) {
        listener.linkDown(why);
      }
    }
  }
}
