package io.twinspan.controller;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.linux.TwinspanException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ArrayDirectoryTest {
  @TempDir private Path folder;

  @Test
  void makesPrivateFoldersAndIsNoArrayYet() throws IOException {
    ArrayDirectory directory = ArrayDirectory.at(folder.resolve("deep/down"));

    directory.create();

    for (Path part :
        List.of(directory.root(), directory.shelf(), directory.run(), directory.log())) {
      assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(part)))
          .as("%s", part)
          .isEqualTo("rwx------");
    }
    try (Stream<Path> left = Files.list(directory.run())) {
      assertThat(left).isEmpty();
    }
    assertThat(directory.exists()).isFalse();
  }

  @Test
  void creatingTwiceKeepsWhatIsThere() throws IOException {
    ArrayDirectory directory = ArrayDirectory.at(folder);
    directory.create();
    Files.writeString(directory.settingsFile(), "# mine");

    directory.create();

    assertThat(directory.settingsFile()).hasContent("# mine");
  }

  @Test
  void anEmptyPathIsRefusedAndIsNotTheWorkingDirectory() {
    assertThatThrownBy(() -> ArrayDirectory.at(Path.of("")))
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining("it is empty");
  }

  @Test
  void isAnArrayOnceItHasAnIdentity() {
    ArrayDirectory directory = ArrayDirectory.at(folder);
    directory.create();

    ArrayIdentity.readOrCreate(directory);

    assertThat(directory.exists()).isTrue();
  }

  @Test
  void takesTheLongestPathWhoseSocketsStillFit() {
    Path fits = Path.of("/" + "x".repeat(107 - "/run/controller-a.sock".length() - 1));

    ArrayDirectory directory = ArrayDirectory.at(fits);

    for (Path socket :
        List.of(
            directory.controlSocket("controller-b"),
            directory.driveSocket(15, "a"),
            directory.linkSocket(),
            directory.nbdSocket("a"))) {
      assertThat(socket.toString().length()).isLessThanOrEqualTo(107);
    }
    assertThatThrownBy(() -> ArrayDirectory.at(Path.of(fits + "yyy")))
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining("too long by 3 bytes")
        .hasMessageContaining("--dir");
  }

  @Test
  void countsBytesNotCharactersOfAPath() {
    assertThatThrownBy(() -> ArrayDirectory.at(Path.of("/" + "ü".repeat(60))))
        .hasMessageContaining("too long");
  }

  @Test
  void saysWhatIsInTheWay() throws IOException {
    Path file = Files.createFile(folder.resolve("file"));
    Path occupied = folder.resolve("occupied");
    Files.createDirectory(occupied);
    Files.createFile(occupied.resolve("run"));

    assertThatThrownBy(() -> ArrayDirectory.at(file).create())
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining(file + " is in the way");
    assertThatThrownBy(() -> ArrayDirectory.at(occupied).create())
        .hasMessageContaining(occupied.resolve("run") + " is in the way");
  }

  @Test
  void saysWhenAParentIsAFile() throws IOException {
    Path file = Files.createFile(folder.resolve("file"));

    assertThatThrownBy(() -> ArrayDirectory.at(file.resolve("array")).create())
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining(file.toString());
  }

  @Test
  void removesOnlySockets() throws IOException {
    ArrayDirectory directory = ArrayDirectory.at(folder);
    directory.create();
    Path socket = Files.createFile(directory.linkSocket());
    Path lock = Files.createFile(directory.lockFile("shelf"));

    List<Path> removed = directory.removeStaleSockets();

    assertThat(removed).containsExactly(socket);
    assertThat(socket).doesNotExist();
    assertThat(lock).exists();
  }
}
