package io.twinspan.shelf;

import io.twinspan.nvme.NvmOpcode;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.SubmissionEntry;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/**
 * The NVM command set of one controller (NVM Express 1.4, section 6). The agent thread's; allocates
 * nothing but for reservations.
 */
final class IoCommands {
  /** What the power's failure leaves whole. */
  private static final int SECTOR_BYTES = 512;

  private final NvmeController controller;
  private final Subsystem subsystem;
  private final DataPointer data;
  private final ReservationCommands reservationCommands;
  private final BlockCommands blockCommands;
  private final MemorySegment sector = Arena.ofAuto().allocate(SECTOR_BYTES, SECTOR_BYTES);

  IoCommands(NvmeController controller, Subsystem subsystem) {
    this.controller = controller;
    this.subsystem = subsystem;
    data = new DataPointer(controller.dma());
    reservationCommands = new ReservationCommands(controller, subsystem, data);
    blockCommands = new BlockCommands(controller, subsystem, data);
  }

  /** Runs a command; returns its status, or {@link NvmeController#DEFERRED}. */
  int execute(SubmissionEntry command, SubmissionQueue queue) {
    if ((command.flags() & ~SubmissionEntry.PSDT_SGL) != 0) {
      return Status.INVALID_FIELD; // fused operations, metadata by SGLs
    }
    data.use(queue.domain().dma());
    int opcode = command.opcode();
    if (opcode == NvmOpcode.FLUSH && command.nsid() == SubmissionEntry.NSID_ALL) {
      return flushAll(command, queue);
    }
    Namespace namespace = subsystem.namespace(command.nsid());
    if (namespace == null) {
      return Status.INVALID_NAMESPACE;
    }
    return switch (opcode) {
      case NvmOpcode.READ -> read(command, queue, namespace);
      case NvmOpcode.WRITE -> write(command, queue, namespace);
      case NvmOpcode.FLUSH -> flush(command, queue, namespace);
      case NvmOpcode.WRITE_ZEROES -> writeZeroes(command, queue, namespace);
      case NvmOpcode.RESERVATION_REGISTER,
          NvmOpcode.RESERVATION_ACQUIRE,
          NvmOpcode.RESERVATION_RELEASE,
          NvmOpcode.RESERVATION_REPORT ->
          reservationCommands.execute(command, queue, namespace);
      case NvmOpcode.DATASET_MANAGEMENT,
          NvmOpcode.COMPARE,
          NvmOpcode.VERIFY,
          NvmOpcode.WRITE_UNCORRECTABLE ->
          blockCommands.execute(command, queue, namespace);
      default -> Status.INVALID_OPCODE;
    };
  }

  private int read(SubmissionEntry command, SubmissionQueue queue, Namespace namespace) {
    int status = prepare(command, namespace, false);
    if (status != Status.SUCCESS) {
      return status;
    }
    if (canBegin(queue, namespace, false)) {
      return begin(command, queue, namespace, false);
    }
    long position = command.lba() << Namespace.BLOCK_SHIFT;
    Medium medium = namespace.medium();
    for (int i = 0; i < data.count(); i++) {
      int result = medium.read(position, data.segment(i), data.offset(i), data.length(i));
      if (result != 0) {
        return Media.readStatus(result);
      }
      position += data.length(i);
    }
    queue.countBytes((long) command.blockCount() << Namespace.BLOCK_SHIFT);
    subsystem.moved(namespace, false, command.lba(), command.blockCount());
    return Status.SUCCESS;
  }

  private int write(SubmissionEntry command, SubmissionQueue queue, Namespace namespace) {
    int status = prepare(command, namespace, true);
    if (status != Status.SUCCESS) {
      return status;
    }
    if (canBegin(queue, namespace, true)) {
      return begin(command, queue, namespace, true);
    }
    long position = command.lba() << Namespace.BLOCK_SHIFT;
    Medium medium = namespace.medium();
    namespace.flushes().written();
    for (int i = 0; i < data.count(); i++) {
      int result = medium.write(position, data.segment(i), data.offset(i), data.length(i));
      if (result != 0) {
        return Media.writeStatus(result);
      }
      position += data.length(i);
    }
    queue.countBytes((long) command.blockCount() << Namespace.BLOCK_SHIFT);
    subsystem.moved(namespace, true, command.lba(), command.blockCount());
    return stable(command, queue, namespace);
  }

  private boolean canBegin(SubmissionQueue queue, Namespace namespace, boolean write) {
    return namespace.medium().canBegin(data) && subsystem.transfers().helps(write, queue);
  }

  /** Begins to move data; the command is completed when it has arrived. */
  private int begin(
      SubmissionEntry command, SubmissionQueue queue, Namespace namespace, boolean write) {
    Deferral deferral = subsystem.deferrals().take();
    if (deferral == null) {
      return Status.INTERNAL_ERROR; // commands are only fetched when there is room
    }
    long bytes = (long) command.blockCount() << Namespace.BLOCK_SHIFT;
    deferral.begin(controller, queue, command.cid(), command.nsid());
    deferral.moving(command.lba());
    Transfer transfer = subsystem.transfers().take(bytes);
    boolean stable = write && mustBeStable(command);
    transfer.begin(deferral, namespace, write, stable, command.lba(), command.blockCount(), data);
    namespace.medium().begin(transfer);
    queue.countBytes(bytes);
    return NvmeController.DEFERRED;
  }

