package io.twinspan.controller;

import io.twinspan.array.PeerLink;
import io.twinspan.bridge.LinkDown;
import io.twinspan.bridge.Side;
import io.twinspan.rdma.Access;
import io.twinspan.rdma.Channel;
import io.twinspan.rdma.ChannelPlan;
import io.twinspan.rdma.CmEvent;
import io.twinspan.rdma.CompletionQueue;
import io.twinspan.rdma.Link;
import io.twinspan.rdma.LinkListener;
import io.twinspan.rdma.MemoryRegion;
import io.twinspan.rdma.QpState;
import io.twinspan.rdma.QueuePair;
import io.twinspan.rdma.WcOpcode;
import io.twinspan.rdma.WorkCompletion;
import io.twinspan.rdma.WorkRequest;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The array's link to its peer, over RDMA verbs: a lane is a queue pair on a channel of its own, a
 * message is a SEND, a placement an RDMA WRITE, and a grant a memory region. For the core's thread.
 *
 * <p>The array hears of a link when all queue pairs are connected. A queue pair that fails takes
 * the whole link down: the array's rules know only one kind of loss, and the link comes back by
 * itself.
 */
final class RdmaPeerLink implements PeerLink {
  private static final int RECEIVE_SLOT = 0;
  private static final int LANDING_SLOT = 1;
  private static final int RECEIVE_BYTES = 4096;

  /** A registered piece of local memory. */
  private record Source(long address, long end, int lkey) {}

  private final Link link;
  private final BooleanSupplier peerGone;
  private final Map<Lane, Traffic> lanes = new EnumMap<>(Lane.class);
  private final List<Traffic> all = new ArrayList<>();
  private final List<Source> sources = new ArrayList<>();
  private final WorkRequest request = new WorkRequest();
  private final WorkCompletion completion = new WorkCompletion();
  private boolean connecting;
  private boolean up;
  private @Nullable String downReason;

  /**
   * Over a link that nobody else uses.
   *
   * @param peerGone whether the peer's process is known to have ended
   */
  RdmaPeerLink(Link link, BooleanSupplier peerGone) {
    this.link = link;
    this.peerGone = peerGone;
    boolean isA = link.side() == Side.A;
    int out = isA ? ChannelPlan.DATA_A_TO_B : ChannelPlan.DATA_B_TO_A;
    int in = isA ? ChannelPlan.DATA_B_TO_A : ChannelPlan.DATA_A_TO_B;
    Channel management = link.channel(ChannelPlan.MANAGEMENT);
    add(Lane.MANAGEMENT, new Traffic(Lane.MANAGEMENT, management, null, true));
    add(Lane.DATA, new Traffic(Lane.DATA, link.channel(out), null, false));
    all.add(new Traffic(Lane.DATA, link.channel(in), link.channel(in), false));
    Channel forward = link.channel(ChannelPlan.FORWARD);
    add(Lane.FORWARD, new Traffic(Lane.FORWARD, forward, null, true));
    Channel mirror = link.channel(ChannelPlan.MIRROR);
    add(Lane.MIRROR, new Traffic(Lane.MIRROR, mirror, mirror, false));
    link.listener(new Lives());
  }

  private void add(Lane lane, Traffic traffic) {
    lanes.put(lane, traffic);
    all.add(traffic);
  }

  /** Makes memory known as a source of placements, for good. */
  void registerSource(MemorySegment memory) {
    int lkey = link.protectionDomain().register(memory).lkey();
    sources.add(new Source(memory.address(), memory.address() + memory.byteSize(), lkey));
  }

  @Override
  public boolean isPeerGone() {
    return peerGone.getAsBoolean();
  }

  /** Up, and the array knows of no other: what is left of a life that has ended does not count. */
  @Override
  public boolean isUp() {
    return up && downReason == null;
  }

  @Override
  public long generation() {
    return link.generation();
  }

  @Override
  public MemorySegment landing(Lane lane) {
    return receiver(lane).landing;
  }

  @Override
  public void grant(Lane lane) {
    Traffic traffic = receiver(lane);
    if (isUp() && traffic.granted == null) {
      traffic.granted =
          traffic.channel.register(LANDING_SLOT, traffic.landing, Access.REMOTE_WRITE);
    }
  }

  @Override
  public void revoke(Lane lane) {
    Traffic traffic = receiver(lane);
    MemoryRegion granted = traffic.granted;
    if (granted != null) { // when the link went down it took the right along
      granted.close();
      traffic.granted = null;
    }
  }

  @Override
  public boolean isGranted(Lane lane) {
    return isUp() && sender(lane).channel.remoteRegion(LANDING_SLOT).isValid();
  }

  @Override
  public boolean send(Lane lane, MemorySegment message, int lengthBytes) {
    return isUp()
        && sender(lane)
                .queuePair
                .postSend(request.send(0).inline(message, 0, lengthBytes).signaled(false))
            == QueuePair.OK;
  }

  @Override
  public boolean place(
      Lane lane,
      MemorySegment source,
      long sourceOffset,
      long remoteOffset,
      int lengthBytes,
      long token) {
    Traffic traffic = sender(lane);
    int rkey = isUp() ? traffic.channel.remoteRegion(LANDING_SLOT).rkey() : 0;
    if (rkey == 0) {
      return false;
    }
    Source known = sourceOf(source.address() + sourceOffset, lengthBytes);
    long offset = source.address() + sourceOffset - known.address;
    request.write(token, rkey, remoteOffset).sge(known.lkey, offset, lengthBytes);
    return traffic.queuePair.postSend(request) == QueuePair.OK;
  }

