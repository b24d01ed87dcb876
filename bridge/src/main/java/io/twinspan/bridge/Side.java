package io.twinspan.bridge;

/**
 * Which of the two controllers a process is; fixed by configuration, and different at both ends.
 */
public enum Side {
  /** The one that listens, where the provider has a connection to make. */
  A(1),
  /** The one that connects. */
  B(2);

  private final byte code;

  Side(int code) {
    this.code = (byte) code;
  }

  /** How the side stands in messages. */
  byte code() {
    return code;
  }

  /** The other one. */
  public Side peer() {
    return this == A ? B : A;
  }
}
