package io.twinspan.perf;

import io.twinspan.bridge.BridgeEndpoint;
import io.twinspan.bridge.Contract;
import io.twinspan.bridge.LinkDown;
import io.twinspan.bridge.ShmBridge;
import io.twinspan.bridge.ShmOptions;
import io.twinspan.bridge.Side;
import io.twinspan.bridge.Window;
import io.twinspan.concurrent.SharedMemory;
import io.twinspan.concurrent.SystemClock;
import io.twinspan.linux.TwinspanException;
import io.twinspan.rdma.Access;
import io.twinspan.rdma.Channel;
import io.twinspan.rdma.ChannelPlan;
import io.twinspan.rdma.ChannelSpec;
import io.twinspan.rdma.CmEvent;
import io.twinspan.rdma.CompletionQueue;
import io.twinspan.rdma.Link;
import io.twinspan.rdma.LinkListener;
import io.twinspan.rdma.LinkOptions;
import io.twinspan.rdma.MemoryRegion;
import io.twinspan.rdma.QpState;
import io.twinspan.rdma.QueuePair;
import io.twinspan.rdma.WorkCompletion;
import io.twinspan.rdma.WorkRequest;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * One side's link with its queue pairs and buffers, which are laid out the same at both sides: in
 * the channel's segment first a page of words that the sides of a measurement send each other
 * without the link's help, then the buffers.
 *
 * <pre>
 *   0  bare ping-pong word          (writer: peer)
 * 128  the phase the peer has reached  (writer: peer)
 * </pre>
 */
final class PerfEndpoint implements LinkListener, AutoCloseable {
  private static final long LAST_WORD_NS = 100_000_000;
  private static final int REGION_SLOT = 0;
  private static final int PAGE_BYTES = 4096;
  private static final long BARE_WORD = 0;
  private static final long PHASE_WORD = SharedMemory.PADDING_BYTES;
  private static final UUID ARRAY = new UUID(0x7477696E7370616EL, 0x70657266L);
  private static final byte[] SECRET = "perf: no secret.".getBytes(StandardCharsets.US_ASCII);

  private final PerfOptions options;
  private final PerfTest.Verb verb;
  private final int sizeBytes;
  private final boolean inline;
  private final boolean fetches;
  private final Link link;
  private final Channel channel;
  private final CompletionQueue completions;
  private final QueuePair[] queuePairs;
  private final WorkCompletion completion = new WorkCompletion();
  private final WorkRequest request = new WorkRequest();
  private final MemorySegment words;
  private final MemorySegment buffers;
  private final MemorySegment source;
  private final int sourceKey;
  private final @Nullable Flood flood;
  private MemorySegment peerWords = MemorySegment.NULL;
  private MemorySegment peerBuffers = MemorySegment.NULL;
  private @Nullable BridgeEndpoint bridge;
  private @Nullable MemoryRegion region;
  private @Nullable String failure;
  private @Nullable String gone;
  private int rkey;
  private int bufferKey;
  private int nextReceive;
  private boolean warm;

  PerfEndpoint(Side side, Path socket, PerfOptions options) {
    this.options = options;
    verb = options.test().verb();
    sizeBytes = options.sizeBytes();
    inline = options.isInline();
    fetches = verb == PerfTest.Verb.READ || verb == PerfTest.Verb.ATOMIC;
    ChannelPlan plan = plan(options);
    ShmOptions shm =
        new ShmOptions(side, socket, ARRAY, SECRET)
            .nodeName("perf")
            .contract(contract(options, plan))
            .windowBytes(plan.windowBytes(side))
            .controlBytes(plan.controlBytes());
    link =
        new Link(
            new TappedBridge(new ShmBridge(shm), this::tap),
            plan,
            SystemClock.INSTANCE,
            options.worker() ? new LinkOptions(1, 1) : LinkOptions.DEFAULT);
    link.listener(this);
    channel = link.channel(0);
    words = channel.allocate(PAGE_BYTES);
    buffers = channel.allocate(options.bufferBytes());
    source = Arena.ofAuto().allocate(options.bufferBytes(), PAGE_BYTES).fill((byte) 'p');
    sourceKey = link.protectionDomain().register(source).lkey();
    ChannelSpec spec = channel.spec();
    int places = options.queuePairs() * (spec.sendDepth() + spec.receiveDepth());
    completions = link.createCompletionQueue(places);
    queuePairs = new QueuePair[options.queuePairs()];
    for (int i = 0; i < queuePairs.length; i++) {
      queuePairs[i] = channel.createQueuePair(i, completions, completions);
    }
    flood = options.test().isFlooded() ? new Flood(link, options) : null;
  }

