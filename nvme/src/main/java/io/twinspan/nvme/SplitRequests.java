package io.twinspan.nvme;

/**
 * Requests that are too large for one command, or cross a boundary that the namespace asks not to
 * cross: what of each was sent, and how it has gone so far. Parts are sent in order, as command
 * identifiers become free; after one has failed no more are sent. For the queue pair's thread;
 * allocates nothing.
 *
 * @param <R> what the submitter hands over with a request
 */
final class SplitRequests<R> {
  /** What {@link #cancelFirst} returns when parts are unanswered. */
  static final int UNANSWERED = -1;

  /** Most at a time. */
  static final int CAPACITY = 64;

  /** What lies in an entry that has no request. */
  private static final Object NO_REQUEST = new Object();

  /** One request. */
  private static final class Entry {
    private int opcode;
    private int nsid;
    private int control;
    private long lba;
    private int blocksLeft;
    private long iova;
    private int outstanding;
    private int status;
    private boolean forsaken;
    private Object request = NO_REQUEST;
  }

  private final Entry[] entries = new Entry[CAPACITY];
  private final int[] free = new int[CAPACITY];

  /** A ring of those that have blocks left, oldest first. */
  private final int[] waiting = new int[CAPACITY];

  private int freeCount;
  private int waitingFirst;
  private int waitingCount;

  SplitRequests() {
    for (int index = CAPACITY - 1; index >= 0; index--) {
      entries[index] = new Entry();
      free[freeCount++] = index;
    }
  }

  /** Takes a request, of which no part was sent yet; returns whether there was room. */
  boolean begin(int opcode, int nsid, long lba, int blocks, int control, long iova, R request) {
    if (freeCount == 0) {
      return false;
    }
    int index = free[--freeCount];
    Entry entry = entries[index];
    entry.opcode = opcode;
    entry.nsid = nsid;
    entry.control = control;
    entry.lba = lba;
    entry.blocksLeft = blocks;
    entry.iova = iova;
    entry.outstanding = 0;
    entry.status = Status.SUCCESS;
    entry.forsaken = false;
    entry.request = request;
    waiting[(waitingFirst + waitingCount++) % CAPACITY] = index;
    return true;
  }

  /** Whether a request has blocks left to be sent. */
  boolean isWaiting() {
    return waitingCount > 0;
  }

  /** Whether no request is unanswered. */
  boolean isEmpty() {
    return freeCount == CAPACITY;
  }

  /** The oldest request that has blocks left. */
  int first() {
    return waiting[waitingFirst];
  }

  int opcode(int index) {
    return entries[index].opcode;
  }

  int nsid(int index) {
    return entries[index].nsid;
  }

  int control(int index) {
    return entries[index].control;
  }

  /** First block that was not sent. */
  long lba(int index) {
    return entries[index].lba;
  }

  int blocksLeft(int index) {
    return entries[index].blocksLeft;
  }

  /** DMA address of the first byte that was not sent. */
  long iova(int index) {
    return entries[index].iova;
  }

  /** The next part of {@link #first} is on its way. */
  void sent(int index, int blocks, int bytes) {
    Entry entry = entries[index];
    entry.lba += blocks;
    entry.iova += bytes;
    entry.blocksLeft -= blocks;
    entry.outstanding++;
    if (entry.blocksLeft == 0) {
      dropFirst();
    }
  }

  /**
   * One part was answered.
   *
   * @return whether it was the last one, and {@link #take} gives the request back
   */
  boolean answered(int index, int status) {
    Entry entry = entries[index];
    entry.outstanding--;
    if (status != Status.SUCCESS) {
      boolean first = entry.status == Status.SUCCESS;
      entry.status = first || status == Status.UNSETTLED ? status : entry.status;
      drop(index);
    }
    return entry.outstanding == 0 && entry.blocksLeft == 0;
  }

  int status(int index) {
    return entries[index].status;
  }

  @SuppressWarnings("unchecked") // only begin() stores there
  R request(int index) {
    return (R) entries[index].request;
  }

  /** Whether its owner was told that it is unsettled, and took that for the answer. */
  boolean isForsaken(int index) {
    return entries[index].forsaken;
  }

  void forsake(int index) {
    entries[index].forsaken = true;
  }

  /** Ends a request whose parts have all been answered. */
  R take(int index) {
    R request = request(index);
    entries[index].request = NO_REQUEST;
    free[freeCount++] = index;
    return request;
  }

  /**
   * Sends no more of the oldest request that has blocks left; its status becomes GONE.
   *
   * @return its index if nothing of it is unanswered, and {@link #take} gives it back; else {@link
   *     #UNANSWERED}
   */
  int cancelFirst() {
    int index = first();
    Entry entry = entries[index];
    entry.status = entry.status == Status.SUCCESS ? Status.GONE : entry.status;
    entry.blocksLeft = 0;
    dropFirst();
    return entry.outstanding == 0 ? index : UNANSWERED;
  }

  private void dropFirst() {
    waitingFirst = (waitingFirst + 1) % CAPACITY;
    waitingCount--;
  }

  /** Sends no more of one request: it leaves the ring, wherever it is. */
  private void drop(int index) {
    if (entries[index].blocksLeft == 0) {
      return;
    }
    entries[index].blocksLeft = 0;
    int kept = 0;
    for (int i = 0; i < waitingCount; i++) {
      int each = waiting[(waitingFirst + i) % CAPACITY];
      if (each != index) {
        waiting[(waitingFirst + kept++) % CAPACITY] = each;
      }
    }
    waitingCount = kept;
  }
}
