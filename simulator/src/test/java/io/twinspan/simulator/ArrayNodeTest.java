package io.twinspan.simulator;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.array.HostOperation;
import io.twinspan.array.HostRequest;
import io.twinspan.array.HostStatus;
import io.twinspan.array.NodeStatus;
import io.twinspan.array.PeerLink;
import io.twinspan.array.PoolState;
import io.twinspan.pool.Drive;
import io.twinspan.pool.DriveOperation;
import io.twinspan.pool.PoolCompletion;
import io.twinspan.pool.PoolStatus;
import io.twinspan.pool.SimulatedDrive;
import io.twinspan.pool.VolumeInfo;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** The whole of two controllers, one scenario at a time. */
class ArrayNodeTest {
  static {
    QuietLogs.set();
  }

  private static final int BLOCK = Drive.BLOCK_BYTES;

  private static void work(SimulatedArray array, SimulatedHosts hosts, int ticks) {
    for (int i = 0; i < ticks; i++) {
      hosts.work();
      array.tick();
    }
  }

  private static PoolStatus change(SimulatedArray array, Consumer<PoolCompletion> change) {
    List<PoolStatus> answers = new ArrayList<>();
    change.accept(answers::add);
    array.runUntil(() -> !answers.isEmpty(), "volume changed");
    assertThat(answers).hasSize(1);
    return answers.getFirst();
  }

  @Test
  void bothControllersServeEveryVolume() {
    SimulatedArray array = new SimulatedArray(1).started();
    SimulatedHosts hosts = new SimulatedHosts(array, 1);
    hosts.volume(array.createVolume(array.a, 0, "first", 64), 64);
    hosts.volume(array.createVolume(array.a, 1, "second", 64), 64);
    work(array, hosts, 2000);
    hosts.drain();
    hosts.verify(array.a);
    hosts.verify(array.b);
    assertThat(hosts.acknowledged).isGreaterThan(300);
    NodeStatus status = array.a.node().status();
    assertThat(status.forwardedOut()).isPositive();
    assertThat(status.forwardedIn()).isPositive();
    assertThat(status.pools().get(0).mirroredWrites()).isPositive();
    assertThat(array.isWell()).isTrue();
  }

  @Test
  void aControllerThatFindsNoPeerTakesBothPoolsAfterItsWait() {
    SimulatedArray array = new SimulatedArray(3);
    array.a.start();
    array.run(100);
    assertThat(array.a.state(0)).isEqualTo(PoolState.STARTING);
    array.runUntil(() -> array.a.state(1) == PoolState.OWNER_ALONE, "both taken");
    assertThat(array.a.state(0)).isEqualTo(PoolState.OWNER_ALONE);
    array.b.start();
    array.runUntil(array::isWell, "the second pool goes home");
  }

  @Test
  void idleControllersDoNothing() {
    SimulatedArray array = new SimulatedArray(11).started();
    array.createVolume(array.a, 0, "v", 8);
    array.run(500);
    int work = 0;
    for (int i = 0; i < 100; i++) {
      work += array.tick();
    }
    assertThat(work).isZero();
    assertThat(array.a.node().nextDeadlineNs())
        .isGreaterThan(array.clock.nanoTime() + SimulatedArray.LEASE_NS / 4);
  }

  @Test
  void bytesOfAnyAlignmentAreWrittenAndReadBack() {
    SimulatedArray array = new SimulatedArray(4).started();
    int volume = array.createVolume(array.a, 0, "v", 80);
    byte[] model = new byte[80 * BLOCK];
    Random random = new Random(4);
    for (int i = 0; i < 150; i++) {
      SimulatedArray.Node node = array.node(random.nextInt(2));
      int length = 1 + random.nextInt(random.nextBoolean() ? 600 : HostRequest.MAX_BYTES);
      int offset = random.nextInt(model.length - length + 1);
      HostOperation kind = random.nextInt(4) == 0 ? HostOperation.ZERO : HostOperation.WRITE;
      SimulatedArray.Ask ask = array.submit(node, kind, volume, offset, length, i);
      assertThat(array.done(ask).status).isEqualTo(HostStatus.OK);
      byte value = kind == HostOperation.ZERO ? 0 : (byte) i;
      java.util.Arrays.fill(model, offset, offset + length, value);
      int at = random.nextInt(model.length - length + 1);
      SimulatedArray.Ask read =
          array.done(array.read(array.node(random.nextInt(2)), volume, at, length));
      assertThat(read.data.mismatch(MemorySegment.ofArray(model).asSlice(at, length)))
          .isEqualTo(-1);
    }
  }

