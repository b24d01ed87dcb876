package io.twinspan.pool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;

class DrivePoolTest {
  private final PoolRig rig = new PoolRig(3, 512, 1);

  @Test
  void unformattedDrivesHoldNoPool() {
    assertThat(rig.open(true)).isEqualTo(PoolStatus.NOT_FORMATTED);
    assertThat(rig.pool.state()).isEqualTo(Pool.State.CLOSED);
    assertThat(rig.pool.volumes()).isEmpty();
  }

  @Test
  void poolOfAnotherArrayIsNotOpened() {
    rig.formatted();
    rig.attach();
    assertThat(rig.run(c -> rig.pool.open(1, 1, true, c))).isEqualTo(PoolStatus.NOT_FORMATTED);
  }

  @Test
  void everyOpenHasAHigherEpoch() {
    rig.formatted();
    assertThat(rig.pool.epoch()).isEqualTo(1);
    rig.attach();
    assertThat(rig.run(c -> rig.pool.open(PoolRig.ARRAY, 10, true, c))).isEqualTo(PoolStatus.OK);
    assertThat(rig.pool.epoch()).isEqualTo(10);
    assertThat(rig.run(c -> rig.pool.settle(c))).isEqualTo(PoolStatus.OK);
    assertThat(rig.pool.epoch()).isEqualTo(11);
    rig.powerCut();
    assertThat(rig.open(false)).isEqualTo(PoolStatus.OK);
    assertThat(rig.pool.epoch()).isEqualTo(12);
  }

  @Test
  void readsWhatWasWrittenAndZerosElsewhere() {
    rig.formatted();
    int volume = rig.create("v", 1000);
    assertThat(rig.read(volume, 0, 4)).containsExactly(0L, 0L, 0L, 0L);
    assertThat(rig.writeTags(volume, 1, 2, 70)).isEqualTo(PoolStatus.OK);
    assertThat(rig.read(volume, 0, 4)).containsExactly(0L, 70L, 71L, 0L);
    assertThat(rig.writeTags(volume, 2, 1, 80)).isEqualTo(PoolStatus.OK);
    assertThat(rig.zero(volume, 1, 1)).isEqualTo(PoolStatus.OK);
    assertThat(rig.read(volume, 0, 4)).containsExactly(0L, 0L, 80L, 0L);
    assertThat(rig.pool.usedBlocks()).isEqualTo(1);
    assertThat(rig.pool.volumes().getFirst().usedBytes()).isEqualTo(4096);
  }

  @Test
  void readFillsInTheChecksums() {
    rig.formatted();
    int volume = rig.create("v", 10);
    PoolRig.Request write = PoolRig.write(volume, 0, 1, 5);
    assertThat(rig.pool.reserve(volume, 0, 1)).isEqualTo(Pool.Grant.GRANTED);
    rig.run(write);
    PoolRig.Request read = PoolRig.request(PoolOperation.READ, volume, 0, 2);
    rig.run(read);
    assertThat(read.checksums[0]).isEqualTo(write.checksums[0]);
    assertThat(read.checksums[1]).isEqualTo(0x98f94189);
  }

  @Test
  void overlappingRequestsAreCarriedOutInOrder() {
    rig.maxDelayTicks = 10;
    rig.attach();
    rig.formatted();
    int volume = rig.create("v", 10);
    for (int round = 0; round < 20; round++) {
      PoolRig.Request[] writes = new PoolRig.Request[5];
      PoolRig.Request[] reads = new PoolRig.Request[5];
      for (int i = 0; i < 5; i++) {
        assertThat(rig.pool.reserve(volume, 0, 2)).isEqualTo(Pool.Grant.GRANTED);
        writes[i] = PoolRig.write(volume, 0, 2, 1000 * round + 10 * i + 1);
        reads[i] = PoolRig.request(PoolOperation.READ, volume, 1, 1);
        assertThat(rig.pool.submit(writes[i])).isTrue();
        assertThat(rig.pool.submit(reads[i])).isTrue();
      }
      for (int i = 0; i < 5; i++) {
        assertThat(rig.await(reads[i])).isEqualTo(PoolStatus.OK);
        assertThat(PoolRig.tag(reads[i], 0)).isEqualTo(1000 * round + 10 * i + 2);
      }
    }
  }

