package io.twinspan.pool;

/**
 * Something that {@link PoolCheck} noticed.
 *
 * @param severity how bad it is
 * @param kind what it is, for programs
 * @param text what it is, for people
 */
public record PoolFinding(Severity severity, Kind kind, String text) {
  /** How bad a finding is. */
  public enum Severity {
    /** As a crash may leave it: the pool puts it right by itself. */
    NOTE,
    /** A copy is missing or wrong, another one is there: nothing is lost yet. */
    DEGRADED,
    /** Data is lost, or the pool can't be opened. */
    LOST
  }

  /** What a finding is about. */
  public enum Kind {
    /** A drive can't be read at all. */
    DRIVE_MISSING,
    /** The pool goes on without a drive that is there. */
    DRIVE_OUT,
    /** A member lacks some of its data still, which is being copied to it. */
    DRIVE_REBUILDING,
    /** A drive missed the newest superblock. */
    DRIVE_STALE,
    /** A superblock is damaged. */
    SUPERBLOCK,
    /** There is no pool of this array. */
    NOT_FORMATTED,
    /** Too few drives take part for the pool to be opened. */
    NO_QUORUM,
    /** A piece of the checkpoint is damaged. */
    CHECKPOINT,
    /** A drive lacks a batch of the journal that another one has. */
    JOURNAL_COPY,
    /** The journal ends before a batch that was flushed. */
    JOURNAL_GAP,
    /** Batches that were not flushed are incomplete, or their data is: they don't count. */
    JOURNAL_END,
    /** The commit log of the last owner may hold what the drives lack. */
    UNSETTLED,
    /** A record of the metadata makes no sense. */
    RECORD,
    /** Two blocks of volumes lie at the same place. */
    DOUBLE_MAPPED,
    /** Two volumes have the same name, or a number that is to be given out is taken. */
    VOLUME,
    /** The volumes hold more than the pool may. */
    SPACE,
    /** A copy of a block is wrong or can't be read, the other one is right. */
    DATA_COPY,
    /** No copy of a block is right. */
    DATA_LOST
  }
}
