package io.twinspan.linux;

import java.io.Serial;

/** A system call failed; the message names the call, its object and the error. */
public final class ErrnoException extends TwinspanException {
  @Serial private static final long serialVersionUID = 1L;

  /** The positive error number. */
  private final int errno;

  /**
   * The failure of one call.
   *
   * @param call the call and what it was about, such as {@code "open /dev/vfio/vfio"}
   * @param errno the positive error number
   */
  public ErrnoException(String call, int errno) {
    super(call + ": " + Errno.name(errno) + " (" + Errno.text(errno) + ")");
    this.errno = errno;
  }

  /** The positive error number, one of the constants of {@link Errno}. */
  public int errno() {
    return errno;
  }

  /** Returns {@code result} if it is not negative, and throws what it stands for if it is. */
  static int check(int result, String call) {
    if (result < 0) {
      throw new ErrnoException(call, -result);
    }
    return result;
  }
}
