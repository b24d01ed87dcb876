package io.twinspan.simulator;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.array.HostStatus;
import io.twinspan.pool.Drive;
import io.twinspan.pool.DriveOperation;
import io.twinspan.pool.DriveRequest;
import io.twinspan.pool.SimulatedDrive;
import org.junit.jupiter.api.BeforeEach;

/** Two controllers in step, a volume of the pool that a owns, and 1 in its first block. */
abstract class TwoControllers {
  static {
    QuietLogs.set();
  }

  static final int BLOCK = Drive.BLOCK_BYTES;
  static final long MANY = 1_000_000;

  /** Blocks at the beginning of a drive that hold its superblocks. */
  static final long SUPERBLOCKS = 2;

  final SimulatedArray array = new SimulatedArray(7);
  final SimulatedArray.Node a = array.a;
  final SimulatedArray.Node b = array.b;
  int volume;

  @BeforeEach
  void start() {
    array.givebackDelayNs = Long.MAX_VALUE / 4;
    array.started();
    volume = array.createVolume(a, 0, "v", 64);
    array.done(array.write(a, volume, 0, BLOCK, 1));
    array.run(200);
  }

  static void failAt(SimulatedArray.Node node, DriveOperation operation) {
    for (SimulatedDrive drive : node.drives.getFirst()) {
      drive.fail(operation, Drive.GONE, MANY);
    }
  }

  static void healAt(SimulatedArray.Node node) {
    node.drives.getFirst().forEach(SimulatedDrive::clearFaults);
  }

  /** Forty writes that only the logs hold, the last one of 89. */
  final void fillTheLog() {
    a.stallDrives(0, true);
    for (int i = 0; i < 40; i++) { // all to one block: the drives get them one after the other
      assertThat(array.done(array.write(a, volume, 0, BLOCK, 50 + i)).status)
          .isEqualTo(HostStatus.OK);
    }
  }

  /** What a drive says of its reservation. */
  static final class Report extends DriveRequest {
    private boolean answered;

    Report(SimulatedDrive drive) {
      operation = DriveOperation.RESERVATION_REPORT;
      SimulatedDrive observer = drive.medium().port(0xFF);
      observer.submit(this);
      while (!answered) {
        observer.doWork();
      }
    }

    @Override
    public void completed(int status) {
      answered = true;
    }
  }
}
