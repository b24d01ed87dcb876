package io.twinspan.concurrent;

/**
 * A piece of the system that owns its data and one thread, and works in rounds.
 *
 * <p>All methods but {@link #roleName()} are called by one thread at a time: the agent's own, and
 * for rounds and deadlines also one that assists it ({@link AgentRunner#assist()}). Where something
 * may be called by "the agent's thread" alone, that is the thread which does a round just now.
 */
public interface Agent {
  /** What {@link #nextDeadlineNs()} returns when nothing is due. */
  long NO_DEADLINE = Long.MAX_VALUE;

  /**
   * Does what there is to do, without waiting for anything.
   *
   * @return how much was done; 0 says that the thread may sleep until a wake source or a deadline
   */
  int doWork();

  /** A short name for the thread and the log. */
  String roleName();

  /**
   * When {@link #doWork()} must run again even if nothing else happens, in the time of the runner's
   * {@link Clock#nanoTime()}; {@link #NO_DEADLINE} for never. Asked before every sleep.
   */
  default long nextDeadlineNs() {
    return NO_DEADLINE;
  }

  /** Called once before the first round. */
  default void onStart() {}

  /** Called once after the last round, also if {@link #onStart()} failed. */
  default void onClose() {}
}
