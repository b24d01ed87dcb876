package io.twinspan.controller;

import io.twinspan.array.ArrayConfig;
import io.twinspan.array.ArrayListener;
import io.twinspan.array.ArrayNode;
import io.twinspan.array.HostPort;
import io.twinspan.array.HostRequest;
import io.twinspan.array.IoBuffers;
import io.twinspan.array.PoolConfig;
import io.twinspan.array.PoolState;
import io.twinspan.bridge.ShmBridge;
import io.twinspan.bridge.ShmOptions;
import io.twinspan.bridge.Side;
import io.twinspan.concurrent.AgentErrorHandler;
import io.twinspan.concurrent.AgentRunner;
import io.twinspan.concurrent.Idle;
import io.twinspan.concurrent.SystemClock;
import io.twinspan.linux.Processes;
import io.twinspan.linux.TwinspanException;
import io.twinspan.nvme.DmaMemory;
import io.twinspan.pool.Drive;
import io.twinspan.pool.DrivePool;
import io.twinspan.pool.PoolOptions;
import io.twinspan.pool.Redundancy;
import io.twinspan.pool.VolumeInfo;
import io.twinspan.rdma.ChannelPlan;
import io.twinspan.rdma.ChannelSpec;
import io.twinspan.rdma.Link;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.JsonNode;

/**
 * The process of one controller: puts the parts together, and takes them apart when it is asked to
 * end.
 */
public final class ControllerProcess implements ArrayListener, HostPort {
  private static final Logger LOG = LoggerFactory.getLogger(ControllerProcess.class);
  private static final Duration STOP_DEADLINE = Duration.ofSeconds(15);
  private static final Duration LEASE = Duration.ofMillis(250);
  private static final Duration CONTROL_TIMEOUT = Duration.ofSeconds(5);
  private static final List<String> POOLS = List.of("A", "B");
  private static final List<String> HOMES = List.of("a", "b");

  /** Exit status after a broken invariant or the loss of the drives. */
  private static final int FAILED = 70;

  private final ArrayDirectory directory;
  private final String name;
  private final ControllerMemory memory;
  private final BufferStock buffers;
  private final DriveBay drives;
  private final Link link;
  private final ArrayNode node;
  private final ControllerCore core;
  private final AgentRunner runner;
  private final PoolState[] states = new PoolState[ArrayNode.POOLS];
  private final CountDownLatch served = new CountDownLatch(1);
  private final CountDownLatch end = new CountDownLatch(1);
  private final CountDownLatch ended = new CountDownLatch(1);
  private volatile @Nullable NbdFrontEnd frontEnd;

  private ControllerProcess(
      ArrayDirectory directory, String name, Settings settings, ArrayIdentity identity) {
    this.directory = directory;
    this.name = name;
    Arrays.fill(states, PoolState.STARTING);
    long logBytes = settings.number(Settings.Key.POOL_LOG_SIZE);
    memory = new ControllerMemory(logBytes, settings.number(Settings.Key.IO_BUFFERS));
    buffers = new BufferStock(memory.buffers());
    drives =
        DriveBay.open(
            directory,
            name,
            settings.count(Settings.Key.SHELF_DRIVES),
            settings.count(Settings.Key.DRIVE_QUEUE_DEPTH),
            identity.hostIdentifier(name));
    ChannelPlan plan = plan(logBytes);
    ShmBridge bridge = new ShmBridge(bridgeOptions(settings, identity, plan));
    link = new Link(bridge, plan, SystemClock.INSTANCE);
    Path peerLock = directory.lockFile("controller-" + (name.equals("a") ? "b" : "a"));
    RdmaPeerLink peer = new RdmaPeerLink(link, () -> hasEnded(peerLock));
    peer.registerSource(memory.dma().segment());
    peer.registerSource(bridge.local().segment());
    drives.map(memory.dma());
    drives.map(DmaMemory.of(bridge.windowFd(), 0, bridge.local().segment()));
    node =
        new ArrayNode(
            config(settings, identity, logBytes),
            pools(settings.redundancy()),
            peer,
            memory.scratch(),
            SystemClock.INSTANCE,
            this);
    core = new ControllerCore(drives, link, node);
    runner =
        new AgentRunner(
            core, Idle.DEFAULT, core.wakeSources(), SystemClock.INSTANCE, onError(), STOP_DEADLINE);
  }

  /** Whether no process holds the lock; false when that can't be found out. */
  private static boolean hasEnded(Path lock) {
    try {
      return ProcessLock.holder(lock).isEmpty();
    } catch (TwinspanException e) {
      LOG.warn("can't tell whether the other controller lives: {}", e.getMessage());
      return false;
    }
  }

  /**
   * Runs a controller until it is asked to end.
   *
   * @param args the array's directory and the controller's name, a or b
   */
  @SuppressWarnings("SystemExitOutsideMain") // this is main
  public static void main(String[] args) throws InterruptedException {
    try {
      Processes.setSid(); // the terminal that started it may go
      ArrayDirectory directory = ArrayDirectory.at(Path.of(args[0]));
      String name = args[1];
      Settings settings = Settings.read(directory.settingsFile());
      ArrayIdentity identity = ArrayIdentity.read(directory.identityFile());
      try (var _ = ProcessLock.take(directory.lockFile("controller-" + name))) {
        new ControllerProcess(directory, name, settings, identity).run(settings, identity);
      }
    } catch (TwinspanException e) { // says itself what is wrong: no trace
      LOG.error("the controller stops: {}", e.getMessage());
      System.exit(1);
    } catch (RuntimeException e) {
      LOG.error("the controller stops: {}", e.getMessage(), e);
      System.err.println("controller: " + e.getMessage());
      System.exit(1);
    }
  }

