package io.twinspan.shelf;

import io.twinspan.linux.TwinspanException;
import java.util.ArrayList;
import java.util.List;

/**
 * A shelf of emulated NVMe drives, each served over vfio-user on one socket per port.
 *
 * <p>Any thread may call any method.
 */
public final class Shelf implements AutoCloseable {
  private final ShelfOptions options;
  private final ClientMappings mappings = new ClientMappings();
  private final List<EmulatedDrive> drives = new ArrayList<>();

  /**
   * A shelf that is not started.
   *
   * @param options what it consists of
   */
  public Shelf(ShelfOptions options) {
    this.options = options;
  }

  /** What it consists of. */
  public ShelfOptions options() {
    return options;
  }

  /**
   * Opens or creates the images and serves all drives; when it fails, nothing is left running.
   *
   * @return this shelf
   * @throws TwinspanException if an image has another size, a socket's path is too long or in use,
   *     or the file system refuses something
   * @throws IllegalStateException if it is started already
   */
  public synchronized Shelf start() {
    if (!drives.isEmpty()) {
      throw new IllegalStateException("the shelf is started already");
    }
    try {
      for (int number = 0; number < options.driveCount(); number++) {
        drives.add(new EmulatedDrive(options, number, mappings));
      }
      drives.forEach(EmulatedDrive::start);
      return this;
    } catch (RuntimeException e) {
      try {
        close();
      } catch (TwinspanException suppressed) {
        e.addSuppressed(suppressed);
      }
      throw e;
    }
  }

  /** The drives, in the order of their numbers; empty unless started. */
  public synchronized List<EmulatedDrive> drives() {
    return List.copyOf(drives);
  }

  /** What all drives are doing. */
  public ShelfStatus status() {
    return new ShelfStatus(drives().stream().map(EmulatedDrive::status).toList());
  }

  /**
   * Stops all drives: clients are disconnected, sockets removed, data made stable, images closed.
   *
   * @throws TwinspanException if a drive could not be closed cleanly; the others have been
   */
  @Override
  public synchronized void close() {
    List<RuntimeException> failures = new ArrayList<>();
    for (EmulatedDrive drive : drives) {
      try {
        drive.close();
      } catch (RuntimeException e) {
        failures.add(e);
      }
    }
    drives.clear();
    if (!failures.isEmpty()) {
      RuntimeException first = failures.removeFirst();
      failures.forEach(first::addSuppressed);
      throw first;
    }
  }
}
