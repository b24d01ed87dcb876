package io.twinspan.cli;

import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.Poller;
import io.twinspan.linux.TwinspanException;
import io.twinspan.nvme.CompletionHandler;
import io.twinspan.nvme.DmaMemory;
import io.twinspan.nvme.IdentifyNamespace;
import io.twinspan.nvme.NamespaceRange;
import io.twinspan.nvme.QueueOwner;
import io.twinspan.nvme.QueuePair;
import io.twinspan.nvme.Status;
import java.util.Locale;
import org.HdrHistogram.Histogram;
import org.jspecify.annotations.Nullable;

/**
 * One thread that keeps a number of commands in flight at one drive, and measures each. It polls,
 * or sleeps until an interrupt comes, and allocates nothing per command.
 */
final class NvmeLoad implements AutoCloseable {
  private static final long LONGEST_NS = 60_000_000_000L;
  private static final int DIGITS = 3;

  /** How many rounds go by between two looks at the clock for the end. */
  private static final int ROUNDS = 64;

  /** The longest sleep, after which it is looked whether the drive is still there. */
  private static final long MAX_SLEEP_NS = 100_000_000;

  /** How completions are waited for. */
  enum Wait {
    /** By looking for them all the time. */
    SPIN,
    /** Asleep, until the drive's interrupt. */
    INTERRUPT
  }

  /** What is read or written, and where. */
  enum Pattern {
    /** Reads anywhere. */
    RANDREAD,
    /** Writes anywhere. */
    RANDWRITE,
    /** Reads one block after the other. */
    READ,
    /** Writes one block after the other. */
    WRITE;

    boolean isRandom() {
      return this == RANDREAD || this == RANDWRITE;
    }

    boolean writes() {
      return this == RANDWRITE || this == WRITE;
    }

    /** The name on the command line. */
    String label() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** One command in flight. */
  private static final class Slot {
    private final long offset;
    private long startNs;

    private Slot(long offset) {
      this.offset = offset;
    }
  }

  private final Pattern pattern;
  private final int nsid;
  private final int blocks;
  private final long firstPosition;
  private final long positions;
  private final QueueOwner drive;
  private final DmaMemory memory;
  private final QueuePair<Slot> queue;
  private final Poller poller = new Poller();
  private final @Nullable WakeSource interrupt;
  private final Slot[] free;
  private final Histogram histogram = new Histogram(LONGEST_NS, DIGITS);
  private int freeCount;
  private long position;
  private long random;
  private long completed;
  private int failure;

  /** Whether a command that was answered is followed by another one. */
  private boolean running;

  /**
   * Prepares a load.
   *
   * @param drive closed by the caller; of one that a broker lends the blocks that it grants are
   *     used
   * @param pattern what to do
   * @param sizeBytes of each command, a multiple of the drive's block size
   * @param depth how many commands in flight
   * @param wait how to wait for them
   * @param seed of the random positions
   */
  NvmeLoad(QueueOwner drive, Pattern pattern, int sizeBytes, int depth, Wait wait, long seed) {
    this.drive = drive;
    this.pattern = pattern;
    random = seed | 1;
    NamespaceRange range = drive.range();
    nsid = Math.max(1, range.nsid());
    IdentifyNamespace namespace = drive.identifyNamespace(nsid);
    if (sizeBytes % namespace.blockBytes() != 0 || sizeBytes > drive.maxTransferBytes()) {
      throw new TwinspanException(
          "--bs is a multiple of the drive's %d bytes, and at most %d, not %d"
              .formatted(namespace.blockBytes(), drive.maxTransferBytes(), sizeBytes));
    }
    blocks = sizeBytes / namespace.blockBytes();
    firstPosition = Math.ceilDiv(range.firstBlock(), blocks);
    long end = Math.min(namespace.sizeBlocks(), range.firstBlock() + range.blocks()) / blocks;
    positions = end - firstPosition;
    if (positions < 1 || (pattern.writes() && !range.writable())) {
      throw new TwinspanException(
          "%s does not let this process %s"
              .formatted(drive.name(), pattern.writes() ? "write" : "read so much at once"));
    }
    memory = DmaMemory.allocate("nvme-perf", (long) depth * sizeBytes);
    drive.map(memory);
    free = new Slot[depth];
    for (int i = 0; i < depth; i++) {
      free[freeCount++] = new Slot((long) i * sizeBytes);
    }
    CompletionHandler<Slot> handler = this::completed;
    queue = drive.createQueuePair(depth, wait == Wait.INTERRUPT, handler);
    interrupt = wait == Wait.INTERRUPT ? queue.wakeSource() : null;
    if (interrupt != null) {
      poller.add(interrupt.fd(), 0);
    }
  }

  /**
   * Runs the load for a time, and forgets what was measured before.
   *
   * @return how many commands were answered a second
   */
  double run(long durationNs) {
    histogram.reset();
    completed = 0;
    long startNs = System.nanoTime();
    long nowNs = startNs;
    running = true;
    while (freeCount > 0) {
      submit(free[--freeCount]);
    }
    while (nowNs - startNs < durationNs) {
      for (int i = 0; i < ROUNDS; i++) {
        takeCompletions();
      }
      requireSuccess();
      nowNs = System.nanoTime();
    }
    double rate = completed * 1e9 / (nowNs - startNs);
    running = false;
    while (freeCount < free.length) {
      takeCompletions();
    }
    requireSuccess();
    return rate;
  }

  /** A percentile of the time from submission to completion, in µs. */
  double us(double percentile) {
    return histogram.getValueAtPercentile(percentile) / 1e3;
  }

  @Override
  public void close() {
    queue.close();
    poller.close();
    drive.unmap(memory);
    memory.close();
  }

  /** Takes those that are there; sleeps if there are none and an interrupt can end that. */
  private void takeCompletions() {
    WakeSource source = interrupt;
    if (queue.poll(free.length) > 0 || source == null) {
      return;
    }
    source.arm();
    if (queue.poll(free.length) == 0) {
      var _ = poller.await(MAX_SLEEP_NS);
    }
    source.disarm();
  }

  private void submit(Slot slot) {
    long lba = (firstPosition + nextPosition()) * blocks;
    slot.startNs = System.nanoTime();
    int status =
        pattern.writes()
            ? queue.write(nsid, lba, blocks, memory.segment(), slot.offset, slot)
            : queue.read(nsid, lba, blocks, memory.segment(), slot.offset, slot);
    if (status != Status.SUCCESS) {
      completed(slot, status);
    }
  }

  private void completed(Slot slot, int status) {
    histogram.recordValue(Math.min(System.nanoTime() - slot.startNs, LONGEST_NS));
    completed++;
    if (status != Status.SUCCESS) {
      failure = status;
    }
    if (running && failure == 0) {
      submit(slot);
    } else {
      free[freeCount++] = slot;
    }
  }

  private void requireSuccess() {
    if (failure != 0) {
      throw new TwinspanException(
          "%s: a command failed: %s".formatted(drive.name(), Status.name(failure)));
    }
  }

  private long nextPosition() {
    if (pattern.isRandom()) {
      random ^= random << 13; // xorshift64
      random ^= random >>> 7;
      random ^= random << 17;
      return Math.floorMod(random, positions);
    }
    position = position + 1 == positions ? 0 : position + 1;
    return position;
  }
}
