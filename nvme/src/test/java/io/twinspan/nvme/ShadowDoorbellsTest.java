package io.twinspan.nvme;

import static io.twinspan.nvme.LittleEndian.INT;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ShadowDoorbellsTest {
  private static final int SQ_1 = 8;
  private static final int CQ_1 = 12;

  private final FakeDevice device = new FakeDevice();
  private final List<Integer> statuses = new ArrayList<>();

  ShadowDoorbellsTest() {
    device.cap = ControllerRegisters.cap(1024, 2000, 0);
    device.optionalAdminCommands = IdentifyController.OACS_DOORBELL_BUFFER;
    device.offersDoorbellEvents = false;
  }

  @Test
  void aControllerThatOffersThemIsRungOnlyWhenItAsksForIt() {
    NvmeController controller = device.open();
    QueuePair<Integer> pair = pair(controller);
    MemorySegment shadow = device.memory(device.shadowDoorbells, 4096);
    MemorySegment events = device.memory(device.eventIndexes, 4096);

    pair.flush(1, 0);
    assertThat(shadow.get(INT, SQ_1)).isEqualTo(1);
    assertThat(barDoorbell(SQ_1)).as("event index 0 is passed").isEqualTo(1);

    pair.flush(1, 1);
    assertThat(shadow.get(INT, SQ_1)).isEqualTo(2);
    assertThat(barDoorbell(SQ_1)).as("event index 0 was passed before").isEqualTo(1);

    events.set(INT, SQ_1, 2);
    pair.flush(1, 2);
    assertThat(barDoorbell(SQ_1)).isEqualTo(3);
    assertThat(device.submitted(1, 0x1000 + SQ_1)).hasSize(3);
  }

  @Test
  void completionsAreGivenBackInMemoryToo() {
    NvmeController controller = device.open();
    QueuePair<Integer> pair = pair(controller);
    MemorySegment shadow = device.memory(device.shadowDoorbells, 4096);
    device.memory(device.eventIndexes, 4096).set(INT, CQ_1, 0xffff_fff0);

    pair.flush(1, 7);
    device.complete(1, 0, Status.SUCCESS);
    assertThat(pair.poll(8)).isEqualTo(1);

    assertThat(statuses).containsExactly(Status.SUCCESS);
    assertThat(shadow.get(INT, CQ_1)).isEqualTo(1);
    assertThat(barDoorbell(CQ_1)).isZero();
  }

  @Test
  void aTailThatWrapsPassesTheEventIndexOnce() {
    NvmeController controller = device.open();
    QueuePair<Integer> pair = pair(controller);
    MemorySegment events = device.memory(device.eventIndexes, 4096);
    List<Integer> rung = new ArrayList<>();

    for (int i = 0; i < 18; i++) {
      device.bar.set(INT, 0x1000 + SQ_1, -1);
      events.set(INT, SQ_1, 4);
      assertThat(pair.flush(1, i)).isEqualTo(Status.SUCCESS);
      if (barDoorbell(SQ_1) != -1) {
        rung.add(barDoorbell(SQ_1));
      }
      device.complete(1, 0, Status.SUCCESS); // the identifier that was used last
      pair.poll(1);
    }

    assertThat(rung).containsExactly(5, 5);
  }

  @Test
  void theyAreSetUpAnewAfterAReset() {
    NvmeController controller = device.open();
    QueuePair<Integer> pair = pair(controller);
    pair.flush(1, 0);
    controller.reset();
    pair.poll(8);
    pair.close();

    assertThat(device.shadowDoorbells).isNotZero();
    QueuePair<Integer> next = pair(controller);
    assertThat(device.memory(device.shadowDoorbells, 4096).get(INT, SQ_1)).isZero();
    next.flush(1, 1);
    assertThat(device.memory(device.shadowDoorbells, 4096).get(INT, SQ_1)).isEqualTo(1);
  }

  @Test
  void aControllerThatRefusesThemIsRung() {
    device.adminStatus.put(AdminOpcode.DOORBELL_BUFFER_CONFIG, Status.INVALID_FIELD);
    QueuePair<Integer> pair = pair(device.open());

    pair.flush(1, 0);
    pair.flush(1, 1);

    assertThat(barDoorbell(SQ_1)).isEqualTo(2);
  }

  @Test
  void doorbellsFarApartHaveNoRoomInAPage() {
    device.cap = ControllerRegisters.cap(1024, 2000, DoorbellPage.DSTRD);
    var _ = device.open();

    assertThat(device.log).noneMatch(line -> line.startsWith("Doorbell Buffer Config"));
  }

  private QueuePair<Integer> pair(NvmeController controller) {
    return controller.createQueuePair(8, (_, status) -> statuses.add(status));
  }

  private int barDoorbell(int offset) {
    return device.bar.get(INT, 0x1000 + offset);
  }
}
