package io.twinspan.shelf;

import java.nio.file.Path;
import java.util.List;

/**
 * What a shelf consists of.
 *
 * @param imageDirectory where the images {@code drive<N>-ns<1|2>.img} are or will be; exists
 * @param socketDirectory where the sockets {@code drive<N>-<port>.sock} will be; exists
 * @param driveCount how many drives, 1 to {@value #MAX_DRIVES}
 * @param driveBytes capacity of a drive in bytes, shared evenly by its two namespaces; at least
 *     {@value #MIN_DRIVE_BYTES}
 * @param ports names of a drive's ports, 1 to {@value #MAX_PORTS}, each with a controller of its
 *     own
 * @param serialBase what serial numbers begin with, 1 to {@value #MAX_SERIAL_BASE} ASCII letters
 *     and digits; NGUID and EUI64 follow from it, so it is unique among the arrays that a host sees
 *     and stays the same as long as the images do
 * @param medium where the bytes are kept; only those in files make images, and files {@code
 *     drive<N>.state} beside them with what else outlives a drive's power
 * @param doorbells how clients ring, at all ports
 */
public record ShelfOptions(
    Path imageDirectory,
    Path socketDirectory,
    int driveCount,
    long driveBytes,
    List<String> ports,
    String serialBase,
    MediumKind medium,
    DoorbellKind doorbells) {
  /** Most drives of a shelf. */
  public static final int MAX_DRIVES = 64;

  /** Most ports of a drive. */
  public static final int MAX_PORTS = 8;

  /** Smallest capacity of a drive in bytes. */
  public static final long MIN_DRIVE_BYTES = 2L << 20;

  /** Longest {@code serialBase}. */
  public static final int MAX_SERIAL_BASE = 16;

  /** The ports of a shelf for two controllers. */
  public static final List<String> DUAL_PORTED = List.of("a", "b");

  /** Namespaces of a drive. */
  static final int NAMESPACES = 2;

  /** Options of a shelf with its drives in files and doorbells in pages; else as the record's. */
  public ShelfOptions(
      Path imageDirectory,
      Path socketDirectory,
      int driveCount,
      long driveBytes,
      List<String> ports,
      String serialBase) {
    this(
        imageDirectory,
        socketDirectory,
        driveCount,
        driveBytes,
        ports,
        serialBase,
        MediumKind.FILE,
        DoorbellKind.PAGES);
  }

  /** Checks the values. */
  public ShelfOptions {
    ports = List.copyOf(ports);
    if (driveCount < 1 || driveCount > MAX_DRIVES) {
      throw new IllegalArgumentException(
          "%d drives, possible are 1 to %d".formatted(driveCount, MAX_DRIVES));
    }
    if (driveBytes < MIN_DRIVE_BYTES) {
      throw new IllegalArgumentException(
          "drives of %d bytes, the smallest possible have %d"
              .formatted(driveBytes, MIN_DRIVE_BYTES));
    }
    if (ports.isEmpty() || ports.size() > MAX_PORTS) {
      throw new IllegalArgumentException(
          "%d ports, possible are 1 to %d".formatted(ports.size(), MAX_PORTS));
    }
    for (String port : ports) {
      if (!port.matches("[a-z0-9]{1,8}")) {
        throw new IllegalArgumentException(
            "port \"" + port + "\", a name has 1 to 8 small letters and digits");
      }
    }
    if (!serialBase.matches("[A-Za-z0-9]{1," + MAX_SERIAL_BASE + "}")) {
      throw new IllegalArgumentException(
          "serial base \"%s\", it has 1 to %d letters and digits"
              .formatted(serialBase, MAX_SERIAL_BASE));
    }
  }

  /** The same with another medium. */
  public ShelfOptions withMedium(MediumKind other) {
    return new ShelfOptions(
        imageDirectory,
        socketDirectory,
        driveCount,
        driveBytes,
        ports,
        serialBase,
        other,
        doorbells);
  }

  /** The same with other doorbells. */
  public ShelfOptions withDoorbells(DoorbellKind other) {
    return new ShelfOptions(
        imageDirectory, socketDirectory, driveCount, driveBytes, ports, serialBase, medium, other);
  }

  /** The image of one namespace of one drive. */
  public Path image(int drive, int nsid) {
    return imageDirectory.resolve("drive%d-ns%d.img".formatted(drive, nsid));
  }

  /** The file with what else outlives the power of one drive. */
  public Path state(int drive) {
    return imageDirectory.resolve("drive%d.state".formatted(drive));
  }

  /** The socket of one port of one drive. */
  public Path socket(int drive, String port) {
    return socketDirectory.resolve("drive%d-%s.sock".formatted(drive, port));
  }

  /** The size of each namespace in bytes, a multiple of 4096. */
  public long namespaceBytes() {
    return driveBytes / NAMESPACES / Namespace.BLOCK_BYTES * Namespace.BLOCK_BYTES;
  }

  /** The serial number of one drive. */
  String serial(int drive) {
    return "%s%03d".formatted(serialBase, drive);
  }
}