  @Test
  void volumesAreCreatedResizedAndDeleted() {
    rig.formatted();
    int a = rig.create("a", 100);
    int b = rig.create("b", 100);
    assertThat(a).isEqualTo(1);
    assertThat(b).isEqualTo(2);
    assertThat(rig.run(c -> rig.pool.createVolume("a", 4096, c))).isEqualTo(PoolStatus.INVALID);
    assertThat(rig.run(c -> rig.pool.createVolume("x y", 4096, c))).isEqualTo(PoolStatus.INVALID);
    assertThat(rig.run(c -> rig.pool.createVolume("odd", 4095, c))).isEqualTo(PoolStatus.INVALID);
    rig.writeTags(a, 90, 10, 500);
    assertThat(rig.run(c -> rig.pool.resizeVolume(a, 95 * 4096, c))).isEqualTo(PoolStatus.OK);
    assertThat(rig.pool.usedBlocks()).isEqualTo(5);
    assertThat(rig.pool.volumeBlocks(a)).isEqualTo(95);
    assertThat(rig.run(PoolRig.request(PoolOperation.READ, a, 94, 2)))
        .isEqualTo(PoolStatus.INVALID);
    assertThat(rig.run(c -> rig.pool.resizeVolume(a, 100 * 4096, c))).isEqualTo(PoolStatus.OK);
    assertThat(rig.read(a, 94, 3)).containsExactly(504L, 0L, 0L);
    assertThat(rig.run(c -> rig.pool.deleteVolume(a, c))).isEqualTo(PoolStatus.OK);
    assertThat(rig.run(c -> rig.pool.deleteVolume(a, c))).isEqualTo(PoolStatus.INVALID);
    assertThat(rig.pool.usedBlocks()).isZero();
    assertThat(rig.pool.volumeBlocks(a)).isEqualTo(-1);
    rig.powerCut();
    assertThat(rig.open(false)).isEqualTo(PoolStatus.OK);
    assertThat(rig.pool.volumes()).extracting(VolumeInfo::name).containsExactly("b");
    assertThat(rig.create("c", 1)).isEqualTo(3);
  }

  @Test
  void numbersOfDeletedVolumesAreNotUsedAgainAfterACheckpoint() {
    rig.formatted();
    int a = rig.create("a", 100);
    rig.run(c -> rig.pool.deleteVolume(a, c));
    int b = rig.create("b", 100);
    for (int i = 0; i < 100; i++) {
      rig.writeTags(b, i % 50, 1, i + 1);
    }
    rig.run(c -> rig.pool.deleteVolume(b, c));
    int last = rig.create("c", 10);
    for (int i = 0; i < 100; i++) {
      rig.writeTags(last, i % 10, 1, i + 1);
    }
    rig.run(c -> rig.pool.deleteVolume(last, c));
    assertThat(rig.close()).isEqualTo(PoolStatus.OK);
    assertThat(rig.open(true)).isEqualTo(PoolStatus.OK);
    assertThat(rig.create("d", 10)).isEqualTo(4);
  }

  @Test
  void closedPoolHoldsEverything() {
    rig.formatted();
    int volume = rig.create("v", 100);
    rig.writeTags(volume, 10, 3, 40);
    PoolRig.Request last = PoolRig.write(volume, 20, 1, 50);
    rig.pool.reserve(volume, 20, 1);
    assertThat(rig.pool.submit(last)).isTrue();
    assertThat(rig.close()).isEqualTo(PoolStatus.OK);
    assertThat(last.status).isEqualTo(PoolStatus.OK);
    assertThat(rig.pool.state()).isEqualTo(Pool.State.CLOSED);
    rig.powerCut();
    assertThat(rig.open(false)).isEqualTo(PoolStatus.OK);
    assertThat(rig.read(volume, 10, 3)).containsExactly(40L, 41L, 42L);
    assertThat(rig.read(volume, 20, 1)).containsExactly(50L);
  }