  private static ChannelPlan plan(PerfOptions options) {
    long segment = segmentBytes(options);
    ChannelSpec tested =
        new ChannelSpec(
                0,
                "perf",
                ChannelSpec.Direction.BOTH,
                segment,
                segment,
                options.queuePairs(),
                options.depth(),
                options.depth(),
                options.inlineBytes())
            .withCrc(options.crc());
    return new ChannelPlan(
        options.test().isFlooded()
            ? List.of(tested.withPriority(0, 1), Flood.spec(options))
            : List.of(tested));
  }

  private static long segmentBytes(PerfOptions options) {
    return PAGE_BYTES + (options.bufferBytes() + PAGE_BYTES - 1 & -PAGE_BYTES);
  }

  /** The plan's, and before it a line with the options, so that people are told the difference. */
  private static Contract contract(PerfOptions options, ChannelPlan plan) {
    byte[] head = (String.join(" ", options.encode()) + "\n").getBytes(StandardCharsets.US_ASCII);
    Contract plans = plan.contract();
    byte[] tail = plans.encoded();
    byte[] all = Arrays.copyOf(head, head.length + tail.length);
    System.arraycopy(tail, 0, all, head.length, tail.length);
    return new Contract(
        all,
        theirs -> {
          String text = new String(theirs, StandardCharsets.US_ASCII);
          int end = text.indexOf('\n') + 1;
          List<String> there = List.of(text.substring(0, Math.max(0, end - 1)).split(" "));
          return there.equals(options.encode())
              ? plans.objection(Arrays.copyOfRange(theirs, end, theirs.length))
              : Optional.of(PerfOptions.difference(options.encode(), there));
        });
  }

  private void tap(BridgeEndpoint endpoint) {
    bridge = endpoint;
    MemorySegment window = endpoint.remote().segment();
    peerWords = window.asSlice(Window.HEADER_BYTES, PAGE_BYTES);
    peerBuffers = window.asSlice(Window.HEADER_BYTES + PAGE_BYTES, options.bufferBytes());
    if (flood != null) {
      flood.tap(window, segmentBytes(options));
    }
  }

  Link link() {
    return link;
  }

  PerfOptions options() {
    return options;
  }

  /** Whether everything is there that a measurement needs. */
  boolean isConnected() {
    for (QueuePair queuePair : queuePairs) {
      if (queuePair.state() != QpState.RTS) {
        return false;
      }
    }
    rkey = channel.remoteRegion(REGION_SLOT).rkey();
    return rkey != 0 && (flood == null || flood.isConnected());
  }

  /**
   * Throws when there is no use in going on.
   *
   * @throws TwinspanException with the reason
   */
  void check() {
    String why = failure;
    if (why == null) {
      return;
    }
    // A peer that ends takes its rights back before it says goodbye: hear it out.
    long deadlineNs = System.nanoTime() + LAST_WORD_NS;
    while (gone == null && link.isUp() && System.nanoTime() < deadlineNs) {
      int _ = link.doWork();
      Thread.onSpinWait();
    }
    throw new TwinspanException(gone == null ? why : gone);
  }

  /** What a test with a flood floods with. */
  Flood flood() {
    return Objects.requireNonNull(flood);
  }

  /** The warm-up is over. */
  void warm() {
    warm = true;
  }

  /** Whether it is. */
  boolean isWarm() {
    return warm;
  }

  // --- words between the sides

  /** The last word of the peer's bare ping-pong. */
  long bareWord() {
    return SharedMemory.getLongAcquire(words, BARE_WORD);
  }

  /** Sends a word of the bare ping-pong. */
  void bareWord(long value) {
    SharedMemory.setLongRelease(peerWords, BARE_WORD, value);
  }

  /** Tells the peer that this side has reached a phase. */
  void reach(int phase) {
    SharedMemory.setLongRelease(peerWords, PHASE_WORD, phase);
    wakePeer();
  }

  /** Wakes the peer, if it sleeps, for a word that was sent without the link. */
  void wakePeer() {
    BridgeEndpoint peer = bridge;
    if (peer != null && link.isUp()) {
      peer.ring();
    }
  }

  /** Whether the peer has reached a phase. */
  boolean peerHasReached(int phase) {
    return SharedMemory.getLongAcquire(words, PHASE_WORD) >= phase;
  }

  // --- buffers

  /** This side's memory that the peer writes to. */
  MemorySegment buffers() {
    return buffers;
  }

