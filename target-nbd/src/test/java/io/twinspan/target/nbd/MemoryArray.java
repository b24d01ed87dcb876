package io.twinspan.target.nbd;

import io.twinspan.array.HostOperation;
import io.twinspan.array.HostPort;
import io.twinspan.array.HostRequest;
import io.twinspan.array.HostStatus;
import io.twinspan.array.IoBuffers;
import io.twinspan.pool.VolumeInfo;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * An array in memory. Requests wait in a queue of limited length until they were announced and
 * {@link #answerOne} carries out any of them, in an order drawn from a seed; {@link #start} does
 * that on a thread. Buffers are counted, and giving one back twice, or using one after that, fails.
 */
final class MemoryArray implements HostPort, IoBuffers, AutoCloseable {
  private final Arena arena = Arena.ofShared();
  private final int queueLimit;
  private final Random random;
  private final Map<Integer, MemorySegment> contents = new ConcurrentHashMap<>();
  private final ArrayDeque<MemorySegment> free = new ArrayDeque<>();
  private final Set<MemorySegment> taken = Collections.newSetFromMap(new IdentityHashMap<>());
  private final List<HostRequest> fresh = new ArrayList<>();
  private final List<HostRequest> queue = new ArrayList<>();
  private final List<VolumeInfo> volumes = new ArrayList<>();
  private final List<String> journal = new ArrayList<>();
  private volatile Function<HostRequest, HostStatus> fate = request -> HostStatus.OK;
  private @Nullable Thread thread;
  private volatile boolean stopped;
  private volatile @Nullable Throwable failure;

  MemoryArray(int bufferCount, int queueLimit, long seed) {
    this.queueLimit = queueLimit;
    this.random = new Random(seed);
    for (int i = 0; i < bufferCount; i++) {
      free.add(arena.allocate(HostRequest.MAX_BYTES, 4096));
    }
  }

  MemoryArray volume(String name, long sizeBytes) {
    synchronized (queue) {
      VolumeInfo volume = new VolumeInfo(contents.size() + 1, name, sizeBytes, 0);
      volumes.add(volume);
      volumes.sort(Comparator.comparing(VolumeInfo::name));
      contents.put(volume.id(), arena.allocate(sizeBytes, 4096));
    }
    return this;
  }

  void delete(String name) {
    synchronized (queue) {
      volumes.removeIf(volume -> volume.name().equals(name));
    }
  }

  /** Decides how requests end; what does not end with OK is not carried out. */
  void fate(Function<HostRequest, HostStatus> fate) {
    this.fate = fate;
  }

  MemorySegment content(String name) {
    return contents.get(find(name).id());
  }

  VolumeInfo find(String name) {
    return volumes().stream().filter(v -> v.name().equals(name)).findFirst().orElseThrow();
  }

  /** Operations carried out so far, oldest first; only while no thread runs. */
  List<String> journal() {
    return journal;
  }

  int takenBuffers() {
    synchronized (free) {
      return taken.size();
    }
  }

  int queued() {
    synchronized (queue) {
      return fresh.size() + queue.size();
    }
  }

  MemoryArray start() {
    thread = Thread.ofPlatform().name("memory-array").daemon().start(this::answerAll);
    return this;
  }

  @Override
  public boolean submit(HostRequest request) {
    synchronized (queue) {
      if (fresh.size() + queue.size() >= queueLimit) {
        return false;
      }
      fresh.add(request);
      return true;
    }
  }

  @Override
  public void submitted() {
    synchronized (queue) {
      queue.addAll(fresh);
      fresh.clear();
      queue.notifyAll();
    }
  }

  @Override
  public List<VolumeInfo> volumes() {
    synchronized (queue) {
      return List.copyOf(volumes);
    }
  }

  @Override
  public IoBuffers buffers() {
    return this;
  }

  @Override
  public @Nullable MemorySegment acquire(int lengthBytes) {
    if (lengthBytes < 1 || lengthBytes > HostRequest.MAX_BYTES) {
      throw new IllegalArgumentException("length " + lengthBytes);
    }
    synchronized (free) {
      MemorySegment buffer = free.poll();
      if (buffer != null) {
        taken.add(buffer);
      }
      return buffer;
    }
  }

  @Override
  public void release(MemorySegment buffer) {
    synchronized (free) {
      if (!taken.remove(buffer)) {
        failure = new AssertionError("a buffer was given back that nobody had");
        throw new IllegalStateException(failure);
      }
      buffer.fill((byte) 0xDD); // whoever reads it now sees that
      free.addFirst(buffer);
    }
  }

  /** Carries out one of the waiting requests; false when there is none. */
  boolean answerOne() {
    HostRequest request;
    synchronized (queue) {
      if (queue.isEmpty()) {
        return false;
      }
      request = queue.remove(random.nextInt(queue.size()));
    }
    answer(request);
    return true;
  }

  /** Carries out the oldest waiting request of this kind; false when there is none. */
  boolean answer(Predicate<HostRequest> kind) {
    HostRequest request;
    synchronized (queue) {
      request = queue.stream().filter(kind).findFirst().orElse(null);
      queue.remove(request);
    }
    if (request != null) {
      answer(request);
    }
    return request != null;
  }

  private void answer(HostRequest request) {
    HostStatus status = fate.apply(request);
    if (status == HostStatus.OK) {
      carryOut(request);
    }
    request.completed(status);
  }

  @Override
  public void close() {
    stopped = true;
    Thread running = thread;
    try {
      if (running != null && !running.join(Duration.ofSeconds(10))) {
        throw new AssertionError("the array's thread does not end");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    Throwable failed = failure;
    if (failed != null) {
      throw new AssertionError(failed);
    }
  }

  private void answerAll() {
    try {
      while (!stopped) {
        if (!answerOne()) {
          synchronized (queue) {
            if (queue.isEmpty()) {
              queue.wait(100);
            }
          }
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException | Error e) {
      failure = e;
    }
  }

  private void carryOut(HostRequest request) {
    HostOperation operation = request.operation;
    if (thread == null) {
      journal.add(
          operation
              + " "
              + request.offset
              + "+"
              + request.length
              + (request.forceUnitAccess ? " FUA" : ""));
    }
    if (operation == HostOperation.FLUSH) {
      return;
    }
    MemorySegment at = contents.get(request.volume).asSlice(request.offset, request.length);
    switch (operation) {
      case READ -> MemorySegment.copy(at, 0, request.data, 0, request.length);
      case WRITE -> MemorySegment.copy(request.data, 0, at, 0, request.length);
      case ZERO -> at.fill((byte) 0);
      case FLUSH -> {}
    }
  }
}
