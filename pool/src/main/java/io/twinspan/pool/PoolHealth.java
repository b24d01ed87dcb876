package io.twinspan.pool;

import java.util.List;

/**
 * Drives of a pool, and what it does in the background.
 *
 * @param drives one entry per drive, in order
 * @param scrub what the last scrub is doing
 * @param scrubbed how far it is
 * @param rebuilt how far the rebuild of the drives that are in {@link DriveState#REBUILDING} is
 * @param redundancy how data is kept
 * @param traffic what was written since the pool was opened
 */
public record PoolHealth(
    List<DriveState> drives,
    ScrubState scrub,
    Progress scrubbed,
    Progress rebuilt,
    Redundancy redundancy,
    Traffic traffic) {

  /** What a drive is to its pool. */
  public enum DriveState {
    /** It holds all that it should. */
    MEMBER,
    /** It takes what is written; what it missed is being copied to it. */
    REBUILDING,
    /** It is being taken in again: it gets the metadata first. */
    JOINING,
    /** The pool goes on without it. */
    FAILED
  }

  /** What the last scrub is doing. */
  public enum ScrubState {
    /** There was none. */
    NONE,
    /** It goes over the data. */
    RUNNING,
    /** It was stopped, and goes on where it was when it is started. */
    STOPPED,
    /** It came to the end. */
    DONE
  }

  /**
   * How far a pass over the data is.
   *
   * @param doneBlocks blocks that it has gone over
   * @param totalBlocks blocks that there are now
   * @param repairedCopies copies, or blocks of stripes, that it wrote again
   * @param lostBlocks blocks of which it found no right copy
   */
  public record Progress(long doneBlocks, long totalBlocks, long repairedCopies, long lostBlocks) {
    /** Nothing of nothing. */
    public static final Progress NONE = new Progress(0, 0, 0, 0);
  }

  /**
   * What was written since a pool was opened, in blocks.
   *
   * @param writtenBlocks data, as it was asked for
   * @param movedBlocks data that was moved to make room: always 0 for a mirror
   * @param driveBlocks all that went to drives: data, copies or parities, filling and metadata
   */
  public record Traffic(long writtenBlocks, long movedBlocks, long driveBlocks) {
    /** Nothing. */
    public static final Traffic NONE = new Traffic(0, 0, 0);
  }

  /** What there is to say of a pool that is not open. */
  public static final PoolHealth UNKNOWN =
      new PoolHealth(
          List.of(),
          ScrubState.NONE,
          Progress.NONE,
          Progress.NONE,
          Redundancy.MIRROR,
          Traffic.NONE);
}
