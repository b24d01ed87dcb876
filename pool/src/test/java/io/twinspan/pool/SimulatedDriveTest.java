package io.twinspan.pool;

import static io.twinspan.pool.DriveOperation.FLUSH;
import static io.twinspan.pool.DriveOperation.READ;
import static io.twinspan.pool.DriveOperation.RESERVATION_ACQUIRE;
import static io.twinspan.pool.DriveOperation.RESERVATION_PREEMPT;
import static io.twinspan.pool.DriveOperation.RESERVATION_REGISTER;
import static io.twinspan.pool.DriveOperation.RESERVATION_RELEASE;
import static io.twinspan.pool.DriveOperation.RESERVATION_REPORT;
import static io.twinspan.pool.DriveOperation.RESERVATION_UNREGISTER;
import static io.twinspan.pool.DriveOperation.WRITE;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class SimulatedDriveTest {
  private final SimulatedMedium medium = new SimulatedMedium("drive0", 1024, 1);
  private final SimulatedDrive a = medium.port(1);
  private final SimulatedDrive b = medium.port(2);

  private static final class Probe extends DriveRequest {
    int status = Integer.MIN_VALUE;

    @Override
    public void completed(int result) {
      status = result;
    }
  }

  private static Probe request(DriveOperation operation, long block, int fill) {
    Probe probe = new Probe();
    probe.operation = operation;
    probe.block = block;
    probe.blockCount = 1;
    MemorySegment data = Arena.ofAuto().allocate(Drive.BLOCK_BYTES, 64);
    probe.data = data.fill((byte) fill);
    return probe;
  }

  private static int run(SimulatedDrive drive, Probe probe) {
    probe.status = Integer.MIN_VALUE;
    assertThat(drive.submit(probe)).isTrue();
    assertThat(probe.status).isEqualTo(Integer.MIN_VALUE);
    for (int i = 0; i < 100 && probe.status == Integer.MIN_VALUE; i++) {
      drive.doWork();
    }
    return probe.status;
  }

  private static int run(SimulatedDrive drive, DriveOperation operation, long key, long otherKey) {
    Probe probe = new Probe();
    probe.operation = operation;
    probe.key = key;
    probe.otherKey = otherKey;
    return run(drive, probe);
  }

  private static int readByte(SimulatedDrive drive, long block) {
    Probe probe = request(READ, block, 99);
    assertThat(run(drive, probe)).isZero();
    return probe.data.get(ValueLayout.JAVA_BYTE, 17);
  }

  @Test
  void bothPortsSeeOneMedium() {
    assertThat(readByte(b, 5)).isZero();
    assertThat(run(a, request(WRITE, 5, 7))).isZero();
    assertThat(readByte(b, 5)).isEqualTo(7);
    assertThat(run(a, request(WRITE, 1024, 7))).isEqualTo(Drive.LBA_OUT_OF_RANGE);
  }

  @Test
  void powerCutLosesOnlyWhatNoFlushCovered() {
    TreeSet<Integer> outcomes = new TreeSet<>();
    for (int seed = 0; seed < 50; seed++) {
      SimulatedMedium cut = new SimulatedMedium("drive", 64, seed).tearsBlocks(false);
      SimulatedDrive port = cut.port(1);
      run(port, request(WRITE, 1, 1));
      run(port, request(FLUSH, 0, 0));
      run(port, request(WRITE, 1, 2));
      run(port, request(WRITE, 1, 3));
      cut.powerCut();
      assertThat(port.isPresent()).isFalse();
      outcomes.add(readByte(cut.port(1), 1));
    }
    assertThat(outcomes).containsExactly(1, 2, 3);
  }

  @Test
  void flushDoesNotCoverWritesThatCompleteAfterItsSubmission() {
    Probe write = request(WRITE, 1, 1);
    a.submit(write);
    a.submit(request(FLUSH, 0, 0));
    a.doWork();
    assertThat(write.status).isZero();
    assertThat(medium.unflushedBlocks()).isEqualTo(1);
    run(a, request(FLUSH, 0, 0));
    assertThat(medium.unflushedBlocks()).isZero();
  }

  @Test
  void completionsAreDelayedAndReorderedBySeed() {
    a.maxDelayTicks(5);
    List<Integer> order = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      int index = i;
      DriveRequest request =
          new DriveRequest() {
            @Override
            public void completed(int status) {
              order.add(index);
            }
          };
      request.operation = FLUSH;
      a.submit(request);
    }
    for (int i = 0; i < 20; i++) {
      a.doWork();
    }
    assertThat(order).hasSize(20).isNotEqualTo(order.stream().sorted().toList());
  }

  @Test
  void fullQueueRefuses() {
    a.queueDepth(1);
    assertThat(a.submit(request(FLUSH, 0, 0))).isTrue();
    assertThat(a.submit(request(FLUSH, 0, 0))).isFalse();
    a.doWork();
    assertThat(a.submit(request(FLUSH, 0, 0))).isTrue();
  }

  @Test
  void reservationKeepsOthersOut() {
    assertThat(run(a, RESERVATION_ACQUIRE, 11, 0)).isEqualTo(Drive.RESERVATION_CONFLICT);
    assertThat(run(a, RESERVATION_REGISTER, 11, 0)).isZero();
    assertThat(run(a, RESERVATION_ACQUIRE, 11, 0)).isZero();
    assertThat(run(b, RESERVATION_REGISTER, 22, 0)).isZero();
    assertThat(run(b, RESERVATION_ACQUIRE, 22, 0)).isEqualTo(Drive.RESERVATION_CONFLICT);
    for (DriveOperation operation : List.of(READ, WRITE, FLUSH)) {
      assertThat(run(b, request(operation, 0, 1))).isEqualTo(Drive.RESERVATION_CONFLICT);
      assertThat(run(a, request(operation, 0, 1))).isZero();
    }
    assertThat(run(a, RESERVATION_RELEASE, 11, 0)).isZero();
    assertThat(run(b, request(READ, 0, 1))).isZero();
    assertThat(run(a, RESERVATION_UNREGISTER, 11, 0)).isZero();
    assertThat(run(a, RESERVATION_UNREGISTER, 11, 0)).isEqualTo(Drive.RESERVATION_CONFLICT);
  }

  @Test
  void preemptTakesOnlyWhatThePreemptedKeyHeld() {
    run(a, RESERVATION_REGISTER, 11, 0);
    assertThat(run(a, RESERVATION_REGISTER, 11, 0)).isZero();
    assertThat(run(a, RESERVATION_REGISTER, 12, 0)).isEqualTo(Drive.RESERVATION_CONFLICT);
    assertThat(run(a, RESERVATION_PREEMPT, 11, 22)).isEqualTo(Drive.RESERVATION_CONFLICT);
    run(b, RESERVATION_REGISTER, 22, 0);
    assertThat(run(b, RESERVATION_RELEASE, 22, 0)).isZero();
    assertThat(run(a, RESERVATION_PREEMPT, 11, 22)).isZero();
    assertThat(run(b, request(READ, 0, 0))).isZero();
    assertThat(run(b, RESERVATION_ACQUIRE, 22, 0)).isEqualTo(Drive.RESERVATION_CONFLICT);
    assertThat(run(a, RESERVATION_ACQUIRE, 11, 0)).isZero();
    assertThat(run(a, RESERVATION_ACQUIRE, 11, 0)).isZero();
    assertThat(run(b, request(READ, 0, 0))).isEqualTo(Drive.RESERVATION_CONFLICT);
  }

  @Test
  void preemptFencesTheHolderAndStopsWhatItLeftBehind() {
    run(a, RESERVATION_REGISTER, 11, 0);
    run(a, RESERVATION_ACQUIRE, 11, 0);
    run(b, RESERVATION_REGISTER, 22, 0);
    Probe late = request(WRITE, 3, 9);
    a.submit(late);
    a.stall(true);
    a.die();
    Probe preempt = new Probe();
    preempt.operation = RESERVATION_PREEMPT;
    preempt.key = 22;
    preempt.otherKey = 11;
    Probe report = new Probe();
    report.operation = RESERVATION_REPORT;
    assertThat(run(b, report)).isZero();
    assertThat(report.holder).isEqualTo(11);
    assertThat(report.registrantCount).isEqualTo(2);
    assertThat(run(b, preempt)).isZero();
    assertThat(run(b, report)).isZero();
    assertThat(report.holder).isEqualTo(22);
    assertThat(report.registrantCount).isEqualTo(1);
    assertThat(run(medium.port(1), RESERVATION_PREEMPT, 11, 22))
        .isEqualTo(Drive.RESERVATION_CONFLICT);
    a.stall(false);
    b.doWork();
    assertThat(readByte(b, 3)).isZero();
    assertThat(late.status).isEqualTo(Integer.MIN_VALUE);
  }

  @Test
  void deadHostsCommandsStillTakeEffectUnlessFenced() {
    a.submit(request(WRITE, 3, 9));
    a.die();
    assertThat(readByte(b, 4)).isZero();
    assertThat(readByte(b, 3)).isEqualTo(9);
  }

  @Test
  void aHostThatComesBackFindsNothingOfItsLastLifeUnderWay() {
    a.submit(request(WRITE, 3, 9));
    a.stall(true);
    a.die();
    assertThat(readByte(b, 3)).isZero();
    medium.settleOrphans(1);
    assertThat(medium.hasOrphans()).isFalse();
    assertThat(readByte(b, 3)).isEqualTo(9);
  }

  @Test
  void aHostThatComesBackDoesNotWaitForADriveThatIsGone() {
    a.submit(request(WRITE, 3, 9));
    a.die();
    a.remove();
    medium.settleOrphans(1);
    assertThat(medium.hasOrphans()).isFalse();
    assertThat(readByte(b, 3)).isZero();
  }

  /** What a drive has answered counts as completed, although a host that hangs does not look. */
  @Test
  void flushCoversWhatAHostThatHangsWasAnswered() {
    a.submit(request(WRITE, 3, 9));
    a.workUnattended();
    run(b, request(FLUSH, 0, 0));
    assertThat(medium.unflushedBlocks()).isZero();
  }

  @Test
  void flushCoversWhatAPreemptedHostHadWritten() {
    SimulatedDrive slow = medium.port(3).maxDelayTicks(8);
    run(slow, RESERVATION_REGISTER, 33, 0);
    run(slow, RESERVATION_ACQUIRE, 33, 0);
    run(b, RESERVATION_REGISTER, 22, 0);
    Probe write = request(WRITE, 3, 9);
    slow.submit(write);
    while (medium.unflushedBlocks() == 0) {
      slow.workUnattended();
    }
    slow.stall(true);
    assertThat(run(b, RESERVATION_PREEMPT, 22, 33)).isZero();
    run(b, request(FLUSH, 0, 0));
    assertThat(medium.unflushedBlocks()).isZero();
  }

  @Test
  void faultsComeAsOrdered() {
    a.fail(READ, 10, 5, 0x281, 1);
    assertThat(run(a, request(READ, 9, 0))).isZero();
    assertThat(run(a, request(READ, 10, 0))).isEqualTo(0x281);
    assertThat(run(a, request(READ, 10, 0))).isZero();
    medium.flipBit(10, 17 * 8);
    assertThat(readByte(a, 10)).isEqualTo(1);
    medium.capacityBlocks(2);
    assertThat(run(a, request(WRITE, 20, 0))).isZero();
    assertThat(run(a, request(WRITE, 21, 0))).isEqualTo(Drive.CAPACITY_EXCEEDED);
    assertThat(run(a, request(WRITE, 20, 0))).isZero();
    a.remove();
    assertThat(a.isPresent()).isFalse();
    assertThat(run(a, request(READ, 10, 0))).isEqualTo(Drive.GONE);
  }
}
