package io.twinspan.shelf;

import org.jspecify.annotations.Nullable;

/**
 * A command that waits for its data to become stable, or a shutdown that does; taken from a fixed
 * pool and used again.
 *
 * <p>Owned by the drive's agent thread.
 */
final class Deferral {
  private @Nullable NvmeController controller;
  private @Nullable SubmissionQueue queue;
  private int cid;
  private int nsid;
  private int result;
  private int outstanding;
  private boolean cancelled;

  /** How long a fault keeps the completion back when the wait is over; 0 for none. */
  private long heldBackNs;

  /** Starts a wait; {@code queue} is null for a shutdown. */
  void begin(
      NvmeController forController,
      @Nullable SubmissionQueue forQueue,
      int forCid,
      int forNsid,
      int flushes) {
    controller = forController;
    queue = forQueue;
    cid = forCid;
    nsid = forNsid;
    outstanding = flushes;
    result = 0;
    cancelled = false;
    heldBackNs = forController.heldBackNs();
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
    if (outstanding > 0) {
      return false;
    }
    NvmeController owner = controller;
    SubmissionQueue forQueue = queue;
    if (!cancelled && owner != null && heldBackNs != 0) {
      owner.holdBack(this, Media.writeStatus(result), heldBackNs);
      return false;
    }
    if (!cancelled && owner != null) {
      if (forQueue == null) {
        owner.shutdownFlushed();
      } else {
        owner.completeDeferred(forQueue, cid, Media.writeStatus(result));
      }
    }
    controller = null;
    queue = null;
    return true;
  }

  /** Whether this is the command of that queue with that identifier. */
  boolean isCommand(SubmissionQueue of, int withCid) {
    return queue == of && cid == withCid && !cancelled;
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
    if (!cancelled && owner != null && forQueue != null) {
      owner.completeDeferred(forQueue, cid, status);
    }
    controller = null;
    queue = null;
  }

  /** Completes the command now with another status, and forgets it. */
  void abort(int status) {
    cancelled = true;
    NvmeController owner = controller;
    SubmissionQueue forQueue = queue;
    if (owner != null && forQueue != null) {
      owner.completeDeferred(forQueue, cid, status);
    }
  }
}