  private void run(Settings settings, ArrayIdentity identity) throws InterruptedException {
    LOG.info("controller {} of {} starts, process {}", name, identity, Processes.pid());
    runner.start();
    Runtime.getRuntime().addShutdownHook(new Thread(this::endAndWait, "shutdown"));
    ControllerStatus status = new ControllerStatus(name, drives, link, POOLS);
    ControlRequests requests = new ControlRequests(core, node, link, drives, status, POOLS);
    try (var _ =
        ControlServer.start(
            directory.controlSocket("controller-" + name),
            (command, request) -> answer(requests, command, request))) {
      serveUntilEnd(settings);
    } finally {
      ended.countDown();
    }
  }

  private void serveUntilEnd(Settings settings) throws InterruptedException {
    try {
      while (!served.await(100, TimeUnit.MILLISECONDS) && end.getCount() > 0) {
        // both pools must have an owner before hosts are let in
      }
      if (end.getCount() > 0) {
        NbdFrontEnd started = NbdFrontEnd.start(this, directory, name, settings);
        frontEnd = started;
        LOG.info("controller {} serves NBD on {}", name, started.addresses());
        end.await();
      }
    } finally {
      stop(); // after a failure, too: a controller that can't serve must not keep its pools
    }
  }

  private JsonNode answer(ControlRequests requests, String command, JsonNode request) {
    return requests.answer(command, request, frontEnd);
  }

  private void stop() {
    LOG.info("ending");
    try {
      core.<Boolean>ask(STOP_DEADLINE, done -> node.stop(() -> done.complete(true)));
    } catch (TwinspanException e) {
      LOG.warn("not everything was put in order: {}", e.getMessage());
    }
    NbdFrontEnd started = frontEnd;
    if (started != null) {
      started.close();
    }
    runner.close();
    link.close();
    drives.close();
    memory.close();
    LOG.info("ended");
  }

  /** Waits for what main does, not for main: that may itself be in {@code System.exit}. */
  private void endAndWait() {
    end.countDown();
    try {
      ended.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static AgentErrorHandler onError() {
    return (agent, error) -> {
      LOG.error("the core failed: this controller stops, its peer takes over", error);
      Runtime.getRuntime().halt(FAILED); // at once: whatever is wrong must not spread
      return AgentErrorHandler.Decision.STOP;
    };
  }

  private static ChannelPlan plan(long logBytes) {
    ChannelPlan plan = ChannelPlan.defaults();
    long landing = ArrayNode.mirrorLandingBytes(logBytes);
    ChannelSpec mirror = plan.channels().get(ChannelPlan.MIRROR);
    return plan.with(mirror.withSegments(landing, landing));
  }

  private ShmOptions bridgeOptions(Settings settings, ArrayIdentity identity, ChannelPlan plan) {
    Side side = name.equals("a") ? Side.A : Side.B;
    UUID arrayId = new UUID(identity.arrayId(), 0);
    return plan.fit(new ShmOptions(side, directory.linkSocket(), arrayId, identity.secret()))
        .nodeName("controller " + name)
        .silence(settings.duration(Settings.Key.LINK_HEARTBEAT_TIMEOUT));
  }

  private ArrayConfig config(Settings settings, ArrayIdentity identity, long logBytes) {
    String peer = name.equals("a") ? "b" : "a";
    return new ArrayConfig(
        name,
        identity.arrayId(),
        new SecureRandom().nextLong(),
        identity.reservationKey(name),
        identity.reservationKey(peer),
        logBytes,
        true,
        settings.duration(Settings.Key.STARTUP_WAIT).toNanos(),
        settings.delayNs(Settings.Key.GIVEBACK_DELAY),
        LEASE.toNanos(),
        CONTROL_TIMEOUT.toNanos());
  }

  private List<PoolConfig> pools(Redundancy redundancy) {
    PoolOptions options = PoolOptions.DEFAULTS.with(redundancy);
    List<PoolConfig> pools = new ArrayList<>();
    for (int i = 0; i < ArrayNode.POOLS; i++) {
      List<Drive> its = drives.drives(i + 1);
      DrivePool pool = new DrivePool(i, its, memory.metadata(i), options);
      pools.add(new PoolConfig(i, POOLS.get(i), HOMES.get(i), pool, its, memory.log(i)));
    }
    return pools;
  }

  @Override
  public void ownershipChanged(int pool, PoolState state) {
    states[pool] = state;
    boolean all = true;
    for (PoolState each : states) {
      all &= each == PoolState.STANDBY || each.isServing();
    }
    if (all) {
      served.countDown();
    }
  }

  @Override
  public void volumesChanged() {
    NbdFrontEnd started = frontEnd;
    if (started != null) {
      started.volumesChanged();
    }
  }

  @Override
  public boolean submit(HostRequest request) {
    return core.submit(request);
  }

  @Override
  public void submitted() {
    if (core.hasRequests()) {
      runner.assist();
    }
  }

  @Override
  public List<VolumeInfo> volumes() {
    return node.volumes();
  }

  @Override
  public IoBuffers buffers() {
    return buffers;
  }
}
