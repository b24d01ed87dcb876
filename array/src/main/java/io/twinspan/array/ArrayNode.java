package io.twinspan.array;

import io.twinspan.concurrent.Clock;
import io.twinspan.pool.PoolCompletion;
import io.twinspan.pool.VolumeInfo;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * One controller's logic: serves hosts, owns pools, mirrors writes to its peer, and follows the
 * rules of failover. A deterministic state machine without threads, sockets or time of its own:
 * link, drives, pools and clock are injected.
 *
 * <p>Every method is called on the one agent thread, except {@link #volumes()}. A turn of the
 * agent: let the drives deliver completions, then {@link #doWork} (which polls the link and works
 * on the pools), at the latest at {@link #nextDeadlineNs()}.
 */
public final class ArrayNode {
  /** Number of pools. */
  public static final int POOLS = 2;

  /** Bytes of scratch memory that the constructor wants: 4096-byte aligned, drives reach it. */
  public static final int SCRATCH_BYTES = 16 * 33 * 4096;

  /** Size of {@code landing(DATA)} that the link must offer. */
  public static final int DATA_LANDING_BYTES = 8 << 20;

  /** Size of {@code landing(MIRROR)} that the link must offer: one log per pool. */
  public static long mirrorLandingBytes(long logBytes) {
    return POOLS * logBytes;
  }

  /** Builds a controller; it begins to act with the first {@link #doWork}. */
  public ArrayNode(
      ArrayConfig config,
      List<PoolConfig> pools,
      PeerLink link,
      MemorySegment scratch,
      Clock clock,
      ArrayListener listener) {}

  /**
   * Takes a host's request.
   *
   * @return false when there is no room: keep it and try again after a turn; never true and lost
   */
  public boolean submit(HostRequest request) {
    return false;
  }

  /**
   * One turn: events of the link, work of the pools, whatever has come due.
   *
   * @return amount of work done, 0 for none
   * @throws IllegalStateException when an invariant is broken: stop the process, its peer takes
   *     over
   */
  public int doWork() {
    return 0;
  }

  /** Time of the clock at which {@link #doWork} is due even if nothing happens. */
  public long nextDeadlineNs() {
    return 0;
  }

  /**
   * Creates a volume, on this controller or through its peer; CLOSED when nobody could be asked.
   */
  public void createVolume(int pool, String name, long sizeBytes, PoolCompletion completion) {}

  /** Changes a volume's size, as {@link #createVolume}. */
  public void resizeVolume(int volume, long sizeBytes, PoolCompletion completion) {}

  /** Deletes a volume, as {@link #createVolume}. */
  public void deleteVolume(int volume, PoolCompletion completion) {}

  /** Volumes of both pools, sorted by name. Any thread. */
  public List<VolumeInfo> volumes() {
    return List.of();
  }

  /** What there is to know. Allocates: for the control plane. */
  public NodeStatus status() {
    return new NodeStatus("", false, 0, List.of(), 0, 0, 0);
  }

  /**
   * Hands a pool to its home controller now instead of after the delay.
   *
   * @return false when this controller doesn't own it mirrored, or is its home
   */
  public boolean giveback(int pool) {
    return false;
  }

  /**
   * Ends this controller's part in good order: hands its pools to a live peer, or, when alone, puts
   * everything on the drives and closes them. Requests that come later are answered with SHUTDOWN.
   *
   * @param done called once, on the agent thread, when the process may end
   */
  public void stop(Runnable done) {}
}
