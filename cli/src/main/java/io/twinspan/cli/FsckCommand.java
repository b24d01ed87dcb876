package io.twinspan.cli;

import io.twinspan.controller.ArrayDirectory;
import io.twinspan.controller.ArrayIdentity;
import io.twinspan.controller.ProcessLock;
import io.twinspan.controller.Settings;
import io.twinspan.controller.Sizes;
import io.twinspan.linux.TwinspanException;
import io.twinspan.pool.Drive;
import io.twinspan.pool.PoolCheck;
import io.twinspan.pool.PoolFinding;
import io.twinspan.pool.PoolReport;
import io.twinspan.shelf.ShelfOptions;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** {@code twinspan fsck}. Exit status as fsck(8). */
@Command(
    name = "fsck",
    description = {
      "Check the pools of an array on the drives' images, and say what is wrong. Changes nothing.",
      "No controller may run meanwhile; the shelf may."
    },
    mixinStandardHelpOptions = true,
    exitCodeOnInvalidInput = FsckCommand.USAGE,
    exitCodeListHeading = "Exit status:%n",
    exitCodeList = {
      "0:nothing is wrong",
      "4:something is wrong, and was left as it is",
      "8:the check could not be made",
      "16:wrong usage"
    })
final class FsckCommand implements Callable<Integer> {
  static final int USAGE = 16;
  private static final int ERRORS_LEFT = 4;
  private static final int FAILED = 8;
  private static final List<String> POOLS = List.of("A", "B");

  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private ArrayOptions array = new ArrayOptions();
  @Mixin private JsonOption json = new JsonOption();

  @Option(names = "--pool", paramLabel = "POOL", description = "A or B. Default: both.")
  private @Nullable String pool;

  @Option(
      names = "--data",
      description = "Read every copy of all data, too, and compare it with its checksum.")
  private boolean data;

  FsckCommand() {}

  @Override
  public Integer call() {
    if (pool != null && !POOLS.contains(pool)) {
      throw new CommandLine.ParameterException(
          spec.commandLine(), "there is no pool \"" + pool + "\", only A and B");
    }
    try {
      return checkArray(array.existing().directory());
    } catch (TwinspanException e) {
      spec.commandLine().getErr().println("twinspan: " + e.getMessage());
      return FAILED;
    }
  }

  private int checkArray(ArrayDirectory directory) {
    Settings settings = Settings.read(directory.settingsFile());
    ArrayIdentity identity = ArrayIdentity.read(directory.identityFile());
    ShelfOptions shelf = ShelfProcess.options(directory, settings, identity);
    ArrayNode reports = JsonNodeFactory.instance.arrayNode();
    boolean clean = true;
    try (var _ = lock(directory, "a");
        var _ = lock(directory, "b")) {
      for (int i = 0; i < POOLS.size(); i++) {
        if (pool == null || POOLS.get(i).equals(pool)) {
          PoolReport report = checkPool(shelf, identity.arrayId(), i);
          clean &= report.isClean();
          reports.add(describe(POOLS.get(i), report));
          if (!json.isOn()) {
            print(POOLS.get(i), report);
          }
        }
      }
    }
    if (json.isOn()) {
      ObjectNode all = JsonNodeFactory.instance.objectNode().put("clean", clean);
      all.set("pools", reports);
      JsonOption.print(spec.commandLine().getOut(), all);
    }
    return clean ? CommandLine.ExitCode.OK : ERRORS_LEFT;
  }

  /** No controller can start as long as this is held. */
  private static ProcessLock lock(ArrayDirectory directory, String controller) {
    String process = ArrayProcesses.controller(controller);
    if (ProcessLock.holder(directory.lockFile(process)).isPresent()) {
      throw new TwinspanException(process + " is running: end the array first, with twinspan down");
    }
    return ProcessLock.take(directory.lockFile(process));
  }

  private PoolReport checkPool(ShelfOptions shelf, long arrayId, int index) {
    try (ImageFiles images = new ImageFiles(shelf, index + 1)) {
      PoolCheck check = new PoolCheck(images);
      if (!data || json.isOn() || !Terminal.isThere()) {
        return check.run(arrayId, index, data, (_, _) -> {});
      }
      try (ProgressBar bar = bar("pool " + POOLS.get(index))) {
        return check.run(arrayId, index, true, (done, total) -> bar.maxHint(total).stepTo(done));
      }
    }
  }

  private static ProgressBar bar(String task) {
    return new ProgressBarBuilder()
        .setTaskName(task)
        .setStyle(ProgressBarStyle.ASCII)
        .setConsumer(new ConsoleProgressBarConsumer(System.err))
        .build();
  }

  private void print(String name, PoolReport report) {
    PrintWriter out = spec.commandLine().getOut();
    for (PoolFinding finding : report.findings()) {
      out.printf(
          "pool %s: %-9s%s%n",
          name, finding.severity().name().toLowerCase(Locale.ROOT), finding.text());
    }
    if (report.findingsLeftOut() > 0) {
      out.printf("pool %s: and %d more%n", name, report.findingsLeftOut());
    }
    out.printf(
        "pool %s: %s; %d volumes, %s of %s used%s%n",
        name,
        report.isClean() ? "clean" : report.opens() ? "damaged" : "can't be opened",
        report.volumes(),
        Sizes.rough(report.usedBlocks() * Drive.BLOCK_BYTES),
        Sizes.rough(report.capacityBlocks() * Drive.BLOCK_BYTES),
        data ? ", %d blocks of data read twice".formatted(report.checkedBlocks()) : "");
    out.flush();
  }

  private static ObjectNode describe(String name, PoolReport report) {
    ObjectNode pool = JsonNodeFactory.instance.objectNode();
    pool.put("name", name).put("clean", report.isClean()).put("opens", report.opens());
    pool.put("epoch", report.epoch()).put("volumes", report.volumes());
    pool.put("capacityBytes", report.capacityBlocks() * Drive.BLOCK_BYTES);
    pool.put("usedBytes", report.usedBlocks() * Drive.BLOCK_BYTES);
    pool.put("checkpointPieces", report.checkpointPieces());
    pool.put("journalBatches", report.journalBatches());
    pool.put("checkedBlocks", report.checkedBlocks());
    ArrayNode findings = pool.putArray("findings");
    for (PoolFinding finding : report.findings()) {
      findings
          .addObject()
          .put("severity", finding.severity().name())
          .put("kind", finding.kind().name())
          .put("text", finding.text());
    }
    return pool.put("findingsLeftOut", report.findingsLeftOut());
  }
}
