package io.twinspan.rdma;

import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** How often each thing happened, so that one sees that the mixer mixed. One thread counts. */
final class MixTally {
  private final Map<String, long[]> counts = new TreeMap<>();

  void count(String what) {
    counts.computeIfAbsent(what, _ -> new long[1])[0]++;
  }

  @Override
  public String toString() {
    return counts.entrySet().stream()
        .map(entry -> entry.getKey() + "=" + entry.getValue()[0])
        .collect(Collectors.joining(" "));
  }
}
