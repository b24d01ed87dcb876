package io.twinspan.bridge;

import io.twinspan.concurrent.SharedMemory;

/**
 * The bridge's own page at the beginning of a control window, which begins like every {@link
 * Window}.
 *
 * <pre>
 *    0  window header                                          (writer: owner)
 *  128  heartbeat: counts up while the peer works              (writer: peer, reader: owner)
 *  136  bell: counts how often the peer rang, where there is
 *       no other doorbell                                      (writer: peer, reader: owner)
 *  256  armed: 0 while the peer is awake, else the number of
 *       the sleep for which it wants to be rung                (writer: peer, reader: owner)
 *  384  8 scratchpads of 8 bytes                               (writer: peer, reader: owner)
 *  512  death word: 0, or the thread of the peer's lifeline,
 *       or that it has died; see {@link Lifeline}             (writer: peer, the kernel on its
 *                                                              behalf, and when the life is over
 *                                                              the owner; reader: owner)
 * </pre>
 */
final class ControlPage {
  static final long HEARTBEAT = SharedMemory.PADDING_BYTES;
  static final long BELL = HEARTBEAT + Long.BYTES;
  static final long ARMED = 2L * SharedMemory.PADDING_BYTES;
  static final long SCRATCHPADS = 3L * SharedMemory.PADDING_BYTES;
  static final long DEATH = 4L * SharedMemory.PADDING_BYTES;

  private ControlPage() {}

  static long scratchpad(int index) {
    if (index < 0 || index >= BridgeEndpoint.SCRATCHPADS) {
      throw new IndexOutOfBoundsException("scratchpad " + index);
    }
    return SCRATCHPADS + (long) index * Long.BYTES;
  }
}
