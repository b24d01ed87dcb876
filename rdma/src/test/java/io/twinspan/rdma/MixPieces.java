package io.twinspan.rdma;

import java.lang.foreign.MemorySegment;
import java.util.Random;

/**
 * A list of buffers, some of them empty. They lie in memory the wrong way round, so that one sees
 * if they are filled in another order.
 */
final class MixPieces {
  private final int[] lengths = new int[WorkRequest.MAX_SGE];
  private final int[] starts = new int[WorkRequest.MAX_SGE];
  private int count;

  /** Cuts so many bytes; in half of all cases there is one piece. */
  MixPieces cut(long seed, int total) {
    Random random = new Random(seed);
    count = random.nextBoolean() ? 1 : 1 + random.nextInt(WorkRequest.MAX_SGE);
    int left = total;
    for (int i = 0; i < count; i++) {
      boolean last = i == count - 1;
      int length = last ? left : random.nextInt(4) == 0 ? 0 : random.nextInt(left + 1);
      left -= length;
      lengths[i] = length;
      starts[i] = left;
    }
    return this;
  }

  int count() {
    return count;
  }

  int length(int piece) {
    return lengths[piece];
  }

  /** Where a piece lies in the memory of all. */
  int start(int piece) {
    return starts[piece];
  }

  /**
   * Where the pieces are first not those of a stamp; -1 if all are.
   *
   * @param from the first byte of the stamp's bytes that is expected
   */
  int mismatch(MemorySegment memory, long offset, int length, long stamp, int from) {
    int done = 0;
    for (int i = 0; i < count && done < length; i++) {
      int part = Math.min(lengths[i], length - done);
      int at = MixPattern.mismatch(memory, offset + starts[i], part, stamp, from + done);
      if (at >= 0) {
        return done + at;
      }
      done += part;
    }
    return -1;
  }
}
