package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;

/**
 * Where a queue pair's requests take their data from, inline, from one buffer or from a list of
 * them; and where the results of its atomics go.
 */
final class MixSource {
  private final Random random;
  private final int depth;
  private final int maxInlineBytes;
  private final int placeBytes;
  private final MemorySegment memory;
  private final MemoryRegion region;
  private final MemorySegment resultMemory;
  private final MemoryRegion results;
  private final MixPieces pieces = new MixPieces();

  MixSource(MixShape shape, ChannelSpec spec, ProtectionDomain domain, Random random) {
    this.random = random;
    depth = spec.sendDepth();
    maxInlineBytes = spec.maxInlineBytes();
    int longest = Math.max(shape.messageBytes() + 64, shape.announcedBytes());
    longest = Math.max(longest, shape.resultBytes());
    for (int length : shape.stampBytes()) {
      longest = Math.max(longest, length);
    }
    placeBytes = longest + Long.BYTES - 1 & -Long.BYTES;
    memory = Arena.ofAuto().allocate((long) depth * placeBytes, 64);
    region = domain.register(memory);
    resultMemory = Arena.ofAuto().allocate((long) depth * Long.BYTES, 64);
    results = domain.register(resultMemory, Access.LOCAL_WRITE);
  }

  /** Local memory that may be sent, but not written. */
  MemoryRegion region() {
    return region;
  }

  /** Fills a request's place with a stamp's bytes, and names it. */
  void fill(WorkRequest request, MixSent sent, int length, long stamp) {
    MixPattern.fill(memory, place(sent), length, stamp);
    name(request, sent, length);
  }

  /** Fills a request's place with a stamp at the beginning of every line, and names it. */
  void fillWithStamp(WorkRequest request, MixSent sent, int length) {
    long place = place(sent);
    for (int i = 0; i < length; i += MixShape.STAMP_STRIDE) {
      memory.set(JAVA_LONG, place + i, sent.stamp);
    }
    name(request, sent, length);
  }

  /** Names a request's place without saying what is there. */
  void name(WorkRequest request, MixSent sent, int length) {
    long place = place(sent);
    if (length <= maxInlineBytes && random.nextBoolean()) {
      request.inline(memory, place, length);
      return;
    }
    pieces.cut(MixPattern.hash(sent.id), length);
    long at = place;
    for (int i = 0; i < pieces.count(); i++) {
      request.sge(region.lkey(), at, pieces.length(i));
      at += pieces.length(i);
    }
  }

  /** What was given inline is changed: it was to be copied by the post. */
  void posted(WorkRequest request) {
    if (request.inline && request.inlineLength > 0) {
      var _ = memory.asSlice(request.inlineOffset, request.inlineLength).fill((byte) 0xEE);
    }
  }

  /** Lets a request put the result of an atomic, of 8 bytes, into its place. */
  void takeResult(WorkRequest request, MixSent sent, int bytes) {
    long offset = resultOffset(sent);
    resultMemory.set(JAVA_LONG, offset, 0x5555_5555_5555_5555L);
    request.sge(results.lkey(), offset, bytes);
  }

  /** What an atomic put there. */
  long result(MixSent sent) {
    return resultMemory.get(JAVA_LONG, resultOffset(sent));
  }

  /** Where in {@link #region} a request's place begins. */
  long place(MixSent sent) {
    return MixRequester.serial(sent.id) % depth * placeBytes;
  }

  private long resultOffset(MixSent sent) {
    return MixRequester.serial(sent.id) % depth * Long.BYTES;
  }
}