  @Test
  void closeLeavesNothingToTheDrivesEvenDuringACheckpoint() {
    rig.maxDelayTicks = 6;
    rig.attach();
    rig.formatted();
    int volume = rig.create("v", 150);
    for (int round = 0; round < 60; round++) {
      rig.writeTags(volume, round, 2, 1 + round);
      assertThat(rig.close()).isEqualTo(PoolStatus.OK); // checks that the drives are idle
      assertThat(rig.open(true)).isEqualTo(PoolStatus.OK);
      assertThat(rig.read(volume, round, 2)).containsExactly(1L + round, 2L + round);
    }
  }

  @Test
  void abandonEndsWhatIsOutstandingWhenTheDrivesAreDoneWithIt() {
    rig.maxDelayTicks = 20;
    rig.attach();
    rig.formatted();
    int volume = rig.create("v", 100);
    PoolRig.Request write = PoolRig.write(volume, 20, 1, 50);
    rig.pool.reserve(volume, 20, 1);
    rig.pool.submit(write);
    rig.pool.abandon();
    assertThat(rig.pool.state()).isEqualTo(Pool.State.CLOSED);
    assertThat(write.answers).isZero();
    rig.pool.doWork();
    assertThat(write.answers).isZero();
    assertThat(rig.open(true)).isEqualTo(PoolStatus.OK);
    assertThat(write.status).isEqualTo(PoolStatus.CLOSED);
    assertThat(rig.run(PoolRig.request(PoolOperation.READ, volume, 20, 1)))
        .isEqualTo(PoolStatus.OK);
  }

  @Test
  void requestsToAClosedPoolEndWithClosed() {
    assertThat(rig.run(PoolRig.request(PoolOperation.READ, 1, 0, 1))).isEqualTo(PoolStatus.CLOSED);
    assertThat(rig.run(c -> rig.pool.createVolume("a", 4096, c))).isEqualTo(PoolStatus.CLOSED);
    assertThatThrownBy(() -> rig.pool.close(_ -> {})).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void writeWithoutReservationIsRefused() {
    rig.formatted();
    int volume = rig.create("v", 100);
    assertThatThrownBy(() -> rig.pool.submit(PoolRig.write(volume, 0, 1, 1)))
        .isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> rig.pool.reserve(volume, 99, 2))
        .isInstanceOf(IllegalArgumentException.class);
    rig.pool.reserve(volume, 0, 2);
    rig.pool.unreserve(volume, 0, 2);
    assertThatThrownBy(() -> rig.pool.submit(PoolRig.write(volume, 0, 1, 1)))
        .isInstanceOf(IllegalStateException.class);
  }

  @Test
  void refusesMoreThanItHasRoomFor() {
    rig.formatted();
    int volume = rig.create("v", 100);
    int accepted = 0;
    while (rig.pool.submit(PoolRig.request(PoolOperation.READ, volume, accepted % 100, 1))) {
      accepted++;
    }
    assertThat(accepted).isEqualTo(rig.options.operations());
  }

  @Test
  void survivesManyCheckpoints() {
    rig.formatted();
    int volume = rig.create("v", 200);
    for (int i = 0; i < 1000; i++) {
      assertThat(rig.writeTags(volume, i % 150, 1 + i % 7, 1000L * (i + 1)))
          .isEqualTo(PoolStatus.OK);
    }
    List<Long> before = rig.read(volume, 0, 32);
    rig.controllerDies();
    assertThat(rig.open(true)).isEqualTo(PoolStatus.OK);
    assertThat(rig.read(volume, 0, 32)).isEqualTo(before);
  }
}
