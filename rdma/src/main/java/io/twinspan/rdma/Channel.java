package io.twinspan.rdma;

import io.twinspan.bridge.BridgeEndpoint;
import io.twinspan.bridge.Side;
import io.twinspan.concurrent.SharedMemory;
import io.twinspan.dma.Opcode;
import io.twinspan.linux.TwinspanException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One logical channel of a link: a segment of the window, regions in it, queue pairs, and a
 * descriptor ring with its engine, none of which another channel touches.
 */
public final class Channel {
  /** How many regions a side may have registered in a channel's segment. */
  public static final int REGION_SLOTS = ChannelLayout.REGIONS;

  private static final long AUDIT_NS = 1_000_000;

  private static final Logger LOG = LoggerFactory.getLogger(Channel.class);

  private final Link link;
  private final ChannelSpec spec;
  private final Side side;
  private final OwnRegions regions;
  private final long peerSegmentOffset;
  private final long controlOffset;
  private final boolean maySend;
  private final int priority;
  private final ChannelCounters counters = new ChannelCounters();
  private final RegionTable table;
  private final RemoteRegion[] remoteRegions = new RemoteRegion[REGION_SLOTS];
  private final @Nullable SharedReceiveQueue sharedReceives;
  private final @Nullable PeerReceives peerSharedReceives;
  private final @Nullable QueuePair[] queuePairs;
  private QueuePair[] connected = {};

  private final @Nullable PayloadCrc crc;
  private final Transfers transfers;
  private final ChannelLatency latency = new ChannelLatency();
  private final ChannelLife life = new ChannelLife();

  private @Nullable BridgeEndpoint endpoint;
  private MemorySegment localControl = MemorySegment.NULL;
  private MemorySegment remoteControl = MemorySegment.NULL;
  private long sentBytes;
  private long sentOperations;
  private long receivedBytesBefore;
  private long receivedOperationsBefore;
  private boolean countsChanged;
  private long lastAuditNs;
  private String downReason = "";
  private @Nullable String pendingFailure;

  Channel(Link link, ChannelPlan plan, ChannelSpec spec, Side side, MemorySegment window) {
    this.link = link;
    this.spec = spec;
    this.side = side;
    long segmentOffset = plan.segmentOffset(spec.id(), side);
    regions = new OwnRegions(this, window.asSlice(segmentOffset, spec.segmentBytes(side)));
    peerSegmentOffset = plan.segmentOffset(spec.id(), side.peer());
    controlOffset = plan.controlOffset(spec.id());
    maySend = spec.direction().maySend(side);
    priority = spec.priority();
    table = new RegionTable(link.localKeys());
    transfers = new Transfers(link, spec, table);
    queuePairs = new @Nullable QueuePair[spec.queuePairs()];
    crc = spec.crc() ? new PayloadCrc() : null;
    int sharedDepth = spec.sharedReceiveDepth();
    sharedReceives = sharedDepth == 0 ? null : new SharedReceiveQueue(this);
    peerSharedReceives =
        sharedDepth == 0
            ? null
            : new PeerReceives(this, null, ChannelLayout.SHARED_RECEIVES, sharedDepth);
    for (int slot = 0; slot < REGION_SLOTS; slot++) {
      remoteRegions[slot] = new RemoteRegion(table, slot);
    }
  }

  /** Its number in the plan. */
  public int id() {
    return spec.id();
  }

  /** What the plan says about it. */
  public ChannelSpec spec() {
    return spec;
  }

  /** What has gone over it. Any thread may read them. */
  public ChannelCounters counters() {
    return counters;
  }

  int priority() {
    return priority;
  }

  /** Whether this side may send on it. */
  public boolean maySend() {
    return maySend;
  }

  /** This side's segment: the same memory for as long as the link object lives. */
  public MemorySegment segment() {
    return regions.segment();
  }

  /** Whether it can be used: the link is up, and the channel has not failed. */
  public boolean isUp() {
    return localControl.byteSize() > 0;
  }

