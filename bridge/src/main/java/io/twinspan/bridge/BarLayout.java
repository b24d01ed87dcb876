package io.twinspan.bridge;

import io.twinspan.linux.TwinspanException;
import java.lang.foreign.MemorySegment;

/**
 * How a BAR that two machines share is cut, seen from one side.
 *
 * <pre>
 *        0  mailbox for A                                     (writer: B)
 *     4096  mailbox for B                                     (writer: A)
 *     8192  A's part, half of what is left, whole pages
 *           2 control areas, taken by turns by A's lives      (writer: B, but A clears them)
 *           A's data window                                   (writer: A of the header, else B)
 *           B's part, likewise
 * </pre>
 *
 * <p>A side loads from its own mailbox and part and stores into its peer's, so the two could as
 * well be in different memories.
 *
 * <p>Why two control areas are enough: who stores into an area of a former life is a peer that has
 * not noticed the end of that life, and before it notices there is no next one; the area of the
 * life after that is the other one.
 */
final class BarLayout {
  static final int CONTROL_AREAS = 2;

  private static final long MAILBOX_BYTES = Mailbox.BYTES;
  private static final long PARTS = 2 * MAILBOX_BYTES;

  private final MemorySegment bar;
  private final Side side;
  private final long controlBytes;
  private final long partBytes;

  /**
   * A cut.
   *
   * @throws TwinspanException if this side's part is too small for its windows
   */
  BarLayout(MemorySegment bar, Side side, long windowBytes, long controlBytes) {
    this.bar = bar;
    this.side = side;
    this.controlBytes = controlBytes;
    partBytes = (bar.byteSize() - PARTS) / 2 & -Window.HEADER_BYTES;
    if (!fits(windowBytes)) {
      long needed = PARTS + 2 * (CONTROL_AREAS * controlBytes + windowBytes);
      throw new TwinspanException(
          "the BAR has %d bytes; side %s needs one of %d (the next power of two is %d)"
              .formatted(bar.byteSize(), side, needed, Long.highestOneBit(needed - 1) << 1));
    }
  }

  long barBytes() {
    return bar.byteSize();
  }

  /** Whether a part has room for a data window. */
  boolean fits(long windowBytes) {
    return windowBytes <= partBytes - CONTROL_AREAS * controlBytes;
  }

  Mailbox inbox() {
    return mailbox(side);
  }

  Mailbox outbox() {
    return mailbox(side.peer());
  }

  MemorySegment control(Side owner, int area) {
    return bar.asSlice(part(owner) + area * controlBytes, controlBytes);
  }

  Window window(Side owner, long windowBytes) {
    long start = part(owner) + CONTROL_AREAS * controlBytes;
    return new Window(bar.asSlice(start, windowBytes));
  }

  private Mailbox mailbox(Side reader) {
    return new Mailbox(bar.asSlice(reader == Side.A ? 0 : MAILBOX_BYTES, MAILBOX_BYTES));
  }

  private long part(Side owner) {
    return owner == Side.A ? PARTS : PARTS + partBytes;
  }
}
