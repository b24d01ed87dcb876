package io.twinspan.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.linux.Processes.Signal;
import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ProcessesTest {
  @Test
  void pidFdBecomesReadableWhenTheProcessIsKilled() throws Exception {
    Process child = new ProcessBuilder("sleep", "60").start();
    int pid = (int) child.pid();
    try (Fd pidFd = Processes.openPidFd(pid);
        Poller poller = new Poller()) {
      poller.add(pidFd, 1);
      assertThat(poller.await(0)).isZero();

      assertThat(Processes.kill(pid, Signal.KILL)).isTrue();

      int ready = 0;
      while (ready == 0) {
        ready = poller.await(TimeUnit.SECONDS.toNanos(30));
      }
      assertThat(ready).isEqualTo(1);
      assertThat(child.waitFor()).isEqualTo(128 + 9);
      assertThat(Processes.kill(pid, Signal.KILL)).isFalse();
    } finally {
      child.destroyForcibly();
    }
  }

  @Test
  void deadProcessHasNoPidFd() throws Exception {
    Process child = new ProcessBuilder("true").start();
    child.waitFor();

    assertThatThrownBy(() -> Processes.openPidFd((int) child.pid()))
        .isInstanceOfSatisfying(
            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ESRCH));
  }

  @Test
  void groupsCannotBeKilled() {
    assertThatThrownBy(() -> Processes.kill(-1, Signal.CONT))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> Processes.kill(0, Signal.CONT))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void descriptorsAreNotInherited() throws IOException, InterruptedException {
    try (Fd memfd = Memfd.create("private", 4096)) {
      Process child = new ProcessBuilder("test", "-e", "/proc/self/fd/" + memfd.number()).start();

      assertThat(child.waitFor()).isEqualTo(1);
    }
  }

  @Test
  void residentMemoryIsPlausible() {
    assertThat(Processes.residentBytes()).isBetween(1L << 20, 1L << 40);
  }

  @Test
  void pidIsThatOfThisJvm() {
    assertThat(Processes.pid()).isEqualTo((int) ProcessHandle.current().pid());
  }
}
