package io.twinspan.rdma;

import io.twinspan.bridge.Side;
import java.util.List;

/**
 * What a link looks like at one moment, between two rounds of its thread; for tools.
 *
 * @param side which side tells
 * @param up whether the peer is there
 * @param generation the present life of the link, or the latest
 * @param peerName what the peer calls itself, empty while the link is down
 * @param workerThreads how many threads copy beside the link's own
 * @param channels by number
 */
public record LinkSnapshot(
    Side side,
    boolean up,
    long generation,
    String peerName,
    int workerThreads,
    List<ChannelSnapshot> channels) {}
