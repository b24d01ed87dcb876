package io.twinspan.shelf;

import io.twinspan.nvme.Status;

/**
 * Asynchronous events and the commands that wait for them (NVM Express 1.4, section 5.2).
 *
 * <p>A type that was reported is held back until the client reads the log page that goes with it.
 */
final class AsyncEvents {
  /** Commands that a client may have waiting: AERL plus one. */
  static final int MAX_REQUESTS = 4;

  /** Event type: error. */
  static final int ERROR = 0;

  /** Information of {@link #ERROR}: a doorbell was written with a value out of range. */
  static final int INVALID_DOORBELL_VALUE = 1;

  private static final int MAX_EVENTS = 16;

  private final int[] requests = new int[MAX_REQUESTS];
  private final int[] events = new int[MAX_EVENTS];
  private int requestCount;
  private int eventCount;
  private int heldBackTypes;

  /** Drops commands and events: what a controller reset does. */
  void reset() {
    requestCount = 0;
    eventCount = 0;
    heldBackTypes = 0;
  }

  /** Lets a command wait; the slot of its completion is given back until there is an event. */
  int request(SubmissionQueue admin, int cid) {
    if (requestCount == MAX_REQUESTS) {
      return Status.ASYNC_EVENT_LIMIT;
    }
    requests[requestCount++] = cid;
    admin.completionQueue().unreserve();
    return NvmeController.DEFERRED;
  }

  /** Notes an event; beyond the limit the newest are lost, as the log page tells all anyway. */
  void add(int type, int information, int logPage) {
    if (eventCount < MAX_EVENTS) {
      events[eventCount++] = type | (information << 8) | (logPage << 16);
    }
  }

  /** The client has read a log page: events of the type may be reported again. */
  void logRead(int logPage) {
    if (logPage == 1) {
      heldBackTypes &= ~(1 << ERROR);
    }
  }

  /** Ends waiting commands with events, as long as there are both. */
  void deliver(NvmeController controller) {
    if (eventCount == 0 || requestCount == 0) {
      return;
    }
    SubmissionQueue admin = controller.submissionQueue(0);
    if (admin == null) {
      return;
    }
    int kept = 0;
    for (int i = 0; i < eventCount; i++) {
      int type = events[i] & 7;
      boolean deliverable =
          requestCount > 0
              && (heldBackTypes & (1 << type)) == 0
              && admin.completionQueue().reserve();
      if (deliverable) {
        heldBackTypes |= 1 << type;
        int cid = requests[--requestCount];
        controller.complete(admin, cid, Status.SUCCESS, events[i]);
      } else {
        events[kept++] = events[i];
      }
    }
    eventCount = kept;
  }

  /** Ends a waiting command for an Abort; false if there is none with that identifier. */
  boolean abort(NvmeController controller, SubmissionQueue admin, int cid) {
    for (int i = 0; i < requestCount; i++) {
      if (requests[i] == cid && admin.completionQueue().reserve()) {
        requests[i] = requests[--requestCount];
        controller.complete(admin, cid, Status.ABORT_REQUESTED, 0);
        return true;
      }
    }
    return false;
  }
}
