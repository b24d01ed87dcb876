package io.twinspan.perf;

/** The buffers of a side, one after the other, over and over. */
final class Rotation {
  private final long stride;
  private final long end;
  private long offset;

  Rotation(PerfOptions options) {
    stride = options.stride();
    end = options.bufferBytes();
  }

  /** Where the next buffer begins. */
  long next() {
    long at = offset;
    offset += stride;
    if (offset == end) {
      offset = 0;
    }
    return at;
  }
}
