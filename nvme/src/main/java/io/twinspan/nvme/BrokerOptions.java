package io.twinspan.nvme;

import java.util.Map;
import java.util.Set;

/**
 * What a {@link Broker} grants to whom. Users are told apart by the user id that the kernel names
 * at the other end of the socket.
 *
 * @param socketMode permissions of the socket file, such as {@code 0666}: who may connect at all
 * @param processes most processes at a time, 1 to 64
 * @param queuesPerProcess most private queue pairs of one process, 1 to 64
 * @param depth most commands in flight in one of them, 1 to {@link QueuePair#MAX_DEPTH}
 * @param memoryBytes most memory of one process that the drive can reach; queues count too
 * @param administrators users who may change the drive by administrative commands
 * @param ranges the blocks of those users who get only a part
 * @param others the blocks of all other users
 */
public record BrokerOptions(
    int socketMode,
    int processes,
    int queuesPerProcess,
    int depth,
    long memoryBytes,
    Set<Integer> administrators,
    Map<Integer, NamespaceRange> ranges,
    NamespaceRange others) {
  /**
   * For a start: the socket is for its owner alone, 16 processes with 4 queue pairs of depth 128
   * and 64 MiB each, nobody may change the drive by administrative commands, everybody who may
   * connect may use all blocks.
   */
  public static final BrokerOptions DEFAULTS =
      new BrokerOptions(0600, 16, 4, 128, 64 << 20, Set.of(), Map.of(), NamespaceRange.EVERYTHING);

  private static final int MOST = 64;

  /** Checks the limits. */
  public BrokerOptions {
    requireWithin("processes", processes, MOST);
    requireWithin("queuesPerProcess", queuesPerProcess, MOST);
    requireWithin("depth", depth, QueuePair.MAX_DEPTH);
    administrators = Set.copyOf(administrators);
    ranges = Map.copyOf(ranges);
  }

  /**
   * The same, but for who may connect.
   *
   * @param mode permissions of the socket file
   */
  public BrokerOptions withSocketMode(int mode) {
    return new BrokerOptions(
        mode, processes, queuesPerProcess, depth, memoryBytes, administrators, ranges, others);
  }

  /**
   * The same, but for limits of each process.
   *
   * @param queues most private queue pairs
   * @param commands most commands in flight in one of them
   * @param bytes most memory that the drive can reach
   */
  public BrokerOptions withLimits(int queues, int commands, long bytes) {
    return new BrokerOptions(
        socketMode, processes, queues, commands, bytes, administrators, ranges, others);
  }

  /**
   * The same, but for who may change the drive by administrative commands.
   *
   * @param users their user ids
   */
  public BrokerOptions withAdministrators(Set<Integer> users) {
    return new BrokerOptions(
        socketMode, processes, queuesPerProcess, depth, memoryBytes, users, ranges, others);
  }

  /**
   * The same, but for who gets which blocks.
   *
   * @param byUser the blocks of those users who get only a part
   * @param rest the blocks of all other users
   */
  public BrokerOptions withRanges(Map<Integer, NamespaceRange> byUser, NamespaceRange rest) {
    return new BrokerOptions(
        socketMode, processes, queuesPerProcess, depth, memoryBytes, administrators, byUser, rest);
  }

  /** The blocks that a user gets. */
  NamespaceRange rangeOf(int user) {
    return ranges.getOrDefault(user, others);
  }

  private static void requireWithin(String what, int value, int most) {
    if (value < 1 || value > most) {
      throw new IllegalArgumentException("%s %d is not 1 to %d".formatted(what, value, most));
    }
  }
}
