package io.twinspan.nvme;

/**
 * What a controller reported unasked (NVM Express 1.4, section 5.2).
 *
 * @param type what it is about: {@link #ERROR}, {@link #SMART}, {@link #NOTICE}, {@link
 *     #IO_COMMAND_SET} or a vendor's
 * @param information which event of that type
 * @param logPage the log page that tells more; the driver has read it, so that the controller
 *     reports events of the type again
 */
public record AsyncEvent(int type, int information, int logPage) {
  /** Type: an error that no command's completion tells. */
  public static final int ERROR = 0;

  /** Type: the drive's health. */
  public static final int SMART = 1;

  /** Type: something has changed. */
  public static final int NOTICE = 2;

  /** Type: the I/O command set's own, such as reservations. */
  public static final int IO_COMMAND_SET = 6;

  /** Information of {@link #ERROR}: a doorbell of a queue that there is not was written. */
  public static final int INVALID_DOORBELL = 0;

  /** Information of {@link #ERROR}: a doorbell was written with a value out of range. */
  public static final int INVALID_DOORBELL_VALUE = 1;

  /** Information of {@link #SMART}: the subsystem's reliability is degraded. */
  public static final int RELIABILITY = 0;

  /** Information of {@link #SMART}: a temperature is beyond its threshold. */
  public static final int TEMPERATURE = 1;

  /** Information of {@link #SMART}: spare space is below its threshold. */
  public static final int SPARE = 2;

  /** Information of {@link #NOTICE}: namespaces came, went or changed. */
  public static final int NAMESPACE_CHANGED = 0;

  /**
   * {@return the event that a completion of Asynchronous Event Request tells}
   *
   * @param result dword 0 of the completion
   */
  static AsyncEvent of(int result) {
    return new AsyncEvent(result & 7, result >>> 8 & 0xff, result >>> 16 & 0xff);
  }

  /** {@return whether it tells that namespaces have changed} */
  public boolean isNamespaceChange() {
    return type == NOTICE && information == NAMESPACE_CHANGED;
  }
}
