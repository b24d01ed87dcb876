package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.linux.Errno;
import io.twinspan.linux.ErrnoException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FileMediumTest {
  private static final int SIZE = 1 << 20;
  private static final int BLOCKS = SIZE / Namespace.BLOCK_BYTES;

  @TempDir private Path folder;

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void readsWhatWasWrittenWhereverItLiesInMemory(boolean direct) {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    try (FileMedium medium = open(direct);
        Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(SIZE, Namespace.BLOCK_BYTES);
      MemorySegment expected = arena.allocate(SIZE, Namespace.BLOCK_BYTES);
      for (int i = 0; i < 500; i++) {
        long block = random.nextInt(BLOCKS - 4);
        long position = block * Namespace.BLOCK_BYTES;
        long length = Namespace.BLOCK_BYTES * (1L + random.nextInt(4));
        long offset = random.nextBoolean() ? 0 : 4L * random.nextInt(1024);
        MemorySegment range = expected.asSlice(position, length);
        switch (random.nextInt(3)) {
          case 0 -> {
            memory.asSlice(offset, length).fill((byte) i);
            assertThat(medium.write(position, memory, offset, length)).isZero();
            range.fill((byte) i);
          }
          case 1 -> {
            assertThat(medium.zero(position, length)).isZero();
            range.fill((byte) 0);
          }
          default -> {
            assertThat(medium.read(position, memory, offset, length)).isZero();
            assertThat(memory.asSlice(offset, length).mismatch(range))
                .as("seed %d, step %d", seed, i)
                .isEqualTo(-1);
          }
        }
      }
      assertThat(medium.flush()).isZero();
    }
  }

  private FileMedium open(boolean direct) {
    try {
      return FileMedium.open(folder.resolve("image"), SIZE, direct, null);
    } catch (ErrnoException e) {
      Assumptions.assumeFalse(direct && e.errno() == Errno.EINVAL, "no direct I/O here");
      throw e;
    }
  }
}
