package io.twinspan.systemtests;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.linux.Processes.Signal;
import io.twinspan.target.nbd.NbdClient;
import io.twinspan.target.nbd.NbdDisconnectedException;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Controllers stand still while hosts write and read through both. {@code -Dtwinspan.seed=N} takes
 * the same decisions again; their moments are the machine's.
 */
class StandstillTest {
  @RegisterExtension static final TestArray ARRAY = TestArray.with();

  private static final List<String> VOLUMES = List.of("alpha", "beta");
  private static final long USED_BYTES = 8 << 20;

  private final long seed = Long.getLong("twinspan.seed", System.nanoTime());
  private final Random random = new Random(seed);

  @BeforeAll
  static void createVolumes() {
    ARRAY.createVolume("alpha", "A", "64MiB");
    ARRAY.createVolume("beta", "B", "64MiB");
  }

  private static void startWhatIsDown() {
    for (String controller : TestArray.CONTROLLERS) {
      if (!Os.isAlive(ARRAY.pid("controller-" + controller))) {
        Program start = ARRAY.cli("controller", "start", controller);
        if (start.status() != 0 && Os.isAlive(ARRAY.pid("controller-" + controller))) {
          throw new AssertionError(start.err());
        }
      }
    }
  }

  /** Makes all blocks zero, as the hosts expect them. */
  private static void prepare() {
    ARRAY.awaitInStep();
    for (String volume : VOLUMES) {
      try (NbdClient client = ARRAY.open("a", volume)) {
        client.zero(0, USED_BYTES);
      }
    }
  }

  @Test
  @Timeout(300)
  void aControllerThatStoodStillServesNothingOldAndRejoins() {
    System.out.println("StandstillTest: seed " + seed);
    prepare();
    try (HostLoad load = new HostLoad(ARRAY, VOLUMES, USED_BYTES, seed).start()) {
      load.awaitProgress();
      for (String victim : TestArray.CONTROLLERS) {
        ARRAY.awaitInStep();
        TestArray.pause(random.nextInt(500));
        try (NbdClient alpha = ARRAY.open(victim, "alpha");
            NbdClient beta = ARRAY.open(victim, "beta")) {
          load.readAndCheck(alpha, 0, random);
          load.readAndCheck(beta, 1, random);
          load.takeLongestStallMs();
          ARRAY.signal("controller-" + victim, Signal.STOP);
          try {
            load.awaitProgress();
            assertThat(ARRAY.controllerStatus(victim.equals("a") ? "b" : "a").path("pools"))
                .as("all pools are the peer's")
                .allMatch(pool -> pool.path("owner").asBoolean());
            System.out.printf(
                "StandstillTest: controller %s stands still: longest write %d ms%n",
                victim, load.takeLongestStallMs());
            TestArray.pause(random.nextInt(1500));
          } finally {
            ARRAY.signal("controller-" + victim, Signal.CONT);
          }
          readUntilRefusedOrFresh(load, alpha, 0);
          readUntilRefusedOrFresh(load, beta, 1);
        }
        startWhatIsDown();
        ARRAY.awaitInStep();
        load.awaitProgress();
      }
      load.stop();
      System.out.println("StandstillTest: " + load);
      load.verifyAll(0);
      load.verifyAll(1);
    }
  }

  /** On a connection from before: whatever is still answered must be of today. */
  private void readUntilRefusedOrFresh(HostLoad load, NbdClient client, int volume) {
    try {
      for (int i = 0; i < 50; i++) {
        load.readAndCheck(client, volume, random);
      }
    } catch (NbdDisconnectedException e) {
      System.out.println("StandstillTest: the connection was ended, " + e.getMessage());
    }
  }
}
