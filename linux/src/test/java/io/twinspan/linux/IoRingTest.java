package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class IoRingTest {
  private static final int BLOCK = 4096;
  private static final int ENTRIES = 8;

  @TempDir private Path folder;
  private final Arena arena = Arena.ofShared();
  private Fd file;
  private IoRing ring;

  @BeforeEach
  void open() {
    file = Fd.open(folder.resolve("file"), Fd.READ_WRITE | Fd.CREATE, 0600);
    try {
      ring = IoRing.open(ENTRIES);
    } catch (ErrnoException e) {
      Assumptions.abort("no io_uring here: " + e.getMessage());
    }
  }

  @AfterEach
  void close() {
    if (ring != null) {
      ring.close();
    }
    file.close();
    arena.close();
  }

  @Test
  void movesPiecesOfMemoryToAFileAndBackManyTimes() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    MemorySegment source = arena.allocate(8 * BLOCK, BLOCK);
    MemorySegment target = arena.allocate(8 * BLOCK, BLOCK);
    MemorySegment vectors = arena.allocate(2 * IoRing.VECTOR_BYTES, 8);
    for (int round = 0; round < 100; round++) { // goes round the rings several times
      source.setAtIndex(JAVA_LONG, 0, random.nextLong());
      source.setAtIndex(JAVA_LONG, 3 * BLOCK / 8, random.nextLong());
      vector(vectors, 0, source, 0, BLOCK);
      vector(vectors, 1, source, 3 * BLOCK, 2 * BLOCK);
      ring.write(file, vectors, 2, (long) round * BLOCK, round);
      assertThat(end(round)).as("seed %d, round %d", seed, round).isEqualTo(3 * BLOCK);
      vector(vectors, 0, target, 0, 3 * BLOCK);
      ring.read(file, vectors, 1, (long) round * BLOCK, -round);
      assertThat(end(-round)).as("seed %d, round %d", seed, round).isEqualTo(3 * BLOCK);
      assertThat(target.asSlice(0, BLOCK).mismatch(source.asSlice(0, BLOCK))).isEqualTo(-1);
      assertThat(target.asSlice(BLOCK, 2 * BLOCK).mismatch(source.asSlice(3 * BLOCK, 2 * BLOCK)))
          .isEqualTo(-1);
    }
  }

  @Test
  void carriesOutAllThatWereSubmittedTogether() {
    MemorySegment memory = arena.allocate((long) ENTRIES * BLOCK, BLOCK);
    MemorySegment vectors = arena.allocate(ENTRIES * IoRing.VECTOR_BYTES, 8);
    for (int i = 0; i < ENTRIES; i++) {
      vector(vectors, i, memory, (long) i * BLOCK, BLOCK);
      MemorySegment own = vectors.asSlice((long) i * IoRing.VECTOR_BYTES, IoRing.VECTOR_BYTES);
      ring.write(file, own, 1, (long) i * BLOCK, 1L << i);
    }
    assertThat(file.size()).as("nothing goes before it is submitted").isZero();
    assertThat(ring.submit()).isZero();
    long seen = 0;
    for (int i = 0; i < ENTRIES; i++) {
      awaitNext();
      assertThat(ring.result()).isEqualTo(BLOCK);
      seen |= ring.token();
    }
    assertThat(seen).isEqualTo((1L << ENTRIES) - 1);
    assertThat(ring.next()).isFalse();
    assertThat(file.size()).isEqualTo(ENTRIES * BLOCK);
  }

  @Test
  void descriptorIsReadableWhileThereAreCompletions() {
    MemorySegment memory = arena.allocate(BLOCK, BLOCK);
    MemorySegment vectors = arena.allocate(IoRing.VECTOR_BYTES, 8);
    try (Poller poller = new Poller()) {
      poller.add(ring.fd(), 7);
      assertThat(poller.await(0)).isZero();
      vector(vectors, 0, memory, 0, BLOCK);
      ring.write(file, vectors, 1, 0, 1);
      assertThat(ring.submit()).isZero();
      while (poller.await(-1) == 0) {
        Thread.onSpinWait(); // a signal
      }
      assertThat(poller.token(0)).isEqualTo(7);
      assertThat(ring.next()).isTrue();
      assertThat(poller.await(0)).isZero();
    }
  }

  @Test
  void tellsWhatWentWrongWithARequest() {
    MemorySegment vectors = arena.allocate(IoRing.VECTOR_BYTES, 8);
    file.truncate(BLOCK);
    vectors.set(JAVA_LONG, 0, 4096); // where no memory is
    vectors.set(JAVA_LONG, 8, BLOCK);
    ring.read(file, vectors, 1, 0, 1);
    assertThat(end(1)).isEqualTo(-Errno.EFAULT);
    vector(vectors, 0, arena.allocate(BLOCK, BLOCK), 0, BLOCK);
    ring.read(file, vectors, 1, 10 * BLOCK, 2);
    assertThat(end(2)).as("beyond the end of the file").isZero();
  }

  @Test
  void refusesToPrepareMoreThanItHasRoomFor() {
    MemorySegment vectors = arena.allocate(IoRing.VECTOR_BYTES, 8);
    vector(vectors, 0, arena.allocate(BLOCK, BLOCK), 0, BLOCK);
    for (int i = 0; i < ENTRIES; i++) {
      ring.read(file, vectors, 1, 0, i);
    }
    assertThatThrownBy(() -> ring.read(file, vectors, 1, 0, 9))
        .isInstanceOf(IllegalStateException.class);
    for (int i = 0; i < ENTRIES; i++) {
      awaitNext();
    }
  }

  @Test
  void refusesSizesThatTheKernelWouldRound() {
    assertThatThrownBy(() -> IoRing.open(12)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> IoRing.open(8192)).isInstanceOf(IllegalArgumentException.class);
  }

  private int end(long token) {
    awaitNext();
    assertThat(ring.token()).isEqualTo(token);
    return ring.result();
  }

  private void awaitNext() {
    while (!ring.next()) {
      assertThat(ring.await()).isZero();
    }
  }

  private static void vector(
      MemorySegment vectors, int index, MemorySegment memory, long offset, long length) {
    vectors.setAtIndex(JAVA_LONG, 2L * index, memory.address() + offset);
    vectors.setAtIndex(JAVA_LONG, 2L * index + 1, length);
  }
}
