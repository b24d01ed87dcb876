package io.twinspan.rdma;

import java.util.List;

/**
 * What a channel looks like at one moment, for tools.
 *
 * @param spec what the plan says about it
 * @param up whether it works; it may be down while the link is up
 * @param life how often it was re-established in this life of the link
 * @param downReason why it was down last, empty if it never was
 * @param allocatedBytes how much of this side's segment is given out
 * @param regions what this side has registered for the peer
 * @param remoteRegions what the peer has registered for this side
 * @param rings the descriptor rings: of the link's thread, then of a worker if there is one
 * @param queuePairs those that were created
 * @param counts what has gone over it since this process began
 * @param latency from post to completion of the requests that were measured
 */
public record ChannelSnapshot(
    ChannelSpec spec,
    boolean up,
    long life,
    String downReason,
    long allocatedBytes,
    List<Region> regions,
    List<Region> remoteRegions,
    List<Ring> rings,
    List<Pair> queuePairs,
    Counts counts,
    Latency latency) {

  /**
   * A memory region that the other side may use.
   *
   * @param slot its place in the channel's table
   * @param rkey its remote key
   * @param lengthBytes its size
   */
  public record Region(int slot, int rkey, long lengthBytes) {}

  /**
   * A descriptor ring; the counts are of all descriptors ever.
   *
   * @param engine {@code inline} or {@code worker}
   * @param capacity number of slots
   * @param claimed how many slots were taken
   * @param published how many were given to the engine
   * @param consumed how many the engine has carried out
   * @param inUse how many were not collected yet
   */
  public record Ring(
      String engine, int capacity, long claimed, long published, long consumed, int inUse) {}

  /**
   * A queue pair; the counts are of all requests ever.
   *
   * @param index its place in the channel
   * @param number as in completions
   * @param state its state
   * @param sendsPosted requests that were posted
   * @param sendsIssued of these, how many the engine was given, or were stored
   * @param sendsCompleted of these, how many completed
   * @param receivesPosted receives that were posted
   * @param receivesCompleted of these, how many completed
   * @param credit how many receives the peer has posted, as far as was seen, and that are not used
   * @param lastError why it failed last, empty if it never did
   */
  public record Pair(
      int index,
      int number,
      QpState state,
      long sendsPosted,
      long sendsIssued,
      long sendsCompleted,
      long receivesPosted,
      long receivesCompleted,
      long credit,
      String lastError) {}

  /**
   * What {@link ChannelCounters} said.
   *
   * @param sentBytes payload sent or written successfully
   * @param sentOperations sends and writes that succeeded
   * @param sendErrors sends and writes that failed, without flushed ones
   * @param receivedBytes payload from the peer, by its account
   * @param receivedOperations sends and writes of the peer, by its account
   * @param receiveErrors what the peer announced and made no sense
   * @param receiverWaits how often a send began to wait for a receive of the peer
   * @param ringWaits how often a request had to wait because a descriptor ring was full
   * @param crcErrors wrong CRCs, whichever side has found them
   */
  public record Counts(
      long sentBytes,
      long sentOperations,
      long sendErrors,
      long receivedBytes,
      long receivedOperations,
      long receiveErrors,
      long receiverWaits,
      long ringWaits,
      long crcErrors) {}

  /**
   * Of one of 64 requests of each queue pair, how long it took from post to completion.
   *
   * @param samples how many were measured
   * @param p50Ns half of them took no longer
   * @param p99Ns 99 of 100 took no longer
   * @param p999Ns 999 of 1000 took no longer
   * @param maxNs the longest
   */
  public record Latency(long samples, long p50Ns, long p99Ns, long p999Ns, long maxNs) {}
}
