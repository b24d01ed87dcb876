package io.twinspan.perf;

/** Times copies of one piece of a flood's writes, without any link. */
final class PieceCopies implements Phase {
  private static final int COPIES = 1 << 10;

  private final PerfEndpoint endpoint;
  private final Flood flood;
  private final Samples samples;
  private long at;
  private boolean done;

  PieceCopies(PerfEndpoint endpoint, Flood flood, Samples samples) {
    this.endpoint = endpoint;
    this.flood = flood;
    this.samples = samples;
  }

  @Override
  public void begin() {
    done = false;
  }

  @Override
  public int step() {
    for (int i = 0; i < COPIES; i++) {
      long fromNs = System.nanoTime();
      flood.copyPiece(at);
      samples.record(fromNs, System.nanoTime());
      at = at + Flood.PIECE_BYTES == flood.bytes() ? 0 : at + Flood.PIECE_BYTES;
    }
    done = true;
    int _ = endpoint.link().doWork();
    endpoint.check();
    return COPIES;
  }

  @Override
  public boolean isDone() {
    return done;
  }
}
