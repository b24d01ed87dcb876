package io.twinspan.pool;

import java.util.List;

/**
 * A pool: thin volumes on one namespace of each of several drives, every block kept so that it
 * outlives drives ({@link Redundancy}), its CRC32C in the map and verified on every read. The unit
 * of ownership: one controller at a time opens it.
 *
 * <p>A state machine without threads, clock or I/O of its own: the drives and the clock are
 * injected, everything is called on one agent thread, and completions come on that thread from
 * drive completions or {@link #doWork}, never from within the call that asked.
 *
 * <p>Ownership is not decided here: whoever opens a pool has fenced the others at the drives. A
 * reservation conflict on any drive ends in {@link PoolStatus#FENCED} for everything outstanding,
 * and the pool stays {@link State#FENCED} until {@link #abandon}.
 */
public interface Pool {
  /** Most blocks in one READ or WRITE (128 KiB). */
  int MAX_IO_BLOCKS = 32;

  /** Most blocks in one {@link #reserve}. */
  int MAX_RESERVED_BLOCKS = 2 * MAX_IO_BLOCKS;

  /** Life of a pool in this process. */
  enum State {
    /** Nothing in memory; only {@link #format} and {@link #open} are allowed. */
    CLOSED,
    /** Reading the metadata, then persisting the new epoch. */
    OPENING,
    /** Serving. */
    OPEN,
    /** Finishing what was accepted before, on the way to CLOSED. */
    CLOSING,
    /** Another controller took the drives. */
    FENCED
  }

  /** What {@link #reserve} says. */
  enum Grant {
    /** The blocks' space is set aside; WRITEs that together cover the range once must follow. */
    GRANTED,
    /** Space comes free when work under way is done: ask again after some completion. */
    WAIT,
    /** The pool is full. */
    NO_SPACE
  }

  /** State now. */
  State state();

  /**
   * Writes an empty pool of the given array to all drives, whatever was there. State CLOSED before
   * and after.
   */
  void format(long arrayId, PoolCompletion completion);

  /**
   * Reads the metadata, and persists an epoch higher than both the one found and {@code
   * minimumEpoch - 1} on a majority of the drives. The {@link #unsettledEpoch} stays as found.
   *
   * @param arrayId the array whose pool must be found, else NOT_FORMATTED
   * @param minimumEpoch least epoch to open with
   * @param drivesStayedPowered true when no drive can have lost its volatile cache since the last
   *     owner wrote: spares the check of what was not yet flushed
   */
  void open(
      long arrayId, long minimumEpoch, boolean drivesStayedPowered, PoolCompletion completion);

  /**
   * Epoch persisted by the last successful {@link #open}, {@link #nameLog} or {@link #settle}; 0
   * before.
   */
  long epoch();

  /**
   * Epoch of the commit log that may hold what was acknowledged and is not on the drives; 0 when
   * the drives hold everything, and unless OPEN.
   */
  long unsettledEpoch();

  /**
   * Persists {@code epoch() + 1} on a majority of the drives, and that from now on the commit log
   * of that epoch may hold what they lack. When it fails, some drives may say so all the same.
   */
  void nameLog(PoolCompletion completion);

  /**
   * Persists {@code epoch() + 1} on a majority of the drives, and that they hold everything: there
   * is no unsettled log any more.
   */
  void settle(PoolCompletion completion);

  /**
   * Finishes what was accepted, flushes, persists that there is no unsettled log, and forgets
   * everything in memory: state CLOSED, the drives hold it all.
   */
  void close(PoolCompletion completion);

  /**
   * Forgets everything in memory at once, touching no drive; outstanding requests end with CLOSED
   * (their memory may still be in use by a drive until the drive completes; the pool waits for that
   * before it calls them).
   */
  void abandon();

  /**
   * Sets aside room for WRITEs of the range, all or nothing, so that a write that was acknowledged
   * can always be destaged. A WRITE uses the room of its blocks up, however it ends: to try again
   * after NO_SPACE (a thin drive was full), reserve again.
   *
   * @param blockCount at most {@link #MAX_RESERVED_BLOCKS}
   * @return WAIT also while the pool is not OPEN
   * @throws IllegalArgumentException when the range is not in the volume
   */
  Grant reserve(int volume, long block, int blockCount);

