package io.twinspan.rdma;

/** The link did something that the model does not allow. */
final class MixViolation extends RuntimeException {
  private static final long serialVersionUID = 1;

  MixViolation(String what) {
    super(what);
  }

  /** Formats the message only when it is needed. */
  @SuppressWarnings(
      "AnnotateFormatMethod") // that annotation would be a dependency for its own sake
  static void require(boolean holds, String what, Object... arguments) {
    if (!holds) {
      throw new MixViolation(what.formatted(arguments));
    }
  }
}
