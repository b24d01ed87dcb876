package io.twinspan.cli;

import io.twinspan.controller.Sizes;
import io.twinspan.linux.EventFd;
import io.twinspan.linux.Poller;
import io.twinspan.linux.TwinspanException;
import io.twinspan.nvme.Broker;
import io.twinspan.nvme.BrokerOptions;
import io.twinspan.nvme.NamespaceRange;
import io.twinspan.nvme.NvmeController;
import io.twinspan.nvme.NvmeOptions;
import io.twinspan.nvme.NvmeTarget;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code twinspan nvme broker}. */
@Command(
    name = "broker",
    description = {
      "Drive a drive, and lend it to processes of other users, until this process is asked to end.",
      "Each process gets private queue pairs in memory of its own. Users are told apart by user id;"
          + " who is granted nothing may only ask about the drive.",
      "All of this may stand in a file, one word to a line: twinspan nvme broker @FILE."
    },
    mixinStandardHelpOptions = true)
final class NvmeBrokerCommand implements Callable<Integer> {
  private static final String OTHERS = "others";
  private static final Pattern RANGE =
      Pattern.compile("ns(\\d{1,4}):(\\d{1,18})-(\\d{1,18})(:read)?");

  /** As many as one broker can have use for. */
  private static final int QUEUE_PAIRS = 64;

  /** How often a drive that says nothing is looked at. */
  private static final long LOOK_NS = TimeUnit.SECONDS.toNanos(1);

  @Spec private CommandSpec spec = CommandSpec.create();

  @Option(
      names = "--target",
      paramLabel = "DRIVE",
      required = true,
      description = "A drive that nobody else drives: vfio-user:SOCKET or vfio:PCI-ADDRESS.")
  private String target = "";

  @Option(
      names = "--socket",
      paramLabel = "PATH",
      required = true,
      description = "Where processes connect; they name it broker:PATH.")
  private Path socket = Path.of("");

  @Option(
      names = "--mode",
      paramLabel = "MODE",
      defaultValue = "0600",
      description =
          "Permissions of the socket, octal: who may connect at all. Default: ${DEFAULT-VALUE}.")
  private String mode = "0600";

  @Option(
      names = "--grant",
      paramLabel = "USER=BLOCKS",
      description =
          "What the processes of a user id, or of all \"others\", may do: none, read, all, or a"
              + " range of a namespace such as ns1:0-2047 or ns1:0-2047:read. May be given often.")
  private Map<String, String> grants = Map.of();

  @Option(
      names = "--administrator",
      paramLabel = "USER",
      split = ",",
      description = "User ids that may change the drive by administrative commands.")
  private Set<Integer> administrators = Set.of();

  @Option(
      names = "--processes",
      paramLabel = "N",
      defaultValue = "16",
      description = "Most processes at a time, 1 to 64. Default: ${DEFAULT-VALUE}.")
  private int processes;

  @Option(
      names = "--queues",
      paramLabel = "N",
      defaultValue = "4",
      description = "Most queue pairs of a process, 1 to 64. Default: ${DEFAULT-VALUE}.")
  private int queues;

  @Option(
      names = "--depth",
      paramLabel = "N",
      defaultValue = "128",
      description = "Most commands in flight in one of them, 1 to 1023. Default: ${DEFAULT-VALUE}.")
  private int depth;

  @Option(
      names = "--memory",
      paramLabel = "SIZE",
      defaultValue = "64MiB",
      description = "Most memory of a process that the drive reaches. Default: ${DEFAULT-VALUE}.")
  private String memory = "64MiB";

  NvmeBrokerCommand() {}

  @Override
  public Integer call() {
    BrokerOptions options;
    try {
      options = options();
    } catch (TwinspanException | IllegalArgumentException e) {
      throw new CommandLine.ParameterException(
          spec.commandLine(), String.valueOf(e.getMessage()), e);
    }
    NvmeOptions defaults = NvmeOptions.DEFAULTS;
    NvmeOptions many =
        new NvmeOptions(
            defaults.clock(),
            defaults.adminTimeout(),
            defaults.ioTimeout(),
            defaults.shutdownTimeout(),
            QUEUE_PAIRS,
            defaults.shadowDoorbells(),
            defaults.background());
    CountDownLatch ended = new CountDownLatch(1);
    try (NvmeController drive = NvmeTarget.openController(target, many);
        Broker broker = Broker.start(drive, socket, options);
        EventFd end = EventFd.create()) {
      Runtime.getRuntime().addShutdownHook(new Thread(() -> endAndWait(end, ended), "shutdown"));
      PrintWriter out = spec.commandLine().getOut();
      out.printf(
          "%s: %d queue pairs at broker:%s, %s%n",
          target,
          drive.maxQueuePairs(),
          socket,
          broker.isDirect()
              ? "directly: the drive keeps processes apart"
              : "through this process, which checks every command");
      out.flush();
      await(drive, end);
    } finally {
      ended.countDown();
    }
    return CommandLine.ExitCode.OK;
  }

  private BrokerOptions options() {
    Map<Integer, NamespaceRange> byUser = new HashMap<>();
    NamespaceRange others = NamespaceRange.NOTHING;
    for (Map.Entry<String, String> grant : grants.entrySet()) {
      NamespaceRange range = range(grant.getValue());
      if (grant.getKey().equals(OTHERS)) {
        others = range;
      } else {
        byUser.put(user(grant.getKey()), range);
      }
    }
    return new BrokerOptions(
        permissions(mode),
        processes,
        queues,
        depth,
        Sizes.parse(memory),
        administrators,
        byUser,
        others);
  }

  /** The blocks that a grant names. */
  static NamespaceRange range(String text) {
    Matcher matcher = RANGE.matcher(text);
    if (matcher.matches()) {
      long first = Long.parseLong(matcher.group(2));
      long last = Long.parseLong(matcher.group(3));
      int nsid = Integer.parseInt(matcher.group(1));
      if (last >= first && nsid > 0) {
        return new NamespaceRange(nsid, first, last - first + 1, matcher.group(4) == null);
      }
    }
    return switch (text) {
      case "none" -> NamespaceRange.NOTHING;
      case "all" -> NamespaceRange.EVERYTHING;
      case "read" -> new NamespaceRange(0, 0, Long.MAX_VALUE, false);
      default ->
          throw new IllegalArgumentException(
              "--grant \"%s\": write none, read, all, ns1:0-2047 or ns1:0-2047:read"
                  .formatted(text));
    };
  }

  private static int user(String text) {
    try {
      return Integer.parseUnsignedInt(text);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "--grant for \"%s\": write a user id as a number, or %s".formatted(text, OTHERS), e);
    }
  }

  private static int permissions(String text) {
    if (!text.matches("0?[0-7]{3}")) {
      throw new IllegalArgumentException("--mode \"%s\": write it like 0660".formatted(text));
    }
    return Integer.parseInt(text, 8);
  }

  private static void await(NvmeController drive, EventFd end) {
    try (Poller poller = new Poller()) {
      poller.add(drive.removalSource().fd(), 0);
      poller.add(end.fd(), 1);
      while (!end.drain()) {
        if (!drive.checkPresence()) {
          throw new TwinspanException("%s is lost: %s".formatted(drive.name(), drive.failure()));
        }
        var _ = poller.await(LOOK_NS);
      }
    }
  }

  /** Waits for what main does, not for main: that may itself be in {@code System.exit}. */
  private static void endAndWait(EventFd end, CountDownLatch ended) {
    end.signal();
    try {
      ended.await(); // queues are deleted and memory is unmapped
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
