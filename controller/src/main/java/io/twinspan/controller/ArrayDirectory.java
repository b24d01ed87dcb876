package io.twinspan.controller;

import io.twinspan.linux.TwinspanException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;

/**
 * The directory of an array and the places of everything in it. Private to its user (0700).
 *
 * <pre>
 *   twinspan.conf      settings
 *   identity           the array's id and secret (0600)
 *   shelf/             images of the drives
 *   run/               sockets, locks, ports: only meaningful while processes run
 *   log/               what the processes have to say
 * </pre>
 *
 * Immutable and thread-safe.
 */
public final class ArrayDirectory {
  /** Longest path of a Unix socket in bytes, unix(7): 108 with the terminating zero. */
  private static final int MAX_SOCKET_PATH_BYTES = 107;

  /** Longest name of a socket in {@code run/}. */
  private static final String LONGEST_SOCKET = "run/controller-a.sock";

  /** What a new array writes before it holds anything: metadata of the pools, logs. */
  private static final long MIN_FREE_BYTES = 64L << 20;

  private final Path root;

  private ArrayDirectory(Path root) {
    this.root = root;
  }

  /**
   * The directory at a path, whether it exists or not.
   *
   * @throws TwinspanException when the path is empty, or sockets in it would have paths that are
   *     too long
   */
  public static ArrayDirectory at(Path path) {
    if (path.toString().isEmpty()) { // an unset variable in a script, never the working directory
      throw new TwinspanException("--dir names no directory: it is empty");
    }
    Path root = path.toAbsolutePath().normalize();
    int length = root.resolve(LONGEST_SOCKET).toString().getBytes(StandardCharsets.UTF_8).length;
    if (length > MAX_SOCKET_PATH_BYTES) {
      throw new TwinspanException(
          "directory "
              + root
              + " is too long by "
              + (length - MAX_SOCKET_PATH_BYTES)
              + " bytes: a path of a Unix socket has at most "
              + MAX_SOCKET_PATH_BYTES
              + "; choose a shorter one with --dir");
    }
    return new ArrayDirectory(root);
  }

  /**
   * The array that is meant when none is named: {@code $XDG_STATE_HOME/twinspan}, or {@code
   * ~/.local/state/twinspan}.
   */
  public static Path defaultPath() {
    String state = System.getenv("XDG_STATE_HOME");
    Path base =
        state == null || state.isBlank()
            ? Path.of(System.getProperty("user.home"), ".local", "state")
            : Path.of(state);
    return base.resolve("twinspan");
  }

  /** Whether an array was made here. */
  public boolean exists() {
    return Files.isRegularFile(identityFile());
  }

  /**
   * Makes what is missing, and shows that the directory can be written.
   *
   * @throws TwinspanException when it can't: not writable, disk full, in the way of another file
   */
  public void create() {
    var mode = PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));
    try {
      if (!Files.isDirectory(root)) {
        Files.createDirectories(root, mode);
      }
      for (Path part : List.of(shelf(), run(), log())) {
        if (!Files.isDirectory(part)) {
          Files.createDirectory(part, mode);
        }
      }
      Path probe = Files.createTempFile(run(), "probe", null);
      try {
        Files.write(probe, new byte[4096]);
      } finally {
        Files.deleteIfExists(probe);
      }
      long free = Files.getFileStore(root).getUsableSpace();
      if (!exists() && free < MIN_FREE_BYTES) {
        throw new TwinspanException(
            "there is too little space for an array in "
                + root
                + ": "
                + Sizes.rough(free)
                + " are free, it needs at least "
                + Sizes.format(MIN_FREE_BYTES));
      }
    } catch (FileAlreadyExistsException e) {
      throw new TwinspanException(e.getFile() + " is in the way: it is no directory", e);
    } catch (IOException e) {
      throw new TwinspanException("can't use directory " + root + ": " + reason(e), e);
    }
  }

  private static String reason(IOException e) {
    return switch (e) {
      case java.nio.file.AccessDeniedException denied ->
          "no permission to write to " + denied.getFile();
      case java.nio.file.NoSuchFileException missing -> missing.getFile() + " can't be made";
      case java.nio.file.FileSystemException failed when failed.getReason() != null ->
          failed.getReason() + " (" + failed.getFile() + ")";
      default -> String.valueOf(e.getMessage());
    };
  }

  /** Removes sockets that a crashed run left; only while no process of the array runs. */
  public List<Path> removeStaleSockets() {
    List<Path> removed = new ArrayList<>();
    try (var files = Files.newDirectoryStream(run(), "*.sock")) {
      for (Path file : files) {
        Files.deleteIfExists(file);
        removed.add(file);
      }
    } catch (IOException e) {
      throw new TwinspanException("can't clean " + run() + ": " + reason(e), e);
    }
    return removed;
  }

  /** The directory itself, absolute. */
  public Path root() {
    return root;
  }

  /** Settings file. */
  public Path settingsFile() {
    return root.resolve("twinspan.conf");
  }

  /** Id and secret. */
  public Path identityFile() {
    return root.resolve("identity");
  }

  /** Drives' images. */
  public Path shelf() {
    return root.resolve("shelf");
  }

  /** Sockets, locks and ports. */
  public Path run() {
    return root.resolve("run");
  }

  /** Logs. */
  public Path log() {
    return root.resolve("log");
  }

  /** Socket on which controller a waits for its peer's link. */
  public Path linkSocket() {
    return run().resolve("link.sock");
  }

  /** vfio-user socket of a drive's port. */
  public Path driveSocket(int drive, String port) {
    return run().resolve("drive" + drive + "-" + port + ".sock");
  }

  /** NBD socket of a controller. */
  public Path nbdSocket(String controller) {
    return run().resolve("nbd-" + controller + ".sock");
  }

  /** Remembers the TCP port that a controller got. */
  public Path nbdPortFile(String controller) {
    return run().resolve("nbd-" + controller + ".port");
  }

  /** Control socket of a process: {@code shelf}, {@code controller-a} or {@code controller-b}. */
  public Path controlSocket(String process) {
    return run().resolve(process + ".sock");
  }

  /** Lock that a process holds as long as it lives; contains its pid. */
  public Path lockFile(String process) {
    return run().resolve(process + ".lock");
  }

  /** Log of a process. */
  public Path logFile(String process) {
    return log().resolve(process + ".log");
  }
}
