package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.linux.Mapping.Protection;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

class MappingTest {
  @Test
  void twoMappingsOfOneMemfdShareTheirBytes() {
    try (Fd fd = Memfd.create("shared", 8192);
        Mapping whole = Mapping.shared(fd, 0, 8192, Protection.READ_WRITE);
        Mapping second = Mapping.shared(fd, 4096, 4096, Protection.READ)) {
      whole.segment().set(JAVA_LONG, 4096 + 8, 42);

      assertThat(second.segment().get(JAVA_LONG, 8)).isEqualTo(42);
      assertThat(second.lengthBytes()).isEqualTo(4096);
    }
  }

  @Test
  void mappingOutlivesItsDescriptor() {
    Fd fd = Memfd.create("outlives", 4096);
    try (Mapping mapping = Mapping.shared(fd, 0, 4096, Protection.READ_WRITE)) {
      fd.close();

      mapping.segment().set(JAVA_INT, 0, 7);

      assertThat(mapping.segment().get(JAVA_INT, 0)).isEqualTo(7);
    }
  }

  @Test
  void accessOutsideThrows() {
    try (Mapping mapping = Mapping.anonymous(4096)) {
      assertThat(mapping.segment().get(JAVA_LONG, 4088)).isZero();
      assertThatThrownBy(() -> mapping.segment().get(JAVA_LONG, 4096))
          .isInstanceOf(IndexOutOfBoundsException.class);
    }
  }

  @Test
  void storeToAReadOnlyMappingThrows() {
    try (Fd fd = Memfd.create("read-only", 4096);
        Mapping mapping = Mapping.shared(fd, 0, 4096, Protection.READ)) {
      assertThatThrownBy(() -> mapping.segment().set(JAVA_LONG, 0, 1))
          .isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void accessAfterCloseThrows() {
    Mapping mapping = Mapping.anonymous(4096);
    MemorySegment segment = mapping.segment();

    mapping.close();
    mapping.close();

    assertThatThrownBy(() -> segment.get(JAVA_LONG, 0)).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void closingGivesTheAddressesBack() {
    try (Mapping mapping = Mapping.anonymous(1 << 20)) {
      assertThat(isMapped(mapping.segment().address())).isTrue();
    }
    Mapping closed = Mapping.anonymous(1 << 20);
    long address = closed.segment().address();
    closed.close();

    assertThat(isMapped(address)).isFalse();
  }

  @Test
  void partMustLieWithinTheFile() {
    try (Fd fd = Memfd.create("small", 8192)) {
      assertThatThrownBy(() -> Mapping.shared(fd, 4096, 8192, Protection.READ))
          .isInstanceOf(TwinspanException.class)
          .hasMessageContaining("map 8192 bytes at 4096 of fd");
      assertThatThrownBy(() -> Mapping.shared(fd, Long.MAX_VALUE, 1, Protection.READ))
          .isInstanceOf(TwinspanException.class);
      assertThatThrownBy(() -> Mapping.shared(fd, -4096, 4096, Protection.READ))
          .isInstanceOf(IllegalArgumentException.class);
      assertThatThrownBy(() -> Mapping.shared(fd, 0, 0, Protection.READ))
          .isInstanceOf(IllegalArgumentException.class);
      assertThatThrownBy(() -> Mapping.shared(fd, 1, 4096, Protection.READ))
          .isInstanceOf(ErrnoException.class)
          .hasMessageContaining("EINVAL");
    }
  }

  /** The system call refuses memory that is not mapped, and the JVM lives. */
  private static boolean isMapped(long address) {
    try (Fd fd = Memfd.create("probe", 4096)) {
      MemorySegment probe = MemorySegment.ofAddress(address).reinterpret(8);
      long result = fd.pwrite(probe, 0);
      assertThat(result).isIn(8L, (long) -Errno.EFAULT);
      return result == 8;
    }
  }
}