  /**
   * Ends this life of the channel, and of no other: at both sides its regions are deregistered, its
   * queue pairs fail, and its shared memory is cleared. {@link LinkListener#channelDown} follows,
   * at the latest at the end of the {@link Link#doWork} that is running; and when both sides are
   * ready, {@link LinkListener#channelUp}. Does nothing if it is down already.
   *
   * @param reason a sentence for people, here and at the peer; at most 116 ASCII characters arrive
   */
  public void fail(String reason) {
    if (!isUp()) {
      return;
    }
    if (link.isIdle()) {
      failNow(reason);
    } else if (pendingFailure == null) {
      pendingFailure = reason;
      link.failChannelLater();
    }
  }

  /**
   * Takes a part of this side's segment, for as long as the link object lives.
   *
   * @param lengthBytes how much; rounded up to 4096
   * @throws TwinspanException if the segment has not so much left
   */
  public MemorySegment allocate(long lengthBytes) {
    return regions.allocate(lengthBytes);
  }

  /**
   * Registers a part of this side's segment for the peer, until it is closed or the link goes down
   * ({@code ibv_reg_mr}). The peer finds it by {@code remoteRegion(slot)} before this returns.
   *
   * @param slot where in the channel's table, from 0, less than {@link #REGION_SLOTS}; free
   * @param part of {@link #segment()}
   * @param access what for; {@link Access#LOCAL_WRITE} for receives
   * @throws TwinspanException if the link is down, or the slot is in use
   */
  public MemoryRegion register(int slot, MemorySegment part, Access... access) {
    return register(link.protectionDomain(), slot, part, access);
  }

  /**
   * As the other one, for queue pairs of a protection domain.
   *
   * @param domain of the same link; the peer reaches the region over the partners of its queue
   *     pairs, and over no others
   */
  public MemoryRegion register(
      ProtectionDomain domain, int slot, MemorySegment part, Access... access) {
    requireOwn(domain);
    BridgeEndpoint present = endpoint;
    if (present == null || !isUp()) {
      throw new TwinspanException(
          "channel %s can't register slot %d: it is down".formatted(spec.name(), slot));
    }
    MemoryRegion region = regions.register(domain, slot, part, present.generation(), access);
    link.ringLater();
    return region;
  }

  /**
   * What the peer has registered.
   *
   * @param slot where in the channel's table, from 0, less than {@link #REGION_SLOTS}
   */
  public RemoteRegion remoteRegion(int slot) {
    return remoteRegions[slot];
  }

  /**
   * Creates one of the channel's queue pairs, which is connected to the peer's one of the same
   * index. It lasts as long as the link object, over all lives of the link.
   *
   * @param index from 0, less than the plan's number of queue pairs; not created before
   * @param sendQueue takes the completions of sends
   * @param receiveQueue takes the completions of receives; may be the same
   */
  public QueuePair createQueuePair(
      int index, CompletionQueue sendQueue, CompletionQueue receiveQueue) {
    return create(link.protectionDomain(), index, sendQueue, receiveQueue, null);
  }

  /**
   * As the other one, in a protection domain.
   *
   * @param domain of the same link; its partner need not have one of the same number
   */
  public QueuePair createQueuePair(
      ProtectionDomain domain, int index, CompletionQueue sendQueue, CompletionQueue receiveQueue) {
    return create(domain, index, sendQueue, receiveQueue, null);
  }

  /**
   * Creates one of the channel's queue pairs, which takes what it receives into shared receives.
   *
   * @param index from 0, less than the plan's number of queue pairs; not created before
   * @param sendQueue takes the completions of sends
   * @param receiveQueue takes the completions of receives; may be the same. It must have room for
   *     all shared receives
   * @param shared the channel's own
   */
  public QueuePair createQueuePair(
      int index,
      CompletionQueue sendQueue,
      CompletionQueue receiveQueue,
      SharedReceiveQueue shared) {
    return createQueuePair(link.protectionDomain(), index, sendQueue, receiveQueue, shared);
  }

