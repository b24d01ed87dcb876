package io.twinspan.dma;

import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;

/** An address space of a few regions, whose rights can be taken away after some pieces. */
final class FakeSpace implements AddressSpace {
  private final Map<Integer, MemorySegment> regions = new HashMap<>();

  /** How many pieces may be written before the right is taken. */
  int grantedPieces = Integer.MAX_VALUE;

  /** Whether the right is taken after the last piece. */
  boolean takenAtTheEnd;

  /** The one handle whose right is taken; all if 0. */
  int limited;

  FakeSpace with(int handle, MemorySegment memory) {
    regions.put(handle, memory);
    return this;
  }

  @Override
  public boolean resolveSource(long address, int lengthBytes, Translation into) {
    return resolve(address, lengthBytes, into);
  }

  @Override
  public boolean resolveDestination(long address, int lengthBytes, Translation into) {
    boolean granted = !isLimited(DmaAddress.handle(address)) || grantedPieces-- > 0;
    return granted && resolve(address, lengthBytes, into);
  }

  @Override
  public boolean stillGranted(long slot, long witness) {
    return !isLimited(slot) || !takenAtTheEnd;
  }

  private boolean isLimited(long handle) {
    return limited == 0 || handle == limited;
  }

  private boolean resolve(long address, int lengthBytes, Translation into) {
    int handle = DmaAddress.handle(address);
    long offset = DmaAddress.offset(address);
    MemorySegment memory = regions.get(handle);
    if (memory == null || offset + lengthBytes > memory.byteSize()) {
      return false;
    }
    into.set(memory, offset, handle, 0);
    return true;
  }
}
