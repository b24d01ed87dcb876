package io.twinspan.shelf;

import org.jspecify.annotations.Nullable;

/** A fixed number of deferrals of one drive; the agent thread's. */
final class DeferralPool {
  /** How many commands of one drive may wait for flushes at a time. */
  static final int CAPACITY = 1024;

  /** Kept back from commands, so that every controller can shut down. */
  private static final int RESERVE = 8;

  private final Deferral[] all = new Deferral[CAPACITY];
  private final Deferral[] free = new Deferral[CAPACITY];
  private int freeCount = CAPACITY;

  DeferralPool() {
    for (int i = 0; i < CAPACITY; i++) {
      all[i] = new Deferral();
      free[i] = all[i];
    }
  }

  /** Whether a command may be fetched that might have to wait. */
  boolean hasRoom() {
    return freeCount > RESERVE;
  }

  /** Takes one; null if all are in use. */
  @Nullable Deferral take() {
    return freeCount == 0 ? null : free[--freeCount];
  }

  void release(Deferral deferral) {
    free[freeCount++] = deferral;
  }

  /** Forgets everything that waits for a controller. */
  void cancelAll(NvmeController controller) {
    for (Deferral deferral : all) {
      if (deferral.belongsTo(controller, null)) {
        deferral.cancel();
      }
    }
  }

  /** Forgets everything that waits for a queue. */
  void cancelAll(NvmeController controller, SubmissionQueue queue) {
    for (Deferral deferral : all) {
      if (deferral.belongsTo(controller, queue)) {
        deferral.cancel();
      }
    }
  }

  /** Ends what waits for a queue, or with null for any queue, with the given status. */
  void abortAll(NvmeController controller, @Nullable SubmissionQueue queue, int status) {
    for (Deferral deferral : all) {
      if (deferral.belongsTo(controller, queue)) {
        deferral.abort(status);
      }
    }
  }

  /** Ends what waits for a controller and concerns a namespace with the given status. */
  void abortNamespace(NvmeController controller, int nsid, int status) {
    for (Deferral deferral : all) {
      if (deferral.belongsTo(controller, null) && deferral.concerns(nsid)) {
        deferral.abort(status);
      }
    }
  }

  /** Ends one command; false if it does not wait. */
  boolean abort(SubmissionQueue queue, int cid, int status) {
    for (Deferral deferral : all) {
      if (deferral.isCommand(queue, cid)) {
        deferral.abort(status);
        return true;
      }
    }
    return false;
  }
}
