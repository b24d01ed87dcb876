package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.twinspan.concurrent.SharedMemory;
import io.twinspan.dma.AddressSpace;
import io.twinspan.dma.DmaAddress;
import io.twinspan.dma.Translation;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;

/**
 * The peer's regions of one channel, as the peer mirrors them into this side's control window, and
 * the meaning of addresses on that channel: sources are local keys, destinations remote keys.
 *
 * <p>A remote key has 24 bits: 8 for the place in the table, 16 that change with every
 * registration. The key word adds the generation of the link.
 */
final class RegionTable implements AddressSpace {
  static final int SLOT_MASK = 0xff;
  static final int VERSION_SHIFT = 8;
  static final int VERSION_MASK = 0xffff;

  /** For what the peer itself named, such as its receives: whichever domain they belong to. */
  static final int ANY_DOMAIN = -1;

  static final long ANYTHING = rights(0, ANY_DOMAIN);

  private final LocalKeys keys;
  private MemorySegment control = MemorySegment.NULL;
  private MemorySegment remote = MemorySegment.NULL;
  private long generation;

  // The region that the link's thread looked up last.
  private long seenWord;
  private long seenEntry;
  private long seenStart;
  private long seenLength;
  private long seenAccess;

  RegionTable(LocalKeys keys) {
    this.keys = keys;
  }

  /** A life of the link begins: {@code remote} is the peer's segment of the channel. */
  void up(MemorySegment control, MemorySegment remote, long generation) {
    this.control = control;
    this.remote = remote;
    this.generation = generation;
    seenWord = 0;
  }

  void down() {
    seenWord = 0;
    control = MemorySegment.NULL;
    remote = MemorySegment.NULL;
  }

  static long keyWord(long generation, int rkey) {
    return generation << Integer.SIZE | rkey;
  }

  int rkey(int slot) {
    if (generation == 0 || control.byteSize() == 0) {
      return 0;
    }
    long word = SharedMemory.getLongAcquire(control, ChannelLayout.region(slot));
    return word >>> Integer.SIZE == generation ? (int) word & DmaAddress.MAX_HANDLE : 0;
  }

  long lengthBytes(int slot) {
    if (rkey(slot) == 0) {
      return 0;
    }
    return control.get(JAVA_LONG, ChannelLayout.region(slot) + ChannelLayout.REGION_LENGTH);
  }

  /** Notes what must still be the same when a request that relies on a key completes. */
  void witness(int rkey, SendSlot slot) {
    slot.witnessAt = ChannelLayout.region(rkey & SLOT_MASK & ChannelLayout.REGIONS - 1);
    slot.witness = keyWord(generation, rkey);
  }

  @Override
  public boolean resolveSource(long address, int lengthBytes, Translation into) {
    int lkey = DmaAddress.handle(address);
    long offset = DmaAddress.offset(address);
    if (!keys.covers(lkey, offset, lengthBytes)) {
      return false;
    }
    into.set(keys.segment(lkey), offset, 0, 0);
    return true;
  }

  /** The purpose was checked by the poster; a key never changes its rights. */
  @Override
  public boolean resolveDestination(long address, int lengthBytes, Translation into) {
    return lookUp(
        DmaAddress.handle(address), DmaAddress.offset(address), lengthBytes, ANYTHING, into);
  }

  /** Whether a key word is still the same; to be asked after a full fence. */
  @Override
  public boolean stillGranted(long witnessAt, long witness) {
    return SharedMemory.getLongAcquire(control, witnessAt) == witness;
  }

  /**
   * Looks whether the peer grants something, and where that is. The link's thread only.
   *
   * @param rights what for and in which domain: {@link #rights}
   * @param into takes the place, and the key word as a witness
   */
  boolean find(int rkey, long offset, int lengthBytes, long rights, Translation into) {
    long expected = keyWord(generation, rkey);
    if (rkey <= 0
        || expected != seenWord
        || SharedMemory.getLongAcquire(control, seenEntry) != expected) {
      return lookUp(rkey, offset, lengthBytes, rights, into) && remember(rkey);
    }
    if (!fits(offset, lengthBytes, seenLength) || !allows(seenAccess, rights)) {
      return false;
    }
    into.set(remote, seenStart + offset, seenEntry, expected);
    return true;
  }

  /** Keeps what a key stands for, which never changes. Returns true: that was looked up before. */
  private boolean remember(int rkey) {
    long entry = ChannelLayout.region(rkey & SLOT_MASK);
    long start = control.get(JAVA_LONG, entry + ChannelLayout.REGION_OFFSET);
    long length = control.get(JAVA_LONG, entry + ChannelLayout.REGION_LENGTH);
    if (fits(start, length, remote.byteSize())) { // the peer may have changed it meanwhile
      seenEntry = entry;
      seenStart = start;
      seenLength = length;
      seenAccess = control.get(JAVA_LONG, entry + ChannelLayout.REGION_ACCESS);
      seenWord = keyWord(generation, rkey);
    }
    return true;
  }

  /** As {@link #find}; without a memory, because engines in several threads ask. */
  private boolean lookUp(int rkey, long offset, int lengthBytes, long rights, Translation into) {
    int slot = rkey & SLOT_MASK;
    if (rkey <= 0
        || rkey > DmaAddress.MAX_HANDLE
        || slot >= ChannelLayout.REGIONS
        || control.byteSize() == 0) {
      return false;
    }
    long entry = ChannelLayout.region(slot);
    long expected = keyWord(generation, rkey);
    if (SharedMemory.getLongAcquire(control, entry + ChannelLayout.REGION_KEY) != expected) {
      return false;
    }
    long start = control.get(JAVA_LONG, entry + ChannelLayout.REGION_OFFSET);
    long length = control.get(JAVA_LONG, entry + ChannelLayout.REGION_LENGTH);
    long access = control.get(JAVA_LONG, entry + ChannelLayout.REGION_ACCESS);
    VarHandle.loadLoadFence(); // the fields belong to this key if it is still the same after them
    if (SharedMemory.getLongAcquire(control, entry + ChannelLayout.REGION_KEY) != expected) {
      return false;
    }
    // The peer may say what it likes, but nothing outside of the channel's segment is reached.
    if (!fits(start, length, remote.byteSize())
        || !fits(offset, lengthBytes, length)
        || !allows(access, rights)) {
      return false;
    }
    into.set(remote, start + offset, entry + ChannelLayout.REGION_KEY, expected);
    return true;
  }

  /** What a region grants, or what is wanted of it: access bits and number of the domain. */
  static long rights(int accessBits, int domain) {
    return (long) domain << Integer.SIZE | accessBits;
  }

  private static boolean allows(long granted, long wanted) {
    int bits = (int) wanted;
    int domain = (int) (wanted >>> Integer.SIZE);
    return ((int) granted & bits) == bits
        && (domain == ANY_DOMAIN || domain == (int) (granted >>> Integer.SIZE));
  }

  private static boolean fits(long offset, long length, long size) {
    return offset >= 0 && length >= 0 && offset <= size && length <= size - offset;
  }
}
