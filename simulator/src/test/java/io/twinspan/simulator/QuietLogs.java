package io.twinspan.simulator;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import org.slf4j.LoggerFactory;

/** Simulations lose controllers by the thousand: shows that only to who asks for it. */
final class QuietLogs {
  private QuietLogs() {}

  /** Sets the level to that of the property {@code array.log}, OFF when there is none. */
  static void set() {
    Level level = Level.toLevel(System.getProperty("array.log"), Level.OFF);
    ((Logger) LoggerFactory.getLogger("io.twinspan")).setLevel(level);
  }
}
