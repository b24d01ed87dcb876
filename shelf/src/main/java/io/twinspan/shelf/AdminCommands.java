package io.twinspan.shelf;

import io.twinspan.nvme.AdminOpcode;
import io.twinspan.nvme.CompletionEntry;
import io.twinspan.nvme.Feature;
import io.twinspan.nvme.IdentifyCns;
import io.twinspan.nvme.LogPage;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.SubmissionEntry;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The administrative commands of one controller (NVM Express 1.4, section 5). The agent thread's.
 */
final class AdminCommands {
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final int CNS_ATTACHED_CONTROLLERS = 0x12;
  private static final int CNS_CONTROLLERS = 0x13;
  private static final int CNS_ALLOCATED_NAMESPACES = 0x10;
  private static final int CNS_ALLOCATED_NAMESPACE = 0x11;
  private static final int MAX_NSID_LISTED = 0xffff_fffd;
  private static final int PHYSICALLY_CONTIGUOUS = 1;
  private static final int INTERRUPTS_ENABLED = 1 << 1;
  private static final int SAVE = 1 << 31;
  private static final int SELECT_MASK = 7 << 8;
  private static final int EXTENDED_HOST_ID = 1;
  private static final int RETAIN_EVENT = 1 << 15;

  private final NvmeController controller;
  private final Subsystem subsystem;
  private final DataPointer data;
  private final MemorySegment page = Arena.ofAuto().allocate(LogPages.MAX_BYTES, 8);
  private int result;

  AdminCommands(NvmeController controller, Subsystem subsystem) {
    this.controller = controller;
    this.subsystem = subsystem;
    data = new DataPointer(controller.dma());
  }

  /** Dword 0 of the completion of the last command. */
  int result() {
    return result;
  }

  /** Runs a command; returns its status, or {@link NvmeController#DEFERRED}. */
  int execute(SubmissionEntry command, SubmissionQueue admin) {
    result = 0;
    if (command.flags() != 0) {
      return Status.INVALID_FIELD; // fused operations and SGLs
    }
    return switch (command.opcode()) {
      case AdminOpcode.DELETE_IO_SQ -> deleteSubmissionQueue(command);
      case AdminOpcode.CREATE_IO_SQ -> createSubmissionQueue(command);
      case AdminOpcode.GET_LOG_PAGE -> getLogPage(command);
      case AdminOpcode.DELETE_IO_CQ -> deleteCompletionQueue(command);
      case AdminOpcode.CREATE_IO_CQ -> createCompletionQueue(command);
      case AdminOpcode.IDENTIFY -> identify(command);
      case AdminOpcode.ABORT -> abort(command);
      case AdminOpcode.SET_FEATURES -> setFeatures(command, admin);
      case AdminOpcode.GET_FEATURES -> getFeatures(command);
      case AdminOpcode.ASYNC_EVENT_REQUEST ->
          controller.asyncEvents().request(admin, command.cid());
      case AdminOpcode.DOORBELL_BUFFER_CONFIG ->
          controller.shadowDoorbells(command.prp1(), command.prp2());
      default -> Status.INVALID_OPCODE;
    };
  }

  private int createCompletionQueue(SubmissionEntry command) {
    int id = command.cdw(10) & 0xffff;
    int entries = (command.cdw(10) >>> 16) + 1;
    int vector = command.cdw(11) >>> 16;
    if (id == 0 || id >= NvmeController.QUEUE_PAIRS || controller.completionQueue(id) != null) {
      return Status.INVALID_QUEUE_ID;
    }
    if (vector >= NvmeController.VECTORS) {
      return Status.INVALID_INTERRUPT_VECTOR;
    }
    int status = checkQueue(command, entries);
    if (status != Status.SUCCESS) {
      return status;
    }
    DmaMap.Region region =
        controller
            .domains()
            .of(id)
            .dma()
            .find(command.prp1(), (long) entries * CompletionEntry.BYTES, true);
    if (region == null) {
      return Status.INVALID_FIELD;
    }
    boolean interrupts = (command.cdw(11) & INTERRUPTS_ENABLED) != 0;
    Doorbells doorbells = controller.doorbells(id);
    doorbells.beginCompletions();
    controller.add(
        new CompletionQueue(id, region, command.prp1(), entries, vector, interrupts, doorbells));
    return Status.SUCCESS;
  }

