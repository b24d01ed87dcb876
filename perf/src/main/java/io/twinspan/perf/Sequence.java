package io.twinspan.perf;

/** Counts the words that both sides send each other, over all phases: no word comes twice. */
final class Sequence {
  private long value;

  /** The word that was last sent or received. */
  long value() {
    return value;
  }

  /** The word after it, which becomes the last one. */
  long next() {
    return ++value;
  }
}
