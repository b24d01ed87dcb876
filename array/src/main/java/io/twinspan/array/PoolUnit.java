package io.twinspan.array;

import io.twinspan.pool.Pool;
import io.twinspan.pool.PoolCompletion;
import io.twinspan.pool.PoolStatus;
import io.twinspan.pool.VolumeInfo;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/**
 * One pool in one controller: sends every request where it can be carried out now, or lets it wait.
 * Single-threaded.
 */
final class PoolUnit implements OwnerPath.Guard {
  /** Scrub and rebuild go over 128 MiB a second: so many blocks in such a time. */
  private static final int BACKGROUND_BLOCKS = 160;

  private static final long BACKGROUND_NS = TimeUnit.MICROSECONDS.toNanos(4_880);
  private static final long RETURNED_RETRY_NS = TimeUnit.MILLISECONDS.toNanos(2);

  private final PoolParts parts;
  private final Ownership ownership;
  private final Ownership.Controller controller;
  private final ForwardClient forwards;
  private final OperationQueue pending = new OperationQueue();
  private final ArrayDeque<Runnable> draining = new ArrayDeque<>();
  private long drainDeadlineNs;
  private long pendingAtNs = Long.MIN_VALUE;
  private long backgroundAtNs = Long.MIN_VALUE;

  PoolUnit(
      ArrayConfig array,
      PoolConfig config,
      PeerLink link,
      Scratch scratch,
      ForwardClient forwards,
      Ownership.Controller controller,
      int capacity) {
    this.controller = controller;
    this.forwards = forwards;
    parts = new PoolParts(array, config, link, scratch, this, capacity);
    ownership = new Ownership(array, parts, link, controller, controller.nowNs());
  }

  Ownership ownership() {
    return ownership;
  }

  PoolState state() {
    return ownership.state();
  }

  @Override
  public boolean mayServe() {
    return ownership.mayServe();
  }

  @Override
  public void again(Operation operation) {
    pending.add(operation);
    pendingAtNs = controller.nowNs() + RETURNED_RETRY_NS;
  }

  private static boolean isLocal(Operation operation) {
    return operation.request != null;
  }

  /** Takes a request of this controller's hosts or of the peer. */
  void accept(Operation operation) {
    if (pending.isEmpty() || state() == PoolState.LOST || state() == PoolState.STOPPED) {
      route(operation);
    } else {
      pending.add(operation);
    }
  }

  /** The peer did not carry it out. */
  void returned(Operation operation) {
    pending.add(operation);
    pendingAtNs = controller.nowNs() + RETURNED_RETRY_NS;
  }

  /** Sends a request on its way; true unless it has to wait. */
  private boolean route(Operation operation) {
    if (operation.cancelled) {
      operation.source.ended(operation, HostStatus.SHUTDOWN);
      return true;
    }
    return switch (state()) {
      case OWNER_ALONE, RESYNCING, OWNER_MIRRORED -> {
        boolean admits = ownership.admits() && draining.isEmpty();
        if (admits && isLocal(operation) && parts.replay.hasCarriedOut(operation.forwardedAs)) {
          // By the owner before it died. Once more would undo what others have written since; and
          // what was replayed is flushed.
          operation.source.ended(operation, HostStatus.OK);
        } else if (admits) {
          parts.path.admit(operation);
        } else {
          pending.add(operation);
        }
        yield admits;
      }
      case STANDBY -> standBy(operation);
      case LOST, STOPPED -> {
        refuse(operation);
        yield true;
      }
      case STARTING,
          FENCING,
          OPENING,
          AWAITING_LOG,
          REPLAYING,
          FROZEN,
          SETTLING,
          HANDING_OVER,
          STOPPING -> {
        pending.add(operation);
        yield false;
      }
    };
  }

  private boolean standBy(Operation operation) {
    boolean decided = true;
    if (!isLocal(operation)) {
      operation.source.notOwner(operation);
    } else if (ownership.peerOwns()) {
      forwards.forward(operation);
    } else {
      pending.add(operation);
      decided = false;
    }
    return decided;
  }

  private void refuse(Operation operation) {
    if (isLocal(operation)) {
      operation.source.ended(operation, HostStatus.SHUTDOWN);
    } else {
      operation.source.notOwner(operation);
    }
  }

  int pump() {
    int work = ownership.pump();
    work += routePending();
    work += drain();
    allowBackgroundReads();
    work += parts.pump(controller.nowNs());
    return work;
  }

  private void allowBackgroundReads() {
    if (controller.nowNs() >= backgroundAtNs && parts.pool.wantsBackgroundReads()) {
      backgroundAtNs = controller.nowNs() + BACKGROUND_NS;
      parts.pool.allowBackgroundReads(BACKGROUND_BLOCKS);
    }
  }

