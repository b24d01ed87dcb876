package io.twinspan.nvme;

/**
 * The administrative commands that create and delete the two queues of a pair (NVM Express 1.4,
 * sections 5.3 to 5.6). Everything throws {@link StatusException} if the controller refuses.
 */
final class IoQueueCommands {
  private static final int PHYSICALLY_CONTIGUOUS = 1;
  private static final int INTERRUPTS_ENABLED = 1 << 1;

  private IoQueueCommands() {}

  /** Creates both with as many entries each, or neither; the vector has the same number. */
  static void create(
      NvmeController controller,
      int id,
      int entries,
      long sqIova,
      long cqIova,
      boolean interrupts) {
    int sizeAndId = id | (entries - 1) << 16;
    int interrupt = interrupts ? INTERRUPTS_ENABLED | id << 16 : 0;
    SubmissionEntry command = AdminQueue.command(AdminOpcode.CREATE_IO_CQ, 0);
    command.prp(cqIova, 0).cdw(10, sizeAndId).cdw(11, PHYSICALLY_CONTIGUOUS | interrupt);
    controller.admin(command).orThrow(what("Create I/O Completion", controller, id));
    command = AdminQueue.command(AdminOpcode.CREATE_IO_SQ, 0);
    command.prp(sqIova, 0).cdw(10, sizeAndId);
    command.cdw(11, PHYSICALLY_CONTIGUOUS | id << 16);
    Completion completion = controller.admin(command);
    if (!completion.isSuccess()) {
      deleteCompletionQueue(controller, id);
    }
    completion.orThrow(what("Create I/O Submission", controller, id));
  }

  /** Deletes a submission queue; its commands in flight are lost. */
  static void deleteSubmissionQueue(NvmeController controller, int id) {
    SubmissionEntry command = AdminQueue.command(AdminOpcode.DELETE_IO_SQ, 0);
    controller.admin(command.cdw(10, id)).orThrow(what("Delete I/O Submission", controller, id));
  }

  /** Deletes a completion queue, whose submission queue is gone. */
  static void deleteCompletionQueue(NvmeController controller, int id) {
    SubmissionEntry command = AdminQueue.command(AdminOpcode.DELETE_IO_CQ, 0);
    controller.admin(command.cdw(10, id)).orThrow(what("Delete I/O Completion", controller, id));
  }

  private static String what(String verb, NvmeController controller, int id) {
    return "%s Queue %d of %s".formatted(verb, id, controller.name());
  }
}
