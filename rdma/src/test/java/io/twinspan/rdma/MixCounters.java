package io.twinspan.rdma;

import java.util.ArrayList;
import java.util.List;

/**
 * What a queue pair knows about the words in its partner's memory that its atomics act upon. Of the
 * first word only the low half is this queue pair's: a thread of the partner adds to the high half
 * all the time ({@link MixAdder}).
 */
final class MixCounters {
  /** The word to which both add. */
  static final int CONTENDED = 0;

  private static final long LOW_HALF = 0xffff_ffffL;
  private static final int MOST_VALUES = 200;

  private static final class Counter {
    /** Nothing is known. */
    boolean anything = true;

    /** This queue pair's part: one value, or several if nobody knows which requests have acted. */
    final List<Long> values = new ArrayList<>();

    /** What was there last. */
    long returned;
  }

  private final List<Counter> counters = new ArrayList<>();

  MixCounters() {
    for (int i = 0; i < MixShape.COUNTER_WORDS; i++) {
      counters.add(new Counter());
    }
  }

  /** The memory is that of a new process. */
  void begin() {
    for (Counter counter : counters) {
      counter.anything = false;
      counter.values.clear();
      counter.values.add(0L);
      counter.returned = 0;
    }
  }

  /** The memory is not what the atomics made it. */
  void forget() {
    for (Counter counter : counters) {
      counter.anything = true;
      counter.values.clear();
      counter.returned = 0;
    }
  }

  /** What a word was when the last atomic was carried out on it. */
  long returned(int counter) {
    return counters.get(counter).returned;
  }

  void succeeded(MixSent sent, long returned) {
    Counter it = counters.get(sent.counter);
    long part = part(sent, returned);
    MixViolation.require(
        it.anything || it.values.contains(part),
        "counter %d was %x, of which %x is none of %s",
        sent.counter,
        returned,
        part,
        it.values);
    if (sent.counter == CONTENDED && !it.anything) {
      MixViolation.require(
          returned >>> Integer.SIZE >= it.returned >>> Integer.SIZE,
          "counter was %x and is %x",
          it.returned,
          returned);
    }
    it.returned = returned;
    it.anything = false;
    it.values.clear();
    it.values.add(part(sent, after(sent, returned)));
  }

  /** It may, or may not, have acted. */
  void failed(MixSent sent) {
    Counter it = counters.get(sent.counter);
    for (int i = it.values.size() - 1; i >= 0; i--) {
      long before = it.values.get(i);
      boolean swaps = !sent.isSwap || part(sent, sent.operand) == before;
      long after = part(sent, sent.isSwap ? sent.swap : before + sent.operand);
      if (swaps && !it.values.contains(after)) {
        it.values.add(after);
      }
    }
    if (it.values.size() > MOST_VALUES) {
      it.anything = true;
    }
  }

  private static long after(MixSent sent, long before) {
    if (sent.isSwap) {
      return before == sent.operand ? sent.swap : before;
    }
    return before + sent.operand;
  }

  private static long part(MixSent sent, long value) {
    return sent.counter == CONTENDED ? value & LOW_HALF : value;
  }
}
