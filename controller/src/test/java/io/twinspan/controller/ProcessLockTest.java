package io.twinspan.controller;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.linux.TwinspanException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class ProcessLockTest {
  @TempDir private Path folder;

  /** Another process that takes the lock and keeps it until it is killed. */
  static final class Other {
    private Other() {}

    public static void main(String[] args) throws Exception {
      try (ProcessLock lock = ProcessLock.take(Path.of(args[0]))) {
        System.out.println("taken by " + lock.getClass().getSimpleName());
        System.in.read();
      } catch (TwinspanException e) {
        System.out.println("refused: " + e.getMessage());
      }
    }
  }

  private static Process startOther(Path file) throws IOException {
    return new ProcessBuilder(
            ProcessHandle.current().info().command().orElse("java"),
            "-XX:TieredStopAtLevel=1",
            "-cp",
            System.getProperty("java.class.path"),
            Other.class.getName(),
            file.toString())
        .redirectErrorStream(true)
        .start();
  }

  private static String firstLine(Process process) throws IOException {
    BufferedReader out = process.inputReader();
    String line = out.readLine();
    return line == null ? "" : line;
  }

  @Test
  void nobodyHoldsWhatIsNotThere() {
    assertThat(ProcessLock.holder(folder.resolve("x.lock"))).isEmpty();
  }

  @Test
  void aFileThatAKilledProcessLeftIsHeldByNobody() throws Exception {
    Path file = folder.resolve("x.lock");
    Process other = startOther(file);
    assertThat(firstLine(other)).startsWith("taken");
    assertThat(ProcessLock.holder(file)).hasValue((int) other.pid());
    assertThatThrownBy(() -> ProcessLock.take(file))
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining("process " + other.pid())
        .hasMessageContaining("running already");

    other.destroyForcibly().waitFor(10, TimeUnit.SECONDS);

    assertThat(Files.readString(file)).as("the pid is still in it").isEqualTo("" + other.pid());
    assertThat(ProcessLock.holder(file)).isEmpty();
    try (ProcessLock mine = ProcessLock.take(file)) {
      assertThat(mine).isNotNull();
      assertThat(Files.readString(file)).isEqualTo("" + ProcessHandle.current().pid());
    }
  }

  /**
   * POSIX lets go of a process's locks when it closes any descriptor of the file: asking must not
   * do that.
   */
  @Test
  void askingDoesNotLetGoOfItsOwnLock() throws Exception {
    Path file = folder.resolve("x.lock");
    try (ProcessLock lock = ProcessLock.take(file)) {
      assertThat(lock).isNotNull();
      assertThat(ProcessLock.holder(file)).hasValue((int) ProcessHandle.current().pid());
      assertThatThrownBy(() -> ProcessLock.take(file)).isInstanceOf(TwinspanException.class);

      Process other = startOther(file);
      try {
        assertThat(firstLine(other)).startsWith("refused");
      } finally {
        other.destroyForcibly();
      }
    }
    assertThat(ProcessLock.holder(file)).isEmpty();
  }

  /** A tool that asks at the very moment must not keep a process from starting. */
  @Test
  void canBeTakenWhileOthersKeepAsking() throws Exception {
    Path file = Files.createFile(folder.resolve("x.lock"));
    Process asker =
        new ProcessBuilder(
                ProcessHandle.current().info().command().orElse("java"),
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                Asker.class.getName(),
                file.toString())
            .redirectErrorStream(true)
            .start();
    try {
      assertThat(firstLine(asker)).isEqualTo("asking");
      for (int i = 0; i < 300; i++) {
        ProcessLock.take(file).close();
      }
    } finally {
      asker.destroyForcibly();
    }
  }

  /** Another process that asks who holds the lock, again and again. */
  static final class Asker {
    private Asker() {}

    public static void main(String[] args) {
      System.out.println("asking");
      while (true) {
        ProcessLock.holder(Path.of(args[0]));
      }
    }
  }
}
