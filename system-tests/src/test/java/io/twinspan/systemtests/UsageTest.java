package io.twinspan.systemtests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What a user gets to hear when the command is used wrongly, or where no array can be. */
@Timeout(60)
class UsageTest {
  @TempDir private Path folder;

  @AfterEach
  void nothingRuns() {
    assertThat(Os.processesWith(folder.toString())).isEmpty();
  }

  @Test
  void wrongArgumentsAreOneLineAndStatus2() {
    TestArray.twinspan("explode").refused(2, "explode");
    TestArray.twinspan("up", "--drives", "1").refused(2, "from 2 to 16");
    TestArray.twinspan("volume", "create", "v").refused(2, "SIZE");
  }

  @Test
  void aMissingArrayIsStatus1() {
    TestArray.twinspan("status", "--dir", folder.resolve("none").toString())
        .refused(1, "there is no array in " + folder.resolve("none"));
  }

  @Test
  void aDirectoryTooLongForASocketIsSaidAtOnce() {
    TestArray.twinspan("up", "--dir", folder.resolve("x".repeat(120)).toString())
        .refused(1, "too long");
  }

  @Test
  void aFileInTheWayIsSaidAtOnce() throws IOException {
    Path file = Files.createFile(folder.resolve("file"));

    TestArray.twinspan("up", "--dir", file.toString()).refused(1, "in the way");
    TestArray.twinspan("up", "--dir", file.resolve("array").toString()).refused(1, file.toString());
  }

  @Test
  void aDirectoryThatCannotBeWrittenIsSaidAtOnce() throws IOException {
    Path closed = Files.createDirectory(folder.resolve("closed"));
    Files.setPosixFilePermissions(closed, PosixFilePermissions.fromString("r-x------"));
    List<String> command = new ArrayList<>();
    if (Os.isRoot()) { // who may write everywhere, unless told not to
      command.addAll(List.of("setpriv", "--bounding-set=-all", "--inh-caps=-all"));
    }
    command.addAll(TestArray.command(List.of("up", "--dir", closed.resolve("array").toString())));

    Program.run(folder, command).refused(1, "no permission");
  }

  @Test
  void aBrokenSettingsFileIsSaidAtOnce() throws IOException {
    Files.writeString(folder.resolve("twinspan.conf"), "shelf.drives = 3\nshelf.colour = red\n");

    TestArray.twinspan("up", "--dir", folder.toString()).refused(1, "twinspan.conf, line 2");
  }

  @Test
  void aFullDiskIsSaidAtOnce() throws IOException {
    onTmpfs(disk -> {
      fill(disk.resolve("filler"));
      TestArray.twinspan("up", "--dir", disk.resolve("array").toString()).refused(1, "space");
    });
  }

  @Test
  void aDiskMuchTooSmallIsSaidAtOnce() throws IOException {
    onTmpfs(disk ->
        TestArray.twinspan("up", "--dir", disk.resolve("array").toString()).refused(1, "space"));
  }

  private interface OnDisk {
    void run(Path disk) throws IOException;
  }

  private void onTmpfs(OnDisk test) throws IOException {
    Path disk = Files.createDirectory(folder.resolve("disk"));
    assumeTrue(Os.isRoot(), "only root may mount a small disk");
    Program mount =
        Program.run(folder, "mount", "-t", "tmpfs", "-o", "size=1m", "none", disk.toString());
    assumeTrue(mount.status() == 0, "no small disk: " + mount.err());
    try {
      test.run(disk);
    } finally {
      Program.run(folder, "umount", disk.toString()).ok();
    }
  }

  private static void fill(Path file) throws IOException {
    try (var out = Files.newOutputStream(file)) {
      while (true) {
        out.write(new byte[4096]);
      }
    } catch (IOException e) {
      assertThat(e).hasMessageContaining("space");
    }
  }
}
