package io.twinspan.controller;

import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.TwinspanException;
import io.twinspan.nvme.DmaMemory;
import io.twinspan.nvme.IdentifyNamespace;
import io.twinspan.nvme.NvmeController;
import io.twinspan.nvme.NvmeOptions;
import io.twinspan.nvme.QueuePair;
import io.twinspan.nvme.VfioUserDevice;
import io.twinspan.pool.Drive;
import io.twinspan.pool.DriveRequest;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;

/**
 * This controller's port on every drive of the shelf: the driver with its admin queue, and one
 * private queue pair per drive, which both pools share.
 *
 * <p>{@link #poll} and the drives are for the core's thread; the rest for the thread that sets up
 * and takes down, and {@link #report} for any.
 */
final class DriveBay implements AutoCloseable {
  /** A host would give up before the 30 s that drives are given otherwise. */
  private static final NvmeOptions OPTIONS =
      NvmeOptions.DEFAULTS.withIoTimeout(Duration.ofSeconds(5));

  private static final Logger LOG = LoggerFactory.getLogger(DriveBay.class);
  private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(10);
  private static final int COMPLETIONS_PER_POLL = 64;

  private record Bay(String name, NvmeController controller, QueuePair<DriveRequest> queue) {}

  private final List<Bay> bays = new ArrayList<>();

  DriveBay() {}

  /**
   * Brings up this controller's port on a number of drives and creates a private queue pair on
   * each.
   */
  static DriveBay open(
      ArrayDirectory directory,
      String controller,
      int drives,
      int queueDepth,
      byte[] hostIdentifier) {
    DriveBay bay = new DriveBay();
    try {
      for (int i = 0; i < drives; i++) {
        bay.add(directory, controller, i, queueDepth, hostIdentifier);
      }
      return bay;
    } catch (RuntimeException e) {
      bay.close();
      throw e;
    }
  }

  private void add(
      ArrayDirectory directory,
      String controller,
      int index,
      int queueDepth,
      byte[] hostIdentifier) {
    String name = "drive" + index;
    NvmeController nvme =
        NvmeController.open(
            VfioUserDevice.connect(directory.driveSocket(index, controller), CONNECT_TIMEOUT),
            OPTIONS);
    try {
      ByteBuffer id = ByteBuffer.wrap(hostIdentifier).order(ByteOrder.LITTLE_ENDIAN);
      nvme.setHostIdentifier(id.getLong(0), id.getLong(8));
      bays.add(new Bay(name, nvme, nvme.createQueuePair(queueDepth, true, NvmeDrive.COMPLETIONS)));
    } catch (RuntimeException e) {
      nvme.close();
      throw e;
    }
  }

  /** Gives all drives access to memory. */
  void map(DmaMemory memory) {
    for (Bay bay : bays) {
      bay.controller.map(memory);
    }
  }

  /** One namespace of every drive, in the same order on both controllers. */
  List<Drive> drives(int nsid) {
    List<Drive> drives = new ArrayList<>();
    for (Bay bay : bays) {
      IdentifyNamespace namespace = bay.controller.identifyNamespace(nsid);
      if (namespace.blockBytes() != Drive.BLOCK_BYTES) {
        throw new TwinspanException(
            bay.name
                + ", namespace "
                + nsid
                + " has blocks of "
                + namespace.blockBytes()
                + " bytes; it must be formatted with "
                + Drive.BLOCK_BYTES);
      }
      int maxBlocks = bay.controller.maxTransferBytes() / Drive.BLOCK_BYTES;
      drives.add(new NvmeDrive(bay.name, bay.queue, nsid, namespace.sizeBlocks(), maxBlocks));
    }
    return drives;
  }

  /** Hands completions to their requests. */
  int poll() {
    int work = 0;
    for (int i = 0; i < bays.size(); i++) {
      work += bays.get(i).queue.poll(COMPLETIONS_PER_POLL);
    }
    return work;
  }

  long nextDeadlineNs() {
    long deadline = Long.MAX_VALUE;
    for (int i = 0; i < bays.size(); i++) {
      deadline = Math.min(deadline, bays.get(i).queue.nextDeadlineNs());
    }
    return deadline;
  }

  List<WakeSource> wakeSources() {
    List<WakeSource> sources = new ArrayList<>();
    for (Bay bay : bays) {
      sources.add(bay.queue.wakeSource());
      sources.add(bay.controller.removalSource());
    }
    return sources;
  }

  /** Whether at least half of the drives answer. Cheap. */
  boolean hasDrives() {
    int present = 0;
    for (int i = 0; i < bays.size(); i++) {
      if (bays.get(i).controller.checkPresence()) {
        present++;
      }
    }
    return 2 * present >= bays.size();
  }

  /** What the private queues have done. */
  ArrayNode queues() {
    ArrayNode queues = JsonNodeFactory.instance.arrayNode();
    for (Bay bay : bays) {
      queues
          .addObject()
          .put("drive", bay.name)
          .put("queue", bay.queue.id())
          .put("depth", bay.queue.depth())
          .put("inFlight", bay.queue.inFlight())
          .put("commands", bay.queue.counters().commands())
          .put("bytes", bay.queue.counters().bytesRead() + bay.queue.counters().bytesWritten())
          .put("errors", bay.queue.counters().errors());
    }
    return queues;
  }

  /** Where a drive is in the lists of {@link #drives}. */
  int indexOf(String drive) {
    for (int i = 0; i < bays.size(); i++) {
      if (bays.get(i).name.equals(drive)) {
        return i;
      }
    }
    throw new TwinspanException("there is no drive \"" + drive + "\"");
  }

  /**
   * What one drive says of itself.
   *
   * @param drive its name
   * @param report see {@link NvmeReports}
   * @param nsid the namespace, where that matters
   */
  JsonNode report(String drive, String report, int nsid) {
    for (Bay bay : bays) {
      if (bay.name.equals(drive)) {
        return NvmeReports.of(bay.controller, report, nsid);
      }
    }
    throw new TwinspanException("there is no drive \"" + drive + "\"");
  }

  @Override
  public void close() {
    for (Bay bay : bays) {
      try {
        bay.queue.close();
        bay.controller.close();
      } catch (RuntimeException e) {
        LOG.warn("{} was not let go of in good order: {}", bay.name, e.toString());
      }
    }
  }
}