  @Test
  void requestsOutOfRangeAreRefused() {
    SimulatedArray array = new SimulatedArray(5).started();
    int volume = array.createVolume(array.a, 0, "v", 4);
    for (int i = 0; i < 2; i++) {
      SimulatedArray.Node node = array.node(i);
      assertThat(array.done(array.read(node, volume, 4 * BLOCK - 1, 2)).status)
          .isEqualTo(HostStatus.INVALID);
      assertThat(array.done(array.read(node, volume, Long.MAX_VALUE, 2)).status)
          .isEqualTo(HostStatus.INVALID);
      assertThat(array.done(array.read(node, volume, -1, 2)).status).isEqualTo(HostStatus.INVALID);
      assertThat(array.done(array.read(node, volume + 1, 0, 2)).status)
          .isEqualTo(HostStatus.NO_SUCH_VOLUME);
      assertThat(array.done(array.read(node, 0x7F000001, 0, 2)).status)
          .isEqualTo(HostStatus.NO_SUCH_VOLUME);
      assertThat(array.done(array.read(node, volume, 0, 0)).status).isEqualTo(HostStatus.OK);
      SimulatedArray.Ask all = array.submit(node, HostOperation.ZERO, volume, 0, 0, 0);
      assertThat(array.done(all).status).isEqualTo(HostStatus.OK);
    }
  }

  @Test
  void volumesAreCreatedResizedAndDeletedThroughEitherController() {
    SimulatedArray array = new SimulatedArray(6).started();
    int one = array.createVolume(array.a, 1, "one", 8);
    int two = array.createVolume(array.b, 1, "two", 8);
    array.runUntil(() -> array.a.volume("two") != null, "a knows of it too");
    assertThat(change(array, c -> array.a.node().createVolume(0, "two", 4096, c)))
        .isEqualTo(PoolStatus.INVALID);
    array.done(array.write(array.a, one, 7 * BLOCK, BLOCK, 5));
    assertThat(change(array, c -> array.a.node().resizeVolume(one, 4 * BLOCK, c)))
        .isEqualTo(PoolStatus.OK);
    assertThat(change(array, c -> array.b.node().resizeVolume(one, 16 * BLOCK, c)))
        .isEqualTo(PoolStatus.OK);
    // What was cut off stays cut off, even if the mirror is replayed.
    array.b.kill();
    assertThat(array.done(array.read(array.a, one, 7 * BLOCK, BLOCK)).at(0)).isZero();
    assertThat(change(array, c -> array.a.node().deleteVolume(two, c))).isEqualTo(PoolStatus.OK);
    array.runUntil(() -> array.a.node().volumes().size() == 1, "deleted");
    VolumeInfo left = array.a.node().volumes().getFirst();
    assertThat(left.sizeBytes()).isEqualTo(16 * BLOCK);
    assertThat(array.done(array.read(array.a, two, 0, BLOCK)).status)
        .isEqualTo(HostStatus.NO_SUCH_VOLUME);
  }

