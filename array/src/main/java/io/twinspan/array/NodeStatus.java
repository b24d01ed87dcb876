package io.twinspan.array;

import io.twinspan.pool.PoolHealth;
import java.util.List;

/**
 * What a controller knows of itself, for people and monitoring.
 *
 * @param node name of the controller
 * @param linkUp whether the link to the peer is up
 * @param linkGeneration number of this life of the link
 * @param pools one entry per pool, by index
 * @param forwardedOut requests that hosts gave to this controller and the peer carried out
 * @param forwardedIn requests that the peer's hosts gave to it and this controller carried out
 * @param requestsInFlight requests of hosts that are not answered yet
 */
public record NodeStatus(
    String node,
    boolean linkUp,
    long linkGeneration,
    List<PoolStatusLine> pools,
    long forwardedOut,
    long forwardedIn,
    int requestsInFlight) {

  /**
   * One pool as its controller sees it.
   *
   * @param index index of the pool
   * @param name name of the pool
   * @param home controller that owns it when both are well
   * @param state this controller's part in it
   * @param epoch epoch under which this controller owns it, or the last one it heard of
   * @param logUsedBytes bytes in the commit log that are not destaged yet
   * @param logBytes size of the commit log
   * @param mirroredWrites writes acknowledged because both logs held them
   * @param writtenThrough writes acknowledged because the drives held them
   * @param capacityBlocks blocks of user data that the pool can hold, 0 unless owned
   * @param usedBlocks blocks of user data in it, 0 unless owned
   * @param checksumErrors see {@link io.twinspan.pool.Pool#checksumErrors()}
   * @param requestsWaiting requests that wait for the pool to be served
   * @param health its drives, scrub and rebuild; unknown unless owned
   */
  public record PoolStatusLine(
      int index,
      String name,
      String home,
      PoolState state,
      long epoch,
      long logUsedBytes,
      long logBytes,
      long mirroredWrites,
      long writtenThrough,
      long capacityBlocks,
      long usedBlocks,
      long checksumErrors,
      int requestsWaiting,
      PoolHealth health) {}
}
