package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FdTest {
  private static final int CREATE = Fd.READ_WRITE | Fd.CREATE;

  @TempDir private Path directory;

  private final Arena arena = Arena.ofConfined();

  @AfterEach
  void closeArena() {
    arena.close();
  }

  @Test
  void openOfAMissingFileNamesPathAndError() {
    Path missing = directory.resolve("missing");

    assertThatThrownBy(() -> Fd.open(missing, Fd.READ_ONLY, 0))
        .isInstanceOfSatisfying(
            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOENT))
        .isInstanceOf(TwinspanException.class)
        .hasMessage("open " + missing + ": ENOENT (No such file or directory)");
  }

  @Test
  void createdFileHasTheModeAskedFor() throws IOException {
    Path file = directory.resolve("secret");

    Fd.open(file, CREATE | Fd.EXCLUSIVE, 0600).close();

    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
        .isEqualTo("rw-------");
    assertThatThrownBy(() -> Fd.open(file, CREATE | Fd.EXCLUSIVE, 0600))
        .hasMessageContaining("EEXIST");
  }

  @Test
  void preadReturnsWhatPwriteWrote() {
    try (Fd fd = Fd.open(directory.resolve("f"), CREATE, 0600)) {
      MemorySegment data = pattern(10_000);
      MemorySegment back = arena.allocate(10_000);

      assertThat(fd.pwrite(data, 4096)).isEqualTo(10_000);
      assertThat(fd.fdatasync()).isZero();
      assertThat(fd.size()).isEqualTo(14_096);
      assertThat(fd.pread(back, 4096)).isEqualTo(10_000);

      assertThat(back.mismatch(data)).isEqualTo(-1);
    }
  }

  @Test
  void partsOfABufferGoWhereTheyShould() {
    try (Fd fd = Fd.open(directory.resolve("f"), CREATE, 0600)) {
      MemorySegment data = pattern(100);
      MemorySegment back = arena.allocate(100);

      assertThat(fd.pwrite(data, 10, 20, 5)).isEqualTo(20);
      assertThat(fd.pread(back, 50, 20, 5)).isEqualTo(20);

      assertThat(MemorySegment.mismatch(data, 10, 30, back, 50, 70)).isEqualTo(-1);
      assertThat(back.get(JAVA_BYTE, 49)).isZero();
      assertThat(back.get(JAVA_BYTE, 70)).isZero();
    }
  }

  @Test
  void preadBeyondTheEndIsShort() {
    try (Fd fd = Fd.open(directory.resolve("f"), CREATE, 0600)) {
      fd.truncate(100);

      assertThat(fd.pread(arena.allocate(64), 80)).isEqualTo(20);
      assertThat(fd.pread(arena.allocate(64), 100)).isZero();
    }
  }

  @Test
  void readAndWriteMoveThePosition() {
    Path file = directory.resolve("f");
    try (Fd writer = Fd.open(file, CREATE, 0600);
        Fd reader = Fd.open(file, Fd.READ_ONLY, 0)) {
      MemorySegment data = pattern(16);
      MemorySegment back = arena.allocate(16);

      assertThat(writer.write(data, 0, 8)).isEqualTo(8);
      assertThat(writer.write(data, 8, 8)).isEqualTo(8);
      assertThat(reader.read(back, 0, 10)).isEqualTo(10);
      assertThat(reader.read(back, 10, 6)).isEqualTo(6);
      assertThat(reader.read(back, 0, 16)).isZero();

      assertThat(back.mismatch(data)).isEqualTo(-1);
    }
  }

  @Test
  void punchedHoleReadsAsZerosAndKeepsTheSize() {
    try (Fd fd = Memfd.create("hole", 16_384)) {
      fd.pwrite(pattern(16_384), 0);

      assertThat(fd.punchHole(4096, 4096)).isZero();

      MemorySegment back = arena.allocate(16_384);
      fd.pread(back, 0);
      assertThat(fd.size()).isEqualTo(16_384);
      assertThat(back.get(JAVA_LONG, 4096 + 8)).isZero();
      assertThat(back.get(JAVA_LONG, 8)).isNotZero();
      assertThat(back.get(JAVA_LONG, 8192 + 8)).isNotZero();
    }
  }

  @Test
  void closedDescriptorRefusesInsteadOfReachingAnotherFile() {
    Fd closed = Fd.open(directory.resolve("f"), CREATE, 0600);
    int number = closed.number();
    closed.close();
    try (Fd next = Fd.open(directory.resolve("g"), CREATE, 0600)) {
      assertThat(next.number()).as("the kernel gives the lowest number").isEqualTo(number);

      closed.close();

      assertThat(closed.pwrite(pattern(8), 0)).isEqualTo(-Errno.EBADF);
      assertThat(closed.isClosed()).isTrue();
      assertThat(next.size()).isZero();
      assertThatThrownBy(closed::duplicate).hasMessageContaining("fd closed: EBADF");
    }
  }

  @Test
  void duplicateLivesOnAfterTheOriginal() {
    Fd original = Memfd.create("duplicate", 4096);
    try (Fd copy = original.duplicate()) {
      original.close();

      assertThat(copy.pwrite(pattern(8), 0)).isEqualTo(8);
    }
  }

  @Test
  void writeToAReadOnlyDescriptorIsAnErrorCode() throws IOException {
    Path file = Files.createFile(directory.resolve("f"));
    try (Fd fd = Fd.open(file, Fd.READ_ONLY, 0)) {
      assertThat(fd.pwrite(pattern(8), 0)).isEqualTo(-Errno.EBADF);
    }
  }

  @Test
  void buffersAreBoundedAndMustBeNativeAndWritable() {
    try (Fd fd = Memfd.create("bounds", 4096)) {
      MemorySegment buffer = arena.allocate(16);

      assertThatThrownBy(() -> fd.pread(buffer, 8, 9, 0))
          .isInstanceOf(IndexOutOfBoundsException.class);
      assertThatThrownBy(() -> fd.pread(MemorySegment.ofArray(new byte[16]), 0))
          .isInstanceOf(IllegalArgumentException.class);
      assertThatThrownBy(() -> fd.pread(buffer.asReadOnly(), 0))
          .isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void sealedMemfdKeepsItsSize() {
    try (Fd fd = Memfd.create("sealed", 8192)) {
      assertThat(Memfd.isSealed(fd)).isTrue();
      assertThat(Memfd.size(fd)).isEqualTo(8192);
      assertThat(Memfd.requireSealed(fd, 8192)).isEqualTo(8192);
      assertThatThrownBy(() -> fd.truncate(4096)).hasMessageContaining("EPERM");
      assertThatThrownBy(() -> fd.truncate(16_384)).hasMessageContaining("EPERM");
      assertThatThrownBy(() -> Memfd.requireSealed(fd, 8193))
          .hasMessageContaining("has 8192 bytes, 8193 are needed");
    }
  }

  @Test
  void ordinaryFileIsNotSealed() {
    try (Fd fd = Fd.open(directory.resolve("f"), CREATE, 0600)) {
      fd.truncate(8192);

      assertThat(Memfd.isSealed(fd)).isFalse();
      assertThatThrownBy(() -> Memfd.requireSealed(fd, 1)).isInstanceOf(TwinspanException.class);
    }
  }

  private MemorySegment pattern(int lengthBytes) {
    MemorySegment segment = arena.allocate(lengthBytes, 8);
    for (int i = 0; i < lengthBytes; i++) {
      segment.set(JAVA_BYTE, i, (byte) (i * 31 + 7));
    }
    return segment;
  }
}
