package io.twinspan.array;

import io.twinspan.concurrent.Clock;
import io.twinspan.pool.PoolCompletion;
import io.twinspan.pool.PoolStatus;
import io.twinspan.pool.VolumeInfo;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One controller's logic: serves hosts, owns pools, mirrors writes to its peer, and follows the
 * rules of failover. A deterministic state machine without threads, sockets or time of its own:
 * link, drives, pools and clock are injected.
 *
 * <p>Every method is called on the one agent thread, except {@link #volumes()}. A turn of the
 * agent: let the drives deliver completions, then {@link #doWork} (which polls the link and works
 * on the pools), at the latest at {@link #nextDeadlineNs()}.
 */
public final class ArrayNode {
  /** Number of pools. */
  public static final int POOLS = 2;

  /** Bytes of scratch memory that the constructor wants: 4096-byte aligned, drives reach it. */
  public static final int SCRATCH_BYTES = 16 * Scratch.BUFFER_BYTES;

  /** Size of {@code landing(DATA)} that the link must offer. */
  public static final int DATA_LANDING_BYTES = 2 * ForwardClient.SLOTS * ForwardClient.SLOT_BYTES;

  /** How often a controller that waits asks whether its peer's process has ended. */
  private static final long PEER_GONE_NS = TimeUnit.MILLISECONDS.toNanos(100);

  private static final Logger LOG = LoggerFactory.getLogger(ArrayNode.class);

  private final ArrayConfig config;
  private final PeerLink link;
  private final Clock clock;
  private final ArrayListener listener;
  private final Events events = new Events();
  private final Membership membership;
  private final ForwardClient forwards;
  private final ForwardServer served;
  private final VolumeService volumes;
  private final ForwardMessage incoming = new ForwardMessage();
  private final List<PoolUnit> units = new ArrayList<>();
  private final List<HostRequests> requests = new ArrayList<>();
  private final List<Runnable> stopped = new ArrayList<>();
  private boolean started;
  private boolean leaving;
  private long nowNs;
  private long lastTurnNs;
  private long askPeerGoneNs = Long.MIN_VALUE;
  private boolean peerGone;

  /** Size of {@code landing(MIRROR)} that the link must offer: one log per pool. */
  public static long mirrorLandingBytes(long logBytes) {
    return POOLS * logBytes;
  }

  /**
   * Builds a controller; it begins to act with the first {@link #doWork}.
   *
   * @param pools both pools, by index
   * @param scratch {@link #SCRATCH_BYTES} bytes that drives reach, 4096-byte aligned
   */
  public ArrayNode(
      ArrayConfig config,
      List<PoolConfig> pools,
      PeerLink link,
      MemorySegment scratch,
      Clock clock,
      ArrayListener listener) {
    if (pools.size() != POOLS || pools.get(0).index() != 0 || pools.get(1).index() != 1) {
      throw new IllegalArgumentException("an array has pools 0 and 1");
    }
    this.config = config;
    this.link = link;
    this.clock = clock;
    this.listener = listener;
    nowNs = clock.nanoTime();
    lastTurnNs = nowNs;
    forwards = new ForwardClient(link, this::returned);
    served = new ForwardServer(link, operation -> unitOf(operation.volume).accept(operation));
    membership = new Membership(config, link, events);
    volumes = new VolumeService(events, config.controlTimeoutNs());
    Scratch buffers = new Scratch(scratch);
    int capacity = HostRequests.CAPACITY + ForwardClient.REQUESTS;
    for (PoolConfig pool : pools) {
      PoolUnit unit = new PoolUnit(config, pool, link, buffers, forwards, events, capacity);
      units.add(unit);
      requests.add(new HostRequests(unit));
    }
  }

  private PoolUnit unitOf(int volume) {
    return units.get(volume >>> 24);
  }

  private void returned(Operation operation) {
    unitOf(operation.volume).returned(operation);
  }

  /**
   * Takes a host's request.
   *
   * @return false when there is no room: keep it and try again after a turn
   */
  public boolean submit(HostRequest request) {
    int pool = request.volume >>> 24;
    if (pool >= POOLS) {
      request.completed(HostStatus.NO_SUCH_VOLUME);
      return true;
    }
    return requests.get(pool).submit(request);
  }

  /**
   * One turn: events of the link, work of the pools, whatever has come due.
   *
   * @return amount of work done, 0 for none
   * @throws IllegalStateException when an invariant is broken: stop the process, its peer takes
   *     over
   */
  public int doWork() {
    nowNs = clock.nanoTime();
    if (started && nowNs - lastTurnNs > config.leaseNs()) {
      units.forEach(unit -> unit.ownership().suspect());
    }
    started = true;
    lastTurnNs = nowNs;
    int work = link.poll(events);
    membership.pump(!served.hasOrphans());
    for (int i = 0; i < POOLS; i++) {
      work += units.get(i).pump();
    }
    work += forwards.pump() + served.pump();
    work += volumes.pump();
    work += membership.send();
    endStop();
    return work;
  }

  private void endStop() {
    // The peer may carry out what was forwarded until it answers: a host whose connection ends
    // before that would write again elsewhere, and have its older write come after the newer one.
    if (!stopped.isEmpty()
        && forwards.isIdle()
        && units.stream().allMatch(unit -> unit.state() == PoolState.STOPPED)
        && !membership.hasUnsent()) {
      List<Runnable> done = List.copyOf(stopped);
      stopped.clear();
      done.forEach(Runnable::run);
    }
  }

  /** Time of the clock at which {@link #doWork} is due even if nothing happens. */
  public long nextDeadlineNs() {
    // An owner that sleeps longer than its lease would have to ask the drives at every request.
    long deadline = lastTurnNs + config.leaseNs() / 2;
    for (PoolUnit unit : units) {
      deadline = Math.min(deadline, unit.deadlineNs());
    }
    return Math.min(deadline, volumes.deadlineNs());
  }

  /**
   * Creates a volume, here or through the peer.
   *
   * @param completion gets CLOSED when no owner could be asked in time
   */
  public void createVolume(int pool, String name, long sizeBytes, PoolCompletion completion) {
    volumes.change(ControlMessage.VolumeChange.CREATE, pool, 0, sizeBytes, name, completion);
  }

  /** Changes a volume's size, as {@link #createVolume}. */
  public void resizeVolume(int volume, long sizeBytes, PoolCompletion completion) {
    volumes.change(
        ControlMessage.VolumeChange.RESIZE, volume >>> 24, volume, sizeBytes, "", completion);
  }

  /** Deletes a volume, as {@link #createVolume}. */
  public void deleteVolume(int volume, PoolCompletion completion) {
    volumes.change(ControlMessage.VolumeChange.DELETE, volume >>> 24, volume, 0, "", completion);
  }

  /**
   * Makes a volume that holds what another one holds now, see {@link
   * io.twinspan.pool.Pool#cloneVolume}; as {@link #createVolume}. Every write that was acknowledged
   * before this was called is in it.
   */
  public void cloneVolume(int source, String name, boolean readOnly, PoolCompletion completion) {
    ControlMessage.VolumeChange change =
        readOnly ? ControlMessage.VolumeChange.SNAPSHOT : ControlMessage.VolumeChange.CLONE;
    volumes.change(change, source >>> 24, source, 0, name, completion);
  }

  /** Starts a scrub of a pool, or goes on with one that was stopped; as {@link #createVolume}. */
  public void startScrub(int pool, PoolCompletion completion) {
    volumes.change(ControlMessage.VolumeChange.START_SCRUB, pool, 0, 0, "", completion);
  }

  /** Stops the scrub of a pool; as {@link #createVolume}. */
  public void stopScrub(int pool, PoolCompletion completion) {
    volumes.change(ControlMessage.VolumeChange.STOP_SCRUB, pool, 0, 0, "", completion);
  }

  /** Takes a drive out of a pool, see {@link io.twinspan.pool.Pool#failDrive}. */
  public void failDrive(int pool, int drive, PoolCompletion completion) {
    volumes.change(ControlMessage.VolumeChange.FAIL_DRIVE, pool, drive, 0, "", completion);
  }

  /** Takes a drive into a pool again, see {@link io.twinspan.pool.Pool#replaceDrive}. */
  public void replaceDrive(int pool, int drive, PoolCompletion completion) {
    volumes.change(ControlMessage.VolumeChange.REPLACE_DRIVE, pool, drive, 0, "", completion);
  }

  /** Volumes of both pools, sorted by name. Any thread. */
  public List<VolumeInfo> volumes() {
    return volumes.volumes();
  }

  /** What there is to know. Allocates: for the control plane. */
  public NodeStatus status() {
    return new NodeStatus(
        config.node(),
        link.isUp(),
        link.generation(),
        units.stream().map(PoolUnit::status).toList(),
        forwards.forwarded(),
        served.served(),
        requests.stream().mapToInt(HostRequests::inFlight).sum());
  }

  /**
   * Hands a pool to the peer: what was accepted is put on the drives, new requests wait, and those
   * that waited are forwarded as soon as the peer serves. A pool that is away from its home stays
   * there until it is handed back, or its home controller has been away.
   */
  public void handOver(int pool, HandoverCompletion completion) {
    if (pool < 0 || pool >= POOLS || !units.get(pool).ownership().handOver(completion)) {
      completion.completed(PoolStatus.INVALID, 0);
    }
  }

  /**
   * Ends this controller's part in good order: puts everything of its pools on the drives, closes
   * and releases them, and tells the peer, which takes them. Requests that come later are answered
   * with SHUTDOWN.
   *
   * @param done called once, on the agent thread, when the process may end
   */
  public void stop(Runnable done) {
    leaving = true;
    stopped.add(done);
    membership.leave();
  }

  /** What link, pools and volumes tell this controller, and what they may ask of it. */
  private final class Events
      implements PeerLink.Handler,
          Membership.Events,
          Ownership.Controller,
          VolumeService.Controller {

    @Override
    public void linkUp(long generation) {
      LOG.info("link {} is up", generation);
      membership.linkUp();
    }

    @Override
    public void linkDown(String reason) {
      LOG.warn("link is down: {}", reason);
      // First of all: from here on nothing that an old owner places can succeed.
      link.revoke(PeerLink.Lane.MIRROR);
      link.revoke(PeerLink.Lane.DATA);
      membership.linkDown();
      served.linkDown();
      units.forEach(PoolUnit::linkDown);
      forwards.linkDown();
      volumes.linkDown();
    }

    @Override
    public void message(PeerLink.Lane lane, MemorySegment message, int lengthBytes) {
      String defect;
      if (lane == PeerLink.Lane.MANAGEMENT) {
        defect = membership.received(message, lengthBytes);
      } else {
        defect = forwarded(message, lengthBytes);
      }
      if (!defect.isEmpty()) {
        link.declareDown(defect);
      }
    }

    private String forwarded(MemorySegment message, int lengthBytes) {
      String defect = incoming.wrap(message).defect(lengthBytes);
      if (!defect.isEmpty()) {
        return defect;
      }
      return switch (incoming.type()) {
        case ForwardMessage.REQUEST -> served.request(incoming);
        case ForwardMessage.REPLY -> forwards.reply(incoming);
        default -> "forward message of type " + incoming.type();
      };
    }

    @Override
    public void placed(PeerLink.Lane lane, long token, boolean success) {
      if (lane == PeerLink.Lane.MIRROR) {
        units.get(LogMirror.poolOf(token)).placed(token, success);
      } else if (token < ForwardClient.REQUESTS) {
        forwards.placed((int) token, success);
      } else {
        served.placed((int) token - ForwardClient.REQUESTS, success);
      }
    }

    @Override
    public long nowNs() {
      return nowNs;
    }

    @Override
    public boolean leaseHolds() {
      return clock.nanoTime() - lastTurnNs <= config.leaseNs();
    }

    @Override
    public PoolUnit unit(int pool) {
      return units.get(pool);
    }

    @Override
    public VolumeService volumes() {
      return volumes;
    }

    @Override
    public boolean peerKnown() {
      return membership.peerKnown();
    }

    @Override
    public boolean peerLeaving() {
      return membership.peerLeaving();
    }

    @Override
    public boolean leaving() {
      return leaving;
    }

    @Override
    public boolean peerGone() {
      if (nowNs >= askPeerGoneNs) {
        askPeerGoneNs = nowNs + PEER_GONE_NS;
        peerGone = !link.isUp() && link.isPeerGone();
      }
      return peerGone;
    }

    @Override
    public void tell(ControlMessage message) {
      membership.tell(message);
    }

    @Override
    public void declareDown(String reason) {
      if (link.isUp()) {
        link.declareDown(reason);
      }
    }

    @Override
    public void changed(int pool, PoolState state) {
      units.get(pool).stateChanged();
      membership.tellRole(pool);
      volumes.ownershipChanged();
      listener.ownershipChanged(pool, state);
    }

    @Override
    public void writesLost(int pool) {
      listener.writesLost(pool);
    }

    @Override
    public void volumesChanged() {
      listener.volumesChanged();
    }
  }
}
