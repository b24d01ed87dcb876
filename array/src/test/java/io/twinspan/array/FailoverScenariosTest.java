package io.twinspan.array;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * Two controllers under load from hosts that check every sector, with a random course of kills,
 * pauses, cuts, clean stops and returns. A failing seed is printed and replays exactly: run with
 * {@code -Darray.seed=N}.
 */
class FailoverScenariosTest {
  private static final int SEEDS = Integer.getInteger("array.seeds", 200);
  private static final long ONLY = Long.getLong("array.seed", -1);

  private TwoNodes array;
  private SimulatedHosts hosts;
  private Random random;

  @Test
  void nothingAcknowledgedIsEverLostOrStale() {
    for (long seed = ONLY < 0 ? Integer.getInteger("array.first", 0) : ONLY;
        seed <= (ONLY < 0 ? SEEDS - 1 : ONLY);
        seed++) {
      try {
        scenario(seed);
      } catch (AssertionError | RuntimeException e) {
        throw new AssertionError("seed " + seed + ": " + e.getMessage(), e);
      }
    }
  }

  private void scenario(long seed) {
    random = new Random(seed);
    array = new TwoNodes(seed);
    array.maxDriveDelayTicks = random.nextInt(6);
    array.link.maxDelayTicks = 1 + random.nextInt(6);
    array.started();
    hosts = new SimulatedHosts(array, seed);
    hosts.depth = 1 + random.nextInt(10);
    hosts.volume(array.createVolume(array.a, 0, "first", 48), 48);
    hosts.volume(array.createVolume(array.a, 1, "second", 48), 48);
    work(200);
    for (int act = 0; act < 4; act++) {
      act();
      work(50 + random.nextInt(400));
      heal();
    }
    hosts.drain();
    hosts.verify(array.a);
    hosts.verify(array.b);
    assertThat(hosts.acknowledged).isPositive();
  }

  private void work(int ticks) {
    for (int i = 0; i < ticks; i++) {
      hosts.work();
      array.tick();
    }
  }

  private void act() {
    TwoNodes.Node node = array.node(random.nextInt(2));
    switch (random.nextInt(7)) {
      case 0, 1 -> {
        node.kill();
        hosts.died(node);
      }
      case 2 -> array.link.cut();
      case 3 -> {
        array.link.linkAllowed = random.nextBoolean();
        array.link.cut();
      }
      case 4 -> {
        node.paused = true;
        if (random.nextBoolean()) {
          work(random.nextInt(600));
          array.link.cut();
        }
      }
      case 5 -> {
        node.stop();
        hosts.died(node);
      }
      default -> {
        array.a.kill();
        hosts.died(array.a);
        work(random.nextInt(200));
        if (random.nextBoolean()) {
          array.a.start();
          array.runUntil(array::isWell, "both well again");
          array.b.kill();
          hosts.died(array.b);
        }
      }
    }
  }

  /** Everything that is broken comes back; in the end both are well. */
  private void heal() {
    array.link.linkAllowed = true;
    for (int i = 0; i < 2; i++) {
      TwoNodes.Node node = array.node(i);
      node.paused = false;
      if (!node.isAlive()) {
        work(random.nextInt(300));
        node.start();
      }
    }
    for (int i = 0; !array.isWell(); i++) {
      if (i > 50_000) {
        throw new AssertionError("never well again: " + array.a + "; " + array.b);
      }
      hosts.work();
      array.tick();
    }
  }
}
