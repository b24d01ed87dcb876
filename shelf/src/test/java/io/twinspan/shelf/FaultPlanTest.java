package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.nvme.NvmOpcode;
import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.Test;

class FaultPlanTest {
  @Test
  void readsWhatSomebodyHasWrittenDown() {
    assertThat(Fault.parse("status opcode=write-zeroes nsid=2 blocks=3-7 count=4 status=0x281"))
        .isEqualTo(
            new Fault(
                Fault.Effect.STATUS,
                NvmOpcode.WRITE_ZEROES,
                2,
                3,
                7,
                4,
                0x281,
                Duration.ofMillis(10)));
    assertThat(Fault.parse(" power-cut  opcode=1 blocks=9").lastBlock()).isEqualTo(9);
    assertThat(Fault.parse("delay delay=5").delay()).isEqualTo(Duration.ofMillis(5));
  }

  @Test
  void isWrittenAsItIsRead() {
    for (String text :
        new String[] {
          "status opcode=2 nsid=1 blocks=3-7 count=4 status=0x281", "delay delay=5", "power-cut"
        }) {
      assertThat(Fault.parse(text)).hasToString(text);
    }
  }

  @Test
  void refusesNonsense() {
    for (String text :
        new String[] {
          "",
          "explode",
          "delay delay",
          "status status=0",
          "status status=0x800",
          "drop count=0",
          "drop blocks=7-3",
          "drop blocks=-3",
          "drop colour=red",
          "drop nsid=x"
        }) {
      assertThatThrownBy(() -> Fault.parse(text)).isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void anyTextIsAFaultOrRefused() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    String alphabet = "drop status=0x2-1delay blocks \u00e4";
    for (int i = 0; i < 10_000; i++) {
      StringBuilder text = new StringBuilder(random.nextBoolean() ? "drop " : "");
      for (int n = random.nextInt(30); n > 0; n--) {
        text.append(alphabet.charAt(random.nextInt(alphabet.length())));
      }
      try {
        Fault fault = Fault.parse(text.toString());
        assertThat(Fault.parse(fault.toString()).toString()).isEqualTo(fault.toString());
      } catch (IllegalArgumentException e) {
        assertThat(e).as("seed %d", seed).isNotNull();
      }
    }
  }

  @Test
  void tellsWhichFaultsAreStillToCome() {
    FaultPlan plan = new FaultPlan();
    plan.add(Fault.parse("drop count=1 opcode=flush"));
    plan.add(Fault.parse("rot"));
    assertThat(plan.faults()).hasSize(2);
    assertThat(plan.take(Host.command(NvmOpcode.FLUSH).nsid(1)))
        .isNotNull()
        .extracting(Fault::effect)
        .isEqualTo(Fault.Effect.DROP);
    assertThat(plan.faults()).extracting(Fault::effect).containsExactly(Fault.Effect.ROT);
    plan.clear();
    assertThat(plan.take(Host.command(NvmOpcode.FLUSH).nsid(1))).isNull();
  }
}
