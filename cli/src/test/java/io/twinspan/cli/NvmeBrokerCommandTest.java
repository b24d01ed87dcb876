package io.twinspan.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.nvme.NamespaceRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NvmeBrokerCommandTest {
  @Test
  void grantsNameBlocks() {
    assertThat(NvmeBrokerCommand.range("all")).isEqualTo(NamespaceRange.EVERYTHING);
    assertThat(NvmeBrokerCommand.range("none")).isEqualTo(NamespaceRange.NOTHING);
    assertThat(NvmeBrokerCommand.range("read"))
        .isEqualTo(new NamespaceRange(0, 0, Long.MAX_VALUE, false));
    assertThat(NvmeBrokerCommand.range("ns2:100-149"))
        .isEqualTo(new NamespaceRange(2, 100, 50, true));
    assertThat(NvmeBrokerCommand.range("ns1:0-0:read"))
        .isEqualTo(new NamespaceRange(1, 0, 1, false));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "everything", "ns1", "ns0:0-5", "ns1:5-4", "ns1:0-5:write", "ns1:-1-5"})
  void whatIsNoGrantIsRefusedWithTheWayToWriteIt(String text) {
    assertThatThrownBy(() -> NvmeBrokerCommand.range(text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("ns1:0-2047");
  }
}
