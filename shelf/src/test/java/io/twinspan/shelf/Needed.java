package io.twinspan.shelf;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

/** What a test needs of the machine. */
public final class Needed {
  private Needed() {}

  /**
   * Ends a test for want of something: in CI it fails, elsewhere it is skipped.
   *
   * @param what is missing
   */
  public static void missing(String what) {
    String reason = "needs " + what;
    if (System.getenv().containsKey("CI")) {
      fail(reason);
    }
    abort(reason);
  }
}
