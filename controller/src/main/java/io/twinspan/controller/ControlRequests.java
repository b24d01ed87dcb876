package io.twinspan.controller;

import io.twinspan.array.ArrayNode;
import io.twinspan.array.NodeStatus;
import io.twinspan.bridge.LinkDown;
import io.twinspan.linux.TwinspanException;
import io.twinspan.pool.PoolStatus;
import io.twinspan.pool.VolumeInfo;
import io.twinspan.rdma.Link;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;

/**
 * Answers what comes on a controller's control socket. Thread-safe: what concerns the array is
 * asked on the core's thread.
 */
final class ControlRequests {
  private static final Duration TIMEOUT = Duration.ofSeconds(20);
  private static final Duration STATUS_TIMEOUT = Duration.ofSeconds(3);
  private static final int BLOCK_BYTES = 4096;
  private static final int POOL_SHIFT = 24;
  private static final String NAME = "[A-Za-z0-9._-]{1,63}";

  /** How a handover has ended. */
  private record Handover(PoolStatus status, long waitedNs) {}

  private final ControllerCore core;
  private final ArrayNode node;
  private final Link link;
  private final DriveBay drives;
  private final ControllerStatus status;
  private final List<String> pools;

  ControlRequests(
      ControllerCore core,
      ArrayNode node,
      Link link,
      DriveBay drives,
      ControllerStatus status,
      List<String> pools) {
    this.core = core;
    this.node = node;
    this.link = link;
    this.drives = drives;
    this.status = status;
    this.pools = pools;
  }

  JsonNode answer(String command, JsonNode request, @Nullable NbdFrontEnd nbd) {
    return switch (command) {
      case "status" -> {
        NodeStatus now = core.ask(STATUS_TIMEOUT, answer -> answer.complete(node.status()));
        yield status.describe(now, node.volumes(), nbd);
      }
      case "volume-list" -> status.volumes(node.volumes());
      case "volume-create" -> create(request);
      case "volume-resize" -> resize(request);
      case "volume-delete" -> delete(request);
      case "volume-clone" -> clone(request);
      case "pool-scrub" -> scrub(request);
      case "pool-handover" -> handOver(request);
      case "drive-fail" -> changeDrive(request, false);
      case "drive-replace" -> changeDrive(request, true);
      case "nvme-report" -> report(request);
      case "link-show" -> status.link(STATUS_TIMEOUT);
      case "link-cut" -> cutLink();
      default -> throw new TwinspanException("a controller knows no command \"" + command + "\"");
    };
  }

  private JsonNode cutLink() {
    boolean wasUp =
        core.ask(
            STATUS_TIMEOUT,
            answer -> {
              boolean up = link.isUp();
              link.fail(LinkDown.Kind.PROTOCOL, "somebody asked for it");
              answer.complete(up);
            });
    return JsonNodeFactory.instance.objectNode().put("cut", wasUp);
  }

  private JsonNode report(JsonNode request) {
    String report = request.path("report").asString("");
    try {
      return drives.report(
          request.path("drive").asString(""), report, request.path("nsid").asInt(1));
    } catch (IllegalArgumentException e) {
      throw new TwinspanException("a controller can't tell: " + e.getMessage(), e);
    }
  }

  private JsonNode create(JsonNode request) {
    String name = freshName(request);
    long size = size(request);
    int pool = pool(request);
    control("create volume " + name, done -> node.createVolume(pool, name, size, done::complete));
    return status.volume(find(name));
  }

  private JsonNode clone(JsonNode request) {
    VolumeInfo source = find(request.path("source").asString(""));
    String name = freshName(request);
    boolean readOnly = request.path("readOnly").asBoolean(false);
    control(
        (readOnly ? "make snapshot " : "make clone ") + name + " of volume " + source.name(),
        done -> node.cloneVolume(source.id(), name, readOnly, done::complete));
    return status.volume(find(name));
  }

  private JsonNode resize(JsonNode request) {
    VolumeInfo volume = find(name(request));
    long size = size(request);
    if (size < volume.sizeBytes() && !request.path("shrink").asBoolean(false)) {
      throw new TwinspanException(
          "volume "
              + volume.name()
              + " has "
              + Sizes.format(volume.sizeBytes())
              + ": to make it"
              + " smaller, and lose what is beyond, say --shrink");
    }
    control(
        "resize volume " + volume.name(),
        done -> node.resizeVolume(volume.id(), size, done::complete));
    return status.volume(find(volume.name()));
  }

  private JsonNode delete(JsonNode request) {
    VolumeInfo volume = find(name(request));
    control(
        "delete volume " + volume.name(), done -> node.deleteVolume(volume.id(), done::complete));
    return JsonNodeFactory.instance.objectNode().put("deleted", volume.name());
  }

  private JsonNode scrub(JsonNode request) {
    int pool = namedPool(request);
    boolean stop = request.path("stop").asBoolean(false);
    control(
        (stop ? "stop" : "start") + " the scrub of pool " + pools.get(pool),
        done -> {
          if (stop) {
            node.stopScrub(pool, done::complete);
          } else {
            node.startScrub(pool, done::complete);
          }
        });
    return JsonNodeFactory.instance.objectNode().put("pool", pools.get(pool)).put("stopped", stop);
  }

