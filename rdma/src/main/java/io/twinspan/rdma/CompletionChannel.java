package io.twinspan.rdma;

import io.twinspan.concurrent.WakeSignal;
import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Poller;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Where a thread waits for completions of one or more completion queues, of any links ({@code
 * ibv_comp_channel}).
 *
 * <p>The order is that of verbs: {@linkplain CompletionQueue#requestNotify arm}, poll once more,
 * {@linkplain #await wait}, poll. Each arming leads to one event; two of the same queue of which
 * nobody took the first are one. There is nothing to acknowledge.
 *
 * <p>For one thread, which polls the queues too. If that is the link's own thread it must not
 * {@link #await}, because the events come from {@link Link#doWork}; it asks {@link #poll}. A thread
 * that sleeps in another way, such as an {@link io.twinspan.concurrent.AgentRunner}, uses the
 * channel as a {@link WakeSource}.
 */
public final class CompletionChannel implements WakeSource, AutoCloseable {
  /** A queue and which of its events was taken last; the latter is the waiting thread's alone. */
  private static final class Member {
    final CompletionQueue queue;
    long taken;

    Member(CompletionQueue queue) {
      this.queue = queue;
    }
  }

  private final WakeSignal signal = new WakeSignal();
  private final Poller poller = new Poller();
  private volatile Member[] members = {};
  private int next;

  /**
   * A channel without queues.
   *
   * @throws io.twinspan.linux.ErrnoException if the process has no descriptor left
   */
  public CompletionChannel() {
    poller.add(signal.fd(), 0);
  }

  /**
   * Takes an event without waiting ({@code ibv_get_cq_event} on a non-blocking channel).
   *
   * @return the queue it is about, or null if there is none
   */
  public @Nullable CompletionQueue poll() {
    Member[] now = members;
    for (int i = 0; i < now.length; i++) {
      next = next + 1 < now.length ? next + 1 : 0;
      Member member = now[next];
      long fired = member.queue.fired();
      if (fired != member.taken) {
        member.taken = fired;
        return member.queue;
      }
    }
    return null;
  }

  /**
   * Waits for an event ({@code ibv_get_cq_event}).
   *
   * @param timeoutNs how long at most, in nanoseconds, not negative
   * @return the queue it is about, or null if none came in time
   */
  public @Nullable CompletionQueue await(long timeoutNs) {
    long deadline = System.nanoTime() + timeoutNs;
    while (true) {
      arm();
      try {
        CompletionQueue queue = poll();
        long leftNs = deadline - System.nanoTime();
        if (queue != null || leftNs <= 0) {
          return queue;
        }
        int _ = poller.await(leftNs);
      } finally {
        disarm();
      }
    }
  }

  @Override
  public void arm() {
    signal.arm();
  }

  @Override
  public void disarm() {
    signal.disarm();
  }

  @Override
  public Fd fd() {
    return signal.fd();
  }

  /** Gives the descriptors back; call it on the waiting thread, or when that has ended. */
  @Override
  public void close() {
    poller.close();
    signal.close();
  }

  /** On the thread of the queue's link, which may be another one for every queue. */
  synchronized void add(CompletionQueue queue) {
    Member[] more = Arrays.copyOf(members, members.length + 1);
    more[members.length] = new Member(queue);
    members = more;
  }

  /** An event of one of the queues is there to be taken. */
  void raise() {
    signal.raise();
  }
}
