package io.twinspan.shelf;

import org.jspecify.annotations.Nullable;

/**
 * A command that waits for its data to be moved or to become stable, or a shutdown that waits for
 * the media; taken from a fixed pool and used again.
 *
 * <p>Owned by the drive's agent thread.
 */
final class Deferral {
  private @Nullable NvmeController controller;
  private @Nullable SubmissionQueue queue;
  private int cid;
  private int nsid;
  private long lba;
  private int result;
  private int outstanding;
  private boolean moving;
  private boolean cancelled;

  /** How long a fault keeps the completion back when the wait is over; 0 for none. */
  private long heldBackNs;

  /** Starts a wait; {@code queue} is null for a shutdown. */
  void begin(
      NvmeController forController, @Nullable SubmissionQueue forQueue, int forCid, int forNsid) {
    controller = forController;
    queue = forQueue;
    cid = forCid;
    nsid = forNsid;
    lba = 0;
    outstanding = 0;
    result = 0;
    moving = false;
    cancelled = false;
    heldBackNs = forController.execution().heldBackNs();
  }

  /** Its data is on its way from now on, from or to this block; it can't be aborted. */
  void moving(long firstBlock) {
    lba = firstBlock;
    moving = true;
  }

  /** Its data has arrived, or will not. */
  void moved() {
    moving = false;
  }

  /** How many calls of {@link #flushed} it waits for. */
  void waitFor(int flushes) {
    outstanding = flushes;
  }

  /**
   * Counts one flush as done; the last one completes the command unless it was cancelled.
   *
   * @return whether the deferral is of no use any more
   */
  boolean flushed(int errno) {
    if (errno != 0) {
      result = errno;
    }
    outstanding--;
    return outstanding <= 0 && finish(Media.writeStatus(result));
  }

  /**
   * Ends the wait, unless a fault keeps the completion back.
   *
   * @return whether the deferral is of no use any more
   */
  boolean finish(int status) {
    NvmeController owner = controller;
    if (!cancelled && owner != null && heldBackNs != 0) {
      owner.execution().holdBack(this, status, heldBackNs);
      return false;
    }
    end(status);
    return true;
  }

  /** Whether this is the command of that queue with that identifier, and may be aborted. */
  boolean isCommand(SubmissionQueue of, int withCid) {
    return queue == of && cid == withCid && !cancelled && !moving;
  }

  /** Whether it waits for this controller, and if {@code of} is not null for that queue. */
  boolean belongsTo(NvmeController owner, @Nullable SubmissionQueue of) {
    return controller == owner && !cancelled && (of == null || queue == of);
  }

  /** Whether it concerns the namespace. */
  boolean concerns(int namespace) {
    return nsid == namespace || nsid == -1;
  }

  /** The end of the wait will be nobody's business any more. */
  void cancel() {
    cancelled = true;
  }

  boolean isCancelled() {
    return cancelled;
  }

  /** Ends the wait, and completes the command unless it was cancelled. */
  void end(int status) {
    NvmeController owner = controller;
    SubmissionQueue forQueue = queue;
    controller = null;
    queue = null;
    if (cancelled || owner == null) {
      return;
    }
    if (forQueue == null) {
      owner.shutdownFlushed();
    } else {
      owner.completeDeferred(forQueue, cid, status, nsid, lba);
    }
  }

  /** Completes the command now with another status, and forgets it. */
  void abort(int status) {
    cancelled = true;
    NvmeController owner = controller;
    SubmissionQueue forQueue = queue;
    if (owner != null && forQueue != null) {
      owner.completeDeferred(forQueue, cid, status, nsid, lba);
    }
  }
}