  private Source sourceOf(long address, int lengthBytes) {
    for (int i = 0; i < sources.size(); i++) {
      Source source = sources.get(i);
      if (address >= source.address && address + lengthBytes <= source.end) {
        return source;
      }
    }
    throw new IllegalStateException("a placement from memory that the link does not know");
  }

  @Override
  public void declareDown(String reason) {
    link.fail(LinkDown.Kind.PROTOCOL, reason);
  }

  @Override
  public int poll(Handler handler) {
    int work = link.doWork();
    for (int i = 0; i < all.size(); i++) {
      if (up) { // else a peer that is ahead may have sent already: that waits
        work += all.get(i).deliver(handler);
      }
    }
    String reason = downReason;
    if (reason != null) {
      downReason = null;
      if (up) {
        up = false;
        handler.linkDown(reason);
        work++;
      }
    }
    if (connecting) {
      work += connect(handler);
    }
    return work;
  }

  private int connect(Handler handler) {
    int work = 0;
    boolean established = true;
    for (Traffic traffic : all) {
      if (traffic.queuePair.state() == QpState.RESET || traffic.queuePair.state() == QpState.ERR) {
        traffic.begin();
        work++;
      }
      established &= traffic.queuePair.state() == QpState.RTS;
    }
    if (established) {
      connecting = false;
      up = true;
      handler.linkUp(link.generation());
      work++;
    }
    return work;
  }

  private Traffic sender(Lane lane) {
    Traffic traffic = lanes.get(lane);
    if (traffic == null) {
      throw new IllegalArgumentException("no lane " + lane);
    }
    return traffic;
  }

  private Traffic receiver(Lane lane) {
    for (Traffic traffic : all) {
      if (traffic.lane == lane && traffic.landing.byteSize() > 0) {
        return traffic;
      }
    }
    throw new IllegalArgumentException("nothing lands on lane " + lane);
  }

  private final class Lives implements LinkListener {
    @Override
    public void linkUp(long generation) {
      connecting = true;
    }

    @Override
    public void linkDown(LinkDown why) {
      connecting = false;
      downReason = why.kind() + ": " + why.detail();
      for (Traffic traffic : all) {
        traffic.granted = null; // its region ended with the life of the link
      }
    }

    @Override
    public void channelDown(Channel channel, String reason) {
      link.fail(LinkDown.Kind.PROTOCOL, "channel " + channel.spec().name() + " failed: " + reason);
    }

    @Override
    public void connectionEvent(QueuePair queuePair, CmEvent event) {
      if (event == CmEvent.DISCONNECTED || event == CmEvent.REJECTED) {
        link.fail(
            LinkDown.Kind.PROTOCOL,
            "channel " + queuePair.channel().spec().name() + " failed: " + queuePair.lastError());
      }
    }
  }

  /** One queue pair and what comes and goes over it. */
  private final class Traffic {
    private final Lane lane;
    private final Channel channel;
    private final CompletionQueue completions;
    private final QueuePair queuePair;
    private final MemorySegment landing;
    private final MemorySegment receives;
    private @Nullable MemoryRegion receiveRegion;
    private @Nullable MemoryRegion granted;

    Traffic(Lane lane, Channel channel, @Nullable Channel landsOn, boolean messages) {
      this.lane = lane;
      this.channel = channel;
      completions =
          link.createCompletionQueue(channel.spec().sendDepth() + channel.spec().receiveDepth());
      queuePair = channel.createQueuePair(0, completions, completions);
      landing =
          landsOn == null ? MemorySegment.NULL : landsOn.allocate(landsOn.segment().byteSize());
      receives =
          messages
              ? channel.allocate((long) channel.spec().receiveDepth() * RECEIVE_BYTES)
              : MemorySegment.NULL;
    }

    /** Sets the queue pair up for a new life of the link; both sides ask to connect. */
    void begin() {
      queuePair.reset();
      discard();
      queuePair.init();
      if (receives.byteSize() > 0) {
        MemoryRegion region = channel.register(RECEIVE_SLOT, receives, Access.LOCAL_WRITE);
        receiveRegion = region;
        for (int i = 0; i < channel.spec().receiveDepth(); i++) {
          receive(region, i);
        }
      }
      queuePair.connect();
    }

    private void receive(MemoryRegion region, long slot) {
      int _ = queuePair.postReceive(slot, region, slot * RECEIVE_BYTES, RECEIVE_BYTES);
    }

    /** Forgets what ended with the former life. */
    private void discard() {
      while (completions.poll(completion)) {
        // nobody waits for it
      }
    }

    int deliver(Handler handler) {
      int work = 0;
      while (completions.poll(completion)) {
        work++;
        if (completion.opcode() == WcOpcode.RDMA_WRITE) {
          handler.placed(lane, completion.wrId(), completion.isSuccess());
        } else if (completion.opcode() == WcOpcode.RECV && completion.isSuccess()) {
          long slot = completion.wrId();
          MemorySegment message = receives.asSlice(slot * RECEIVE_BYTES, RECEIVE_BYTES);
          handler.message(lane, message, completion.byteLength());
          MemoryRegion region = receiveRegion;
          if (region != null && region.isValid()) {
            receive(region, slot);
          }
        }
      }
      return work;
    }
  }
}
