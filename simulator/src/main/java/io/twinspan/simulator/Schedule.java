package io.twinspan.simulator;

import java.util.ArrayList;
import java.util.List;

/** What is to happen at some later tick. */
final class Schedule {
  private final List<Entry> entries = new ArrayList<>();
  private long now;

  private record Entry(long tick, Runnable action) {}

  /** The tick that it is. */
  long now() {
    return now;
  }

  boolean isEmpty() {
    return entries.isEmpty();
  }

  /** Has something happen after some ticks. */
  void later(int ticks, Runnable action) {
    entries.add(new Entry(now + ticks, action));
  }

  /** Goes on by some ticks: everything that is due happens. */
  void advance(long ticks) {
    now += ticks;
    for (int i = 0; i < entries.size(); ) {
      if (entries.get(i).tick <= now) {
        entries.remove(i).action.run();
      } else {
        i++;
      }
    }
  }

  /** Ticks until the next one is due. */
  long idleTicks() {
    long idle = Long.MAX_VALUE;
    for (Entry entry : entries) {
      idle = Math.min(idle, entry.tick - now);
    }
    return Math.max(idle, 0);
  }

  /** Has everything happen now. */
  void runAll() {
    List<Entry> due = List.copyOf(entries);
    entries.clear();
    due.forEach(entry -> entry.action.run());
  }
}