  private int routePending() {
    int work = 0;
    if (controller.nowNs() >= pendingAtNs) {
      boolean going = true;
      for (int i = pending.size(); i > 0 && going; i--) {
        going = route(Objects.requireNonNull(pending.poll()));
        work += going ? 1 : 0;
      }
    }
    return work;
  }

  /** A part of the mirror's memory was reached, or not. */
  void placed(long token, boolean success) {
    parts.mirror.placed(token, success);
  }

  /** The state has changed. */
  void stateChanged() {
    pendingAtNs = Long.MIN_VALUE;
    if (state() != PoolState.STANDBY) {
      forwards.withdraw(parts.config.index());
      pendingAtNs = Long.MIN_VALUE;
    }
  }

  /** The link is gone; requests of the peer are marked as cancelled, the mirror is revoked. */
  void linkDown() {
    for (int i = pending.size(); i > 0; i--) {
      Operation next = Objects.requireNonNull(pending.poll());
      if (next.cancelled) {
        next.source.ended(next, HostStatus.SHUTDOWN);
      } else {
        pending.add(next);
      }
    }
    ownership.linkDown();
    parts.log.forgetOrigins();
    parts.path.dropCancelled();
  }

  // ---- volumes ----

  /** Volumes, when this controller owns the pool. */
  List<VolumeInfo> volumes() {
    return parts.pool.volumes();
  }

  /** Changes a volume or the pool; this controller must be serving the pool. */
  void change(ControlMessage.VolumeRequest request, PoolCompletion completion) {
    switch (request.change()) {
      case CREATE -> parts.pool.createVolume(request.name(), request.sizeBytes(), completion);
      case DELETE -> parts.pool.deleteVolume(request.volume(), completion);
      case START_SCRUB -> parts.pool.startScrub(completion);
      case STOP_SCRUB -> parts.pool.stopScrub(completion);
      case FAIL_DRIVE -> parts.pool.failDrive(request.volume(), completion);
      case REPLACE_DRIVE -> parts.pool.replaceDrive(request.volume(), completion);
      case RESIZE -> {
        long blocks = parts.pool.volumeBlocks(request.volume());
        Runnable resize =
            () -> parts.pool.resizeVolume(request.volume(), request.sizeBytes(), completion);
        if (request.sizeBytes() / io.twinspan.pool.Drive.BLOCK_BYTES >= blocks) {
          resize.run();
        } else {
          whenDrained(resize, completion); // a later replay must not bring back what is cut off
        }
      }
      case SNAPSHOT, CLONE -> {
        boolean readOnly = request.change() == ControlMessage.VolumeChange.SNAPSHOT;
        whenDrained(
            () -> parts.pool.cloneVolume(request.volume(), request.name(), readOnly, completion),
            completion);
      }
    }
  }

  /** Does something when the log is empty and the mirror knows it; writers wait meanwhile. */
  private void whenDrained(Runnable change, PoolCompletion completion) {
    drainDeadlineNs = controller.nowNs() + TimeUnit.SECONDS.toNanos(5);
    draining.add(() -> {
      if (state().isServing() && controller.nowNs() < drainDeadlineNs) {
        change.run();
      } else {
        completion.completed(PoolStatus.CLOSED);
      }
    });
  }

  private int drain() {
    if (draining.isEmpty()) {
      return 0;
    }
    boolean drained = parts.path.active() == 0 && parts.log.isEmpty() && parts.mirror.coversTail();
    parts.mirror.wantTail();
    int work = 0;
    if (drained || !state().isServing() || controller.nowNs() >= drainDeadlineNs) {
      for (int i = draining.size(); i > 0; i--) {
        draining.remove().run();
        work++;
      }
    }
    return work;
  }

  long deadlineNs() {
    long deadline = Math.min(parts.deadlineNs(), ownership.deadlineNs());
    if (!draining.isEmpty()) {
      deadline = Math.min(deadline, drainDeadlineNs);
    }
    if (parts.pool.wantsBackgroundReads()) {
      deadline = Math.min(deadline, backgroundAtNs);
    }
    boolean waits = !pending.isEmpty() && pendingAtNs > controller.nowNs();
    return waits ? Math.min(deadline, pendingAtNs) : deadline;
  }

  NodeStatus.PoolStatusLine status() {
    PoolConfig config = parts.config;
    Pool pool = parts.pool;
    boolean owned = pool.state() == Pool.State.OPEN;
    return new NodeStatus.PoolStatusLine(
        config.index(),
        config.name(),
        config.home(),
        state(),
        ownership.epoch(),
        parts.log.usedBytes(),
        parts.log.ringBytes(),
        parts.log.committedByMirror(),
        parts.log.committedByDrives(),
        owned ? pool.capacityBlocks() : 0,
        owned ? pool.usedBlocks() : 0,
        owned ? pool.checksumErrors() : 0,
        pending.size(),
        pool.health());
  }
}
