package io.twinspan.pool;

import org.jspecify.annotations.Nullable;

/** A request of the pool to one of its drives; comes from and returns to a {@link DriveSet}. */
final class DriveIo extends DriveRequest {
  /** Gets the end of a request. */
  interface Listener {
    /** The request ended with the drive's status; its fields still say what it was. */
    void ioDone(DriveIo io, int status);
  }

  private final DriveSet drives;

  /** Index of the drive. */
  int drive;

  /** For the listener's use. */
  int tag;

  /** Whether it is on its way for the second time, because it was aborted the first time. */
  boolean isRepeated;

  @Nullable Listener listener;
  @Nullable DriveIo next;

  DriveIo(DriveSet drives) {
    this.drives = drives;
  }

  @Override
  public void completed(int status) {
    drives.completed(this, status);
  }
}
