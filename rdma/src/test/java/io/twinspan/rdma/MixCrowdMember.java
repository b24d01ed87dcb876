package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;

/**
 * A thread that submits numbered messages and receives of a {@link MixCrowd}. Its first message is
 * number 1. What it learns of completions comes from the link's thread.
 */
final class MixCrowdMember implements Runnable {
  private static final int THREAD_SHIFT = 48;
  private static final int LONGEST_PAYLOAD = MixCrowd.MESSAGE_BYTES - MixCrowd.HEADER_BYTES;

  private final MixCrowd crowd;
  private final int index;
  private final Submitter submitter;
  private final Random random;
  private final MemorySegment memory;
  private final MemoryRegion region;
  private final WorkRequest request = new WorkRequest();
  private final Thread thread;
  private final int maxInlineBytes;
  private long submitted;
  private volatile long completed;
  private volatile boolean stopped;

  /** The greatest number that was successful; the link's thread only. */
  private long delivered;

  MixCrowdMember(MixCrowd crowd, int index, Submitter submitter, long seed) {
    this.crowd = crowd;
    this.index = index;
    this.submitter = submitter;
    random = new Random(seed);
    memory = Arena.ofAuto().allocate((long) MixCrowd.PLACES * MixCrowd.MESSAGE_BYTES, 64);
    region = crowd.qp().channel().link().protectionDomain().register(memory);
    maxInlineBytes = crowd.qp().channel().spec().maxInlineBytes();
    thread = Thread.ofPlatform().daemon().name("mix-crowd-" + index).unstarted(this);
  }

  void start() {
    thread.start();
  }

  void stop() {
    stopped = true;
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  static int thread(long id) {
    return (int) (id >>> THREAD_SHIFT);
  }

  static long number(long id) {
    return id & (1L << THREAD_SHIFT) - 1;
  }

  static int payloadBytes(long id) {
    long hash = MixPattern.hash(id);
    int longest = (hash & 1) == 0 ? 90 : LONGEST_PAYLOAD;
    return (int) ((hash >>> 1) % (longest + 1) & 0xffff);
  }

  static long stamp(int incarnation, long id) {
    return MixPattern.hash(incarnation, id) | 1;
  }

  // --- the link's thread

  /** One of its requests has completed. */
  void completed(long id, boolean success) {
    MixViolation.require(
        number(id) == completed + 1, "%x completes after number %d", id, completed);
    if (success) {
      delivered = number(id);
    }
    completed = number(id);
  }

  long delivered() {
    return delivered;
  }

  // --- its own thread

  @Override
  public void run() {
    try {
      while (!stopped) {
        boolean useful = crowd.isOpen() || random.nextInt(20) == 0;
        for (int i = useful ? random.nextInt(30) : 0; i > 0; i--) {
          boolean received = receive();
          if (!send() && !received) {
            break;
          }
        }
        LockSupport.parkNanos(random.nextInt(useful ? 300_000 : 2_000_000));
      }
    } catch (MixViolation violation) {
      crowd.side().failLater(violation);
    }
  }

  private boolean receive() {
    MixCrowd.Buffer buffer = crowd.wanted();
    if (buffer == null) {
      return false;
    }
    long id = MixCrowd.receiveId(buffer);
    long offset = (long) buffer.place() * MixCrowd.MESSAGE_BYTES;
    int result = submitter.postReceive(id, buffer.region(), offset, MixCrowd.MESSAGE_BYTES);
    if (result != QueuePair.OK) {
      crowd.notTaken(buffer);
    }
    return isTaken(result);
  }

  private boolean send() {
    if (submitted - completed >= MixCrowd.PLACES) {
      return false;
    }
    long id = (long) index << THREAD_SHIFT | submitted + 1;
    long at = submitted % MixCrowd.PLACES * MixCrowd.MESSAGE_BYTES;
    int length = MixCrowd.HEADER_BYTES + payloadBytes(id);
    int incarnation = crowd.side().incarnation();
    memory.set(JAVA_LONG, at, Integer.toUnsignedLong(incarnation));
    memory.set(JAVA_LONG, at + Long.BYTES, id);
    MixPattern.fill(
        memory, at + MixCrowd.HEADER_BYTES, length - MixCrowd.HEADER_BYTES, stamp(incarnation, id));
    request.send(id);
    boolean inline = length <= maxInlineBytes && random.nextBoolean();
    if (inline) {
      request.inline(memory, at, length);
    } else {
      request.sge(region.lkey(), at, length);
    }
    if (!isTaken(submitter.postSend(request))) {
      return false;
    }
    if (inline) {
      var _ = memory.asSlice(at, length).fill((byte) 0xEE); // it was to be copied
    }
    submitted++;
    return true;
  }

  private static boolean isTaken(int result) {
    boolean refused = result == QueuePair.FULL || result == QueuePair.BAD_STATE;
    MixViolation.require(result == QueuePair.OK || refused, "a submitter says %d", result);
    return result == QueuePair.OK;
  }

  @Override
  public String toString() {
    return "%d: %d submitted, %d completed, %d delivered"
        .formatted(index, submitted, completed, delivered);
  }
}
