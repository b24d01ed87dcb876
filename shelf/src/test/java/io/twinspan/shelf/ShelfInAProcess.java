package io.twinspan.shelf;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;

/** A shelf of one drive in a process of its own, to be stopped and killed. */
final class ShelfInAProcess {
  static final String READY = "ready";

  private ShelfInAProcess() {}

  static ShelfOptions options(Path directory) {
    return new ShelfOptions(
        directory, directory, 1, ShelfOptions.MIN_DRIVE_BYTES, ShelfOptions.DUAL_PORTED, "TEST");
  }

  static Process start(Path directory) throws IOException {
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            // Else its log would come out of the pipe that tells when it is ready.
            "-Dlogback.configurationFile=" + System.getProperty("logback.configurationFile", ""),
            "-cp",
            System.getProperty("java.class.path"),
            ShelfInAProcess.class.getName(),
            directory.toString())
        .redirectError(ProcessBuilder.Redirect.INHERIT)
        .start();
  }

  public static void main(String[] arguments) throws InterruptedException {
    try (Shelf shelf = new Shelf(options(Path.of(arguments[0]))).start()) {
      System.out.println(READY);
      new CountDownLatch(1).await();
      throw new AssertionError(shelf);
    }
  }
}
