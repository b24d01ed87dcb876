package io.twinspan.rdma;

/** The last events of one queue pair, for the report of a run that failed. */
final class MixTrace {
  private static final int EVENTS = 40;

  private final long[] times = new long[EVENTS];
  private final String[] texts = new String[EVENTS];
  private final long[] firsts = new long[EVENTS];
  private final long[] seconds = new long[EVENTS];
  private long count;

  void add(String text, long first, long second) {
    int i = (int) (count++ % EVENTS);
    times[i] = System.nanoTime();
    texts[i] = text;
    firsts[i] = first;
    seconds[i] = second;
  }

  @Override
  public String toString() {
    StringBuilder all = new StringBuilder();
    long now = System.nanoTime();
    for (long n = Math.max(0, count - EVENTS); n < count; n++) {
      int i = (int) (n % EVENTS);
      all.append(
          "    %10.3f ms  %-12s %d (0x%x), %d%n"
              .formatted((times[i] - now) / 1e6, texts[i], firsts[i], firsts[i], seconds[i]));
    }
    return all.toString();
  }
}
