package io.twinspan.simulator;

import java.util.List;
import java.util.Map;

/**
 * What came of one {@link Simulation}.
 *
 * @param seed the seed that replays it
 * @param violation what went wrong, in words; empty when nothing did
 * @param trace faults and changes of ownership in the order of their time, the last 300 at most
 * @param faults how often each fault happened
 * @param virtualNs simulated time
 * @param acknowledged requests that hosts were told had succeeded
 * @param reads reads that were checked
 * @param refused requests that were answered with SHUTDOWN
 * @param longestWaitNs longest time from a request to its answer, at a controller that lived on
 */
public record Outcome(
    long seed,
    String violation,
    List<String> trace,
    Map<Fault, Integer> faults,
    long virtualNs,
    long acknowledged,
    long reads,
    long refused,
    long longestWaitNs) {
  /** Whether every rule held. */
  public boolean isGood() {
    return violation.isEmpty();
  }
}
