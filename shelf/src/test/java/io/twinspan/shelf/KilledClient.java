package io.twinspan.shelf;

import io.twinspan.nvme.DmaMemory;
import io.twinspan.nvme.NvmeController;
import io.twinspan.nvme.NvmeOptions;
import io.twinspan.nvme.QueuePair;
import io.twinspan.nvme.VfioUserDevice;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;

/** A process that writes without end until it is killed. */
final class KilledClient {
  /** What it prints when commands are in flight. */
  static final String BUSY = "busy";

  private static final int DEPTH = 64;

  private KilledClient() {}

  static Process start(Path socket) throws IOException {
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            // Else its log would come out of the pipe that tells when it is busy.
            "-Dlogback.configurationFile=" + System.getProperty("logback.configurationFile", ""),
            "-cp",
            System.getProperty("java.class.path"),
            KilledClient.class.getName(),
            socket.toString())
        .redirectError(ProcessBuilder.Redirect.INHERIT)
        .start();
  }

  public static void main(String[] arguments) {
    NvmeController controller =
        NvmeController.open(
            VfioUserDevice.connect(Path.of(arguments[0]), Duration.ofSeconds(10)),
            NvmeOptions.DEFAULTS);
    DmaMemory memory = DmaMemory.allocate("victim", DEPTH * 65536L);
    controller.map(memory);
    long[] completed = {0};
    QueuePair<Integer> queue =
        controller.createQueuePair(DEPTH, (Integer request, int status) -> completed[0]++);
    long submitted = 0;
    boolean told = false;
    while (true) {
      long slot = submitted % DEPTH;
      if (queue.write(1, slot * 16, 16, memory.segment(), slot * 65536, 0) == 0) {
        submitted++;
      }
      var _ = queue.poll(DEPTH);
      if (!told && completed[0] > 1000) {
        told = true;
        System.out.println(BUSY);
      }
    }
  }
}