  @Test
  void aSnapshotHoldsEveryWriteThatWasAcknowledgedBeforeAndNoneAfter() {
    SimulatedArray array = new SimulatedArray(13).started();
    int volume = array.createVolume(array.a, 0, "v", 64);
    for (int i = 0; i < 40; i++) {
      array.done(array.write(array.node(i % 2), volume, (long) i * BLOCK, BLOCK, 1 + i));
    }
    // The log still holds most of that.
    assertThat(change(array, c -> array.b.node().cloneVolume(volume, "snap", true, c)))
        .isEqualTo(PoolStatus.OK);
    for (int i = 0; i < 40; i += 3) {
      array.done(array.write(array.a, volume, (long) i * BLOCK, BLOCK, 90));
    }
    array.runUntil(() -> array.b.volume("snap") != null, "b knows of it too");
    int snapshot = array.b.volume("snap").id();
    assertThat(array.b.volume("snap").readOnly()).isTrue();
    assertThat(array.b.volume("snap").origin()).isEqualTo(volume);
    for (int pass = 0; pass < 2; pass++) {
      for (int i = 0; i < 40; i++) {
        assertThat(array.done(array.read(array.b, snapshot, (long) i * BLOCK, BLOCK)).at(7))
            .isEqualTo((byte) (1 + i));
        assertThat(array.done(array.read(array.b, volume, (long) i * BLOCK, BLOCK)).at(7))
            .isEqualTo((byte) (i % 3 == 0 ? 90 : 1 + i));
      }
      assertThat(array.done(array.write(array.b, snapshot, 0, BLOCK, 5)).status)
          .isEqualTo(HostStatus.READ_ONLY);
      if (pass == 0) {
        array.a.kill(); // what its log held is replayed into the volume only
      }
    }
    assertThat(change(array, c -> array.b.node().cloneVolume(snapshot, "clone", false, c)))
        .isEqualTo(PoolStatus.OK);
    array.runUntil(() -> array.b.volume("clone") != null, "known");
    int clone = array.b.volume("clone").id();
    assertThat(array.done(array.write(array.b, clone, 0, BLOCK, 5)).status)
        .isEqualTo(HostStatus.OK);
    assertThat(array.done(array.read(array.b, snapshot, 0, BLOCK)).at(0)).isEqualTo((byte) 1);
  }

  @Test
  void aFullPoolRefusesWritesAndKeepsWhatItHas() {
    SimulatedArray array = new SimulatedArray(8, 512, SimulatedArray.DRIVES).started();
    SimulatedHosts hosts = new SimulatedHosts(array, 8);
    hosts.maxSectors = 256;
    hosts.volume(array.createVolume(array.a, 0, "first", 600), 600);
    hosts.volume(array.createVolume(array.a, 1, "second", 600), 600);
    work(array, hosts, 6000);
    assertThat(hosts.noSpace).isPositive();
    array.a.kill();
    hosts.died(array.a);
    work(array, hosts, 500);
    hosts.drain();
    hosts.verify(array.b);
  }

  @Test
  void aWriteOfMoreThanIsLeftDoesNotWaitForItself() {
    SimulatedArray array = new SimulatedArray(8, 512, SimulatedArray.DRIVES).started();
    int capacity = (int) array.a.node().status().pools().getFirst().capacityBlocks();
    int volume = array.createVolume(array.a, 0, "v", capacity + 40);
    for (int block = 0; block < capacity - 33; block++) {
      array.done(array.write(array.a, volume, (long) block * BLOCK, BLOCK, 1));
    }
    array.run(500);
    // 33 blocks fit; a second time they don't, whether the pool sees it in one piece or in two.
    int length = HostRequest.MAX_BYTES;
    long offset = (capacity - 33L) * BLOCK + 100;
    assertThat(array.done(array.write(array.a, volume, offset, length, 2)).status)
        .isEqualTo(HostStatus.OK);
    assertThat(array.done(array.write(array.a, volume, offset + 5 * BLOCK, length, 3)).status)
        .isEqualTo(HostStatus.NO_SPACE);
  }

  @Test
  void theOtherControllerGoesOnWithTwoOfFourDrives() {
    SimulatedArray array = new SimulatedArray(12, 1024, 4).started();
    int volume = array.createVolume(array.a, 0, "v", 64);
    SimulatedHosts hosts = new SimulatedHosts(array, 12);
    hosts.volume(volume, 64);
    work(array, hosts, 500);
    array.removeDrive(0, 0);
    work(array, hosts, 500);
    array.removeDrive(0, 2);
    work(array, hosts, 500);
    array.a.kill();
    hosts.died(array.a);
    work(array, hosts, 500);
    hosts.drain();
    hosts.verify(array.b);
    array.a.start();
    array.runUntil(array::isWell, "well with two drives");
    hosts.verify(array.a);
  }

