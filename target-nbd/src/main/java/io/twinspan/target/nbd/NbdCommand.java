package io.twinspan.target.nbd;

import org.jspecify.annotations.Nullable;

/**
 * A command that was received and not yet answered. Pooled by its connection, used on its event
 * loop.
 */
final class NbdCommand {
  int type;
  boolean forceUnitAccess;
  long cookie;

  /** Pieces handed over, or waiting to be, that have not come back. */
  int outstanding;

  /** Pieces begun so far. */
  int pieces;

  /** Whether every piece has been begun, or none will be any more. */
  boolean issued;

  /** Whether the flush behind a split FUA write has been begun. */
  boolean flushed;

  /** The first error, 0 without. */
  int error;

  /** The pieces of a READ that have not been sent, in order of offset. */
  @Nullable NbdPiece first;

  private @Nullable NbdPiece last;

  NbdCommand begin(int type, boolean forceUnitAccess, long cookie) {
    this.type = type;
    this.forceUnitAccess = forceUnitAccess;
    this.cookie = cookie;
    outstanding = 0;
    pieces = 0;
    issued = false;
    flushed = false;
    error = 0;
    first = null;
    last = null;
    return this;
  }

  void fail(int error) {
    if (this.error == 0) {
      this.error = error;
    }
  }

  void append(NbdPiece piece) {
    piece.nextOfCommand = null;
    if (last == null) {
      first = piece;
    } else {
      last.nextOfCommand = piece;
    }
    last = piece;
  }

  /** Takes the first piece off; null when there is none. */
  @Nullable NbdPiece poll() {
    NbdPiece piece = first;
    if (piece != null) {
      first = piece.nextOfCommand;
      piece.nextOfCommand = null;
      if (first == null) {
        last = null;
      }
    }
    return piece;
  }
}