  /**
   * As the other one, in a protection domain, which need not be that of the shared receives.
   *
   * @param domain of the same link
   */
  public QueuePair createQueuePair(
      ProtectionDomain domain,
      int index,
      CompletionQueue sendQueue,
      CompletionQueue receiveQueue,
      SharedReceiveQueue shared) {
    if (shared.channel() != this) {
      throw new IllegalArgumentException("shared receives of another channel");
    }
    return create(domain, index, sendQueue, receiveQueue, shared);
  }

  /**
   * The channel's shared receive queue ({@code ibv_create_srq}); the same one every time.
   *
   * @throws IllegalArgumentException if the channel plan gives it none
   */
  public SharedReceiveQueue sharedReceiveQueue() {
    if (sharedReceives == null) {
      throw new IllegalArgumentException("the plan gives " + spec.name() + " no shared receives");
    }
    return sharedReceives;
  }

  /**
   * The channel's shared receive queue, for regions of a protection domain.
   *
   * @param domain of the same link; of all receives that are posted from now on
   * @throws IllegalStateException if there are receives of another one
   */
  public SharedReceiveQueue sharedReceiveQueue(ProtectionDomain domain) {
    requireOwn(domain);
    SharedReceiveQueue queue = sharedReceiveQueue();
    if (queue.protectionDomain() != domain && queue.size() > 0) {
      throw new IllegalStateException(
          "%d shared receives of %s belong to another domain".formatted(queue.size(), spec.name()));
    }
    queue.ring().domain(domain);
    return queue;
  }

  private void requireOwn(ProtectionDomain domain) {
    if (!domain.isOf(link.localKeys())) {
      throw new IllegalArgumentException("a protection domain of another link");
    }
  }

  private QueuePair create(
      ProtectionDomain domain,
      int index,
      CompletionQueue sendQueue,
      CompletionQueue receiveQueue,
      @Nullable SharedReceiveQueue shared) {
    if (queuePairs[index] != null) {
      throw new IllegalArgumentException("queue pair " + index + " of " + spec.name() + " exists");
    }
    requireOwn(domain);
    QueuePair queuePair = new QueuePair(this, domain, index, sendQueue, receiveQueue, shared);
    queuePairs[index] = queuePair;
    if (isUp()) {
      queuePair.up();
    }
    return queuePair;
  }

  // --- for the link

  void up(BridgeEndpoint newborn) {
    endpoint = newborn;
    pendingFailure = null;
    long length = ChannelLayout.bytes(spec);
    life.up(
        newborn.localControl().asSlice(controlOffset, length),
        newborn.remoteControl().asSlice(controlOffset, length));
    open(newborn);
  }

  /** A life of the channel begins; both control blocks are clear. */
  private void open(BridgeEndpoint present) {
    localControl = life.ownBlock();
    remoteControl = life.peerBlock();
    MemorySegment peers =
        present.remote().segment().asSlice(peerSegmentOffset, spec.segmentBytes(side.peer()));
    table.up(localControl, peers, present.generation());
    sentBytes = 0;
    sentOperations = 0;
    countsChanged = false;
    lastAuditNs = link.nowNs();
    if (sharedReceives != null && peerSharedReceives != null) {
      sharedReceives.up();
      peerSharedReceives.begin(0);
    }
    for (QueuePair queuePair : queuePairs) {
      if (queuePair != null) {
        queuePair.up();
      }
    }
  }

  /** First step of going down: takes all rights back where the peer would look for them. */
  void revokeAll() {
    if (isUp()) {
      regions.withdrawAll();
    }
  }

  /** Second step: fails what is outstanding, and forgets the memory. */
  void down() {
    if (isUp()) {
      shut("the link is down");
    }
    life.down();
    endpoint = null;
  }

  private void shut(String why) {
    for (QueuePair queuePair : queuePairs) {
      if (queuePair != null) {
        queuePair.linkDown(why);
      }
    }
    regions.forget();
    readPeerCounts();
    receivedBytesBefore = counters.receivedBytes();
    receivedOperationsBefore = counters.receivedOperations();
    transfers.discard();
    table.down();
    localControl = MemorySegment.NULL;
    remoteControl = MemorySegment.NULL;
  }

