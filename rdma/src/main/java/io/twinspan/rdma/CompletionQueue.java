package io.twinspan.rdma;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Where queue pairs put what became of their work requests, in order per queue pair ({@code
 * ibv_cq}).
 *
 * <p>It can't overflow: it has a place for every request its queue pairs hold, and a request's
 * place in its queue pair is free again only when its completion was polled.
 *
 * <p>The link's thread fills it; any one thread, that one or another, polls it and asks to be
 * notified. Neither allocates, locks or fences.
 *
 * <p>An entry is four words: the request's id; status, opcode, flags and queue pair number; length
 * and immediate data; and the number of the queue that it came from.
 */
public final class CompletionQueue {
  /** The most completions one holds. */
  public static final int MAX_CAPACITY = 1 << 22;

  private static final VarHandle CURSOR = MethodHandles.arrayElementVarHandle(long[].class);
  private static final int ENTRY_LONGS = 4;
  private static final int META = 1;
  private static final int LENGTH_AND_IMMEDIATE = 2;
  private static final int SOURCE = 3;

  // Cursors of one array: those of the link's thread, the poller's that nobody else reads often,
  // and the poller's arming, which the link's thread reads in every round, 128 bytes apart.
  private static final int TAIL = 16;
  private static final int SOLICITED_TAIL = 17;
  private static final int FIRED = 18;
  private static final int HEAD = 32;
  private static final int SEEN_TAIL = 33;
  private static final int ARMED = 48;
  private static final int CURSORS = 64;

  // An arming is the tail at that time, and for which kind of completion.
  private static final int ARMED_SOLICITED = 1;
  private static final int ARMED_ANY = 2;
  private static final int ARMED_BITS = 2;
  private static final long ARMED_MASK = (1 << ARMED_BITS) - 1;

  private final long[] cursors = new long[CURSORS];
  private final long[] entries;
  private final int capacity;
  private final int mask;
  private final @Nullable CompletionChannel channel;
  private CompletionSource[] sources = {};
  private int reserved;

  CompletionQueue(int capacity, @Nullable CompletionChannel channel) {
    if (capacity < 1 || capacity > MAX_CAPACITY) {
      throw new IllegalArgumentException("a completion queue of " + capacity);
    }
    this.capacity = capacity;
    this.channel = channel;
    int size = capacity == 1 ? 1 : Integer.highestOneBit(capacity - 1) << 1;
    mask = size - 1;
    entries = new long[size * ENTRY_LONGS];
  }

  /** How many completions it holds. */
  public int capacity() {
    return capacity;
  }

  /** How many completions wait to be polled; any thread may ask. */
  public int size() {
    long head = (long) CURSOR.getAcquire(cursors, HEAD);
    return (int) ((long) CURSOR.getAcquire(cursors, TAIL) - head);
  }

  /**
   * Takes the oldest completion; the poller only.
   *
   * @param into gets it
   * @return false if there is none
   */
  public boolean poll(WorkCompletion into) {
    long head = (long) CURSOR.get(cursors, HEAD);
    if (head == (long) CURSOR.get(cursors, SEEN_TAIL)) {
      long tail = (long) CURSOR.getAcquire(cursors, TAIL);
      if (head == tail) {
        return false;
      }
      CURSOR.set(cursors, SEEN_TAIL, tail);
    }
    int entry = ((int) head & mask) * ENTRY_LONGS;
    into.set(entries[entry], entries[entry + META], entries[entry + LENGTH_AND_IMMEDIATE]);
    sources[(int) entries[entry + SOURCE]].polled();
    CURSOR.setRelease(cursors, HEAD, head + 1);
    return true;
  }

  /**
   * Takes the oldest completions ({@code ibv_poll_cq}); the poller only.
   *
   * @param into gets them, from its beginning
   * @return how many
   */
  public int poll(WorkCompletion[] into) {
    int count = 0;
    while (count < into.length && poll(into[count])) {
      count++;
    }
    return count;
  }

  /**
   * Asks for one event on the completion channel when the next completion comes ({@code
   * ibv_req_notify_cq}); the poller only. Those that are there already cause none, so poll once
   * more afterwards and before going to sleep. The event comes with the {@link Link#doWork} after
   * the completion at the latest.
   *
   * @param solicitedOnly only for a message whose sender asked for it ({@link
   *     WorkCompletion#isSolicited}), and for every failure; an earlier call for any completion
   *     stands until its event
   * @throws IllegalStateException if it was created without a completion channel
   */
  public void requestNotify(boolean solicitedOnly) {
    if (channel == null) {
      throw new IllegalStateException("this completion queue has no completion channel");
    }
    long armed = (long) CURSOR.get(cursors, ARMED);
    boolean waits = armed != (long) CURSOR.getAcquire(cursors, FIRED);
    boolean any = !solicitedOnly || (waits && (armed & ARMED_MASK) == ARMED_ANY);
    long tail = (long) CURSOR.getAcquire(cursors, TAIL);
    CURSOR.setRelease(cursors, ARMED, tail << ARMED_BITS | (any ? ARMED_ANY : ARMED_SOLICITED));
    VarHandle.fullFence(); // the poll that follows looks after the arming is seen
  }

  // --- for the link's thread

  /** A queue that may have so many completions here at most. */
  CompletionSource source(int depth) {
    if (depth > capacity - reserved) {
      throw new IllegalArgumentException(
          "a completion queue of %d has no room for %d more than %d"
              .formatted(capacity, depth, reserved));
    }
    reserved += depth;
    // Copied, because the poller may be reading; it sees the new one before a completion of it.
    CompletionSource[] more = Arrays.copyOf(sources, sources.length + 1);
    CompletionSource source = new CompletionSource(this, sources.length, depth);
    more[sources.length] = source;
    sources = more;
    return source;
  }

  void add(int source, long wrId, long meta, boolean notable, int byteLength, int immediate) {
    long tail = (long) CURSOR.get(cursors, TAIL);
    int entry = ((int) tail & mask) * ENTRY_LONGS;
    entries[entry] = wrId;
    entries[entry + META] = meta;
    entries[entry + LENGTH_AND_IMMEDIATE] =
        (long) byteLength << Integer.SIZE | Integer.toUnsignedLong(immediate);
    entries[entry + SOURCE] = source;
    if (notable) {
      CURSOR.set(cursors, SOLICITED_TAIL, tail + 1);
    }
    CURSOR.setRelease(cursors, TAIL, tail + 1);
  }

  /**
   * Sends the event that was asked for, if there is reason to. Without a fence, because the link's
   * thread calls this again and again, and once after a fence before it sleeps: an arming that it
   * doesn't see now it sees then.
   */
  void notifyIfArmed() {
    long armed = (long) CURSOR.getOpaque(cursors, ARMED);
    if (armed == (long) CURSOR.get(cursors, FIRED)) {
      return;
    }
    boolean any = (armed & ARMED_MASK) == ARMED_ANY;
    long reached = (long) CURSOR.get(cursors, any ? TAIL : SOLICITED_TAIL);
    if (channel != null && reached > armed >>> ARMED_BITS) {
      CURSOR.setRelease(cursors, FIRED, armed);
      channel.raise();
    }
  }

  /** The arming whose event was sent last; a new value is a new event. */
  long fired() {
    return (long) CURSOR.getAcquire(cursors, FIRED);
  }
}
