package io.twinspan.bridge;

import io.twinspan.linux.EventFd;

/** How machines that share a BAR interrupt each other, where they can. */
interface Doorbell extends AutoCloseable {
  /** What the peer must ring to reach this side, from 0; less than 65536. */
  int number();

  /** Interrupts the side of this number. */
  void ring(int number);

  /** Is signalled when the peer rings; the doorbell's own. */
  EventFd rung();

  @Override
  void close();
}
