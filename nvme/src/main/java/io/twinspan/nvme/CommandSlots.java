package io.twinspan.nvme;

/**
 * What a queue pair knows of each command in flight, by command identifier. For the queue pair's
 * thread, but for {@link #inFlight}, which is approximate for others; allocates nothing.
 *
 * <pre>
 *   FREE ──take──▶ TAKEN ──release──▶ FREE
 *                    ├──release while an Abort names it──▶ HELD ──the Abort is answered──▶ FREE
 *                    └──forsake──▶ FORSAKEN: answered, but the drive may still have the identifier
 * </pre>
 *
 * @param <R> what the submitter hands over with a command
 */
final class CommandSlots<R> {
  /** What {@link #split} returns for a command that is not part of a larger request. */
  static final int WHOLE = -1;

  private static final int NONE = -1;
  private static final byte FREE = 0;
  private static final byte TAKEN = 1;
  private static final byte HELD = 2;
  private static final byte FORSAKEN = 3;

  /** What lies in a slot that has no request. */
  private static final Object NO_REQUEST = new Object();

  private final int depth;
  private final int[] free;
  private final byte[] states;
  private final byte[] opcodes;
  private final int[] byteCounts;
  private final int[] ticks;
  private final int[] splits;
  private final boolean[] sent;
  private final boolean[] asked;
  private final boolean[] aborted;
  private final Object[] requests;
  private int freeCount;
  private int aborting = NONE;

  CommandSlots(int depth) {
    this.depth = depth;
    free = new int[depth];
    states = new byte[depth];
    opcodes = new byte[depth];
    byteCounts = new int[depth];
    ticks = new int[depth];
    splits = new int[depth];
    sent = new boolean[depth];
    asked = new boolean[depth];
    aborted = new boolean[depth];
    requests = new Object[depth];
    for (int cid = depth - 1; cid >= 0; cid--) {
      requests[cid] = NO_REQUEST;
      free[freeCount++] = cid;
    }
  }

  int depth() {
    return depth;
  }

  int inFlight() {
    return depth - freeCount;
  }

  boolean isEmpty() {
    return freeCount == depth;
  }

  boolean isFull() {
    return freeCount == 0;
  }

  /** Takes an identifier for a command with a request of its own; not to be called when full. */
  int take(int opcode, int bytes, int tick, R request) {
    int cid = take(opcode, bytes, tick, WHOLE);
    requests[cid] = request;
    return cid;
  }

  /** Takes an identifier for a part of a larger request; not to be called when full. */
  int take(int opcode, int bytes, int tick, int split) {
    int cid = free[--freeCount];
    states[cid] = TAKEN;
    opcodes[cid] = (byte) opcode;
    byteCounts[cid] = bytes;
    ticks[cid] = tick;
    splits[cid] = split;
    sent[cid] = false;
    asked[cid] = false;
    aborted[cid] = false;
    return cid;
  }

  /** Whether a command with that identifier, which anybody may have made up, is unanswered. */
  boolean isTaken(int cid) {
    return cid < depth && states[cid] == TAKEN;
  }

  /** Whether the command was answered without the drive's saying so. */
  boolean isForsaken(int cid) {
    return cid < depth && states[cid] == FORSAKEN;
  }

  int opcode(int cid) {
    return opcodes[cid];
  }

  int bytes(int cid) {
    return byteCounts[cid];
  }

  /** When the command was submitted, in the queue pair's ticks. */
  int tick(int cid) {
    return ticks[cid];
  }

  /** Which larger request the command is a part of, or {@link #WHOLE}. */
  int split(int cid) {
    return splits[cid];
  }

  @SuppressWarnings("unchecked") // only take() stores there
  R request(int cid) {
    return (R) requests[cid];
  }

  /** The drive has been told of the command. */
  void sent(int cid) {
    sent[cid] = true;
  }

  boolean isSent(int cid) {
    return sent[cid];
  }

  /** Whether this is the first time that the owner of the command is asked about it. */
  boolean ask(int cid) {
    boolean first = !asked[cid];
    asked[cid] = true;
    return first;
  }

  /** Whether this is the first time that the command is to be aborted. */
  boolean abort(int cid) {
    boolean first = !aborted[cid];
    aborted[cid] = true;
    return first;
  }

  /** The command was answered: its identifier can be used again. */
  void release(int cid) {
    requests[cid] = NO_REQUEST;
    if (cid == aborting) {
      states[cid] = HELD; // else the Abort might hit the next command that has the identifier
    } else {
      states[cid] = FREE;
      free[freeCount++] = cid;
    }
  }

  /** The command was answered, but its identifier can't be used again. */
  void forsake(int cid) {
    requests[cid] = NO_REQUEST;
    states[cid] = FORSAKEN;
  }

  /** Whether an Abort is on its way. */
  boolean isAborting() {
    return aborting != NONE;
  }

  /** An Abort that names this command is on its way. */
  void abortBegins(int cid) {
    aborting = cid;
  }

  /** The Abort was answered, or never will be. */
  void abortEnds() {
    int cid = aborting;
    aborting = NONE;
    if (cid != NONE && states[cid] == HELD) {
      states[cid] = FREE;
      free[freeCount++] = cid;
    }
  }
}