  private int createSubmissionQueue(SubmissionEntry command) {
    int id = command.cdw(10) & 0xffff;
    int entries = (command.cdw(10) >>> 16) + 1;
    int cqId = command.cdw(11) >>> 16;
    if (id == 0 || id >= NvmeController.QUEUE_PAIRS || controller.submissionQueue(id) != null) {
      return Status.INVALID_QUEUE_ID;
    }
    CompletionQueue cq = cqId == 0 ? null : controller.completionQueue(cqId);
    if (cq == null) {
      return cqId == 0 || cqId > NvmeController.IO_QUEUES
          ? Status.INVALID_QUEUE_ID
          : Status.INVALID_CQ;
    }
    QueueDomain domain = controller.domains().of(id);
    if (domain != controller.domains().of(cqId)) {
      return Status.INVALID_QUEUE_ID; // it would complete in memory of somebody else
    }
    int status = checkQueue(command, entries);
    if (status != Status.SUCCESS) {
      return status;
    }
    DmaMap.Region region =
        domain.dma().find(command.prp1(), (long) entries * SubmissionEntry.BYTES, false);
    if (region == null) {
      return Status.INVALID_FIELD;
    }
    Doorbells doorbells = controller.doorbells(id);
    doorbells.beginSubmissions();
    controller.add(new SubmissionQueue(id, region, command.prp1(), entries, cq, doorbells, domain));
    return Status.SUCCESS;
  }

  private static int checkQueue(SubmissionEntry command, int entries) {
    if (entries < 2 || entries > NvmeController.MAX_QUEUE_ENTRIES) {
      return Status.INVALID_QUEUE_SIZE;
    }
    if ((command.cdw(11) & PHYSICALLY_CONTIGUOUS) == 0) {
      return Status.INVALID_FIELD;
    }
    boolean aligned = (command.prp1() & (DataPointer.PAGE_BYTES - 1)) == 0;
    return aligned ? Status.SUCCESS : Status.INVALID_PRP_OFFSET;
  }

  private int deleteSubmissionQueue(SubmissionEntry command) {
    int id = command.cdw(10) & 0xffff;
    SubmissionQueue queue = id == 0 ? null : controller.submissionQueue(id);
    if (queue == null) {
      return Status.INVALID_QUEUE_ID;
    }
    controller.remove(queue);
    return Status.SUCCESS;
  }

  private int deleteCompletionQueue(SubmissionEntry command) {
    int id = command.cdw(10) & 0xffff;
    CompletionQueue queue = id == 0 ? null : controller.completionQueue(id);
    if (queue == null) {
      return Status.INVALID_QUEUE_ID;
    }
    if (queue.submissionQueues() > 0) {
      return Status.INVALID_QUEUE_DELETION;
    }
    controller.removeCompletionQueue(id);
    return Status.SUCCESS;
  }

  private int identify(SubmissionEntry command) {
    int cns = command.cdw(10) & 0xff;
    int nsid = command.nsid();
    page.fill((byte) 0);
    Namespace namespace = subsystem.namespace(nsid);
    switch (cns) {
      case IdentifyCns.CONTROLLER -> IdentifyPages.controller(page, subsystem, controller);
      case IdentifyCns.ACTIVE_NAMESPACES, CNS_ALLOCATED_NAMESPACES -> {
        if (Integer.compareUnsigned(nsid, MAX_NSID_LISTED) > 0) {
          return Status.INVALID_NAMESPACE;
        }
        IdentifyPages.activeNamespaces(page, subsystem, nsid);
      }
      case IdentifyCns.NAMESPACE, CNS_ALLOCATED_NAMESPACE -> {
        if (namespace == null) {
          return Status.INVALID_NAMESPACE;
        }
        IdentifyPages.namespace(page, namespace);
      }
      case IdentifyCns.NAMESPACE_DESCRIPTORS -> {
        if (namespace == null) {
          return Status.INVALID_NAMESPACE;
        }
        IdentifyPages.descriptors(page, namespace);
      }
      case CNS_ATTACHED_CONTROLLERS, CNS_CONTROLLERS -> {
        if (cns == CNS_ATTACHED_CONTROLLERS && namespace == null) {
          return Status.INVALID_NAMESPACE;
        }
        IdentifyPages.controllers(page, subsystem.controllers(), command.cdw(10) >>> 16);
      }
      default -> {
        return Status.INVALID_FIELD;
      }
    }
    return give(command, page, IdentifyPages.BYTES);
  }

  private int getLogPage(SubmissionEntry command) {
    int id = command.cdw(10) & 0xff;
    long dwords = (((long) (command.cdw(11) & 0xffff) << 16) | (command.cdw(10) >>> 16)) + 1;
    long offset = (command.cdw(12) & 0xffff_ffffL) | ((long) command.cdw(13) << 32);
    page.fill((byte) 0);
    int pageBytes;
    switch (id) {
      case LogPage.ERROR -> {
        subsystem.errorLog().writeTo(page);
        pageBytes = LogPages.MAX_BYTES;
      }
      case LogPage.SMART -> {
        LogPages.smart(page, subsystem.health(), subsystem.errorLog().count());
        pageBytes = 512;
      }
      case LogPage.FIRMWARE_SLOT -> {
        LogPages.firmware(page, IdentifyPages.FIRMWARE);
        pageBytes = 512;
      }
      case LogPage.COMMANDS_SUPPORTED -> {
        LogPages.commands(page, controller.doorbellKind());
        pageBytes = 4096;
      }
      default -> {
        return Status.INVALID_LOG_PAGE;
      }
    }
    if (dwords * 4 > DataPointer.MAX_BYTES
        || (offset & 3) != 0
        || offset < 0
        || offset > pageBytes) {
      return Status.INVALID_FIELD;
    }
    int status = give(command, page.asSlice(offset, pageBytes - offset), (int) dwords * 4);
    if (status == Status.SUCCESS && (command.cdw(10) & RETAIN_EVENT) == 0) {
      controller.asyncEvents().logRead(id);
    }
    return status;
  }

