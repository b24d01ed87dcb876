package io.twinspan.nvme;

/**
 * The controller's registers in BAR0: offsets, and the fields in their values (NVM Express 1.4,
 * section 3.1).
 *
 * <p>All little-endian, 32 bits at a multiple of 4 or 64 bits at a multiple of 8; a 64-bit one may
 * also be accessed as two halves. All ones in CSTS or VS means that the device is gone.
 */
public final class ControllerRegisters {
  /** CAP, controller capabilities, 64 bits. */
  public static final int CAP = 0x00;

  /** VS, version, 32 bits: major (31:16), minor (15:8), tertiary (7:0). */
  public static final int VS = 0x08;

  /** INTMS, interrupt mask set, 32 bits; not used with MSI-X. */
  public static final int INTMS = 0x0c;

  /** INTMC, interrupt mask clear, 32 bits; not used with MSI-X. */
  public static final int INTMC = 0x10;

  /** CC, controller configuration, 32 bits. */
  public static final int CC = 0x14;

  /** CSTS, controller status, 32 bits. */
  public static final int CSTS = 0x1c;

  /** NSSR, NVM subsystem reset, 32 bits. */
  public static final int NSSR = 0x20;

  /** AQA, admin queue attributes, 32 bits. */
  public static final int AQA = 0x24;

  /** ASQ, DMA address of the admin submission queue, 64 bits. */
  public static final int ASQ = 0x28;

  /** ACQ, DMA address of the admin completion queue, 64 bits. */
  public static final int ACQ = 0x30;

  /** The first doorbell: the admin submission queue's tail. */
  public static final int DOORBELLS = 0x1000;

  /** NVM Express 1.4 in VS. */
  public static final int VERSION_1_4 = 0x0001_0400;

  /** CC.EN: the controller is to process commands. */
  public static final int CC_ENABLE = 1;

  /** CC.SHN = 01b: announces a normal shutdown. */
  public static final int CC_SHUTDOWN_NORMAL = 1 << 14;

  /** CC.SHN = 10b: announces an abrupt shutdown. */
  public static final int CC_SHUTDOWN_ABRUPT = 2 << 14;

  /** Both bits of CC.SHN. */
  public static final int CC_SHUTDOWN_MASK = 3 << 14;

  /** CC.IOSQES = 6 and CC.IOCQES = 4: entries of 64 and 16 bytes. */
  public static final int CC_ENTRY_SIZES = 6 << 16 | 4 << 20;

  /** CSTS.RDY: the controller is ready for commands. */
  public static final int CSTS_READY = 1;

  /** CSTS.CFS: the controller has failed fatally. */
  public static final int CSTS_FATAL = 1 << 1;

  /** CSTS.SHST = 01b: shutdown under way. */
  public static final int CSTS_SHUTDOWN_OCCURRING = 1 << 2;

  /** CSTS.SHST = 10b: shutdown complete. */
  public static final int CSTS_SHUTDOWN_COMPLETE = 2 << 2;

  /** Both bits of CSTS.SHST. */
  public static final int CSTS_SHUTDOWN_MASK = 3 << 2;

  /** What a register of a removed device reads as. */
  public static final int ALL_ONES = -1;

  private ControllerRegisters() {}

  /**
   * {@return CAP for a controller with the NVM command set, contiguous queues and 4 KiB pages only}
   *
   * @param maxQueueEntries entries of the deepest I/O queue, 2 to 65536
   * @param timeoutMs worst time for CSTS.RDY to follow CC.EN, in milliseconds; rounded up to 500
   * @param doorbellStride DSTRD: doorbells lie {@code 4 << DSTRD} bytes apart
   */
  public static long cap(int maxQueueEntries, int timeoutMs, int doorbellStride) {
    long to = Math.min(255, (timeoutMs + 499) / 500);
    return ((maxQueueEntries - 1) & 0xffffL)
        | 1L << 16
        | to << 24
        | (long) (doorbellStride & 0xf) << 32
        | 1L << 37;
  }

  /**
   * {@return the entries of the deepest I/O queue: CAP.MQES plus one, 2 to 65536}
   *
   * @param cap value of CAP
   */
  public static int maxQueueEntries(long cap) {
    return (int) (cap & 0xffff) + 1;
  }

  /**
   * {@return CAP.TO in milliseconds, 0 to 127500}
   *
   * @param cap value of CAP
   */
  public static int timeoutMs(long cap) {
    return (int) (cap >>> 24 & 0xff) * 500;
  }

  /**
   * {@return CAP.DSTRD}
   *
   * @param cap value of CAP
   */
  public static int doorbellStride(long cap) {
    return (int) (cap >>> 32 & 0xf);
  }

  /**
   * {@return whether the controller has the NVM command set: CAP.CSS bit 0}
   *
   * @param cap value of CAP
   */
  public static boolean hasNvmCommandSet(long cap) {
    return (cap >>> 37 & 1) != 0;
  }

  /**
   * {@return log2 of the smallest memory page in bytes: 12 + CAP.MPSMIN}
   *
   * @param cap value of CAP
   */
  public static int minPageShift(long cap) {
    return 12 + (int) (cap >>> 48 & 0xf);
  }

  /**
   * {@return log2 of the page size in bytes that CC sets: 12 + CC.MPS}
   *
   * @param cc value of CC
   */
  public static int pageShift(int cc) {
    return 12 + (cc >>> 7 & 0xf);
  }

  /**
   * {@return AQA for admin queues of these depths}
   *
   * @param sqEntries entries of the submission queue, 2 to 4096
   * @param cqEntries entries of the completion queue, 2 to 4096
   */
  public static int aqa(int sqEntries, int cqEntries) {
    return ((sqEntries - 1) & 0xfff) | ((cqEntries - 1) & 0xfff) << 16;
  }

  /**
   * {@return entries of the admin submission queue}
   *
   * @param aqa value of AQA
   */
  public static int adminSqEntries(int aqa) {
    return (aqa & 0xfff) + 1;
  }

  /**
   * {@return entries of the admin completion queue}
   *
   * @param aqa value of AQA
   */
  public static int adminCqEntries(int aqa) {
    return (aqa >>> 16 & 0xfff) + 1;
  }

  /**
   * {@return offset in BAR0 of a submission queue's tail doorbell}
   *
   * @param queueId 0 for the admin queue
   * @param doorbellStride CAP.DSTRD
   */
  public static long sqTailDoorbell(int queueId, int doorbellStride) {
    return DOORBELLS + 2L * queueId * (4L << doorbellStride);
  }

  /**
   * {@return offset in BAR0 of a completion queue's head doorbell}
   *
   * @param queueId 0 for the admin queue
   * @param doorbellStride CAP.DSTRD
   */
  public static long cqHeadDoorbell(int queueId, int doorbellStride) {
    return DOORBELLS + (2L * queueId + 1) * (4L << doorbellStride);
  }
}
