package io.twinspan.shelf;

import io.twinspan.nvme.ControllerRegisters;
import io.twinspan.nvme.IdentifyController;
import io.twinspan.nvme.IdentifyNamespace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;

/**
 * Writes the Identify data structures of 4096 bytes (NVM Express 1.4, section 5.15); the memory
 * handed in is zeroed.
 */
final class IdentifyPages {
  /** Size of every structure. */
  static final int BYTES = 4096;

  /** PCI vendor identifier: ASCII "TS", which nobody has been assigned. */
  static final int VENDOR_ID = 0x5453;

  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** Firmware revision, at most 8 ASCII characters. */
  static final String FIRMWARE = "0.1";

  private static final int RESCAP_ALL_TYPES = 0x7e;
  private static final int DESCRIPTOR_EUI64 = 1;
  private static final int DESCRIPTOR_NGUID = 2;
  private static final int LPA_COMMANDS_SUPPORTED = 1 << 1;
  private static final int LPA_EXTENDED_DATA = 1 << 2;
  private static final int FRMW_ONE_READ_ONLY_SLOT = (1 << 1) | 1;
  private static final int DLFEAT_DEALLOCATED_READS_ZEROES = (1 << 3) | 1;

  private static final int ONCS =
      IdentifyController.ONCS_COMPARE
          | IdentifyController.ONCS_WRITE_UNCORRECTABLE
          | IdentifyController.ONCS_DATASET_MANAGEMENT
          | IdentifyController.ONCS_WRITE_ZEROES
          | IdentifyController.ONCS_RESERVATIONS
          | IdentifyController.ONCS_VERIFY;

  private IdentifyPages() {}

  /** The controller. */
  static void controller(MemorySegment page, Subsystem subsystem, NvmeController controller) {
    boolean shadows = controller.doorbellKind() == DoorbellKind.SHADOWED;
    new IdentifyController()
        .wrap(page, 0)
        .vendorId(VENDOR_ID)
        .subsystemVendorId(VENDOR_ID)
        .serialNumber(subsystem.serial())
        .modelNumber(subsystem.model())
        .firmwareRevision(FIRMWARE)
        .multiPath(IdentifyController.CMIC_PORTS | IdentifyController.CMIC_CONTROLLERS)
        .maxDataTransferSize(
            Integer.numberOfTrailingZeros(DataPointer.MAX_BYTES / DataPointer.PAGE_BYTES))
        .controllerId(controller.controllerId())
        .version(ControllerRegisters.VERSION_1_4)
        .controllerAttributes(IdentifyController.CTRATT_HOST_ID_128)
        .adminCommands(shadows ? IdentifyController.OACS_DOORBELL_BUFFER : 0)
        .abortCommandLimit(3)
        .asyncEventLimit(AsyncEvents.MAX_REQUESTS - 1)
        .firmwareUpdates(FRMW_ONE_READ_ONLY_SLOT)
        .logPageAttributes(LPA_COMMANDS_SUPPORTED | LPA_EXTENDED_DATA)
        .errorLogEntries(ErrorLog.ENTRIES - 1)
        .warningTemperature(0x157)
        .criticalTemperature(0x161)
        .totalCapacity(subsystem.namespaces().stream().mapToLong(n -> n.medium().sizeBytes()).sum())
        .sqEntrySize(0x66)
        .cqEntrySize(0x44)
        .namespaceCount(subsystem.namespaces().size())
        .nvmCommands(ONCS)
        .sglSupport(
            IdentifyController.SGLS_ANY_ALIGNMENT | IdentifyController.SGLS_LONGER_THAN_DATA)
        .volatileWriteCache(IdentifyController.VWC_PRESENT | IdentifyController.VWC_FLUSH_ALL)
        .subsystemNqn(subsystem.qualifiedName());
    // CNTRLTYPE: an I/O controller
    page.set(ValueLayout.JAVA_BYTE, 111, (byte) 1);
  }

  /** A namespace. */
  static void namespace(MemorySegment page, Namespace namespace) {
    new IdentifyNamespace()
        .wrap(page, 0)
        .sizeBlocks(namespace.blocks())
        .capacityBlocks(namespace.blocks())
        .usedBlocks(namespace.blocks())
        .multiPath(IdentifyNamespace.NMIC_SHARED)
        .reservationCapabilities(
            RESCAP_ALL_TYPES
                | IdentifyNamespace.RESCAP_PERSIST
                | IdentifyNamespace.RESCAP_IEKEY_1_3)
        .deallocateFeatures(DLFEAT_DEALLOCATED_READS_ZEROES)
        .capacityBytes(namespace.medium().sizeBytes())
        .nguidHigh(namespace.nguidHigh())
        .nguidLow(namespace.nguidLow())
        .eui64(namespace.eui64())
        .format(0, Namespace.BLOCK_SHIFT);
  }

  /** The identifiers of active namespaces above the given one. */
  static void activeNamespaces(MemorySegment page, Subsystem subsystem, int above) {
    long at = 0;
    for (Namespace namespace : subsystem.namespaces()) {
      if (Integer.compareUnsigned(namespace.nsid(), above) > 0) {
        page.set(INT, at, namespace.nsid());
        at += Integer.BYTES;
      }
    }
  }

  /** The names of a namespace. */
  static void descriptors(MemorySegment page, Namespace namespace) {
    page.set(SHORT, 0, (short) (DESCRIPTOR_EUI64 | (8 << 8)));
    page.set(LONG, 4, namespace.eui64());
    page.set(SHORT, 12, (short) (DESCRIPTOR_NGUID | (16 << 8)));
    page.set(LONG, 16, namespace.nguidHigh());
    page.set(LONG, 24, namespace.nguidLow());
  }

  /** The identifiers of controllers from the given one on. */
  static void controllers(MemorySegment page, List<NvmeController> controllers, int from) {
    int count = 0;
    for (NvmeController controller : controllers) {
      if (controller.controllerId() >= from) {
        count++;
        page.set(SHORT, 2L * count, (short) controller.controllerId());
      }
    }
    page.set(SHORT, 0, (short) count);
  }
}
