package io.twinspan.shelf;

import java.util.concurrent.TimeUnit;

/**
 * What a drive has done and suffered in its life, for its SMART log (NVM Express 1.4, section
 * 5.14.1.2). The agent thread's; kept over restarts by {@link DriveState}.
 */
final class Health {
  long bytesRead;
  long bytesWritten;
  long reads;
  long writes;
  long mediaErrors;
  long unsafeShutdowns;
  long powerCycles = 1;

  private final long startNs = System.nanoTime();
  private long secondsBefore;

  /** How long the drive had had power before it got it this time. */
  void powerOnSecondsBefore(long seconds) {
    secondsBefore = seconds;
  }

  long powerOnSeconds() {
    return secondsBefore + TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - startNs);
  }
}
