package io.twinspan.simulator;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.array.HostStatus;
import io.twinspan.array.PoolState;
import io.twinspan.pool.Drive;
import io.twinspan.pool.DriveOperation;
import io.twinspan.pool.SimulatedDrive;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Without a link, who has lost a pool tells an owner that serves from one that hangs. */
class SilentOwnerTest {
  static {
    QuietLogs.set();
  }

  private static final int BLOCK = Drive.BLOCK_BYTES;

  /** Ticks in which a sign would have been seen many times. */
  private static final int LONG = (int) (50 * SimulatedArray.LEASE_NS / SimulatedArray.TICK_NS);

  private SimulatedArray array;
  private SimulatedArray.Node a;
  private SimulatedArray.Node b;
  private int volume;

  /** a owned the pool and hung; b takes it. */
  @BeforeEach
  void start() {
    array = new SimulatedArray(7);
    array.givebackDelayNs = Long.MAX_VALUE / 4;
    array.started();
    a = array.a;
    b = array.b;
    volume = array.createVolume(a, 0, "v", 64);
    a.stallDrives(0, true);
    assertThat(array.done(array.write(a, volume, 0, BLOCK, 7)).status).isEqualTo(HostStatus.OK);
    a.paused = true;
    array.link.linkAllowed = false;
    array.link.cutFor(b.end);
  }

  private void wakes() {
    a.stallDrives(0, false);
    a.paused = false;
    array.runUntil(() -> a.state(0) == PoolState.LOST, "a knows that it is fenced");
  }

  @Test
  void winnerThatHangsBeforeItServesIsOvertakenByWhoHasTheLog() {
    array.runUntil(() -> b.state(0) == PoolState.OPENING, "b holds the drives");
    b.paused = true;
    wakes();
    array.runUntil(() -> a.state(0) == PoolState.OWNER_ALONE, "a has taken it back");
    assertThat(array.done(array.read(a, volume, 0, BLOCK)).at(0)).isEqualTo((byte) 7);
    assertThat(a.saidWritesLost).isFalse();
    b.paused = false;
    array.runUntil(() -> b.state(0) == PoolState.LOST, "b knows that it is fenced");
  }

  @Test
  void ownerThatHangsWhileItIsAloneIsOvertaken() {
    array.runUntil(() -> b.state(0) == PoolState.OWNER_ALONE, "b has taken over");
    wakes();
    assertThat(array.done(array.write(b, volume, 0, BLOCK, 8)).status).isEqualTo(HostStatus.OK);
    b.paused = true;
    array.runUntil(() -> a.state(0) == PoolState.OWNER_ALONE, "a has taken over");
    assertThat(array.done(array.read(a, volume, 0, BLOCK)).at(0)).isEqualTo((byte) 8);
  }

  @Test
  void ownerThatServesAloneIsLeftInPeace() {
    array.runUntil(() -> b.state(0) == PoolState.OWNER_ALONE, "b has taken over");
    wakes();
    for (int i = 0; i < LONG; i++) {
      array.tick();
      assertThat(a.state(0)).isEqualTo(PoolState.LOST);
      assertThat(b.state(0)).isEqualTo(PoolState.OWNER_ALONE);
    }
  }

  @Test
  void ownerOfWhomAMinorityOfTheDrivesSaysNothingNewIsLeftInPeace() {
    array.runUntil(() -> b.state(0) == PoolState.OWNER_ALONE, "b has taken over");
    wakes();
    for (SimulatedDrive drive : a.drives.getFirst().subList(1, SimulatedArray.DRIVES)) {
      drive.fail(DriveOperation.RESERVATION_REPORT, Drive.GONE, Long.MAX_VALUE);
    }
    b.paused = true;
    array.run(LONG);
    assertThat(a.state(0)).isEqualTo(PoolState.LOST);
  }
}