  /** Gives back what {@link #reserve} granted for WRITEs that will not come. */
  void unreserve(int volume, long block, int blockCount);

  /**
   * Accepts a data request. Requests that overlap are carried out in the order of submission. Reads
   * see all writes submitted before.
   *
   * @return false when there is no room now: nothing was accepted; try again after some completion
   * @throws IllegalStateException when a WRITE has no reservation
   */
  boolean submit(PoolRequest request);

  /**
   * Creates a thin volume; completes when that survives a crash of the controller (and a loss of
   * power). Id in {@link #volumes()} then.
   */
  void createVolume(String name, long sizeBytes, PoolCompletion completion);

  /** Changes a volume's size; shrinking frees what is cut off. */
  void resizeVolume(int volume, long sizeBytes, PoolCompletion completion);

  /** Deletes a volume; what it holds is given back in the background. */
  void deleteVolume(int volume, PoolCompletion completion);

  /**
   * Makes a volume that holds what another one holds now, at once and without copying: what is
   * written to either later goes to blocks of its own. Waits until all WRITEs that {@link #reserve}
   * granted have ended; {@link #reserve} says WAIT meanwhile. NO_SPACE when there is no room for
   * the map, or for what was promised.
   *
   * @param readOnly whether nobody may write to the new one
   */
  void cloneVolume(int source, String name, boolean readOnly, PoolCompletion completion);

  /** Whether a volume is there and nobody may write to it. For the data path. */
  boolean isReadOnly(int volume);

  /** The volumes, sorted by id; empty unless OPEN. Allocates: for the control plane. */
  List<VolumeInfo> volumes();

  /** Size of a volume in blocks, or -1 when there is none with this id. For the data path. */
  long volumeBlocks(int volume);

  /** Blocks of user data that the pool can hold. */
  long capacityBlocks();

  /** Blocks of user data that it holds. */
  long usedBlocks();

  /**
   * Blocks whose checksum did not match in one copy, since the pool was made; each was repaired or
   * reported.
   */
  long checksumErrors();

  /**
   * Starts to read and compare every copy of all data in the background, or goes on where that was
   * stopped; completes when that is on the drives. A wrong copy is repaired from a right one. Goes
   * on after a crash, under whoever opens the pool.
   */
  void startScrub(PoolCompletion completion);

  /** Stops the scrub where it is. */
  void stopScrub(PoolCompletion completion);

  /**
   * Takes a drive out, as if it had failed. INVALID when too few drives would be left, or a drive
   * that shares data with it is out or not rebuilt yet.
   */
  void failDrive(int index, PoolCompletion completion);

  /**
   * Takes a drive in again that is out: the same one, or a new one in its place, whatever is on it.
   * Completes when it is a member; its data is copied in the background then, what is in use only,
   * and goes on after a crash. INVALID when it is not out, does not answer or is too small,
   * MEDIA_ERROR when it fails meanwhile.
   */
  void replaceDrive(int index, PoolCompletion completion);

  /**
   * Has a checkpoint written soon, so that whoever opens the pool after it finds a short journal;
   * requests go on. Does nothing unless the pool is open.
   */
  void wantCheckpoint();

  /** Checkpoints that were finished since the pool was opened. */
  long checkpoints();

  /** Whether there is data to be gone over: call {@link #allowBackgroundReads} now and then. */
  boolean wantsBackgroundReads();

  /**
   * Lets scrub and rebuild read so many blocks (each twice) until this is called again; at first
   * none. How often it is called bounds their rate.
   */
  void allowBackgroundReads(int blocks);

  /** Drives, scrub and rebuild; {@link PoolHealth#UNKNOWN} unless OPEN. For the control plane. */
  PoolHealth health();

  /** Drives that are missing or failed, by index in the list that the pool was given. */
  boolean driveFailed(int index);

  /**
   * Does what is due: journal writes, flushes, checkpoints, retries after back-pressure,
   * completions. Due after every submit and every drive completion; when it returns 0, nothing is
   * due before the next of those.
   *
   * @return amount of work done, 0 for none
   */
  int doWork();
}
