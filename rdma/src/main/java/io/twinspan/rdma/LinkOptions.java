package io.twinspan.rdma;

/**
 * How a link moves data; each side decides for itself.
 *
 * <p>By default the link's thread copies ({@code inline}). With worker threads, transfers from a
 * size on are handed to them, and the link's thread only collects what they did. A queue pair's
 * requests keep their order: none is given to one engine while the other has an earlier one.
 *
 * @param workerThreads how many, 0 to {@value #MAX_WORKERS}; a channel belongs to one of them
 * @param workerThresholdBytes from which length on a transfer goes to a worker, more than 0
 */
public record LinkOptions(int workerThreads, int workerThresholdBytes) {
  /** The most worker threads. */
  public static final int MAX_WORKERS = ChannelPlan.MAX_CHANNELS;

  /** The link's thread copies everything. */
  public static final LinkOptions DEFAULT = new LinkOptions(0, 1);

  /** Checks the values. */
  public LinkOptions {
    if (workerThreads < 0 || workerThreads > MAX_WORKERS || workerThresholdBytes < 1) {
      throw new IllegalArgumentException(
          "%d worker threads from %d bytes on".formatted(workerThreads, workerThresholdBytes));
    }
  }
}
