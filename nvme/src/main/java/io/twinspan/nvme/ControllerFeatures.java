package io.twinspan.nvme;

import static io.twinspan.nvme.LittleEndian.ANY_LONG;

import java.lang.foreign.MemorySegment;

/**
 * A controller's features (NVM Express 1.4, sections 5.13 and 5.21). Control plane: any thread;
 * blocks for one administrative command with the controller's deadline. Everything throws {@link
 * StatusException} if the controller refuses. A reset sets features back to their defaults.
 */
public final class ControllerFeatures {
  /** Which of a feature's values is asked for (SEL). */
  public enum Select {
    /** What holds now. */
    CURRENT(0),
    /** What holds after a reset if nothing was saved. */
    DEFAULT(1),
    /** What was saved, and holds after a reset. */
    SAVED(2),
    /** No value, but bit 0: can be saved, bit 1: is per namespace, bit 2: can be changed. */
    SUPPORTED(3);

    private final int code;

    Select(int code) {
      this.code = code;
    }
  }

  private static final int SAVE = 1 << 31;
  private static final int EXTENDED_HOST_ID = 1;
  private static final long TIMESTAMP_MASK = 0xffff_ffff_ffffL;

  private final QueueOwner controller;

  ControllerFeatures(QueueOwner controller) {
    this.controller = controller;
  }

  /**
   * {@return the current value of a feature that has no data}
   *
   * @param feature one of {@link Feature}
   */
  public int get(int feature) {
    return get(feature, 0, Select.CURRENT, 0);
  }

  /**
   * {@return a value of a feature that has no data}
   *
   * @param feature one of {@link Feature}
   * @param nsid a namespace for a feature that is per namespace, else 0
   * @param select which value
   * @param cdw11 what the feature needs to be asked with, such as an interrupt vector; mostly 0
   */
  public int get(int feature, int nsid, Select select, int cdw11) {
    SubmissionEntry command = AdminQueue.command(AdminOpcode.GET_FEATURES, nsid);
    command.cdw(10, feature | select.code << 8).cdw(11, cdw11);
    return controller.admin(command).orThrow(what("Get", feature)).result();
  }

  /**
   * Sets a feature that has no data, until the next reset.
   *
   * @param feature one of {@link Feature}
   * @param value CDW11
   * @return the command specific result
   */
  public int set(int feature, int value) {
    return set(feature, 0, value, false);
  }

  /**
   * Sets a feature that has no data.
   *
   * @param feature one of {@link Feature}
   * @param nsid a namespace for a feature that is per namespace, else 0
   * @param value CDW11
   * @param save whether it shall outlive a reset
   * @return the command specific result
   */
  public int set(int feature, int nsid, int value, boolean save) {
    SubmissionEntry command = AdminQueue.command(AdminOpcode.SET_FEATURES, nsid);
    command.cdw(10, feature | (save ? SAVE : 0)).cdw(11, value);
    return controller.admin(command).orThrow(what("Set", feature)).result();
  }

  /**
   * Sets the 128-bit host identifier, by which the drive tells hosts apart for reservations.
   *
   * @param low first eight bytes, little-endian
   * @param high last eight bytes, little-endian; not both 0
   */
  public void hostIdentifier(long low, long high) {
    MemorySegment data = MemorySegment.ofArray(new byte[16]);
    data.set(ANY_LONG, 0, low);
    data.set(ANY_LONG, 8, high);
    exchange(AdminOpcode.SET_FEATURES, Feature.HOST_IDENTIFIER, EXTENDED_HOST_ID, data);
  }

  /** {@return the 128-bit host identifier: lower, upper eight bytes} */
  public long[] hostIdentifier() {
    MemorySegment data = MemorySegment.ofArray(new byte[16]);
    exchange(AdminOpcode.GET_FEATURES, Feature.HOST_IDENTIFIER, EXTENDED_HOST_ID, data);
    return data.toArray(ANY_LONG);
  }

  /**
   * Sets the drive's clock.
   *
   * @param epochMillis milliseconds since 1970
   */
  public void timestamp(long epochMillis) {
    MemorySegment data = MemorySegment.ofArray(new byte[8]);
    data.set(ANY_LONG, 0, epochMillis & TIMESTAMP_MASK);
    exchange(AdminOpcode.SET_FEATURES, Feature.TIMESTAMP, 0, data);
  }

  /** {@return the drive's clock in milliseconds, since 1970 if it was ever set} */
  public long timestamp() {
    MemorySegment data = MemorySegment.ofArray(new byte[8]);
    exchange(AdminOpcode.GET_FEATURES, Feature.TIMESTAMP, 0, data);
    return data.get(ANY_LONG, 0) & TIMESTAMP_MASK;
  }

  /** {@return whether the volatile write cache is on; false if there is none} */
  public boolean writeCache() {
    int cache = controller.identifyController().volatileWriteCache();
    return (cache & IdentifyController.VWC_PRESENT) != 0
        && (get(Feature.VOLATILE_WRITE_CACHE) & 1) != 0;
  }

  /**
   * Switches the volatile write cache.
   *
   * @param enabled whether writes may be answered before they are durable
   */
  public void writeCache(boolean enabled) {
    set(Feature.VOLATILE_WRITE_CACHE, enabled ? 1 : 0);
  }

  private void exchange(int opcode, int feature, int cdw11, MemorySegment data) {
    SubmissionEntry command = AdminQueue.command(opcode, 0).cdw(10, feature).cdw(11, cdw11);
    controller
        .admin(command, data)
        .orThrow(what(opcode == AdminOpcode.SET_FEATURES ? "Set" : "Get", feature));
  }

  private String what(String verb, int feature) {
    return "%s Features %s of %s".formatted(verb, Feature.name(feature), controller.name());
  }
}
