package io.twinspan.cli;

import io.twinspan.controller.ArrayDirectory;
import io.twinspan.controller.ArrayIdentity;
import io.twinspan.controller.ControlServer;
import io.twinspan.controller.ProcessLock;
import io.twinspan.controller.Settings;
import io.twinspan.linux.Processes;
import io.twinspan.linux.TwinspanException;
import io.twinspan.shelf.Shelf;
import io.twinspan.shelf.ShelfOptions;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The process that serves an array's drives. */
public final class ShelfProcess {
  private static final Logger LOG = LoggerFactory.getLogger(ShelfProcess.class);

  private ShelfProcess() {}

  /**
   * Serves the drives until the process is asked to end.
   *
   * @param args the array's directory
   */
  @SuppressWarnings("SystemExitOutsideMain") // this is main
  public static void main(String[] args) throws InterruptedException {
    try {
      run(ArrayDirectory.at(Path.of(args[0])));
    } catch (TwinspanException e) { // says itself what is wrong: no trace
      LOG.error("the shelf stops: {}", e.getMessage());
      System.exit(1);
    } catch (RuntimeException e) {
      LOG.error("the shelf stops: {}", e.getMessage(), e);
      System.err.println("shelf: " + e.getMessage());
      System.exit(1);
    }
  }

  private static void run(ArrayDirectory directory) throws InterruptedException {
    Processes.setSid(); // the terminal that started it may go
    CountDownLatch end = new CountDownLatch(1);
    CountDownLatch ended = new CountDownLatch(1);
    Settings settings = Settings.read(directory.settingsFile());
    ArrayIdentity identity = ArrayIdentity.read(directory.identityFile());
    try (var _ = ProcessLock.take(directory.lockFile(ArrayProcesses.SHELF));
        Shelf shelf = new Shelf(options(directory, settings, identity)).start();
        var _ =
            ControlServer.start(
                directory.controlSocket(ArrayProcesses.SHELF),
                (c, request) -> ShelfRequests.answer(shelf, c, request))) {
      Runtime.getRuntime().addShutdownHook(new Thread(() -> endAndWait(end, ended), "shutdown"));
      LOG.info("serving {} drives of {}", shelf.drives().size(), identity);
      end.await();
      LOG.info("ending");
    } finally {
      ended.countDown();
    }
  }

  /** Waits for what main does, not for main: that may itself be in {@code System.exit}. */
  private static void endAndWait(CountDownLatch end, CountDownLatch ended) {
    end.countDown();
    try {
      ended.await(); // the drives are flushed and closed
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** What the shelf of an array is like. */
  static ShelfOptions options(ArrayDirectory directory, Settings settings, ArrayIdentity identity) {
    return new ShelfOptions(
        directory.shelf(),
        directory.run(),
        settings.count(Settings.Key.SHELF_DRIVES),
        settings.number(Settings.Key.SHELF_DRIVE_SIZE),
        ArrayProcesses.CONTROLLERS,
        Long.toHexString(identity.arrayId()).toUpperCase(java.util.Locale.ROOT));
  }
}
