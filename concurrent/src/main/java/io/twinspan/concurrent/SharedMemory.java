package io.twinspan.concurrent;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Ordered little-endian access to memory that other threads, processes or devices see.
 *
 * <p>Offsets are aligned to the size of the field, or the access throws. A release store makes what
 * was stored before it visible to whoever loads it with acquire; plain accesses of registers are
 * opaque, so that each one happens, once.
 */
public final class SharedMemory {
  /**
   * How far apart fields of different writers lie, in bytes: two cache lines, for the prefetcher.
   */
  public static final int PADDING_BYTES = 128;

  private static final VarHandle SHORT =
      JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle().withInvokeExactBehavior();
  private static final VarHandle INT =
      JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle().withInvokeExactBehavior();
  private static final VarHandle LONG =
      JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle().withInvokeExactBehavior();

  private SharedMemory() {}

  /** Orders every load and store before it with every one after it. */
  public static void fullFence() {
    VarHandle.fullFence();
  }

  /** Loads 2 bytes; later accesses stay after it. */
  public static short getShortAcquire(MemorySegment segment, long offset) {
    return (short) SHORT.getAcquire(segment, offset);
  }

  /** Stores 2 bytes; earlier accesses stay before it. */
  public static void setShortRelease(MemorySegment segment, long offset, short value) {
    SHORT.setRelease(segment, offset, value);
  }

  /** Loads 2 bytes, exactly once, in no order with others. */
  public static short getShortOpaque(MemorySegment segment, long offset) {
    return (short) SHORT.getOpaque(segment, offset);
  }

  /** Stores 2 bytes, exactly once, in no order with others. */
  public static void setShortOpaque(MemorySegment segment, long offset, short value) {
    SHORT.setOpaque(segment, offset, value);
  }

  /** Loads 4 bytes; later accesses stay after it. */
  public static int getIntAcquire(MemorySegment segment, long offset) {
    return (int) INT.getAcquire(segment, offset);
  }

  /** Stores 4 bytes; earlier accesses stay before it. */
  public static void setIntRelease(MemorySegment segment, long offset, int value) {
    INT.setRelease(segment, offset, value);
  }

  /** Loads 4 bytes, exactly once, in no order with others. */
  public static int getIntOpaque(MemorySegment segment, long offset) {
    return (int) INT.getOpaque(segment, offset);
  }

  /** Stores 4 bytes, exactly once, in no order with others. */
  public static void setIntOpaque(MemorySegment segment, long offset, int value) {
    INT.setOpaque(segment, offset, value);
  }

  /** Loads 4 bytes, in one order with all volatile accesses. */
  public static int getIntVolatile(MemorySegment segment, long offset) {
    return (int) INT.getVolatile(segment, offset);
  }

  /** Stores 4 bytes, in one order with all volatile accesses. */
  public static void setIntVolatile(MemorySegment segment, long offset, int value) {
    INT.setVolatile(segment, offset, value);
  }

  /** Adds to 4 bytes, atomically, and returns what was there. */
  public static int getAndAddInt(MemorySegment segment, long offset, int delta) {
    return (int) INT.getAndAdd(segment, offset, delta);
  }

  /** Stores 4 bytes if those expected are there, atomically; returns whether they were. */
  public static boolean compareAndSetInt(
      MemorySegment segment, long offset, int expected, int value) {
    return INT.compareAndSet(segment, offset, expected, value);
  }

  /** Loads 8 bytes; later accesses stay after it. */
  public static long getLongAcquire(MemorySegment segment, long offset) {
    return (long) LONG.getAcquire(segment, offset);
  }

  /** Stores 8 bytes; earlier accesses stay before it. */
  public static void setLongRelease(MemorySegment segment, long offset, long value) {
    LONG.setRelease(segment, offset, value);
  }

  /** Loads 8 bytes, exactly once, in no order with others. */
  public static long getLongOpaque(MemorySegment segment, long offset) {
    return (long) LONG.getOpaque(segment, offset);
  }

  /** Stores 8 bytes, exactly once, in no order with others. */
  public static void setLongOpaque(MemorySegment segment, long offset, long value) {
    LONG.setOpaque(segment, offset, value);
  }

  /** Loads 8 bytes, in one order with all volatile accesses. */
  public static long getLongVolatile(MemorySegment segment, long offset) {
    return (long) LONG.getVolatile(segment, offset);
  }

  /** Stores 8 bytes, in one order with all volatile accesses. */
  public static void setLongVolatile(MemorySegment segment, long offset, long value) {
    LONG.setVolatile(segment, offset, value);
  }

  /** Adds to 8 bytes, atomically, and returns what was there. */
  public static long getAndAddLong(MemorySegment segment, long offset, long delta) {
    return (long) LONG.getAndAdd(segment, offset, delta);
  }

  /** Stores 8 bytes if those expected are there, atomically; returns whether they were. */
  public static boolean compareAndSetLong(
      MemorySegment segment, long offset, long expected, long value) {
    return LONG.compareAndSet(segment, offset, expected, value);
  }

  /**
   * Stores 8 bytes if those expected are there, atomically; returns what was there, which is what
   * was expected if they were stored.
   */
  public static long compareAndExchangeLong(
      MemorySegment segment, long offset, long expected, long value) {
    return (long) LONG.compareAndExchange(segment, offset, expected, value);
  }
}
