package io.twinspan.cli;

import io.twinspan.controller.ArrayDirectory;
import io.twinspan.controller.ControlServer;
import io.twinspan.controller.ProcessLock;
import io.twinspan.controller.Sizes;
import io.twinspan.linux.TwinspanException;
import io.twinspan.nvme.NvmeTarget;
import io.twinspan.shelf.DoorbellKind;
import io.twinspan.shelf.EmulatedDrive;
import io.twinspan.shelf.MediumKind;
import io.twinspan.shelf.Shelf;
import io.twinspan.shelf.ShelfOptions;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code twinspan shelf}. */
@Command(
    name = "shelf",
    description = {
      "Serve emulated NVMe drives without an array, until this process is asked to end.",
      "Each port of a drive is a vfio-user socket for one client, such as QEMU's vfio-user-pci."
    },
    mixinStandardHelpOptions = true,
    subcommands = ShelfCommand.FaultCommand.class)
final class ShelfCommand implements Callable<Integer> {
  private static final Duration ASK_DEADLINE = Duration.ofSeconds(5);
  private static final int SERIAL_DIGITS = 12;
  private static final String CONTROL_SOCKET = "control.sock";

  @Spec private CommandSpec spec = CommandSpec.create();

  @Option(
      names = "--dir",
      paramLabel = "DIR",
      description = "Where sockets and images are, made if it is missing. Default: here.")
  private Path dir = Path.of(".");

  @Option(
      names = "--drives",
      paramLabel = "N",
      defaultValue = "1",
      description = "Number of drives, 1 to 64. Default: ${DEFAULT-VALUE}.")
  private int drives;

  @Option(
      names = "--drive-size",
      paramLabel = "SIZE",
      defaultValue = "2GiB",
      description = "Size of each, both namespaces together. Default: ${DEFAULT-VALUE}.")
  private String driveSize = "2GiB";

  @Option(
      names = "--ports",
      paramLabel = "NAMES",
      split = ",",
      defaultValue = "a,b",
      description = "Names of each drive's ports, 1 to 8. Default: ${DEFAULT-VALUE}.")
  private List<String> ports = List.of();

  @Option(
      names = "--media",
      paramLabel = "KIND",
      defaultValue = "file",
      description = "file, memory or null (forgets everything). Default: ${DEFAULT-VALUE}.")
  private MediumKind media = MediumKind.FILE;

  @Option(
      names = "--direct",
      description = "With --media file: past the host's page cache (O_DIRECT).")
  private boolean direct;

  @Option(
      names = "--doorbells",
      paramLabel = "KIND",
      defaultValue = "pages",
      description = {
        "pages: one for each queue pair, mapped by the client (DSTRD 9).",
        "shadowed: registers (DSTRD 0) and Doorbell Buffer Config, for guests. Default:"
            + " ${DEFAULT-VALUE}."
      })
  private DoorbellKind doorbells = DoorbellKind.PAGES;

  @Option(
      names = "--fault",
      paramLabel = "DRIVE:FAULT",
      description = "Something that shall go wrong, such as \"drive0:status opcode=read count=3\".")
  private List<String> faults = List.of();

  ShelfCommand() {}

  @Override
  public Integer call() {
    Path directory = dir.toAbsolutePath().normalize();
    ShelfOptions options;
    try {
      options =
          new ShelfOptions(
                  directory, directory, drives, Sizes.parse(driveSize), ports, serial(directory))
              .withMedium(direct && media == MediumKind.FILE ? MediumKind.DIRECT_FILE : media)
              .withDoorbells(doorbells);
    } catch (TwinspanException | IllegalArgumentException e) {
      throw new CommandLine.ParameterException(
          spec.commandLine(), String.valueOf(e.getMessage()), e);
    }
    if (ArrayDirectory.at(directory).exists()) {
      throw new TwinspanException(directory + " is an array's: twinspan up starts its shelf");
    }
    make(directory);
    serve(directory, options);
    return CommandLine.ExitCode.OK;
  }

