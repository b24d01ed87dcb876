package io.twinspan.dma;

import java.util.Arrays;

/**
 * Shares one thread among the engines of several rings, a piece at a time.
 *
 * <p>Engines of a lower priority number go first, whatever the others have to do. Among equals it
 * is deficit round robin: in every round an engine may move its weight times {@link
 * SoftwareEngine#PIECE_BYTES}, and what it moves beyond it is taken off its next round. Who has
 * nothing to do saves nothing up. Not thread-safe; {@link #step} allocates nothing.
 */
public final class EngineTurns {
  /** What {@link #step} returns when no engine has anything to do. */
  public static final int NONE = -1;

  /** Lower numbers than this are priorities. */
  public static final int PRIORITIES = 8;

  private SoftwareEngine[] engines = new SoftwareEngine[0];
  private int[] ids = new int[0];
  private long[] quanta = new long[0];
  private long[] deficits = new long[0];

  /** Where the engines of a priority begin in these arrays; one more for the end. */
  private final int[] begins = new int[PRIORITIES + 1];

  /** Whose turn it is, by priority. */
  private final int[] turns = new int[PRIORITIES];

  /** Nobody takes part. */
  public EngineTurns() {}

  /**
   * Lets an engine take part.
   *
   * @param engine run by nobody else, except the same thread
   * @param id what {@link #step} calls it, 0 or more
   * @param priority from 0, less than {@link #PRIORITIES}; 0 goes first
   * @param weight its share among those of the same priority, 1 or more
   */
  public void add(SoftwareEngine engine, int id, int priority, int weight) {
    if (id < 0 || priority < 0 || priority >= PRIORITIES || weight < 1) {
      throw new IllegalArgumentException(
          "engine %d with priority %d, weight %d".formatted(id, priority, weight));
    }
    int place = begins[priority + 1];
    int count = engines.length;
    engines = Arrays.copyOf(engines, count + 1);
    ids = Arrays.copyOf(ids, count + 1);
    quanta = Arrays.copyOf(quanta, count + 1);
    deficits = new long[count + 1];
    System.arraycopy(engines, place, engines, place + 1, count - place);
    System.arraycopy(ids, place, ids, place + 1, count - place);
    System.arraycopy(quanta, place, quanta, place + 1, count - place);
    engines[place] = engine;
    ids[place] = id;
    quanta[place] = (long) weight * SoftwareEngine.PIECE_BYTES;
    for (int p = priority + 1; p <= PRIORITIES; p++) {
      begins[p]++;
    }
    System.arraycopy(begins, 0, turns, 0, PRIORITIES);
  }

  /**
   * Lets the engine whose turn it is move one piece, or small descriptors that come to as much.
   *
   * @return its id, or {@link #NONE}
   */
  public int step() {
    for (int priority = 0; priority < PRIORITIES; priority++) {
      int place = choose(priority, begins[priority], begins[priority + 1]);
      if (place != NONE) {
        SoftwareEngine engine = engines[place];
        long before = engine.movedBytes();
        if (engine.carryOut(Math.min(deficits[place], SoftwareEngine.PIECE_BYTES)) > 0) {
          int _ = engine.settle();
        }
        deficits[place] -= engine.movedBytes() - before;
        return ids[place];
      }
    }
    return NONE;
  }

  /**
   * Whether another engine waits that would have its turn before or beside this one.
   *
   * @param id of the engine that asks
   * @param priority of the engine that asks
   */
  public boolean othersWait(int id, int priority) {
    int end = begins[priority + 1];
    for (int place = 0; place < end; place++) {
      if (ids[place] != id && engines[place].hasWork()) {
        return true;
      }
    }
    return false;
  }

  private int choose(int priority, int begin, int end) {
    // What an engine overdrew is less than one round's share, so the second round finds it if any.
    for (int looks = 2 * (end - begin); looks >= 0 && begin < end; looks--) {
      int place = turns[priority];
      if (!engines[place].hasWork()) {
        deficits[place] = 0;
      } else if (deficits[place] > 0) {
        return place;
      }
      int next = place + 1 == end ? begin : place + 1;
      turns[priority] = next;
      deficits[next] += quanta[next];
    }
    return NONE;
  }
}
