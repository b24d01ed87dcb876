package io.twinspan.array;

import io.twinspan.pool.PoolCompletion;
import io.twinspan.pool.PoolStatus;
import io.twinspan.pool.VolumeInfo;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * The volumes of both pools: what the owners have, a copy of what the peer has, and changes to
 * them, which the owner of the pool carries out. Single-threaded, except {@link #volumes()}.
 */
final class VolumeService {
  /** What this service needs of its controller. */
  interface Controller {
    long nowNs();

    PoolUnit unit(int pool);

    boolean peerKnown();

    void tell(ControlMessage message);

    void volumesChanged();
  }

  private static final long REFRESH_NS = TimeUnit.SECONDS.toNanos(1);

  private final Controller controller;
  private final long timeoutNs;
  private final List<List<VolumeInfo>> tables = new ArrayList<>();
  private final List<List<VolumeInfo>> arriving = new ArrayList<>();
  private final List<Change> changes = new ArrayList<>();
  private final Map<Long, Change> sent = new HashMap<>();
  private volatile List<VolumeInfo> volumes = List.of();
  private long nextId = 1;
  private long refreshAtNs;

  private record Change(
      ControlMessage.VolumeRequest request, long deadlineNs, PoolCompletion completion) {}

  VolumeService(Controller controller, long timeoutNs) {
    this.controller = controller;
    this.timeoutNs = timeoutNs;
    for (int i = 0; i < ArrayNode.POOLS; i++) {
      tables.add(List.of());
      arriving.add(new ArrayList<>());
    }
  }

  List<VolumeInfo> volumes() {
    return volumes;
  }

  void change(
      ControlMessage.VolumeChange change,
      int pool,
      int volume,
      long sizeBytes,
      String name,
      PoolCompletion completion) {
    if (pool < 0 || pool >= ArrayNode.POOLS) {
      completion.completed(PoolStatus.INVALID);
      return;
    }
    ControlMessage.VolumeRequest request =
        new ControlMessage.VolumeRequest(nextId++, change, pool, volume, sizeBytes, name);
    changes.add(new Change(request, controller.nowNs() + timeoutNs, completion));
  }

  /** The peer asks for a change of a volume of ours. */
  void requested(ControlMessage.VolumeRequest request) {
    if (controller.unit(request.pool()).state().isServing()) {
      carryOut(
          request, status -> controller.tell(new ControlMessage.VolumeReply(request.id(), status)));
    } else {
      controller.tell(new ControlMessage.VolumeReply(request.id(), PoolStatus.CLOSED));
    }
  }

  void replied(ControlMessage.VolumeReply reply) {
    Change change = sent.remove(reply.id());
    if (change != null) {
      if (reply.status() == PoolStatus.CLOSED) {
        changes.add(change);
      } else {
        change.completion.completed(reply.status());
      }
    }
  }

  private void carryOut(ControlMessage.VolumeRequest request, PoolCompletion completion) {
    boolean taken =
        !request.name().isEmpty()
            && volumes.stream().anyMatch(volume -> volume.name().equals(request.name()));
    if (taken || request.name().length() > 63) {
      completion.completed(PoolStatus.INVALID);
    } else {
      controller
          .unit(request.pool())
          .change(
              request,
              status -> {
                refreshAtNs = controller.nowNs();
                refresh();
                completion.completed(status);
              });
    }
  }

  /** A part of the peer's table has come. */
  void table(ControlMessage.Volumes part) {
    List<VolumeInfo> parts = arriving.get(part.pool());
    if (part.first() == 0) {
      parts.clear();
    }
    if (part.first() != parts.size() || part.total() < parts.size() + part.volumes().size()) {
      throw new IllegalArgumentException("volumes from " + part.first() + " of " + part.total());
    }
    for (VolumeInfo volume : part.volumes()) {
      if (volume.id() >>> 24 != part.pool() || volume.sizeBytes() < 0) {
        throw new IllegalArgumentException("volume " + volume + " in pool " + part.pool());
      }
      parts.add(volume);
    }
    if (parts.size() == part.total() && !owns(part.pool())) {
      publish(part.pool(), List.copyOf(parts));
    }
  }

  private boolean owns(int pool) {
    return controller.unit(pool).state().isServing();
  }

  /** Tells the peer all that this controller owns. */
  void announce() {
    for (int pool = 0; pool < ArrayNode.POOLS; pool++) {
      if (owns(pool)) {
        announce(pool);
      }
    }
  }

  private void announce(int pool) {
    List<VolumeInfo> table = tables.get(pool);
    int first = 0;
    do {
      int end = Math.min(table.size(), first + ControlMessage.Volumes.MOST);
      controller.tell(
          new ControlMessage.Volumes(pool, first, table.size(), table.subList(first, end)));
      first = end;
    } while (first < table.size());
  }

  private void publish(int pool, List<VolumeInfo> table) {
    if (!tables.get(pool).equals(table)) {
      tables.set(pool, table);
      List<VolumeInfo> all = new ArrayList<>();
      tables.forEach(all::addAll);
      all.sort(Comparator.comparing(VolumeInfo::name).thenComparingInt(VolumeInfo::id));
      volumes = List.copyOf(all);
      controller.volumesChanged();
    }
  }

  /** Looks at the pools soon. */
  void ownershipChanged() {
    refreshAtNs = controller.nowNs();
  }

  private void refresh() {
    refreshAtNs = controller.nowNs() + REFRESH_NS;
    for (int pool = 0; pool < ArrayNode.POOLS; pool++) {
      if (owns(pool)) {
        List<VolumeInfo> table = List.copyOf(controller.unit(pool).volumes());
        boolean changed = !table.equals(tables.get(pool));
        publish(pool, table);
        if (changed && controller.peerKnown()) {
          announce(pool);
        }
      }
    }
  }

  /** The link is gone: what the peer was asked is asked again, of whoever owns the pool then. */
  void linkDown() {
    changes.addAll(sent.values());
    sent.clear();
  }

  int pump() {
    int work = 0;
    if (controller.nowNs() >= refreshAtNs) {
      refresh();
    }
    for (int i = changes.size(); i > 0; i--) {
      work += begin(changes.removeFirst());
    }
    return work;
  }

  private int begin(Change change) {
    PoolUnit unit = controller.unit(change.request.pool());
    int begun = 1;
    if (unit.state().isServing()) {
      carryOut(change.request, change.completion);
    } else if (controller.nowNs() >= change.deadlineNs) {
      change.completion.completed(PoolStatus.CLOSED);
    } else if (unit.state() == PoolState.STANDBY && unit.ownership().peerOwns()) {
      sent.put(change.request.id(), change);
      controller.tell(change.request);
    } else {
      changes.add(change);
      begun = 0;
    }
    return begun;
  }

  long deadlineNs() {
    long deadline = refreshAtNs;
    for (Change change : changes) {
      deadline = Math.min(deadline, change.deadlineNs);
    }
    return deadline;
  }
}
