package io.twinspan.shelf;

import io.twinspan.nvme.Status;
import io.twinspan.nvme.SubmissionEntry;
import java.lang.foreign.Arena;

/**
 * Carries out the commands in one controller's queues, with the faults that they are to suffer. The
 * drive's agent thread's; allocates nothing for I/O commands.
 */
final class Execution {
  /**
   * How much data one queue may move in its turn, but for the last command: others must not wait.
   */
  private static final long BURST_BYTES = 1 << 20;

  private final NvmeController controller;
  private final Subsystem subsystem;
  private final AdminCommands adminCommands;
  private final IoCommands ioCommands;
  private final SubmissionEntry command =
      new SubmissionEntry().wrap(Arena.ofAuto().allocate(SubmissionEntry.BYTES, 8), 0);
  private boolean stalled;
  private long heldBackNs;

  Execution(NvmeController controller, Subsystem subsystem) {
    this.controller = controller;
    this.subsystem = subsystem;
    adminCommands = new AdminCommands(controller, subsystem);
    ioCommands = new IoCommands(controller, subsystem);
  }

  /** Forgets that a queue waited. */
  void beginRound() {
    stalled = false;
  }

  /** Whether a queue waits for its client to take completions. */
  boolean stalled() {
    return stalled;
  }

  /**
   * Carries out commands of a queue, as far as there is room for them.
   *
   * @param count how many at most; so many are there
   * @return how many
   */
  int run(SubmissionQueue sq, int count) {
    int done = 0;
    long bytesEnd = sq.bytes() + BURST_BYTES;
    while (done < count
        && sq.bytes() < bytesEnd
        && controller.state() == NvmeController.State.READY) {
      if (!subsystem.deferrals().hasRoom() || (sq.id() != 0 && !subsystem.transfers().hasRoom())) {
        break; // what ends makes room, and wakes the agent
      }
      if (!sq.completionQueue().reserve()) {
        stalled = true;
        break;
      }
      sq.fetch(command);
      execute(sq);
      done++;
    }
    return done;
  }

  private void execute(SubmissionQueue sq) {
    boolean known = subsystem.namespace(command.nsid()) != null;
    int refused = sq.id() == 0 ? Status.SUCCESS : sq.domain().check(command, known);
    if (refused != Status.SUCCESS) {
      finish(sq, refused);
      return;
    }
    Fault fault = sq.id() == 0 ? null : subsystem.faults().take(command);
    if (fault != null) {
      suffer(fault, sq);
    } else {
      finish(
          sq, sq.id() == 0 ? adminCommands.execute(command, sq) : ioCommands.execute(command, sq));
    }
  }

  private void suffer(Fault fault, SubmissionQueue sq) {
    switch (fault.effect()) {
      case STATUS -> finish(sq, fault.status());
      case DELAY -> finishLate(sq, fault.delay().toNanos());
      case DROP -> finishLate(sq, LateCompletions.NEVER);
      case ROT -> {
        ioCommands.rot(command);
        finish(sq, ioCommands.execute(command, sq));
      }
      case POWER_CUT -> {
        ioCommands.tear(command, sq);
        subsystem.cutPower();
      }
      case REMOVE -> {
        subsystem.faults().remove();
        controller.fail();
      }
    }
  }

  /** Carries a command out, and keeps its completion back. */
  private void finishLate(SubmissionQueue sq, long delayNs) {
    heldBackNs = delayNs;
    int status = ioCommands.execute(command, sq);
    heldBackNs = 0;
    Deferral deferral = status == NvmeController.DEFERRED ? null : subsystem.deferrals().take();
    if (deferral == null) {
      finish(sq, status); // or it waits for a flush, and is kept back then
      return;
    }
    deferral.begin(controller, sq, command.cid(), command.nsid());
    holdBack(deferral, status, delayNs);
  }

  /** How long the completion of the command that is carried out just now is kept back. */
  long heldBackNs() {
    return heldBackNs;
  }

  /** Keeps a completion back. */
  void holdBack(Deferral deferral, int status, long delayNs) {
    subsystem.late().add(deferral, status, delayNs);
  }

  private void finish(SubmissionQueue sq, int status) {
    if (status == NvmeController.DEFERRED) {
      return;
    }
    if (status != Status.SUCCESS) {
      noteError(sq, command.cid(), status, command.nsid(), sq.id() == 0 ? 0 : command.lba());
    }
    controller.complete(sq, command.cid(), status, sq.id() == 0 ? adminCommands.result() : 0);
  }

  /** Counts a command that ends with another status than success. */
  void noteError(SubmissionQueue sq, int cid, int status, int nsid, long lba) {
    sq.countError();
    if (Media.isMediaError(status)) {
      subsystem.health().mediaErrors++;
    }
    subsystem.errorLog().add(sq.id(), cid, status, nsid, lba);
  }
}
