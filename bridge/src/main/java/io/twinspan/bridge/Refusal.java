package io.twinspan.bridge;

import java.io.Serial;

/** A peer, or somebody who claims to be it, is not let in; the message says why. */
final class Refusal extends Exception {
  @Serial private static final long serialVersionUID = 1L;

  /** Whether trying again soon makes sense without anybody changing anything. */
  private final boolean passing;

  Refusal(String reason) {
    this(reason, false);
  }

  Refusal(String reason, boolean passing) {
    super(reason);
    this.passing = passing;
  }

  String reason() {
    String message = getMessage();
    return message == null ? "no reason" : message;
  }

  boolean passing() {
    return passing;
  }
}
