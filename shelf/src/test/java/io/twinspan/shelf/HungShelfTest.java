package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.twinspan.concurrent.SystemClock;
import io.twinspan.nvme.CompletionHandler;
import io.twinspan.nvme.ControllerState;
import io.twinspan.nvme.DmaMemory;
import io.twinspan.nvme.NvmeController;
import io.twinspan.nvme.NvmeOptions;
import io.twinspan.nvme.QueuePair;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.VfioUserDevice;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The driver over a shelf whose process is stopped with commands in flight. */
class HungShelfTest implements CompletionHandler<String> {
  private static final Duration SHORT = Duration.ofMillis(300);
  private static final Duration LONG = Duration.ofSeconds(30);

  @TempDir private Path directory;
  private final DmaMemory memory = DmaMemory.allocate("test", 1 << 20);
  private final List<String> answers = new ArrayList<>();
  private Process shelf;
  private NvmeController controller;
  private QueuePair<String> queue;

  @Override
  public void completed(String request, int status) {
    answers.add(request + " " + status);
  }

  @BeforeEach
  void start() throws IOException {
    shelf = ShelfInAProcess.start(directory);
    assertThat(shelf.inputReader().readLine()).isEqualTo(ShelfInAProcess.READY);
    Path socket = ShelfInAProcess.options(directory).socket(0, "a");
    NvmeOptions options =
        new NvmeOptions(
            SystemClock.INSTANCE, SHORT, SHORT, SHORT, 2, true, Thread::startVirtualThread);
    VfioUserDevice device = VfioUserDevice.connect(socket, Duration.ofSeconds(2));
    controller = NvmeController.open(device, options);
    controller.map(memory);
    queue = controller.createQueuePair(4, this);
    assertThat(queue.write(1, 0, 1, memory.segment(), 0, "first")).isZero();
    await().atMost(LONG).until(() -> queue.poll(1) == 1);
    answers.clear();
  }

  @AfterEach
  void end() throws InterruptedException {
    shelf.destroyForcibly().waitFor();
    queue.close();
    controller.close();
    memory.close();
  }

  @Test
  void itsCommandsAreAnsweredWhenItComesBackAndNotBefore() throws Exception {
    hang();
    signal("-CONT");
    await().atMost(LONG).until(() -> queue.poll(8) > 0 || !answers.isEmpty());
    // It ran on before it noticed that nobody waits any more, or it did not: both are answers.
    assertThat(answers).singleElement().isIn("r 0", "r " + Status.GONE);
    await().atMost(LONG).until(this::isGone);
    assertThat(queue.poll(8)).isZero();
    assertThat(answers).hasSize(1);
  }

  @Test
  void itsCommandsAreAnsweredWhenItDies() throws Exception {
    hang();
    shelf.destroyForcibly().waitFor();
    await().atMost(LONG).until(() -> queue.poll(8) > 0);
    assertThat(answers).containsExactly("r " + Status.GONE);
    assertThat(controller.state()).isEqualTo(ControllerState.GONE);
  }

  @Test
  void closingDoesNotGiveItsMemoryBack() throws Exception {
    hang();
    queue.close();
    assertThat(answers).containsExactly("r " + Status.UNSETTLED);
  }

  private void hang() throws Exception {
    signal("-STOP");
    await().atMost(LONG).until(this::isStopped); // a thread of it might still serve a command
    assertThat(queue.read(1, 0, 1, memory.segment(), 4096, "r")).isZero();
    await()
        .atMost(LONG)
        .until(() -> {
          queue.poll(8);
          return controller.state() == ControllerState.HUNG;
        });
    queue.poll(8);
    assertThat(queue.isAlive()).isFalse();
    assertThat(answers).isEmpty();
  }

  private boolean isGone() {
    return !controller.checkPresence() && controller.state() == ControllerState.GONE;
  }

  private boolean isStopped() throws IOException {
    Path tasks = Path.of("/proc/" + shelf.pid() + "/task");
    try (DirectoryStream<Path> threads = Files.newDirectoryStream(tasks)) {
      for (Path thread : threads) {
        if (!Files.readString(thread.resolve("stat")).contains(") T ")) {
          return false;
        }
      }
    }
    return true;
  }

  private void signal(String signal) throws Exception {
    Process kill = new ProcessBuilder("kill", signal, Long.toString(shelf.pid())).start();
    assertThat(kill.waitFor()).isZero();
  }
}