  @Test
  void aMediumThatIsFullKeepsAcknowledgedWritesInTheLog() {
    SimulatedArray array = new SimulatedArray(9).started();
    int volume = array.createVolume(array.a, 0, "v", 64);
    for (SimulatedDrive drive : array.a.drives.getFirst()) {
      drive.fail(DriveOperation.WRITE, Drive.CAPACITY_EXCEEDED, 1_000_000);
    }
    assertThat(array.done(array.write(array.a, volume, 0, BLOCK, 6)).status)
        .isEqualTo(HostStatus.OK);
    array.run(1000);
    assertThat(array.done(array.write(array.a, volume, BLOCK, BLOCK, 7)).status)
        .isEqualTo(HostStatus.NO_SPACE);
    assertThat(array.done(array.read(array.b, volume, 0, BLOCK)).at(0)).isEqualTo((byte) 6);
    array.a.drives.getFirst().forEach(SimulatedDrive::clearFaults);
    array.clock.advance(2_000_000_000L);
    array.run(1000);
    assertThat(array.done(array.write(array.a, volume, BLOCK, BLOCK, 7)).status)
        .isEqualTo(HostStatus.OK);
    array.a.kill();
    assertThat(array.done(array.read(array.b, volume, 0, BLOCK)).at(0)).isEqualTo((byte) 6);
  }

  @Test
  void aCleanStopOfBothKeepsEverythingEvenWithoutPower() {
    for (long seed = 0; seed < 8; seed++) {
      SimulatedArray array = new SimulatedArray(seed).started();
      SimulatedHosts hosts = new SimulatedHosts(array, seed);
      hosts.volume(array.createVolume(array.a, 0, "first", 64), 64);
      hosts.volume(array.createVolume(array.a, 1, "second", 64), 64);
      work(array, hosts, 300);
      array.a.stop();
      hosts.died(array.a);
      work(array, hosts, 300);
      hosts.drain();
      array.b.stop();
      array.powerCut();
      array.started();
      hosts.verify(array.a);
    }
  }

  @Test
  void whatWasFlushedSurvivesAPowerCut() {
    for (long seed = 0; seed < 25; seed++) {
      SimulatedArray array = new SimulatedArray(seed).started();
      SimulatedHosts hosts = new SimulatedHosts(array, seed);
      hosts.volume(array.createVolume(array.a, 0, "first", 64), 64);
      hosts.volume(array.createVolume(array.a, 1, "second", 64), 64);
      work(array, hosts, 500 + (int) seed * 20);
      hosts.died(array.a);
      hosts.died(array.b);
      array.powerCut();
      hosts.powerCut();
      array.started();
      try {
        hosts.verify(array.b);
      } catch (AssertionError e) {
        throw new AssertionError("seed " + seed, e);
      }
    }
  }

  @Test
  void nonsenseFromThePeerTakesTheLinkDownAndNothingElse() {
    Random random = new Random(10);
    SimulatedArray array = new SimulatedArray(10).started();
    int volume = array.createVolume(array.a, 0, "v", 8);
    array.done(array.write(array.a, volume, 0, BLOCK, 1));
    for (int i = 0; i < 60; i++) {
      MemorySegment message = Arena.ofAuto().allocate(64 + random.nextInt(64), 8);
      byte[] bytes = new byte[(int) message.byteSize()];
      random.nextBytes(bytes);
      boolean management = random.nextBoolean();
      if (random.nextBoolean()) {
        // Right head, wild body.
        byte[] head =
            management
                ? new byte[] {0x54, 0x57, 0x4D, 0x47, 4, 0, (byte) i, 0}
                : new byte[] {0x54, 0x57, 0x46, 0x57, 2, 0, (byte) (1 + i % 2), (byte) (i % 4)};
        System.arraycopy(head, 0, bytes, 0, head.length);
      }
      message.copyFrom(MemorySegment.ofArray(bytes));
      PeerLink.Lane lane = management ? PeerLink.Lane.MANAGEMENT : PeerLink.Lane.FORWARD;
      array.b.end.send(lane, message, (int) message.byteSize());
      array.run(100);
      array.runUntil(array::isWell, "well after nonsense");
      assertThat(array.done(array.read(array.b, volume, 0, BLOCK)).at(0)).isEqualTo((byte) 1);
    }
  }
}
