package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.util.Random;

/**
 * A peer that lies: overwrites the memory that it shares with the other side, whatever is there,
 * while the other side reads it.
 */
final class MixCorruption {
  private static final long LINE_BYTES = 64;

  private final Link link;
  private final Random random;

  MixCorruption(Link link, Random random) {
    this.link = link;
    this.random = random;
  }

  /** A few words of one channel; the link is up. */
  void strike() {
    Channel channel = link.channel(random.nextInt(link.plan().channels().size()));
    MemorySegment control = channel.remoteControl();
    if (!channel.isUp()) {
      return;
    }
    for (int i = random.nextInt(4); i > 0; i--) {
      overwrite(control, channel.spec());
    }
    MemorySegment data = channel.segment();
    data.set(JAVA_BYTE, random.nextLong(data.byteSize()), (byte) random.nextInt());
  }

  private void overwrite(MemorySegment control, ChannelSpec spec) {
    long offset = random.nextLong(control.byteSize() / LINE_BYTES) * LINE_BYTES;
    if (random.nextInt(3) == 0) {
      offset = random.nextLong(control.byteSize() / Long.BYTES) * Long.BYTES;
    }
    if (random.nextInt(4) == 0) { // what is read most: connection words and counts
      offset = random.nextLong(ChannelLayout.RECEIVE_BLOCK / Long.BYTES) * Long.BYTES;
      offset += ChannelLayout.queuePair(spec, random.nextInt(spec.queuePairs()));
    }
    long old = control.get(JAVA_LONG, offset);
    long other = random.nextLong(control.byteSize() / Long.BYTES) * Long.BYTES;
    control.set(
        JAVA_LONG,
        offset,
        switch (random.nextInt(8)) {
          case 0 -> random.nextLong();
          case 1 -> old + 1;
          case 2 -> old - 1;
          case 3 -> old ^ 1L << random.nextInt(Long.SIZE);
          case 4 -> control.get(JAVA_LONG, other);
          case 5 -> 0;
          case 6 -> Long.MAX_VALUE - random.nextInt(3);
          default -> old + random.nextInt();
        });
  }
}
