package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.linux.Fd;
import io.twinspan.linux.Memfd;
import io.twinspan.linux.TwinspanException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class ClientMappingsTest {
  private final ClientMappings mappings = new ClientMappings();

  @Test
  void aPartIsMappedOnceForAllItsUsers() {
    try (Fd memory = Memfd.create("client", 8192);
        Fd same = memory.duplicate();
        Fd other = Memfd.create("client", 8192)) {
      ClientMappings.Shared first = mappings.map(memory, 0, 8192, true);
      ClientMappings.Shared second = mappings.map(same, 0, 8192, true);
      assertThat(second.segment()).isEqualTo(first.segment());
      ClientMappings.Shared third = mappings.map(other, 0, 8192, true);
      ClientMappings.Shared readOnly = mappings.map(memory, 0, 8192, false);
      ClientMappings.Shared part = mappings.map(memory, 4096, 4096, true);
      assertThat(mappings.size()).isEqualTo(4);
      first.close();
      second.segment().set(ValueLayout.JAVA_BYTE, 8191, (byte) 1);
      assertThat(part.segment().get(ValueLayout.JAVA_BYTE, 4095)).isOne();
      second.close();
      third.close();
      readOnly.close();
      part.close();
      assertThat(mappings.size()).isZero();
    }
  }

  @Test
  void whoMayOnlyReadGetsNoMappingThatWrites() {
    try (Fd memory = Memfd.create("client", 4096);
        Fd readable = Fd.open(Path.of("/proc/self/fd/" + memory.number()), Fd.READ_ONLY, 0);
        ClientMappings.Shared _ = mappings.map(memory, 0, 4096, true)) {
      assertThatThrownBy(() -> mappings.map(readable, 0, 4096, true))
          .isInstanceOf(TwinspanException.class);
      mappings.map(readable, 0, 4096, false).close();
    }
    assertThat(mappings.size()).isZero();
  }
}
