package io.twinspan.rdma;

import org.jspecify.annotations.Nullable;

/** One request that was posted, and what the model must know of it. */
final class MixSent {
  static final int NONE = -1;

  final long id;
  final String kind;
  final boolean signaled;

  /** How it must fail, if something is wrong with it on purpose. */
  @Nullable WcStatus mistake;

  /** Which of the partner's regions it names; {@link #NONE} if none. */
  int slot = NONE;

  /** By which remote key; 0 if there was none. */
  int key;

  boolean isMessage;
  boolean isStamp;

  /** What is written or read. */
  long stamp;

  /** Which cell is written; {@link #NONE} if none is. */
  int written = NONE;

  /** Which cell is read; {@link #NONE} if none is. */
  int read = NONE;

  int readFrom;
  int readBytes;

  int resultPlace;

  /** By which local key its result comes into the window; 0 if none does. */
  int resultKey;

  /** Which word an atomic acts upon; {@link #NONE} if it is none. */
  int counter = NONE;

  boolean isSwap;

  /** What is added or compared. */
  long operand;

  long swap;

  /** Which SQD it was posted in; 0 if in none. */
  int heldBack;

  MixSent(long id, String kind, boolean signaled) {
    this.id = id;
    this.kind = kind;
    this.signaled = signaled;
  }
}
