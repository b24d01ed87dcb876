package io.twinspan.simulator;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.array.ArrayConfig;
import io.twinspan.array.PoolState;
import io.twinspan.pool.PoolStatus;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A pool that is handed over on purpose. */
class HandoverTest {
  static {
    QuietLogs.set();
  }

  private static final int VOLUME_BLOCKS = 64;

  private static PoolStatus handOver(SimulatedArray array, SimulatedArray.Node from, int pool) {
    List<PoolStatus> answers = new ArrayList<>();
    from.node().handOver(pool, (status, _) -> answers.add(status));
    array.runUntil(() -> !answers.isEmpty(), "handover answered");
    assertThat(answers).hasSize(1);
    return answers.getFirst();
  }

  private static void inStep(SimulatedArray array, SimulatedArray.Node at, int pool) {
    array.runUntil(() -> at.state(pool) == PoolState.OWNER_MIRRORED, "in step");
  }

  @Test
  void requestsWaitAndNoneIsRefused() {
    SimulatedArray array = new SimulatedArray(1).started();
    SimulatedHosts hosts = new SimulatedHosts(array, 1);
    hosts.volume(array.createVolume(array.a, 0, "v", VOLUME_BLOCKS), VOLUME_BLOCKS);
    SimulatedArray.Node owner = array.a;
    for (int i = 0; i < 10; i++) {
      for (int tick = 0; tick < 300; tick++) {
        hosts.work();
        array.tick();
      }
      inStep(array, owner, 0);
      List<PoolStatus> answers = new ArrayList<>();
      owner.node().handOver(0, (status, _) -> answers.add(status));
      while (answers.isEmpty()) {
        hosts.work();
        array.tick();
      }
      assertThat(answers).containsExactly(PoolStatus.OK);
      owner = array.other(owner);
      assertThat(owner.state(0).isServing()).isTrue();
    }
    hosts.drain();
    hosts.verify(array.a);
    hosts.verify(array.b);
    assertThat(hosts.refused).isZero();
    assertThat(hosts.acknowledged).isGreaterThan(500);
  }

  @Test
  void aPoolStaysWhereItWasHandedUntilItIsHandedBack() {
    SimulatedArray array = new SimulatedArray(2).started();
    assertThat(handOver(array, array.a, 0)).isEqualTo(PoolStatus.OK);
    inStep(array, array.b, 0);
    array.clock.advance(SimulatedArray.LEASE_NS / 2);
    array.run(5000);
    assertThat(array.b.state(0)).isEqualTo(PoolState.OWNER_MIRRORED);
    assertThat(handOver(array, array.b, 0)).isEqualTo(PoolStatus.OK);
    array.runUntil(array::isWell, "at home");
  }

  @Test
  void aPoolThatWasHandedOverGoesHomeWhenItsHomeControllerHasBeenAway() {
    SimulatedArray array = new SimulatedArray(3).started();
    assertThat(handOver(array, array.a, 0)).isEqualTo(PoolStatus.OK);
    inStep(array, array.b, 0);
    array.a.kill();
    array.runUntil(() -> array.b.state(0) == PoolState.OWNER_ALONE, "b alone");
    array.a.start();
    array.runUntil(array::isWell, "at home");
  }

  @Test
  void aPoolIsGivenBackByCommandOnlyWhereThatIsSet() {
    SimulatedArray array = new SimulatedArray(4);
    array.givebackDelayNs = ArrayConfig.NO_GIVEBACK;
    array.a.start();
    array.runUntil(() -> array.a.state(1) == PoolState.OWNER_ALONE, "a has both");
    array.b.start();
    inStep(array, array.a, 1);
    array.run(5000);
    assertThat(array.a.state(1)).isEqualTo(PoolState.OWNER_MIRRORED);
    assertThat(handOver(array, array.a, 1)).isEqualTo(PoolStatus.OK);
    array.runUntil(array::isWell, "at home");
  }

  @Test
  void whoDoesNotOwnAPoolInStepIsRefused() {
    SimulatedArray array = new SimulatedArray(5).started();
    assertThat(handOver(array, array.b, 0)).isEqualTo(PoolStatus.INVALID);
    assertThat(handOver(array, array.a, 2)).isEqualTo(PoolStatus.INVALID);
    array.b.kill();
    array.runUntil(() -> array.a.state(0) == PoolState.OWNER_ALONE, "alone");
    assertThat(handOver(array, array.a, 0)).isEqualTo(PoolStatus.INVALID);
  }

  @Test
  void whoeverAskedIsToldWhenThePeerDiesMeanwhile() {
    SimulatedArray array = new SimulatedArray(6).started();
    List<PoolStatus> answers = new ArrayList<>();
    array.a.node().handOver(0, (status, _) -> answers.add(status));
    array.b.kill();
    array.runUntil(() -> array.a.state(0) == PoolState.OWNER_ALONE, "alone");
    assertThat(answers).containsExactly(PoolStatus.CLOSED);
  }
}
