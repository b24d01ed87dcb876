package io.twinspan.array;

/** Commit log. */
final class CommitLog {
  static final int RING_OFFSET = 4096;
  static final long MIN_BYTES = 1 << 20;
  static final long MAX_BYTES = 1 << 30;

  private CommitLog() {}
}