  /** The peer's memory that this side writes to; what the machine can do is measured with it. */
  MemorySegment peerBuffers() {
    return peerBuffers;
  }

  /** This side's memory that is sent from. */
  MemorySegment source() {
    return source;
  }

  // --- verbs

  /**
   * Posts one request of the test.
   *
   * @param queuePair which one
   * @param offset of the buffer at both sides
   * @return as {@link QueuePair#postSend}
   */
  int post(int queuePair, long id, long offset, boolean signaled) {
    switch (verb) {
      case SEND -> request.send(id);
      case WRITE -> request.write(id, rkey, offset);
      case WRITE_IMM -> request.writeWithImmediate(id, rkey, offset, queuePair);
      case READ -> request.read(id, rkey, offset);
      case ATOMIC -> request.fetchAndAdd(id, rkey, offset, 1);
    }
    if (fetches) {
      request.sge(bufferKey, offset, sizeBytes);
    } else if (inline) {
      request.inline(source, offset, sizeBytes);
    } else {
      request.sge(sourceKey, offset, sizeBytes);
    }
    return queuePairs[queuePair].postSend(request.signaled(signaled));
  }

  /** Posts a request that must be taken in the end. */
  void postSurely(int queuePair, long offset, boolean signaled) {
    int result = post(queuePair, 0, offset, signaled);
    while (result == QueuePair.FULL) {
      link.doWork();
      check();
      result = post(queuePair, 0, offset, signaled);
    }
    if (result != QueuePair.OK) {
      refused(result);
    }
  }

  /** A post was not taken, for another reason than a full queue. */
  void refused(int result) {
    fail("the queue pair refuses a request with " + result);
  }

  /** There is no use in going on; throws with the first reason. */
  void fail(String why) {
    failure = failure == null ? why : failure;
    check();
  }

  /** Takes the next completion; false if there is none. */
  boolean poll() {
    if (!completions.poll(completion)) {
      return false;
    }
    if (!completion.isSuccess()) {
      fail("a request ended with " + completion.status());
    }
    return true;
  }

  /** What {@link #poll} took. */
  WorkCompletion completion() {
    return completion;
  }

  /** Posts the receive again that {@link #completion} has told of. */
  void repost() {
    receive((int) completion.wrId());
  }

  private void receive(int queuePair) {
    MemoryRegion to = region;
    if (to == null) {
      return; // the link went down: check() tells
    }
    boolean isSend = verb == PerfTest.Verb.SEND;
    long offset = isSend ? nextReceive * options.stride() : 0;
    if (++nextReceive == options.buffers()) {
      nextReceive = 0;
    }
    int length = isSend ? sizeBytes : 0;
    int result = queuePairs[queuePair].postReceive(queuePair, to, offset, length);
    if (result != QueuePair.OK) {
      refused(result);
    }
  }

  // --- the link's listener

  @Override
  public void linkUp(long generation) {
    if (failure != null) {
      return; // a measurement has one life
    }
    MemoryRegion mine =
        channel.register(
            REGION_SLOT,
            buffers,
            Access.LOCAL_WRITE,
            Access.REMOTE_WRITE,
            Access.REMOTE_READ,
            Access.REMOTE_ATOMIC);
    region = mine;
    bufferKey = mine.lkey();
    for (int i = 0; i < queuePairs.length; i++) {
      queuePairs[i].reset().init();
      if (verb.takesReceive()) {
        for (int n = 0; n < channel.spec().receiveDepth(); n++) {
          receive(i);
        }
      }
      queuePairs[i].connect();
    }
    if (flood != null) {
      flood.linkUp();
    }
  }

  @Override
  public void linkDown(LinkDown why) {
    region = null;
    bridge = null;
    if (gone == null) {
      gone = "the peer is gone: %s (%s)".formatted(why.detail(), why.kind());
      failure = failure == null ? gone : failure;
    }
  }

  @Override
  public void connectionEvent(QueuePair queuePair, CmEvent event) {
    switch (event) {
      case CONNECT_REQUEST, ESTABLISHED, DEVICE_REMOVAL -> {} // linkDown follows the last one
      case REJECTED, UNREACHABLE ->
          failure = "queue pair %d: %s".formatted(queuePair.number(), event);
      case DISCONNECTED ->
          failure = "queue pair %d: %s".formatted(queuePair.number(), queuePair.lastError());
    }
  }

  @Override
  public void channelDown(Channel failed, String reason) {
    failure = "the channel failed: " + reason;
  }

  @Override
  public void close() {
    link.close();
  }
}
