package io.twinspan.rdma;

import org.jspecify.annotations.Nullable;

/** A receive as the receiver keeps it. Reused; the link's thread only. */
final class ReceiveSlot {
  long wrId;
  int sges;
  final @Nullable MemoryRegion[] regions = new @Nullable MemoryRegion[ChannelLayout.MAX_SGE];
  final long[] offsets = new long[ChannelLayout.MAX_SGE];
  final int[] lengths = new int[ChannelLayout.MAX_SGE];
  long totalBytes;
}
