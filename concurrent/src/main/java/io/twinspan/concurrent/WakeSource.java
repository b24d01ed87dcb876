package io.twinspan.concurrent;

import io.twinspan.linux.Fd;

/**
 * Something that can end the sleep of an agent: a queue, a ring in shared memory, a socket.
 *
 * <p>So that busy sides make no system call, producers signal the descriptor only while the source
 * is armed. The sleeper arms all its sources, looks for work once more, and sleeps only if there is
 * none. No wake-up is lost if a full fence stands between the two accesses on either side: producer
 * publishes, fence, reads armed; consumer sets armed, fence, looks.
 *
 * <p>The agent's thread alone calls these methods.
 */
public interface WakeSource {
  /** Says that from now on producers must signal; ends with a full fence. */
  void arm();

  /**
   * Says that producers need not signal, and takes back signals that came; does nothing if the
   * source is not armed.
   */
  void disarm();

  /** What becomes readable when a producer signals; always the same one. */
  Fd fd();

  /**
   * A source that always wakes: a descriptor, such as a socket, which stays readable until {@link
   * Agent#doWork()} has read what is there.
   *
   * @param fd stays owned by the caller, who removes the source before closing it
   */
  static WakeSource readable(Fd fd) {
    return new WakeSource() {
      @Override
      public void arm() {}

      @Override
      public void disarm() {}

      @Override
      public Fd fd() {
        return fd;
      }
    };
  }
}
