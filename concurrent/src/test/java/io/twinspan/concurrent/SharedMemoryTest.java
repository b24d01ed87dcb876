package io.twinspan.concurrent;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.Mapping.Protection;
import io.twinspan.linux.Memfd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class SharedMemoryTest {
  private final MemorySegment memory = Arena.ofAuto().allocate(64, 8);

  @Test
  void fieldsAreLittleEndian() {
    SharedMemory.setShortRelease(memory, 2, (short) 0x0102);
    SharedMemory.setIntRelease(memory, 4, 0x01020304);
    SharedMemory.setLongRelease(memory, 8, 0x0102030405060708L);

    assertThat(memory.asSlice(0, 16).toArray(JAVA_BYTE))
        .containsExactly(0, 0, 2, 1, 4, 3, 2, 1, 8, 7, 6, 5, 4, 3, 2, 1);
    assertThat(SharedMemory.getShortAcquire(memory, 2)).isEqualTo((short) 0x0102);
    assertThat(SharedMemory.getIntOpaque(memory, 4)).isEqualTo(0x01020304);
    assertThat(SharedMemory.getLongVolatile(memory, 8)).isEqualTo(0x0102030405060708L);
  }

  @Test
  void atomicsReturnWhatWasThere() {
    SharedMemory.setLongVolatile(memory, 0, 40);

    assertThat(SharedMemory.getAndAddLong(memory, 0, 2)).isEqualTo(40);
    assertThat(SharedMemory.compareAndSetLong(memory, 0, 41, 0)).isFalse();
    assertThat(SharedMemory.compareAndSetLong(memory, 0, 42, 7)).isTrue();
    assertThat(SharedMemory.getLongAcquire(memory, 0)).isEqualTo(7);
  }

  @Test
  void unalignedOffsetsAreRefused() {
    assertThatThrownBy(() -> SharedMemory.getLongAcquire(memory, 4))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> SharedMemory.setIntRelease(memory, 2, 0))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> SharedMemory.getLongAcquire(memory, 64))
        .isInstanceOf(IndexOutOfBoundsException.class);
  }

  /** Two mappings of one memfd, as two processes would have them. */
  @Test
  void whatWasStoredBeforeAReleaseIsSeenAfterTheAcquire() throws InterruptedException {
    int rounds = 50_000;
    try (Fd fd = Memfd.create("ordering", 4096);
        Mapping ours = Mapping.shared(fd, 0, 4096, Protection.READ_WRITE);
        Mapping theirs = Mapping.shared(fd, 0, 4096, Protection.READ_WRITE)) {
      long sequence = 0;
      long answer = SharedMemory.PADDING_BYTES;
      long payload = 1024;
      Thread responder =
          Thread.ofPlatform()
              .daemon(true)
              .start(() -> {
                MemorySegment m = theirs.segment();
                for (int i = 1; i <= rounds; i++) {
                  while (SharedMemory.getLongAcquire(m, sequence) != i) {
                    Thread.onSpinWait();
                  }
                  long seen = SharedMemory.getLongOpaque(m, payload);
                  SharedMemory.setLongRelease(m, answer, seen);
                }
              });
      MemorySegment m = ours.segment();
      for (int i = 1; i <= rounds; i++) {
        SharedMemory.setLongOpaque(m, payload, i * 3L);
        SharedMemory.setLongRelease(m, sequence, i);
        long seen;
        do {
          Thread.onSpinWait();
          seen = SharedMemory.getLongAcquire(m, answer);
        } while (seen == (i - 1) * 3L);
        assertThat(seen).isEqualTo(i * 3L);
      }
      responder.join();
    }
  }
}