  private int writeZeroes(SubmissionEntry command, SubmissionQueue queue, Namespace namespace) {
    if (!namespace.reservations().permits(controller.host(), true)) {
      return Status.RESERVATION_CONFLICT;
    }
    if (!namespace.contains(command.lba(), command.blockCount())) {
      return Status.LBA_OUT_OF_RANGE;
    }
    namespace.flushes().written();
    int result =
        namespace
            .medium()
            .zero(
                command.lba() << Namespace.BLOCK_SHIFT,
                (long) command.blockCount() << Namespace.BLOCK_SHIFT);
    if (result != 0) {
      return Media.writeStatus(result);
    }
    namespace.uncorrectable().remove(command.lba(), command.blockCount());
    subsystem.health().writes++;
    return stable(command, queue, namespace);
  }

  /** Changes a bit of the first block that a command names: what a bad medium does. */
  void rot(SubmissionEntry command) {
    Namespace namespace = subsystem.namespace(command.nsid());
    if (namespace != null && namespace.contains(command.lba(), 1)) {
      long position = command.lba() << Namespace.BLOCK_SHIFT;
      if (namespace.medium().read(position, sector, 0, 1) == 0) {
        sector.set(ValueLayout.JAVA_BYTE, 0, (byte) (sector.get(ValueLayout.JAVA_BYTE, 0) ^ 1));
        var _ = namespace.medium().write(position, sector, 0, 1);
      }
    }
  }

  /** Carries out the first half of a Write, to a multiple of 512 bytes. */
  void tear(SubmissionEntry command, SubmissionQueue queue) {
    data.use(queue.domain().dma());
    Namespace namespace = subsystem.namespace(command.nsid());
    if (namespace == null
        || command.opcode() != NvmOpcode.WRITE
        || prepare(command, namespace, true) != Status.SUCCESS) {
      return;
    }
    long left = ((long) command.blockCount() << Namespace.BLOCK_SHIFT) / 2 & -SECTOR_BYTES;
    long position = command.lba() << Namespace.BLOCK_SHIFT;
    for (int i = 0; i < data.count() && left > 0; i++) {
      long length = Math.min(left, data.length(i));
      var _ = namespace.medium().write(position, data.segment(i), data.offset(i), length);
      position += length;
      left -= length;
    }
  }

  /** Checks everything about a transfer before any byte moves, and finds its memory. */
  private int prepare(SubmissionEntry command, Namespace namespace, boolean write) {
    if (!namespace.reservations().permits(controller.host(), write)) {
      return Status.RESERVATION_CONFLICT;
    }
    int blocks = command.blockCount();
    if (blocks > DataPointer.MAX_BYTES >>> Namespace.BLOCK_SHIFT) {
      return Status.INVALID_FIELD;
    }
    if (!namespace.contains(command.lba(), blocks)) {
      return Status.LBA_OUT_OF_RANGE;
    }
    if (!write && namespace.uncorrectable().overlaps(command.lba(), blocks)) {
      return Status.UNRECOVERED_READ;
    }
    return data.resolve(command, blocks << Namespace.BLOCK_SHIFT, !write);
  }

  /** After a write: completes at once, or when it is stable if that was asked for. */
  private int stable(SubmissionEntry command, SubmissionQueue queue, Namespace namespace) {
    return mustBeStable(command) ? defer(command, queue, namespace) : Status.SUCCESS;
  }

  private boolean mustBeStable(SubmissionEntry command) {
    boolean force = (command.cdw(12) & SubmissionEntry.FORCE_UNIT_ACCESS) != 0;
    return force || !controller.features().writeCache();
  }

  private int flush(SubmissionEntry command, SubmissionQueue queue, Namespace namespace) {
    if (!namespace.reservations().permits(controller.host(), true)) {
      return Status.RESERVATION_CONFLICT;
    }
    return namespace.flushes().clean() ? Status.SUCCESS : defer(command, queue, namespace);
  }

  private int flushAll(SubmissionEntry command, SubmissionQueue queue) {
    for (int i = 0; i < subsystem.namespaces().size(); i++) {
      if (!subsystem.namespaces().get(i).reservations().permits(controller.host(), true)) {
        return Status.RESERVATION_CONFLICT;
      }
    }
    return defer(command, queue, null);
  }

  /** Completes the command when what was written before is stable on one medium or on all. */
  private int defer(SubmissionEntry command, SubmissionQueue queue, @Nullable Namespace namespace) {
    Deferral deferral = subsystem.deferrals().take();
    if (deferral == null) {
      return Status.INTERNAL_ERROR; // commands are only fetched when there is room
    }
    deferral.begin(controller, queue, command.cid(), command.nsid());
    subsystem.makeStable(deferral, namespace);
    return NvmeController.DEFERRED;
  }
}
