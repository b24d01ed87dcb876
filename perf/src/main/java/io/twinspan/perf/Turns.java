package io.twinspan.perf;

/** Which queue pair has its turn. */
final class Turns {
  private final int queuePairs;
  private int next;

  Turns(int queuePairs) {
    this.queuePairs = queuePairs;
  }

  int next() {
    int turn = next;
    next = turn + 1 == queuePairs ? 0 : turn + 1;
    return turn;
  }
}
