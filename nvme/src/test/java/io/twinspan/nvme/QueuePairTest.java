package io.twinspan.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class QueuePairTest implements CompletionHandler<String> {
  private static final int DEPTH = 4;

  private final FakeDevice device = new FakeDevice();
  private final NvmeController controller = device.open();
  private final DmaMemory memory = DmaMemory.allocate("test", 2 << 20);
  private final MemorySegment data = memory.segment();
  private final List<String> answers = new ArrayList<>();
  private final QueuePair<String> pair;

  QueuePairTest() {
    controller.map(memory);
    pair = controller.createQueuePair(DEPTH, true, this);
  }

  @AfterEach
  void close() {
    pair.close();
    controller.close();
    memory.close();
  }

  @Override
  public void completed(String request, int status) {
    answers.add(request + " " + status);
  }

  @Override
  public void reported(String request, ReservationReport report, int registrantCount) {
    answers.add(
        "%s holder %d of %d"
            .formatted(request, report.isHolder(0) ? report.key(0) : 0, registrantCount));
  }

  @Override
  public boolean unsettled(String request) {
    if (request.startsWith("w")) {
      answers.add(request + " unsettled");
    }
    return request.startsWith("w");
  }

  @Test
  void readsAndWritesWithThePrpsOfTheCallersMemory() {
    assertThat(pair.write(1, 7, 1, data, 4096, "w")).isZero();
    assertThat(pair.read(1, 1L << 33, 2, data, 8192, "r")).isZero();

    List<SubmissionEntry> entries = device.submitted(1);
    long iova = controller.iovaOf(data, 0, 1);
    assertThat(entries.get(0).opcode()).isEqualTo(NvmOpcode.WRITE);
    assertThat(entries.get(0).nsid()).isEqualTo(1);
    assertThat(entries.get(0).lba()).isEqualTo(7);
    assertThat(entries.get(0).blockCount()).isEqualTo(1);
    assertThat(entries.get(0).prp1()).isEqualTo(iova + 4096);
    assertThat(entries.get(0).prp2()).isZero();
    assertThat(entries.get(1).opcode()).isEqualTo(NvmOpcode.READ);
    assertThat(entries.get(1).lba()).isEqualTo(1L << 33);
    assertThat(entries.get(1).prp2()).isEqualTo(iova + 8192 + 4096);
    assertThat(entries.get(0).cid()).isNotEqualTo(entries.get(1).cid());
    assertThat(answers).isEmpty();

    device.complete(1, entries.get(1).cid(), 0);
    device.complete(1, entries.get(0).cid(), Status.LBA_OUT_OF_RANGE);
    assertThat(pair.poll(8)).isEqualTo(2);
    assertThat(answers).containsExactly("r 0", "w 128");
    assertThat(device.cqHeadDoorbell(1)).isEqualTo(2);
    assertThat(pair.counters().bytesRead()).isEqualTo(8192);
    assertThat(pair.counters().bytesWritten()).isZero();
    assertThat(pair.counters().errors()).isEqualTo(1);
    assertThat(pair.counters().commands()).isEqualTo(2);
  }

  @Test
  void writesThePrpListWhereTheDriveFindsIt() {
    assertThat(pair.read(1, 0, 5, data, 4096 + 512, "r")).isZero();

    SubmissionEntry entry = device.submitted(1).getFirst();
    MemorySegment list = device.memory(entry.prp2(), 40);
    long second = controller.iovaOf(data, 8192, 1);
    for (int i = 0; i < 5; i++) {
      assertThat(list.get(LittleEndian.LONG, 8L * i)).isEqualTo(second + 4096L * i);
    }
  }

  @Test
  void refusesWhatTheDriveCannotCarryOut() {
    MemorySegment foreign = MemorySegment.ofArray(new byte[8192]);
    int mostBlocks = controller.maxTransferBytes() / 4096;

    assertThat(pair.read(1, 0, 1, foreign, 0, "x")).isEqualTo(Status.BAD_ARGUMENT);
    assertThat(pair.read(1, 0, 1, data, 2, "x")).isEqualTo(Status.BAD_ARGUMENT);
    assertThat(pair.read(1, 0, 1, data, -4, "x")).isEqualTo(Status.BAD_ARGUMENT);
    assertThat(pair.read(1, 0, 1, data, data.byteSize() - 4092, "x"))
        .isEqualTo(Status.BAD_ARGUMENT);
    assertThat(pair.read(1, 0, 0, data, 0, "x")).isEqualTo(Status.BAD_ARGUMENT);
    assertThat(pair.read(1, 0, -1, data, 0, "x")).isEqualTo(Status.BAD_ARGUMENT);
    assertThat(pair.read(2, 0, 1, data, 0, "x")).isEqualTo(Status.BAD_ARGUMENT);
    assertThat(pair.read(1, 0, Integer.MAX_VALUE, data, 0, "x")).isEqualTo(Status.BAD_ARGUMENT);
    assertThat(pair.writeZeroes(1, 0, 0, false, "x")).isEqualTo(Status.BAD_ARGUMENT);
    assertThat(pair.datasetManagement(1, data, 257, 4, "x")).isEqualTo(Status.BAD_ARGUMENT);
    assertThat(pair.datasetManagement(1, data.asSlice(0, 31), 2, 4, "x"))
        .isEqualTo(Status.BAD_ARGUMENT);
    assertThat(pair.read(1, 0, mostBlocks, data, 0, "ok")).isZero();
    assertThat(pair.inFlight()).isEqualTo(1);
  }

  @Test
  void saysFullUntilACommandIsAnswered() {
    for (int i = 0; i < DEPTH; i++) {
      assertThat(pair.flush(1, "f" + i)).isZero();
    }
    assertThat(pair.flush(1, "too many")).isEqualTo(Status.FULL);
    assertThat(pair.read(1, 0, 1, data, 0, "too many")).isEqualTo(Status.FULL);

    device.complete(1, device.submitted(1).getFirst().cid(), 0);
    assertThat(pair.poll(8)).isEqualTo(1);
    assertThat(pair.flush(1, "again")).isZero();
    assertThat(answers).containsExactly("f0 0");
  }

  @Test
  void goesRoundTheRingsManyTimes() {
    for (int i = 0; i < 10 * DEPTH; i++) {
      assertThat(pair.read(1, i, 1, data, 0, "a" + i)).isZero();
      assertThat(pair.read(1, i, 1, data, 0, "b" + i)).isZero();
      List<SubmissionEntry> entries = device.submitted(1);
      assertThat(entries).hasSize(2);
      // Out of order, so that command identifiers and slots drift apart.
      device.complete(1, entries.get(1).cid(), 0);
      device.complete(1, entries.get(0).cid(), 0);
      assertThat(pair.poll(1)).isEqualTo(1);
      assertThat(pair.poll(8)).isEqualTo(1);
      assertThat(answers).containsExactly("b" + i + " 0", "a" + i + " 0");
      answers.clear();
    }
    assertThat(pair.poll(8)).isZero();
  }

  @Test
  void aCompletionForNoCommandFailsTheControllerAndAnswersEachCommandOnce() {
    assertThat(pair.flush(1, "f")).isZero();
    assertThat(pair.flush(1, "g")).isZero();
    List<SubmissionEntry> entries = device.submitted(1);
    device.complete(1, entries.get(0).cid(), 0);
    device.complete(1, entries.get(0).cid(), 0);

    assertThat(pair.poll(8)).isEqualTo(2);

    assertThat(answers).containsExactly("f 0", "g -1");
    assertThat(controller.state()).isEqualTo(ControllerState.STOPPED);
    assertThat(device.cc).isZero();
    assertThat(pair.poll(8)).isZero();
  }

  @Test
  void refusesACidBeyondTheTableAndASubmissionHeadBeyondTheQueue() {
    assertThat(pair.flush(1, "f")).isZero();
    int cid = device.submitted(1).getFirst().cid();
    device.post(1, cid, 0, DEPTH + 1);

    assertThat(pair.poll(8)).isEqualTo(1);
    assertThat(answers).containsExactly("f -1");
    assertThat(controller.failure()).contains("SQ head 5");
  }

  @Test
  void answersWithGoneWhenTheDeviceGoes() {
    assertThat(pair.flush(1, "f")).isZero();
    device.present = false;
    device.nowNs += 1_000_000_000L;

    assertThat(pair.poll(8)).isEqualTo(1);
    assertThat(answers).containsExactly("f -1");
    assertThat(controller.state()).isEqualTo(ControllerState.GONE);

    answers.clear();
    assertThat(pair.read(1, 0, 1, data, 0, "late")).isZero();
    assertThat(answers).isEmpty();
    assertThat(pair.poll(8)).isEqualTo(1);
    assertThat(answers).containsExactly("late -1");
  }

  @Test
  void deliversWhatCameBeforeTheDeviceWent() {
    assertThat(pair.flush(1, "f")).isZero();
    assertThat(pair.flush(1, "g")).isZero();
    device.complete(1, device.submitted(1).getFirst().cid(), 0);
    device.present = false;
    controller.checkPresence();

    assertThat(pair.poll(1)).isEqualTo(1);
    assertThat(pair.poll(1)).isEqualTo(1);
    assertThat(answers).containsExactly("f 0", "g -1");
  }

  @Test
  void abortsACommandThatTakesTooLong() {
    assertThat(pair.flush(1, "f")).isZero();
    int cid = device.submitted(1).getFirst().cid();
    pollUntil(() -> device.log.contains("Abort %x".formatted(1 | cid << 16)));
    assertThat(device.nowNs).isGreaterThan(1_000_000_000L);
    assertThat(answers).isEmpty();

    device.complete(1, cid, Status.ABORT_REQUESTED);
    assertThat(pair.poll(8)).isEqualTo(1);
    assertThat(answers).containsExactly("f 7");
    assertThat(controller.isReady()).isTrue();
  }

  @Test
  void anIdentifierIsNotUsedAgainBeforeItsAbortIsAnswered() {
    List<Runnable> later = new ArrayList<>();
    device.background = later::add;
    assertThat(pair.flush(1, "f")).isZero();
    int cid = device.submitted(1).getFirst().cid();
    pollUntil(() -> !later.isEmpty());
    device.complete(1, cid, 0);
    assertThat(pair.poll(8)).isEqualTo(1);
    for (int i = 1; i < DEPTH; i++) {
      assertThat(pair.flush(1, "g")).isZero();
    }
    assertThat(device.submitted(1)).extracting(SubmissionEntry::cid).doesNotContain(cid);
    assertThat(pair.flush(1, "h")).isEqualTo(Status.FULL);

    later.forEach(Runnable::run);
    pollUntil(() -> pair.flush(1, "h") == Status.SUCCESS);
    assertThat(device.submitted(1).getFirst().cid()).isEqualTo(cid);
  }

  @Test
  void stopsTheControllerWhenAnAbortDoesNotHelpAndOnlyThenAnswers() {
    List<Runnable> later = new ArrayList<>();
    assertThat(pair.flush(1, "f")).isZero();
    pollUntil(() -> device.log.stream().anyMatch(line -> line.startsWith("Abort")));
    device.background = later::add;
    pollUntil(() -> controller.state() == ControllerState.FAILED);

    assertThat(pair.isAlive()).isFalse();
    assertThat(pair.flush(1, "late")).isZero();
    assertThat(pair.poll(8)).isZero();
    assertThat(answers).isEmpty(); // the drive was not stopped yet
    later.forEach(Runnable::run);
    assertThat(controller.state()).isEqualTo(ControllerState.STOPPED);
    assertThat(pair.poll(8)).isEqualTo(2);
    assertThat(answers).containsExactlyInAnyOrder("f -1", "late -1");
    assertThat(controller.failure()).contains("no answer to Flush");
    assertThat(device.submitted(1)).hasSize(1); // the late one was never rung for
  }

  @Test
  void resetsTheFunctionOfAControllerThatStaysReady() {
    device.becomesDisabled = false;
    assertThat(pair.flush(1, "f")).isZero();
    controller.fail(ControllerState.FAILED, "test");

    assertThat(device.log).endsWith("CC=0", "reset");
    assertThat(controller.state()).isEqualTo(ControllerState.STOPPED);
    assertThat(pair.poll(8)).isEqualTo(1);
    controller.reset();
    assertThat(controller.isReady()).isTrue();
  }

  @Test
  void keepsTheMemoryOfADriveThatCannotBeStoppedUntilItGoes() {
    hang();

    assertThat(pair.poll(8)).isEqualTo(1);
    assertThat(answers).containsExactly("w unsettled");
    assertThat(pair.flush(1, "late")).isZero();
    assertThat(pair.poll(8)).isEqualTo(1);
    assertThat(answers).containsExactly("w unsettled", "late -1");
    assertThat(pair.poll(8)).isZero();

    device.present = false;
    pollUntil(() -> controller.state() == ControllerState.GONE);
    assertThat(answers).containsExactly("w unsettled", "late -1", "r -1");
  }

  @Test
  void deliversALateAnswerOfADriveThatCannotBeStopped() {
    List<SubmissionEntry> entries = hang();
    assertThat(pair.poll(8)).isEqualTo(1);

    device.complete(1, entries.get(0).cid(), 0); // given up already
    device.complete(1, entries.get(1).cid(), 0);
    pair.poll(8);
    assertThat(answers).containsExactly("w unsettled", "r 0");
    pair.close();
    assertThat(answers).hasSize(2);
  }

  @Test
  void closingTellsWhichMemoryADriveThatCannotBeStoppedStillHas() {
    hang();
    pair.close();

    assertThat(answers).containsExactlyInAnyOrder("w -4", "r -4");
  }

  @Test
  void stopsAControllerThatDoesNotDeleteAQueue() {
    device.adminStatus.put(AdminOpcode.DELETE_IO_SQ, Status.INVALID_QUEUE_ID);
    assertThat(pair.flush(1, "f")).isZero();
    pair.close();

    assertThat(controller.state()).isEqualTo(ControllerState.STOPPED);
    assertThat(answers).containsExactly("f -1");
  }

  @Test
  void splitsARequestThatIsTooLargeAndAnswersItOnce() {
    int most = controller.maxTransferBytes() / 4096;
    assertThat(most).isEqualTo(32);
    assertThat(pair.write(1, 5, 5 * most + 3, data, 4096, "large")).isZero();
    assertThat(pair.flush(1, "f")).isEqualTo(Status.FULL); // the rest goes first

    List<SubmissionEntry> sent = new ArrayList<>(device.submitted(1));
    assertThat(sent).hasSize(DEPTH);
    while (answers.isEmpty()) {
      SubmissionEntry first = sent.removeFirst();
      device.complete(1, first.cid(), 0);
      pair.poll(8);
      sent.addAll(device.submitted(1));
    }
    assertThat(answers).containsExactly("large 0");
    assertThat(pair.counters().writes()).isEqualTo(6);
    assertThat(pair.counters().bytesWritten()).isEqualTo((5L * most + 3) * 4096);
    assertThat(pair.inFlight()).isZero();
  }

  @Test
  void partsOfARequestFollowEachOtherInBlocksAndMemory() {
    assertThat(pair.read(1, 5, 70, data, 512, "large")).isZero();
    List<SubmissionEntry> sent = device.submitted(1);
    long iova = controller.iovaOf(data, 512, 1);
    assertThat(sent).extracting(SubmissionEntry::lba).containsExactly(5L, 37L, 69L);
    assertThat(sent).extracting(SubmissionEntry::blockCount).containsExactly(32, 32, 6);
    assertThat(sent)
        .extracting(SubmissionEntry::prp1)
        .containsExactly(iova, iova + 32 * 4096, iova + 64 * 4096);
    sent.forEach(entry -> device.complete(1, entry.cid(), 0));
    assertThat(pair.poll(8)).isEqualTo(3);
    assertThat(answers).containsExactly("large 0");
  }

  @Test
  void sendsNoMorePartsAfterOneHasFailed() {
    assertThat(pair.read(1, 0, 10 * 32, data, 0, "large")).isZero();
    List<SubmissionEntry> sent = device.submitted(1);
    device.complete(1, sent.get(1).cid(), Status.UNRECOVERED_READ);
    device.complete(1, sent.get(0).cid(), Status.LBA_OUT_OF_RANGE);
    assertThat(pair.poll(8)).isEqualTo(2);
    assertThat(device.submitted(1)).isEmpty();
    assertThat(answers).isEmpty();
    device.complete(1, sent.get(2).cid(), 0);
    device.complete(1, sent.get(3).cid(), 0);
    assertThat(pair.poll(8)).isEqualTo(2);
    assertThat(answers).containsExactly("large " + Status.UNRECOVERED_READ);
  }

  @Test
  void splitsCommandsWithoutDataToo() {
    assertThat(pair.verify(1, 1, 65536 + 1, "v")).isZero();
    assertThat(device.submitted(1))
        .extracting(SubmissionEntry::blockCount)
        .containsExactly(65536, 1);
  }

  @Test
  void doesNotCrossTheBoundaryThatTheNamespaceNames() {
    device.boundaryBlocks = 8;
    assertThat(controller.identifyNamespace(1).optimalBoundaryBlocks()).isEqualTo(8);
    assertThat(pair.write(1, 6, 12, data, 0, "w")).isZero();
    assertThat(pair.write(1, 8, 8, data, 0, "x")).isZero();
    List<SubmissionEntry> sent = device.submitted(1);
    assertThat(sent).extracting(SubmissionEntry::lba).containsExactly(6L, 8L, 16L, 8L);
    assertThat(sent).extracting(SubmissionEntry::blockCount).containsExactly(2, 8, 2, 8);
  }

  @Test
  void aLargeRequestIsAnsweredOnceWhenTheDeviceGoesAndWhenItIsClosed() {
    assertThat(pair.read(1, 0, 10 * 32, data, 0, "large")).isZero();
    device.present = false;
    pollUntil(() -> !answers.isEmpty());
    pair.poll(8);
    assertThat(pair.read(1, 0, 10 * 32, data, 0, "late")).isZero();
    pair.close();
    assertThat(answers).containsExactly("large -1", "late -1");
  }

  @Test
  void aLargeRequestAtADriveThatCannotBeStoppedIsGivenUpOnce() {
    assertThat(pair.write(1, 0, 10 * 32, data, 0, "w")).isZero();
    List<SubmissionEntry> sent = device.submitted(1);
    device.becomesDisabled = false;
    device.resets = false;
    controller.fail(ControllerState.FAILED, "test");
    pair.poll(8);
    pair.poll(8);
    assertThat(answers).containsExactly("w unsettled");
    device.complete(1, sent.getFirst().cid(), 0);
    pair.poll(8);
    pair.close();
    assertThat(answers).containsExactly("w unsettled");
  }

  @Test
  void namesLongDataByOneSglDescriptorWhereThatIsOffered() {
    device.sgls = IdentifyController.SGLS_ANY_ALIGNMENT;
    controller.reset();
    try (QueuePair<String> other = controller.createQueuePair(DEPTH, this)) {
      assertThat(other.write(1, 0, 3, data, 4096 + 1, "odd")).isZero();
      assertThat(other.write(1, 0, 2, data, 4096, "short")).isZero();
      List<SubmissionEntry> sent = device.submitted(other.id());
      assertThat(sent.get(0).flags()).isEqualTo(SubmissionEntry.PSDT_SGL);
      assertThat(sent.get(0).prp1()).isEqualTo(controller.iovaOf(data, 4097, 1));
      assertThat(sent.get(0).prp2()).isEqualTo(3 * 4096);
      assertThat(sent.get(1).flags()).isZero();
    }
  }

  @Test
  void sendsRangesAsTheyAre() {
    MemorySegment ranges = MemorySegment.ofArray(new byte[2 * DatasetRange.BYTES]);
    DatasetRange.set(ranges, 0, 7, 8);
    DatasetRange.set(ranges, 1, 1L << 40, -1);
    assertThat(pair.datasetManagement(1, ranges, 2, DatasetRange.DEALLOCATE, "d")).isZero();
    assertThat(pair.deallocate(1, 9, 3, "e")).isZero();
    List<SubmissionEntry> sent = device.submitted(1);
    assertThat(sent.get(0).cdw(10)).isEqualTo(1);
    assertThat(sent.get(0).cdw(11)).isEqualTo(4);
    MemorySegment seen = device.memory(sent.get(0).prp1(), 32);
    assertThat(DatasetRange.lba(seen, 1)).isEqualTo(1L << 40);
    assertThat(DatasetRange.blocks(seen, 1)).isEqualTo(0xffff_ffffL);
    assertThat(DatasetRange.lba(device.memory(sent.get(1).prp1(), 16), 0)).isEqualTo(9);
  }

  private List<SubmissionEntry> hang() {
    assertThat(pair.write(1, 0, 1, data, 0, "w")).isZero();
    assertThat(pair.read(1, 0, 1, data, 4096, "r")).isZero();
    device.becomesDisabled = false;
    device.resets = false;
    controller.fail(ControllerState.FAILED, "test");
    assertThat(controller.state()).isEqualTo(ControllerState.HUNG);
    assertThat(device.log).endsWith("CC=0", "reset", "disconnect");
    return device.submitted(1);
  }

  private void pollUntil(BooleanSupplier condition) {
    boolean met = condition.getAsBoolean();
    for (int polls = 0; polls < 500 && !met; polls++) {
      if (pair.nextDeadlineNs() != Long.MAX_VALUE) {
        device.nowNs = Math.max(device.nowNs, pair.nextDeadlineNs());
      }
      pair.poll(8);
      met = condition.getAsBoolean();
    }
    assertThat(met).isTrue();
  }

  @Test
  void aPauseOfThisProcessIsNoFaultOfTheDrive() {
    assertThat(pair.flush(1, "f")).isZero();
    device.nowNs += 3600_000_000_000L;

    assertThat(pair.poll(8)).isZero();
    assertThat(controller.isReady()).isTrue();
  }

  @Test
  void aResetLosesTheQueuePairAndClosingItFreesItsIdentifier() {
    assertThat(pair.flush(1, "f")).isZero();
    controller.reset();

    assertThat(pair.poll(8)).isEqualTo(1);
    assertThat(answers).containsExactly("f -1");
    try (QueuePair<String> next = controller.createQueuePair(DEPTH, this)) {
      assertThat(next.id()).isEqualTo(2); // the old one's thread may still ring its doorbell
      pair.close(); // the old one must not delete the new one's queues
      assertThat(next.isAlive()).isTrue();
    }
    assertThat(device.log).filteredOn(line -> line.startsWith("Delete")).hasSize(2);
    try (QueuePair<String> last = controller.createQueuePair(DEPTH, this)) {
      assertThat(last.id()).isEqualTo(1);
    }
  }

  @Test
  void closingAnswersWhatIsInFlight() {
    assertThat(pair.flush(1, "f")).isZero();
    pair.close();

    assertThat(answers).containsExactly("f -1");
    assertThatThrownBy(() -> pair.poll(1)).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void sendsReservationKeysInLittleEndian() {
    assertThat(pair.reservationRegister(1, Reservation.REGISTER, true, 0, 0x0102, "r")).isZero();
    assertThat(
            pair.reservationAcquire(
                1, Reservation.PREEMPT, Reservation.EXCLUSIVE_ACCESS, 0x0102, 0x0304, "a"))
        .isZero();
    assertThat(
            pair.reservationRelease(
                1, Reservation.RELEASE, Reservation.EXCLUSIVE_ACCESS, 0x0102, "l"))
        .isZero();

    List<SubmissionEntry> entries = device.submitted(1);
    assertThat(entries.get(0).cdw(10)).isEqualTo(0x8);
    assertThat(bytes(entries.get(0), 16))
        .containsExactly(0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0);
    assertThat(entries.get(1).cdw(10)).isEqualTo(0x201);
    assertThat(bytes(entries.get(1), 16))
        .containsExactly(2, 1, 0, 0, 0, 0, 0, 0, 4, 3, 0, 0, 0, 0, 0, 0);
    assertThat(entries.get(2).cdw(10)).isEqualTo(0x200);
    assertThat(bytes(entries.get(2), 8)).containsExactly(2, 1, 0, 0, 0, 0, 0, 0);
  }

  @Test
  void reportsNoMoreRegistrantsThanWereReceived() {
    assertThat(pair.reservationReport(1, "r")).isZero();
    SubmissionEntry entry = device.submitted(1).getFirst();
    assertThat(entry.cdw(11)).isEqualTo(1);
    int length = (entry.cdw(10) + 1) * 4;
    ReservationReport report = new ReservationReport().wrap(device.memory(entry.prp1(), length), 0);
    report.registrantCount(60_000);
    report.registrant(0, 1, true, 77, 1, 2);
    device.complete(1, entry.cid(), 0);

    assertThat(pair.poll(1)).isEqualTo(1);
    assertThat(answers).containsExactly("r holder 77 of " + QueuePair.MAX_REGISTRANTS);
  }

  @Test
  void wakesADriveOnlyIfItSleeps() {
    assertThat(pair.flush(1, "f")).isZero();
    assertThat(device.doorbellEvent.drain()).isFalse();

    new DoorbellPage(device.bar, DoorbellPage.barOffset(1)).sleeping(true);
    assertThat(pair.flush(1, "g")).isZero();
    assertThat(device.doorbellEvent.drain()).isTrue();
  }

  @Test
  void wakesADriveOnceForEachOfItsSleeps() {
    DoorbellPage page = new DoorbellPage(device.bar, DoorbellPage.barOffset(1));
    for (int sleep = 0; sleep < 2; sleep++) {
      page.sleeping(true);
      assertThat(pair.flush(1, "first")).isZero();
      assertThat(device.doorbellEvent.drain()).isTrue();
      assertThat(pair.flush(1, "second")).isZero();
      assertThat(device.doorbellEvent.drain()).isFalse();
      page.sleeping(false);
    }
  }

  @Test
  void wakesADriveThatDoesNotCountItsSleepsEachTime() {
    device.bar.set(
        LittleEndian.INT,
        DoorbellPage.barOffset(1) + DoorbellPage.SLEEPING_OFFSET,
        DoorbellPage.UNCOUNTED);
    for (int i = 0; i < 2; i++) {
      assertThat(pair.flush(1, "f")).isZero();
      assertThat(device.doorbellEvent.drain()).isTrue();
    }
  }

  @Test
  void armsItsInterruptOnlyWhileItsThreadSleeps() {
    DoorbellPage page = new DoorbellPage(device.bar, DoorbellPage.barOffset(1));
    assertThat(page.interruptArmed()).isFalse();
    pair.wakeSource().arm();
    assertThat(page.interruptArmed()).isTrue();
    device.interrupt(1).signal();
    pair.wakeSource().disarm();
    assertThat(page.interruptArmed()).isFalse();
    assertThat(device.interrupt(1).drain()).isFalse();
  }

  private byte[] bytes(SubmissionEntry entry, int length) {
    return device.memory(entry.prp1(), length).toArray(LittleEndian.BYTE);
  }
}
