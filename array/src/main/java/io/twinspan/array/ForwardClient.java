package io.twinspan.array;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Has the peer carry out requests for pools that it owns. Data of a write is placed into the peer's
 * staging slot before the request is sent; data of a read is in our landing slot before the reply
 * comes. Each data request uses the slot of one number on both sides. Single-threaded.
 */
final class ForwardClient {
  /** Most forwarded requests at a time, per direction. */
  static final int REQUESTS = 64;

  /** Most of them that carry data. */
  static final int SLOTS = 32;

  static final int SLOT_BYTES = HostRequest.MAX_BYTES;

  /** Offset of the landing slots behind the staging slots in {@code landing(DATA)}. */
  static final long LANDING_OFFSET = (long) SLOTS * SLOT_BYTES;

  /** Where requests come back to when the peer did not carry them out. */
  interface Returned {
    void returned(Operation operation);
  }

  private static final int NO_SLOT = 0xFFFF;
  private static final int TAG_SHIFT = 6;

  private final PeerLink link;
  private final MemorySegment landing;
  private final Returned returned;
  private final ForwardMessage message = new ForwardMessage();
  private final OperationQueue waiting = new OperationQueue();
  private final @Nullable Operation[] requests = new Operation[REQUESTS];
  private final int[] slots = new int[REQUESTS];
  private final int[] tags = new int[REQUESTS];
  private final int[] uses = new int[REQUESTS];
  private final long[] orders = new long[REQUESTS];
  private final boolean[] unsent = new boolean[REQUESTS];
  private final int[] freeRequests = new int[REQUESTS];
  private final int[] freeSlots = new int[SLOTS];
  private int freeRequestCount;
  private int freeSlotCount;
  private int unsentCount;
  private long nextOrder;
  private long forwarded;

  ForwardClient(PeerLink link, Returned returned) {
    this.link = link;
    this.returned = returned;
    landing = link.landing(PeerLink.Lane.DATA);
    clear();
  }

  private void clear() {
    Arrays.fill(requests, null);
    Arrays.fill(unsent, false);
    unsentCount = 0;
    freeRequestCount = 0;
    freeSlotCount = 0;
    for (int i = REQUESTS - 1; i >= 0; i--) {
      freeRequests[freeRequestCount++] = i;
    }
    for (int i = SLOTS - 1; i >= 0; i--) {
      freeSlots[freeSlotCount++] = i;
    }
  }

  /** Requests that the peer has carried out. */
  long forwarded() {
    return forwarded;
  }

  /** Whether the peer has answered everything that it was asked. */
  boolean isIdle() {
    return freeRequestCount == REQUESTS;
  }

  void forward(Operation operation) {
    waiting.add(operation);
  }

  int pump() {
    int work = 0;
    for (int i = 0; i < REQUESTS && unsentCount > 0; i++) {
      if (unsent[i]) {
        if (!send(i)) {
          return work;
        }
        work++;
      }
    }
    if (waiting.isEmpty() || !link.isUp() || !link.isGranted(PeerLink.Lane.DATA)) {
      return work;
    }
    for (Operation next = waiting.peek(); next != null && begin(next); next = waiting.peek()) {
      waiting.poll();
      work++;
    }
    return work;
  }

  private static boolean carriesData(Operation operation) {
    return operation.kind == HostOperation.READ || operation.kind == HostOperation.WRITE;
  }

  private boolean begin(Operation operation) {
    boolean data = carriesData(operation);
    if (freeRequestCount == 0 || (data && freeSlotCount == 0)) {
      return false;
    }
    int index = freeRequests[freeRequestCount - 1];
    int slot = data ? freeSlots[freeSlotCount - 1] : NO_SLOT;
    if (operation.kind == HostOperation.WRITE
        && !link.place(
            PeerLink.Lane.DATA,
            operation.data,
            operation.dataOffset,
            (long) slot * SLOT_BYTES,
            (int) operation.length,
            index)) {
      return false;
    }
    freeRequestCount--;
    freeSlotCount -= data ? 1 : 0;
    requests[index] = operation;
    slots[index] = slot;
    tags[index] = nextTag(index);
    orders[index] = nextOrder++;
    operation.forwardedAs = tags[index];
    if (operation.kind != HostOperation.WRITE) {
      unsent[index] = true;
      unsentCount++;
      send(index);
    }
    return true;
  }

  /** Index of a request in its tag. */
  static int indexOf(int tag) {
    return tag & REQUESTS - 1;
  }

  /**
   * Names a request in the life of this process: its index, and how often that was used. Never 0;
   * comes again after 67 million uses of the same index.
   */
  private int nextTag(int index) {
    uses[index]++;
    if (uses[index] << TAG_SHIFT == 0) {
      uses[index] = 1;
    }
    return uses[index] << TAG_SHIFT | index;
  }

  private boolean send(int index) {
    Operation operation = Objects.requireNonNull(requests[index]);
    message.encodeRequest(operation, index, slots[index], tags[index]);
    boolean sent = link.send(PeerLink.Lane.FORWARD, message.segment(), ForwardMessage.BYTES);
    if (sent) {
      unsent[index] = false;
      unsentCount--;
    }
    return sent;
  }

  /** The data of a write is in the peer's memory, or never will be. */
  void placed(int index, boolean success) {
    Operation operation = requests[index];
    if (operation != null && success) {
      unsent[index] = true;
      unsentCount++;
      send(index);
    } else if (operation != null) {
      free(index);
      returned.returned(operation);
    }
  }

  /** A reply came; returns what is wrong with it, or an empty text. */
  String reply(ForwardMessage reply) {
    int index = reply.index();
    Operation operation = index < REQUESTS ? requests[index] : null;
    if (operation == null || tags[index] != reply.tag() || unsent[index]) {
      return "reply to a request " + index + " that was not made";
    }
    HostStatus status = reply.status();
    if (status == null && !reply.isNotOwner()) {
      return "reply with status " + reply.code();
    }
    if (status == HostStatus.OK && operation.kind == HostOperation.READ) {
      long from = LANDING_OFFSET + (long) slots[index] * SLOT_BYTES;
      MemorySegment.copy(landing, from, operation.data, operation.dataOffset, operation.length);
    }
    free(index);
    if (status == null || status == HostStatus.SHUTDOWN) {
      returned.returned(operation);
    } else {
      forwarded++;
      operation.source.ended(operation, status);
    }
    return "";
  }

  private void free(int index) {
    requests[index] = null;
    freeRequests[freeRequestCount++] = index;
    if (slots[index] != NO_SLOT) {
      freeSlots[freeSlotCount++] = slots[index];
    }
  }

  /** Gives back what has not begun. */
  void withdraw(int pool) {
    for (int i = waiting.size(); i > 0; i--) {
      Operation next = Objects.requireNonNull(waiting.poll());
      if (next.volume >>> 24 == pool) {
        returned.returned(next);
      } else {
        waiting.add(next);
      }
    }
  }

  /** The link is gone, and with it every answer: all requests come back, the oldest first. */
  void linkDown() {
    OperationQueue back = new OperationQueue();
    for (int i = oldest(); i >= 0; i = oldest()) {
      back.add(Objects.requireNonNull(requests[i]));
      requests[i] = null;
    }
    waiting.moveTo(back);
    clear();
    for (Operation next = back.poll(); next != null; next = back.poll()) {
      returned.returned(next);
    }
  }

  private int oldest() {
    int oldest = -1;
    for (int i = 0; i < REQUESTS; i++) {
      if (requests[i] != null && (oldest < 0 || orders[i] < orders[oldest])) {
        oldest = i;
      }
    }
    return oldest;
  }
}
