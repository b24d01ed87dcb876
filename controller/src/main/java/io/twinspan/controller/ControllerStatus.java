package io.twinspan.controller;

import io.twinspan.array.NodeStatus;
import io.twinspan.array.PoolState;
import io.twinspan.linux.Processes;
import io.twinspan.linux.TwinspanException;
import io.twinspan.pool.Drive;
import io.twinspan.pool.PoolHealth;
import io.twinspan.pool.VolumeInfo;
import io.twinspan.rdma.ChannelCounters;
import io.twinspan.rdma.ChannelSpec;
import io.twinspan.rdma.Link;
import io.twinspan.target.nbd.NbdStatus;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** What a controller tells about itself. Thread-safe. */
final class ControllerStatus {
  private static final int POOL_OF_VOLUME_SHIFT = 24;
  private static final JsonMapper JSON = new JsonMapper();

  private final String name;
  private final DriveBay drives;
  private final Link link;
  private final List<String> poolNames;

  ControllerStatus(String name, DriveBay drives, Link link, List<String> poolNames) {
    this.name = name;
    this.drives = drives;
    this.link = link;
    this.poolNames = poolNames;
  }

  ObjectNode describe(NodeStatus node, List<VolumeInfo> volumes, @Nullable NbdFrontEnd nbd) {
    ObjectNode status = JsonNodeFactory.instance.objectNode();
    status.put("name", name).put("pid", Processes.pid());
    status.put("ready", nbd != null).put("state", state(node, nbd != null));
    status.put("residentBytes", Processes.residentBytes());
    status.set("pools", pools(node));
    addresses(status, nbd);
    status
        .putObject("link")
        .put("state", node.linkUp() ? "UP" : "DOWN")
        .put("epoch", node.linkGeneration());
    status.set("channels", channels());
    status.put("forwardedRequests", node.forwardedOut());
    status.put("forwardedRequestsServed", node.forwardedIn());
    status.put("requestsInFlight", node.requestsInFlight());
    status.set("queues", drives.queues());
    status.set("volumes", volumes(volumes));
    return status;
  }

  /** One word for the whole controller: the least that one of its pools is. */
  private static String state(NodeStatus node, boolean listening) {
    String state = listening ? "SERVING" : "STARTING";
    for (NodeStatus.PoolStatusLine pool : node.pools()) {
      PoolState its = pool.state();
      if (its == PoolState.LOST || its == PoolState.STOPPED || its == PoolState.STOPPING) {
        return its.name();
      }
      if (its != PoolState.STANDBY && !its.isServing()) {
        state = its == PoolState.STARTING ? "STARTING" : "DECIDING";
      }
    }
    return state;
  }

  private static ArrayNode pools(NodeStatus node) {
    ArrayNode pools = JsonNodeFactory.instance.arrayNode();
    for (NodeStatus.PoolStatusLine pool : node.pools()) {
      ObjectNode entry = pools.addObject();
      entry
          .put("name", pool.name())
          .put("home", pool.home())
          .put("role", pool.state().name())
          .put("owner", pool.state().isOwner())
          .put("epoch", pool.epoch())
          .put("logBytes", pool.logBytes())
          .put("logUsedBytes", pool.logUsedBytes())
          .put("mirroredWrites", pool.mirroredWrites())
          .put("writtenThrough", pool.writtenThrough())
          .put("capacityBytes", pool.capacityBlocks() * Drive.BLOCK_BYTES)
          .put("usedBytes", pool.usedBlocks() * Drive.BLOCK_BYTES)
          .put("checksumErrors", pool.checksumErrors())
          .put("requestsWaiting", pool.requestsWaiting());
      addHealth(entry, pool.health());
    }
    return pools;
  }

  private static void addHealth(ObjectNode pool, PoolHealth health) {
    if (!health.equals(PoolHealth.UNKNOWN)) {
      PoolHealth.Traffic traffic = health.traffic();
      pool.put("redundancy", health.redundancy().word());
      pool.put("writtenBytes", traffic.writtenBlocks() * Drive.BLOCK_BYTES)
          .put("movedBytes", traffic.movedBlocks() * Drive.BLOCK_BYTES)
          .put("driveWrittenBytes", traffic.driveBlocks() * Drive.BLOCK_BYTES);
    }
    ArrayNode drives = pool.putArray("drives");
    for (int i = 0; i < health.drives().size(); i++) {
      drives.addObject().put("name", "drive" + i).put("state", health.drives().get(i).name());
    }
    ObjectNode scrub = pool.putObject("scrub").put("state", health.scrub().name());
    addProgress(scrub, health.scrubbed());
    boolean rebuilds = health.drives().contains(PoolHealth.DriveState.REBUILDING);
    ObjectNode rebuild = pool.putObject("rebuild").put("state", rebuilds ? "RUNNING" : "NONE");
    addProgress(rebuild, health.rebuilt());
  }

  private static void addProgress(ObjectNode node, PoolHealth.Progress progress) {
    node.put("doneBytes", progress.doneBlocks() * Drive.BLOCK_BYTES)
        .put("totalBytes", progress.totalBlocks() * Drive.BLOCK_BYTES)
        .put("repairedCopies", progress.repairedCopies())
        .put("lostBlocks", progress.lostBlocks());
  }

  private static void addresses(ObjectNode status, @Nullable NbdFrontEnd nbd) {
    ArrayNode addresses = status.putArray("nbd");
    if (nbd != null) {
      nbd.addresses().forEach(addresses::add);
      NbdStatus its = nbd.status();
      status.put("connections", its.connections());
    }
  }

  private ArrayNode channels() {
    ArrayNode channels = JsonNodeFactory.instance.arrayNode();
    for (ChannelSpec spec : link.plan().channels()) {
      ChannelCounters counters = link.channel(spec.id()).counters();
      channels
          .addObject()
          .put("name", spec.name())
          .put("bytes", counters.sentBytes())
          .put("operations", counters.sentOperations())
          .put("errors", counters.sendErrors() + counters.receiveErrors())
          .put("receivedBytes", counters.receivedBytes())
          .put("receivedOperations", counters.receivedOperations());
    }
    return channels;
  }

  /**
   * The link with its channels, rings and queue pairs, as it is between two rounds of the core.
   *
   * @throws TwinspanException if the core does not get to it in time
   */
  JsonNode link(Duration timeout) {
    try {
      return JSON.valueToTree(link.snapshot().get(timeout.toMillis(), TimeUnit.MILLISECONDS));
    } catch (TimeoutException e) {
      throw new TwinspanException(
          "the controller did not answer within " + timeout.toSeconds() + " s", e);
    } catch (ExecutionException e) {
      throw new TwinspanException("the core could not tell: " + e.getCause(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new TwinspanException("interrupted", e);
    }
  }

  /** Volumes as JSON. */
  ArrayNode volumes(List<VolumeInfo> volumes) {
    ArrayNode list = JsonNodeFactory.instance.arrayNode();
    volumes.forEach(volume -> list.add(volume(volume)));
    return list;
  }

  /** A volume as JSON. */
  ObjectNode volume(VolumeInfo volume) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("name", volume.name())
        .put("id", volume.id())
        .put("pool", poolNames.get(volume.id() >>> POOL_OF_VOLUME_SHIFT))
        .put("sizeBytes", volume.sizeBytes())
        .put("usedBytes", volume.usedBytes())
        .put("originId", volume.origin())
        .put("readOnly", volume.readOnly());
  }
}
