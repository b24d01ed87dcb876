package io.twinspan.shelf;

/**
 * What a drive has done and suffered since the shelf started, for its SMART log (NVM Express 1.4,
 * section 5.14.1.2). The agent thread's; not kept over restarts.
 */
final class Health {
  long bytesRead;
  long bytesWritten;
  long reads;
  long writes;
  long mediaErrors;
  long unsafeShutdowns;
  long errorLogEntries;
}