  /** Everything there is to look at. */
  int lookAround() {
    ChannelLife.Finding finding = life.look();
    if (finding != ChannelLife.Finding.NOTHING) {
      return changeLife(finding);
    }
    if (!isUp()) {
      return sayAgain();
    }
    int work = transfers.collect();
    for (QueuePair queuePair : queuePairs) {
      if (queuePair != null) {
        work += queuePair.lookAround();
      }
    }
    if (link.nowNs() - lastAuditNs >= AUDIT_NS) {
      audit();
    }
    return work;
  }

  /** Looks only at what a connection brings, for rounds that follow each other fast. */
  int poll() {
    int work = transfers.collect();
    QueuePair[] pairs = connected;
    for (int i = 0; i < pairs.length; i++) {
      work += pairs[i].poll();
    }
    return work;
  }

  /** A queue pair has got a connection or lost it. */
  void connectionsChanged() {
    connected =
        Arrays.stream(queuePairs)
            .filter(queuePair -> queuePair != null && queuePair.isConnected())
            .toArray(QueuePair[]::new);
  }

  private int changeLife(ChannelLife.Finding finding) {
    if (finding == ChannelLife.Finding.FAILED) {
      failNow("the peer: " + life.peersReason());
    } else if (endpoint != null) {
      open(endpoint);
      link.ringLater();
      LOG.info("channel {}: up again, life {}", spec.name(), life.life());
      link.channelUp(this, life.life());
    }
    return 1;
  }

  /** Down, and waiting for the peer. */
  private int sayAgain() {
    if (link.nowNs() - lastAuditNs >= AUDIT_NS) {
      lastAuditNs = link.nowNs();
      life.publish();
      link.ringLater();
    }
    return 0;
  }

  /** What {@link #fail} could not do while the link was at work. */
  void failIfPending() {
    String reason = pendingFailure;
    if (reason != null) {
      pendingFailure = null;
      if (isUp()) {
        failNow(reason);
      }
    }
  }

  private void failNow(String reason) {
    LOG.warn("channel {}: down, life {}: {}", spec.name(), life.life(), reason);
    pendingFailure = null;
    downReason = reason;
    revokeAll();
    shut("the channel is down: " + reason);
    life.close(reason);
    lastAuditNs = link.nowNs();
    link.ringLater();
    link.channelDown(this, reason);
  }

  long nextDeadlineNs() {
    long deadline = Long.MAX_VALUE;
    if (countsChanged || !isUp() || life.isAhead()) {
      deadline = lastAuditNs + AUDIT_NS;
    }
    for (QueuePair queuePair : queuePairs) {
      if (queuePair != null) {
        deadline = Math.min(deadline, queuePair.nextDeadlineNs());
      }
    }
    return deadline;
  }

  // --- for regions and queue pairs

  void revoke(MemoryRegion region, int slot) {
    if (!isUp() || !regions.leave(region, slot)) {
      return;
    }
    for (QueuePair queuePair : queuePairs) {
      if (queuePair != null) {
        queuePair.settle();
      }
    }
    regions.left();
  }

  Link link() {
    return link;
  }

  RegionTable table() {
    return table;
  }

  /** What this side has registered. */
  OwnRegions regions() {
    return regions;
  }

  /** For tests: this side's control block, also while the channel is down. */
  MemorySegment controlBlock() {
    return life.ownBlock();
  }

  /** Computes the channel's CRCs; null if its plan wants none. */
  @Nullable PayloadCrc crc() {
    return crc;
  }

  ChannelLatency latency() {
    return latency;
  }

  MemorySegment localControl() {
    return localControl;
  }

  MemorySegment remoteControl() {
    return remoteControl;
  }

  void countSent(long bytes, long operations) {
    counters.sent(bytes, operations);
    sentBytes += bytes;
    sentOperations += operations;
    countsChanged = true;
  }

  @Nullable PeerReceives peerSharedReceives() {
    return peerSharedReceives;
  }

  /** The queue pair of an index if it takes messages into the shared receives. */
  @Nullable QueuePair sharer(int index) {
    QueuePair queuePair = index < queuePairs.length ? queuePairs[index] : null;
    return queuePair != null && queuePair.sharesReceives() ? queuePair : null;
  }