  private int abort(SubmissionEntry command) {
    int cid = command.cdw(10) >>> 16;
    SubmissionQueue queue = controller.submissionQueue(command.cdw(10) & 0xffff);
    if (queue == null) {
      return Status.INVALID_FIELD;
    }
    boolean aborted =
        queue.id() == 0
            ? controller.asyncEvents().abort(controller, queue, cid)
            : subsystem.deferrals().abort(queue, cid, Status.ABORT_REQUESTED);
    result = aborted ? 0 : 1;
    return Status.SUCCESS;
  }

  private int setFeatures(SubmissionEntry command, SubmissionQueue admin) {
    int feature = command.cdw(10) & 0xff;
    if ((command.cdw(10) & SAVE) != 0) {
      return Status.FEATURE_NOT_SAVEABLE;
    }
    if (feature == Feature.HOST_IDENTIFIER) {
      return setHostIdentifier(command);
    }
    if (feature == Feature.RESERVATION_PERSISTENCE) {
      return setReservationPersistence(command, admin);
    }
    if (!Features.has(feature)) {
      return Status.INVALID_FIELD;
    }
    int status = controller.features().set(feature, command.cdw(11), controller.hasIoQueues());
    if (status == Status.SUCCESS && feature == Feature.NUMBER_OF_QUEUES) {
      result = controller.features().get(feature, 0);
    }
    return status;
  }

  private int setReservationPersistence(SubmissionEntry command, SubmissionQueue admin) {
    boolean all = command.nsid() == SubmissionEntry.NSID_ALL;
    if (!all && subsystem.namespace(command.nsid()) == null) {
      return Status.INVALID_NAMESPACE;
    }
    for (Namespace namespace : subsystem.namespaces()) {
      if (all || namespace.nsid() == command.nsid()) {
        namespace.reservations().persist((command.cdw(11) & 1) != 0);
      }
    }
    return subsystem.saveState(controller, admin, command);
  }

  private int getReservationPersistence(SubmissionEntry command) {
    Namespace namespace = subsystem.namespace(command.nsid());
    if (namespace == null) {
      return Status.INVALID_NAMESPACE;
    }
    result = namespace.reservations().persists() ? 1 : 0;
    return Status.SUCCESS;
  }

  /** A registration stays with the identifier it was made with (section 5.21.1.26). */
  private int setHostIdentifier(SubmissionEntry command) {
    boolean extended = (command.cdw(11) & EXTENDED_HOST_ID) != 0;
    if (subsystem.mixesHostIdentifiers(controller, extended)) {
      return Status.HOST_ID_INCONSISTENT;
    }
    int status = take(command, extended ? 16 : 8);
    if (status == Status.SUCCESS) {
      controller.features().host(page.get(LONG, 0), extended ? page.get(LONG, 8) : 0, extended);
    }
    return status;
  }

  private int getFeatures(SubmissionEntry command) {
    int feature = command.cdw(10) & 0xff;
    if ((command.cdw(10) & SELECT_MASK) != 0) {
      return Status.INVALID_FIELD; // only the current value: Save and Select is not offered
    }
    if (feature == Feature.HOST_IDENTIFIER) {
      return getHostIdentifier(command);
    }
    if (feature == Feature.RESERVATION_PERSISTENCE) {
      return getReservationPersistence(command);
    }
    if (!Features.has(feature)) {
      return Status.INVALID_FIELD;
    }
    result = controller.features().get(feature, command.cdw(11));
    return Status.SUCCESS;
  }

  private int getHostIdentifier(SubmissionEntry command) {
    boolean extended = (command.cdw(11) & EXTENDED_HOST_ID) != 0;
    HostIdentity host = controller.host();
    if (!extended && host.extended()) {
      return Status.HOST_ID_INCONSISTENT;
    }
    page.set(LONG, 0, host.low());
    page.set(LONG, 8, host.high());
    return give(command, page, extended ? 16 : 8);
  }

  /** Sends bytes to the client; zeros where the source has no more. */
  private int give(SubmissionEntry command, MemorySegment source, int lengthBytes) {
    int status = data.resolve(command.prp1(), command.prp2(), lengthBytes, true);
    if (status == Status.SUCCESS) {
      data.copyFrom(lengthBytes < source.byteSize() ? source.asSlice(0, lengthBytes) : source);
    }
    return status;
  }

  /** Fetches bytes from the client into {@link #page}. */
  private int take(SubmissionEntry command, int lengthBytes) {
    int status = data.resolve(command.prp1(), command.prp2(), lengthBytes, false);
    if (status == Status.SUCCESS) {
      data.copyTo(page);
    }
    return status;
  }
}