  /** Gives a pool to the other controller, and says for how long its hosts' requests waited. */
  private JsonNode handOver(JsonNode request) {
    int pool = namedPool(request);
    String name = pools.get(pool);
    Handover ended =
        core.ask(
            TIMEOUT,
            answer ->
                node.handOver(
                    pool,
                    (status, waitedNs) -> {
                      var _ = answer.complete(new Handover(status, waitedNs));
                    }));
    if (ended.status == PoolStatus.INVALID) {
      throw new TwinspanException(
          "pool " + name + " is not this controller's, or not in step with the other one");
    }
    if (ended.status != PoolStatus.OK) {
      throw new TwinspanException(
          "the other controller did not take pool " + name + ": it stays, see the logs");
    }
    return JsonNodeFactory.instance
        .objectNode()
        .put("pool", name)
        .put("waitedMs", TimeUnit.NANOSECONDS.toMicros(ended.waitedNs) / 1e3);
  }

  /** Takes a drive out of both pools, or into them. */
  private JsonNode changeDrive(JsonNode request, boolean in) {
    String name = request.path("drive").asString("");
    int drive = drives.indexOf(name);
    StringBuilder done = new StringBuilder();
    String refusal = "";
    for (int i = 0; i < pools.size(); i++) {
      int pool = i;
      PoolStatus result =
          core.ask(
              TIMEOUT,
              answer -> {
                if (in) {
                  node.replaceDrive(pool, drive, answer::complete);
                } else {
                  node.failDrive(pool, drive, answer::complete);
                }
              });
      if (result == PoolStatus.OK) {
        done.append("; pool ").append(pools.get(i)).append(" did it");
      } else {
        refusal = refusal(name, in, pools.get(i), result);
        // A pool that has the drive does not keep the other one from taking it.
        if (!in || result != PoolStatus.INVALID) {
          throw new TwinspanException(refusal + done);
        }
      }
    }
    if (done.isEmpty()) {
      throw new TwinspanException(refusal);
    }
    return JsonNodeFactory.instance.objectNode().put("drive", name).put("out", !in);
  }

  private static String refusal(String drive, boolean in, String pool, PoolStatus why) {
    String what = "pool " + pool + (in ? " does not take " : " does not let go of ") + drive;
    if (why != PoolStatus.INVALID) {
      return what + " now (" + why + ")";
    }
    return what
        + (in
            ? ": it is not out, does not answer, or is too small"
            : ": too few would be left, or a drive that shares data with it is out or not rebuilt");
  }

  private void control(
      String what, java.util.function.Consumer<CompletableFuture<PoolStatus>> operation) {
    PoolStatus result = core.ask(TIMEOUT, operation);
    switch (result) {
      case OK -> {}
      case NO_SPACE -> throw new TwinspanException("can't " + what + ": the pool is full");
      case INVALID ->
          throw new TwinspanException(
              "can't " + what + ": the name is taken, the volume is gone, or a limit is reached");
      case FENCED, MEDIA_ERROR, NO_QUORUM, NOT_FORMATTED, CLOSED ->
          throw new TwinspanException("can't " + what + " now (" + result + "): try again");
    }
  }

  private String freshName(JsonNode request) {
    String name = name(request);
    if (!name.matches(NAME)) {
      throw new TwinspanException(
          "\"" + name + "\" is no name for a volume: 1 to 63 of A-Z a-z 0-9 . _ -");
    }
    if (node.volumes().stream().anyMatch(v -> v.name().equals(name))) {
      throw new TwinspanException("there is a volume \"" + name + "\" already");
    }
    return name;
  }

  private static String name(JsonNode request) {
    JsonNode name = request.path("name");
    if (!name.isString()) {
      throw new TwinspanException("the request names no volume");
    }
    return name.stringValue();
  }

  private static long size(JsonNode request) {
    JsonNode size = request.path("sizeBytes");
    if (!size.isIntegralNumber() || !size.canConvertToLong()) {
      throw new TwinspanException("the request has no size");
    }
    long bytes = size.longValue();
    if (bytes <= 0 || bytes > Long.MAX_VALUE - BLOCK_BYTES) {
      throw new TwinspanException("a volume has at least 1 byte, not " + bytes);
    }
    return (bytes + BLOCK_BYTES - 1) & -BLOCK_BYTES;
  }

  private int pool(JsonNode request) {
    return request.path("pool").isMissingNode() ? leastProvisioned() : namedPool(request);
  }

  private int namedPool(JsonNode request) {
    JsonNode named = request.path("pool");
    int pool = pools.indexOf(named.asString(""));
    if (pool < 0) {
      throw new TwinspanException("there is no pool \"" + named.asString("") + "\", only A and B");
    }
    return pool;
  }

  private int leastProvisioned() {
    long[] bytes = new long[pools.size()];
    for (VolumeInfo volume : node.volumes()) {
      bytes[volume.id() >>> POOL_SHIFT] += volume.sizeBytes();
    }
    return bytes[1] < bytes[0] ? 1 : 0;
  }

  private VolumeInfo find(String name) {
    return node.volumes().stream()
        .filter(volume -> volume.name().equals(name))
        .findFirst()
        .orElseThrow(() -> new TwinspanException("there is no volume \"" + name + "\""));
  }
}