  /** The peer broke the shared receives: all who use them fail. */
  void breachOfSharers(String what) {
    for (int i = 0; i < queuePairs.length; i++) {
      QueuePair queuePair = sharer(i);
      if (queuePair != null) {
        queuePair.breach(what);
      }
    }
  }

  /** Whether the descriptor rings take so many more. */
  boolean hasRoom(int descriptors) {
    if (transfers.hasRoom(descriptors)) {
      return true;
    }
    counters.ringWait();
    return false;
  }

  /**
   * Puts a transfer into a descriptor ring. All transfers of a request are inserted before the next
   * {@link #transfer}.
   *
   * @param index of the request that it belongs to
   * @param last whether the request's transfers are complete with it
   * @return false if the ring is full
   */
  boolean insert(
      TransferOwner owner,
      long index,
      boolean last,
      long source,
      long destination,
      int lengthBytes) {
    return insert(owner, index, last, Opcode.MEMMOVE, source, destination, lengthBytes);
  }

  /**
   * As the other one.
   *
   * @param opcode {@link Opcode#MEMMOVE} or {@link Opcode#COPY_CRC}
   */
  boolean insert(
      TransferOwner owner,
      long index,
      boolean last,
      int opcode,
      long source,
      long destination,
      int lengthBytes) {
    return transfers.insert(owner, index, last, opcode, source, destination, lengthBytes);
  }

  /** Has copied what was inserted, now or in a later {@link Link#doWork}. */
  void transfer() {
    transfers.transfer();
  }

  /** Tells the owners what is copied. */
  void collect() {
    int _ = transfers.collect();
  }

  /** Something was copied: tells whose it was, and lets the send queues go on. */
  void copied() {
    if (transfers.collect() > 0) {
      QueuePair[] pairs = connected;
      for (int i = 0; i < pairs.length; i++) {
        pairs[i].goOn();
      }
    }
  }

  Transfers transfers() {
    return transfers;
  }

  /** Takes back all transfers of an owner that has given up. */
  void cancel(TransferOwner owner) {
    transfers.cancel(owner);
  }

  ChannelSnapshot snapshot() {
    List<ChannelSnapshot.Region> remote = new ArrayList<>();
    for (int slot = 0; slot < REGION_SLOTS; slot++) {
      RemoteRegion peers = remoteRegions[slot];
      if (peers.isValid()) {
        remote.add(new ChannelSnapshot.Region(slot, peers.rkey(), peers.lengthBytes()));
      }
    }
    List<ChannelSnapshot.Pair> pairs = new ArrayList<>();
    for (int index = 0; index < queuePairs.length; index++) {
      QueuePair queuePair = queuePairs[index];
      if (queuePair != null) {
        pairs.add(queuePair.snapshot(index));
      }
    }
    return new ChannelSnapshot(
        spec,
        isUp(),
        life.life(),
        downReason,
        regions.allocated(),
        regions.snapshot(),
        remote,
        transfers.snapshot(),
        pairs,
        counters.snapshot(),
        latency.summary());
  }

  /** What is not worth a store or a look in every round. */
  private void audit() {
    lastAuditNs = link.nowNs();
    if (life.isAhead()) {
      life.publish();
      link.ringLater();
    }
    if (countsChanged) {
      countsChanged = false;
      SharedMemory.setLongRelease(remoteControl, ChannelLayout.SENT_BYTES, sentBytes);
      SharedMemory.setLongRelease(remoteControl, ChannelLayout.SENT_OPERATIONS, sentOperations);
    }
    for (QueuePair queuePair : queuePairs) {
      if (queuePair != null) {
        queuePair.audit();
      }
    }
    readPeerCounts();
  }

  private void readPeerCounts() {
    long bytes = SharedMemory.getLongAcquire(localControl, ChannelLayout.SENT_BYTES);
    long operations = SharedMemory.getLongAcquire(localControl, ChannelLayout.SENT_OPERATIONS);
    counters.received(receivedBytesBefore + bytes, receivedOperationsBefore + operations);
  }
}