  private void serve(Path directory, ShelfOptions options) {
    CountDownLatch end = new CountDownLatch(1);
    CountDownLatch ended = new CountDownLatch(1);
    try (var _ = ProcessLock.take(directory.resolve("shelf.lock"));
        Shelf shelf = new Shelf(options).start();
        var _ =
            ControlServer.start(
                directory.resolve(CONTROL_SOCKET),
                (command, request) -> ShelfRequests.answer(shelf, command, request))) {
      faults.forEach(fault -> order(shelf, fault));
      Runtime.getRuntime().addShutdownHook(new Thread(() -> endAndWait(end, ended), "shutdown"));
      PrintWriter out = spec.commandLine().getOut();
      for (EmulatedDrive drive : shelf.drives()) {
        for (String port : ports) {
          out.println(
              "drive%d %s  %s%s"
                  .formatted(
                      drive.number(),
                      port,
                      NvmeTarget.VFIO_USER,
                      options.socket(drive.number(), port)));
        }
      }
      out.flush();
      await(end);
    } finally {
      ended.countDown();
    }
  }

  private void order(Shelf shelf, String fault) {
    int colon = fault.indexOf(':');
    String name = fault.substring(0, Math.max(0, colon));
    EmulatedDrive drive =
        shelf.drives().stream()
            .filter(each -> ("drive" + each.number()).equals(name))
            .findFirst()
            .orElseThrow(() ->
                new TwinspanException(
                    "--fault \"%s\" names no drive: write drive0:FAULT".formatted(fault)));
    ShelfRequests.change(drive.faults(), fault.substring(colon + 1).strip());
  }

  /**
   * What the shelf is doing whose directory, or whose array's, it is.
   *
   * @throws TwinspanException if no shelf runs there
   */
  static JsonNode status(ArrayOptions array) {
    return ask(array, ArrayProcesses.request("status"));
  }

  private static JsonNode ask(ArrayOptions array, ObjectNode request) {
    ArrayDirectory directory = array.directory();
    Path alone = directory.root().resolve(CONTROL_SOCKET);
    Path socket = directory.exists() ? directory.controlSocket(ArrayProcesses.SHELF) : alone;
    if (!Files.exists(socket)) {
      throw new TwinspanException("no shelf is running in " + directory.root());
    }
    return ControlServer.ask(socket, request, ASK_DEADLINE);
  }

  /** The same for as long as the images are where they are. */
  private static String serial(Path directory) {
    UUID uuid = UUID.nameUUIDFromBytes(directory.toString().getBytes(StandardCharsets.UTF_8));
    return uuid.toString().replace("-", "").substring(0, SERIAL_DIGITS).toUpperCase(Locale.ROOT);
  }

  private static void make(Path directory) {
    try {
      if (!Files.isDirectory(directory)) {
        Files.createDirectories(
            directory,
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
      }
    } catch (IOException e) {
      throw new TwinspanException("can't make directory " + directory + ": " + e, e);
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Waits for what main does, not for main: that may itself be in {@code System.exit}. */
  private static void endAndWait(CountDownLatch end, CountDownLatch ended) {
    end.countDown();
    await(ended); // the drives are flushed and closed
  }

  @Command(
      name = "fault",
      description = {
        "Make a drive of a running shelf fail, and show what is still to go wrong.",
        "A fault is one of status, delay, drop, rot, power-cut and remove, and then which commands:"
            + " opcode=read nsid=1 blocks=0-7 count=1 status=0x281 delay=5 (ms). Others are remove"
            + " and insert, which pull the drive out and put it back, and clear."
      },
      mixinStandardHelpOptions = true)
  static final class FaultCommand extends ShowCommand {
    @Parameters(index = "0", paramLabel = "DRIVE", description = "Such as drive0.")
    private String drive = "";

    @Parameters(
        index = "1..*",
        arity = "0..*",
        paramLabel = "FAULT",
        description = "What is to go wrong; nothing: only show.")
    private @Nullable List<String> fault;

    FaultCommand() {}

    @Override
    JsonNode answer() {
      return ask(
          array(),
          ArrayProcesses.request("fault")
              .put("drive", drive)
              .put("fault", fault == null ? "" : String.join(" ", fault)));
    }

    @Override
    void print(PrintWriter out, JsonNode answer) {
      out.println(drive + (answer.path("removed").asBoolean(false) ? " is out" : " is in"));
      answer.path("faults").forEach(each -> out.println("  " + each.asString()));
    }
  }
}
