package io.twinspan.perf;

import java.lang.foreign.MemorySegment;

/** Copies this side's buffers over the peer's with {@code MemorySegment.copy}, without any link. */
final class CopyLimit implements Phase {
  private static final long STEP_BYTES = 16 << 20;
  private static final int STEP_COPIES = 1 << 12;

  private final PerfEndpoint endpoint;
  private final int copies;
  private final Samples samples;
  private int done;
  private long offset;
  private long elapsedNs;

  CopyLimit(PerfEndpoint endpoint, int copies, Samples samples) {
    this.endpoint = endpoint;
    this.copies = copies;
    this.samples = samples;
  }

  @Override
  public void begin() {
    done = 0;
    offset = 0;
    elapsedNs = 0;
  }

  @Override
  public int step() {
    int size = endpoint.options().sizeBytes();
    int most = Math.clamp(STEP_BYTES / Math.max(1, size), 1, STEP_COPIES);
    int count = Math.min(most, copies - done);
    long fromNs = System.nanoTime();
    copy(count, size);
    elapsedNs += System.nanoTime() - fromNs;
    done += count;
    if (done == copies) {
      samples.phase((double) copies * size, elapsedNs);
    }
    endpoint.link().doWork();
    endpoint.check();
    return count;
  }

  private void copy(int count, int size) {
    MemorySegment from = endpoint.source();
    MemorySegment to = endpoint.peerBuffers();
    long stride = endpoint.options().stride();
    long end = endpoint.options().bufferBytes();
    long at = offset;
    for (int i = 0; i < count; i++) {
      MemorySegment.copy(from, at, to, at, size);
      at += stride;
      if (at == end) {
        at = 0;
      }
    }
    offset = at;
  }

  @Override
  public boolean isDone() {
    return done == copies;
  }
}
