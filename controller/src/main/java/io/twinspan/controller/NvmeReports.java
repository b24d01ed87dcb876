package io.twinspan.controller;

import io.twinspan.nvme.ErrorLogEntry;
import io.twinspan.nvme.IdentifyController;
import io.twinspan.nvme.IdentifyNamespace;
import io.twinspan.nvme.QueueOwner;
import io.twinspan.nvme.SmartLog;
import java.util.HexFormat;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * What a drive says of itself, under the names that nvme-cli gives to the fields. Each asks the
 * drive, and blocks for administrative commands.
 */
public final class NvmeReports {
  /** Most entries of an error log that are asked for. */
  private static final int MAX_ERRORS = 64;

  private NvmeReports() {}

  /**
   * {@return one report}
   *
   * @param drive which one, or a share of it
   * @param report {@code id-ctrl}, {@code id-ns}, {@code smart-log} or {@code error-log}
   * @param nsid the namespace, for {@code id-ns}
   * @throws IllegalArgumentException if there is no such report
   */
  public static JsonNode of(QueueOwner drive, String report, int nsid) {
    return switch (report) {
      case "id-ctrl" -> controller(drive.identifyController());
      case "id-ns" -> namespace(drive.identifyNamespace(nsid));
      case "smart-log" -> smart(drive.logs().smart());
      case "error-log" -> {
        ArrayNode errors = JsonNodeFactory.instance.arrayNode();
        drive.logs().errors(MAX_ERRORS).forEach(entry -> errors.add(error(entry)));
        yield errors;
      }
      default -> throw new IllegalArgumentException("no report \"" + report + "\"");
    };
  }

  /**
   * {@return what a list of drives says of one}
   *
   * @param drive which one, or a share of it
   */
  public static ObjectNode summary(QueueOwner drive) {
    IdentifyController identity = drive.identifyController();
    ObjectNode summary = JsonNodeFactory.instance.objectNode();
    summary.put("name", drive.name()).put("serial", identity.serialNumber().strip());
    summary.put("model", identity.modelNumber().strip());
    summary.put("firmware", identity.firmwareRevision().strip());
    ArrayNode namespaces = summary.putArray("namespaces");
    for (int nsid : drive.activeNamespaces()) {
      IdentifyNamespace namespace = drive.identifyNamespace(nsid);
      namespaces
          .addObject()
          .put("nsid", nsid)
          .put("sizeBytes", namespace.sizeBlocks() * namespace.blockBytes())
          .put("blockBytes", namespace.blockBytes());
    }
    return summary;
  }

  private static ObjectNode controller(IdentifyController c) {
    ObjectNode report = JsonNodeFactory.instance.objectNode();
    report.put("vid", c.vendorId()).put("ssvid", c.subsystemVendorId());
    report.put("sn", c.serialNumber().strip()).put("mn", c.modelNumber().strip());
    report.put("fr", c.firmwareRevision().strip());
    report.put("rab", c.recommendedArbitrationBurst()).put("cmic", c.multiPath());
    report.put("mdts", c.maxDataTransferSize()).put("cntlid", c.controllerId());
    report.put("ver", c.version()).put("oaes", c.asyncEvents());
    report.put("ctratt", c.controllerAttributes()).put("oacs", c.adminCommands());
    report.put("acl", c.abortCommandLimit()).put("aerl", c.asyncEventLimit());
    report.put("frmw", c.firmwareUpdates()).put("lpa", c.logPageAttributes());
    report.put("elpe", c.errorLogEntries()).put("npss", c.powerStates());
    report.put("wctemp", c.warningTemperature()).put("cctemp", c.criticalTemperature());
    report.put("tnvmcap", c.totalCapacity()).put("unvmcap", c.unallocatedCapacity());
    report.put("sqes", c.sqEntrySize()).put("cqes", c.cqEntrySize());
    report.put("maxcmd", c.maxCommands()).put("nn", c.namespaceCount());
    report.put("oncs", c.nvmCommands()).put("fuses", c.fusedOperations());
    report.put("fna", c.formatAttributes()).put("vwc", c.volatileWriteCache());
    report.put("awun", c.atomicWriteUnitNormal()).put("awupf", c.atomicWriteUnitPowerFail());
    report.put("sgls", c.sglSupport()).put("subnqn", c.subsystemNqn().strip());
    return report;
  }

  private static ObjectNode namespace(IdentifyNamespace n) {
    ObjectNode report = JsonNodeFactory.instance.objectNode();
    report.put("nsze", n.sizeBlocks()).put("ncap", n.capacityBlocks()).put("nuse", n.usedBlocks());
    report.put("nsfeat", n.features()).put("nlbaf", n.formatCount());
    report.put("flbas", n.formattedSize()).put("nmic", n.multiPath());
    report.put("rescap", n.reservationCapabilities()).put("dlfeat", n.deallocateFeatures());
    report.put("noiob", n.optimalBoundaryBlocks()).put("nvmcap", n.capacityBytes());
    report.put("nguid", hex(n.nguidHigh()) + hex(n.nguidLow())).put("eui64", hex(n.eui64()));
    report.put("blockBytes", n.blockBytes());
    return report;
  }

  private static ObjectNode smart(SmartLog s) {
    ObjectNode report = JsonNodeFactory.instance.objectNode();
    report.put("critical_warning", s.criticalWarning()).put("temperature", s.temperature());
    report.put("avail_spare", s.availableSpare()).put("spare_thresh", s.availableSpareThreshold());
    report.put("percent_used", s.percentageUsed());
    report.put("data_units_read", s.dataUnitsRead());
    report.put("data_units_written", s.dataUnitsWritten());
    report.put("host_read_commands", s.hostReads()).put("host_write_commands", s.hostWrites());
    report.put("controller_busy_time", s.busyMinutes()).put("power_cycles", s.powerCycles());
    report.put("power_on_hours", s.powerOnHours()).put("unsafe_shutdowns", s.unsafeShutdowns());
    report.put("media_errors", s.mediaErrors()).put("num_err_log_entries", s.errorLogEntries());
    return report;
  }

  private static ObjectNode error(ErrorLogEntry e) {
    ObjectNode report = JsonNodeFactory.instance.objectNode();
    report.put("error_count", e.errorCount()).put("sqid", e.sqId()).put("cmdid", e.cid());
    report.put("status_field", e.statusField() >>> 1);
    report.put("parm_error_location", e.parameterLocation());
    report.put("lba", e.lba()).put("nsid", e.nsid()).put("trtype", e.transportType());
    report.put("cs", e.commandSpecific());
    return report;
  }

  /** The bytes of a little-endian number in their order in memory. */
  private static String hex(long littleEndian) {
    return HexFormat.of().toHexDigits(Long.reverseBytes(littleEndian));
  }
}
