package io.twinspan.dma;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.twinspan.concurrent.SharedMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A ring of descriptors and, beside it, one completion record per slot.
 *
 * <pre>
 *    0  magic "TSDMARNG"    8  version, capacity              (written once)
 *  128  published: how many descriptors were ever posted      (writer: poster,  reader: engine)
 *  256  consumed: how many descriptors were ever carried out  (writer: engine,  reader: tools)
 *  384  capacity x 64 bytes of descriptors                    (writer: poster,  reader: engine)
 *       capacity x 32 bytes of completion records             (writer: engine,  reader: poster)
 * </pre>
 *
 * <p>One thread posts: it {@linkplain #claim claims} a slot, fills the descriptor, and {@linkplain
 * #publish publishes} one or many at once, which is the doorbell. It looks at completions in the
 * order of posting, and a slot is used again only after its completion was {@linkplain #release
 * released}. One thread runs the engine; it may be the same one. No method allocates or blocks.
 */
public final class DescriptorRing {
  /** What {@link #claim} returns when no slot is free: look at completions first. */
  public static final int FULL = -1;

  /** The handle under which descriptors name the ring's own completion records. */
  public static final int COMPLETION_HANDLE = DmaAddress.MAX_HANDLE;

  private static final long MAGIC = 0x474E_5241_4D44_5354L; // "TSDMARNG"
  private static final int VERSION = 1;
  private static final int MAX_CAPACITY = 1 << 16;

  private static final long MAGIC_OFFSET = 0;
  private static final long VERSION_OFFSET = 8;
  private static final long CAPACITY_OFFSET = 12;
  private static final long PUBLISHED_OFFSET = SharedMemory.PADDING_BYTES;
  private static final long CONSUMED_OFFSET = 2L * SharedMemory.PADDING_BYTES;
  private static final long SLOTS_OFFSET = 3L * SharedMemory.PADDING_BYTES;

  private final MemorySegment memory;
  private final int capacity;
  private final int mask;
  private final long recordsOffset;
  private final Descriptor posting = new Descriptor();
  private final CompletionRecord record = new CompletionRecord();

  // The poster's own counts; only `published` is told to the engine.
  private long claimed;
  private long released;

  /**
   * A ring in memory of this process alone.
   *
   * @param capacity number of slots, a power of two from 1 to 65536
   */
  public DescriptorRing(int capacity) {
    this(Arena.ofAuto().allocate(requiredBytes(capacity), Descriptor.BYTES), capacity);
  }

  /**
   * A ring in given memory, which it clears.
   *
   * @param memory at least {@link #requiredBytes} bytes, aligned to 64
   * @param capacity number of slots, a power of two from 1 to 65536
   */
  public DescriptorRing(MemorySegment memory, int capacity) {
    long bytes = requiredBytes(capacity);
    if (memory.byteSize() < bytes || (memory.address() & (Descriptor.BYTES - 1)) != 0) {
      throw new IllegalArgumentException(
          "a ring of %d slots needs %d bytes aligned to 64, not %s"
              .formatted(capacity, bytes, memory));
    }
    this.memory = memory.asSlice(0, bytes).fill((byte) 0);
    this.capacity = capacity;
    mask = capacity - 1;
    recordsOffset = SLOTS_OFFSET + (long) capacity * Descriptor.BYTES;
    memory.set(JAVA_INT, VERSION_OFFSET, VERSION);
    memory.set(JAVA_INT, CAPACITY_OFFSET, capacity);
    memory.set(JAVA_LONG, MAGIC_OFFSET, MAGIC);
  }

  /**
   * How many bytes a ring takes.
   *
   * @param capacity number of slots, a power of two from 1 to 65536
   */
  public static long requiredBytes(int capacity) {
    if (capacity < 1 || capacity > MAX_CAPACITY || Integer.bitCount(capacity) != 1) {
      throw new IllegalArgumentException("capacity " + capacity + " of a descriptor ring");
    }
    return SLOTS_OFFSET + (long) capacity * (Descriptor.BYTES + CompletionRecord.BYTES);
  }

  /** Number of slots. */
  public int capacity() {
    return capacity;
  }

  /** How many slots are claimed and not yet released; the poster's thread only. */
  public int inUse() {
    return (int) (claimed - released);
  }

  /**
   * Takes the next slot; the poster's thread only.
   *
   * @return index of the slot, or {@link #FULL}
   */
  public int claim() {
    if (claimed - released == capacity) {
      return FULL;
    }
    int slot = (int) claimed & mask;
    claimed++;
    record(slot).clear();
    return slot;
  }

  /**
   * The descriptor of a claimed slot, to be filled before it is published; the poster's thread
   * only, and until the next call.
   *
   * @param slot what {@link #claim} returned
   */
  public Descriptor descriptor(int slot) {
    return posting.wrap(memory, descriptorOffset(slot));
  }

  /**
   * Where the completion record of a slot is, as a descriptor says it.
   *
   * @param slot index of the slot
   */
  public long completionAddress(int slot) {
    return DmaAddress.of(COMPLETION_HANDLE, (long) slot * CompletionRecord.BYTES);
  }

  /** Hands all claimed slots to the engine: one doorbell, however many there are. */
  public void publish() {
    SharedMemory.setLongRelease(memory, PUBLISHED_OFFSET, claimed);
  }

  /** The slot whose completion comes next; meaningful when {@link #inUse} is more than 0. */
  public int next() {
    return (int) released & mask;
  }

  /**
   * The completion record of a slot; the poster's thread only, and until the next call.
   *
   * @param slot index of the slot
   */
  public CompletionRecord record(int slot) {
    return record.wrap(memory, recordOffset(slot));
  }

  /** Frees the slot {@link #next}, whose completion the poster has seen. */
  public void release() {
    if (released == claimed) {
      throw new IllegalStateException("no slot is in use");
    }
    released++;
  }

  /**
   * Frees all slots, published or not; the poster's thread only, after {@link
   * SoftwareEngine#discard} or before anything was published.
   */
  public void releaseAll() {
    released = claimed;
  }

  /** How many descriptors were ever claimed, that is begun; for tools, on the poster's thread. */
  public long claimedCount() {
    return claimed;
  }

  /** How many descriptors were ever published; any thread. */
  public long publishedCount() {
    return published();
  }

  /** How many descriptors the engine says it has ever carried out; any thread. */
  public long consumedCount() {
    return SharedMemory.getLongAcquire(memory, CONSUMED_OFFSET);
  }

  MemorySegment memory() {
    return memory;
  }

  /** For the engine: how many descriptors were ever posted. */
  long published() {
    return SharedMemory.getLongAcquire(memory, PUBLISHED_OFFSET);
  }

  /** For the engine: tells tools how far it is. */
  void consumed(long count) {
    SharedMemory.setLongRelease(memory, CONSUMED_OFFSET, count);
  }

  long descriptorOffset(int slot) {
    return SLOTS_OFFSET + (long) slot * Descriptor.BYTES;
  }

  long recordOffset(int slot) {
    return recordsOffset + (long) slot * CompletionRecord.BYTES;
  }
}
