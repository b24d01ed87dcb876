package io.twinspan.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.linux.TwinspanException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DemoInputTest {
  @TempDir private Path folder;

  private Path file(String name, int length) throws IOException {
    byte[] content = new byte[length];
    new Random(name.hashCode()).nextBytes(content);
    Path file = folder.resolve(name);
    Files.createDirectories(file.getParent());
    return Files.write(file, content);
  }

  private static byte[] readAll(DemoInput input) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    ByteBuffer buffer = ByteBuffer.allocate(DemoInput.CHUNK_BYTES);
    for (int chunk = 0; chunk < input.chunks(); chunk++) {
      input.read(chunk, buffer);
      assertThat(buffer.remaining()).isEqualTo(input.length(chunk));
      all.write(buffer.array(), buffer.position(), buffer.remaining());
    }
    return all.toByteArray();
  }

  @ParameterizedTest
  @ValueSource(
      ints = {
        1,
        DemoInput.CHUNK_BYTES - 1,
        DemoInput.CHUNK_BYTES,
        DemoInput.CHUNK_BYTES + 1,
        3 * DemoInput.CHUNK_BYTES
      })
  void oneFileIsReadAsItIs(int length) throws IOException {
    Path file = file("one", length);

    DemoInput input = DemoInput.of(file);

    assertThat(input.files()).isEqualTo(1);
    assertThat(input.bytes()).isEqualTo(length);
    assertThat(readAll(input)).isEqualTo(Files.readAllBytes(file));
  }

  @Test
  void manyFilesLieEndToEndWithoutGaps() throws IOException {
    long expected = 0;
    for (int i = 0; i < 40; i++) {
      expected += Files.size(file("d" + i % 3 + "/f" + i, 1 + i * 9973));
    }
    file("empty", 0);

    DemoInput input = DemoInput.of(folder);

    assertThat(input.files()).isEqualTo(40);
    assertThat(input.bytes()).isEqualTo(expected);
    byte[] all = readAll(input);
    assertThat(all).hasSize((int) expected);
    ByteBuffer last = ByteBuffer.allocate(DemoInput.CHUNK_BYTES);
    input.read(input.chunks() - 1, last);
    assertThat(ByteBuffer.wrap(all, all.length - last.remaining(), last.remaining()))
        .as("any chunk can be read by itself")
        .isEqualTo(last);
  }

  @Test
  void linksAreNotFollowedExceptForTheInputItself() throws IOException {
    Path real = file("real/f", 10);
    Path link = Files.createSymbolicLink(folder.resolve("link"), real.getParent());
    Files.createSymbolicLink(real.resolveSibling("again"), real);

    assertThat(DemoInput.of(link).bytes()).isEqualTo(10);
  }

  @Test
  void nothingToReadIsSaid() throws IOException {
    file("empty", 0);

    assertThatThrownBy(() -> DemoInput.of(folder))
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining("nothing to read in " + folder);
    assertThatThrownBy(() -> DemoInput.of(folder.resolve("none")))
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining("there is no " + folder.resolve("none"));
  }

  @Test
  void aFileThatShrinksMeanwhileIsSaid() throws IOException {
    Path file = file("f", 5000);
    DemoInput input = DemoInput.of(file);
    Files.write(file, new byte[10]);

    assertThatThrownBy(() -> input.read(0, ByteBuffer.allocate(DemoInput.CHUNK_BYTES)))
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining("became shorter");
  }

  @Test
  void aSmallInputIsRepeatedUntilAKillCanComeInTheMiddleOfIt() throws IOException {
    Path file = folder.resolve("small");
    Files.write(file, new byte[3 << 20]);
    DemoInput enough = DemoInput.of(file).enoughToKill();
    assertThat(enough.bytes()).isEqualTo(66L << 20);
    assertThat(enough.files()).isEqualTo(1);
    ByteBuffer last = ByteBuffer.allocate(DemoInput.CHUNK_BYTES);
    enough.read(enough.chunks() - 1, last);
    assertThat(last.remaining()).isEqualTo(enough.length(enough.chunks() - 1));
  }

  @Test
  void aTinyInputIsRefused() throws IOException {
    Path file = folder.resolve("tiny");
    Files.write(file, new byte[6]);
    DemoInput tiny = DemoInput.of(file);
    assertThatThrownBy(tiny::enoughToKill).hasMessageContaining("6 bytes");
  }
}
