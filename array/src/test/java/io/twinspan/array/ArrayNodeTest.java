package io.twinspan.array;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** The whole of two controllers, one scenario at a time. */
class ArrayNodeTest {
  @Test
  void bothControllersServeEveryVolume() {
    TwoNodes array = new TwoNodes(1).started();
    SimulatedHosts hosts = new SimulatedHosts(array, 1);
    hosts.volume(array.createVolume(array.a, 0, "first", 64), 64);
    hosts.volume(array.createVolume(array.a, 1, "second", 64), 64);
    for (int i = 0; i < 2000; i++) {
      hosts.work();
      array.tick();
    }
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
  void aKilledOwnerLosesNothing() {
    TwoNodes array = new TwoNodes(2).started();
    SimulatedHosts hosts = new SimulatedHosts(array, 2);
    hosts.volume(array.createVolume(array.a, 0, "first", 64), 64);
    hosts.volume(array.createVolume(array.b, 1, "second", 64), 64);
    for (int i = 0; i < 1000; i++) {
      hosts.work();
      array.tick();
    }
    array.a.kill();
    hosts.died(array.a);
    for (int i = 0; i < 1000; i++) {
      hosts.work();
      array.tick();
    }
    hosts.drain();
    hosts.verify(array.b);
    assertThat(array.b.state(0)).isEqualTo(PoolState.OWNER_ALONE);
    assertThat(array.b.state(1)).isEqualTo(PoolState.OWNER_ALONE);
  }
}
