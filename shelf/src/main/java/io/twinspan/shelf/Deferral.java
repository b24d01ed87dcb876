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
  }

  /** Counts one flush as done; the last one completes the command unless it was cancelled. */
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
