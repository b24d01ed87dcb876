package io.twinspan.nvme;

/**
 * Which administrative commands of others a {@link Broker} passes on to the drive.
 *
 * <ul>
 *   <li>Everybody: Identify; Get Log Page for errors, SMART, firmware and effects, without taking
 *       events away from the broker; Get Features.
 *   <li>Nobody: what the broker's own driver has to itself, which is queues, Abort, events,
 *       doorbell buffers, memory of the host, and the features that belong to them.
 *   <li>Administrators: the rest.
 * </ul>
 */
final class AdminPolicy {
  /** Operation Denied: lack of access rights. */
  static final int OPERATION_DENIED = 0x015;

  /** CDW10 of Get Log Page: events stay as they are. */
  private static final int RETAIN_ASYNC_EVENT = 1 << 15;

  private static final int FEATURE_HOST_MEMORY = 0x0d;

  private static final int FIRMWARE_DOWNLOAD = 0x11;
  private static final int SECURITY_SEND = 0x81;
  private static final int SECURITY_RECEIVE = 0x82;

  /** PSDT and FUSE must be 0. */
  private static final int FLAGS_MASK = 0xc3;

  private AdminPolicy() {}

  /**
   * Decides about a command, and changes it where it may do only a part.
   *
   * @param command a private copy
   * @param administrator whether who sends it may change the drive
   * @return {@link Status#SUCCESS} to pass it on, or the status to answer with
   */
  static int decide(SubmissionEntry command, boolean administrator) {
    if ((command.flags() & FLAGS_MASK) != 0) {
      return Status.INVALID_FIELD;
    }
    return switch (command.opcode()) {
      case AdminOpcode.IDENTIFY, AdminOpcode.GET_FEATURES -> Status.SUCCESS;
      case AdminOpcode.GET_LOG_PAGE -> decideLog(command, administrator);
      case AdminOpcode.DELETE_IO_SQ,
          AdminOpcode.CREATE_IO_SQ,
          AdminOpcode.DELETE_IO_CQ,
          AdminOpcode.CREATE_IO_CQ,
          AdminOpcode.ABORT,
          AdminOpcode.ASYNC_EVENT_REQUEST,
          AdminOpcode.DOORBELL_BUFFER_CONFIG ->
          OPERATION_DENIED;
      case AdminOpcode.SET_FEATURES -> decideFeature(command, administrator);
      default -> administrator ? Status.SUCCESS : OPERATION_DENIED;
    };
  }

  private static int decideLog(SubmissionEntry command, boolean administrator) {
    int cdw10 = command.cdw(10) | RETAIN_ASYNC_EVENT;
    command.cdw(10, cdw10);
    return switch (cdw10 & 0xff) {
      case LogPage.ERROR, LogPage.SMART, LogPage.FIRMWARE_SLOT, LogPage.COMMANDS_SUPPORTED ->
          Status.SUCCESS;
      default -> administrator ? Status.SUCCESS : OPERATION_DENIED; // reading it may change it
    };
  }

  private static int decideFeature(SubmissionEntry command, boolean administrator) {
    return switch (command.cdw(10) & 0xff) {
      case Feature.NUMBER_OF_QUEUES,
          Feature.INTERRUPT_COALESCING,
          Feature.INTERRUPT_VECTOR,
          Feature.ASYNC_EVENT,
          FEATURE_HOST_MEMORY,
          Feature.HOST_IDENTIFIER ->
          OPERATION_DENIED;
      default -> administrator ? Status.SUCCESS : OPERATION_DENIED;
    };
  }

  /**
   * Makes sure that the drive reaches no memory but the buffer that the broker copies data to:
   * takes pointers away, and refuses what would transfer more than was offered, as then PRP2 would
   * name a list, whose contents are the sender's.
   *
   * @param command a private copy
   * @param dataBytes what was offered
   * @return whether the command may be sent
   */
  static boolean confine(SubmissionEntry command, long dataBytes) {
    command.prp(0, 0).metadata(0);
    long needed =
        switch (command.opcode()) {
          case AdminOpcode.IDENTIFY -> IdentifyController.BYTES;
          case AdminOpcode.GET_LOG_PAGE ->
              4 * ((command.cdw(10) >>> 16 | (long) (command.cdw(11) & 0xffff) << 16) + 1);
          case FIRMWARE_DOWNLOAD -> 4 * ((command.cdw(10) & 0xffff_ffffL) + 1);
          case SECURITY_SEND, SECURITY_RECEIVE -> command.cdw(11) & 0xffff_ffffL;
          default -> dataBytes <= Prp.PAGE_BYTES ? 0 : Long.MAX_VALUE; // no PRP2, no list
        };
    return needed <= dataBytes;
  }
}
