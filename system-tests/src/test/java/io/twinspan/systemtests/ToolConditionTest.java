package io.twinspan.systemtests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class ToolConditionTest {
  @Test
  void runsTheTestWhenEveryToolIsInstalled() {
    var condition = new ToolCondition(tool -> true, true);
    assertThat(condition.evaluate("nbdcopy", "fio").isDisabled()).isFalse();
  }

  @Test
  void skipsTheTestAndNamesThePackageOfWhatIsMissing() {
    var condition = new ToolCondition(tool -> tool.equals("fio"), false);
    var result = condition.evaluate("nbdcopy", "fio");
    assertThat(result.isDisabled()).isTrue();
    assertThat(result.getReason()).hasValue("not installed: nbdcopy (Debian: libnbd-bin)");
  }

  @Test
  void failsInCiWhereATestMustNotBeLeftOut() {
    var condition = new ToolCondition(tool -> false, true);
    assertThatThrownBy(() -> condition.evaluate("fio"))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("fio (Debian: fio)");
  }

  @Test
  void refusesAToolWhosePackageNobodyKnows() {
    var condition = new ToolCondition(tool -> false, false);
    assertThatThrownBy(() -> condition.evaluate("abacus"))
        .hasMessage("abacus is not listed in debian-packages.txt");
  }
}
