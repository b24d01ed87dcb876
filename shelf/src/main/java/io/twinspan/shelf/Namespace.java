package io.twinspan.shelf;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * A namespace that all controllers of a drive share: medium, reservations and names that stay the
 * same over restarts.
 */
final class Namespace {
  /** log2 of {@link #BLOCK_BYTES}. */
  static final int BLOCK_SHIFT = 12;

  /** Size of a logical block. */
  static final int BLOCK_BYTES = 1 << BLOCK_SHIFT;

  private final int nsid;
  private final Medium medium;
  private final FlushGroup flushes;
  private final Reservations reservations;
  private final UncorrectableBlocks uncorrectable = new UncorrectableBlocks();
  private final long nguidHigh;
  private final long nguidLow;
  private final long eui64;

  /**
   * A namespace.
   *
   * @param nsid its identifier, from 1
   * @param uniqueName from which NGUID and EUI64 are derived: the drive's serial number
   * @param medium where the blocks live
   * @param flushes flushes the medium
   * @param preempted is told who lost a registration
   */
  Namespace(
      int nsid,
      String uniqueName,
      Medium medium,
      FlushGroup flushes,
      Reservations.PreemptionListener preempted) {
    this.nsid = nsid;
    this.medium = medium;
    this.flushes = flushes;
    reservations = new Reservations(preempted);
    byte[] hash = hash("twinspan shelf namespace %d of %s".formatted(nsid, uniqueName));
    markLocal(hash, 8); // where NGUID has its organisation
    markLocal(hash, 16); // where EUI64 has it
    ByteBuffer names = ByteBuffer.wrap(hash).order(ByteOrder.LITTLE_ENDIAN);
    nguidHigh = names.getLong(0);
    nguidLow = names.getLong(8);
    eui64 = names.getLong(16);
  }

  int nsid() {
    return nsid;
  }

  Medium medium() {
    return medium;
  }

  FlushGroup flushes() {
    return flushes;
  }

  Reservations reservations() {
    return reservations;
  }

  /** The blocks that can't be read. */
  UncorrectableBlocks uncorrectable() {
    return uncorrectable;
  }

  /** Size in logical blocks. */
  long blocks() {
    return medium.sizeBytes() >>> BLOCK_SHIFT;
  }

  /** Whether a range of blocks lies on the medium. */
  boolean contains(long lba, int count) {
    return lba >= 0 && lba <= blocks() - count;
  }

  /** The first 8 bytes of NGUID, as a little-endian number. */
  long nguidHigh() {
    return nguidHigh;
  }

  /** The last 8 bytes of NGUID, as a little-endian number. */
  long nguidLow() {
    return nguidLow;
  }

  /** EUI64, as a little-endian number. */
  long eui64() {
    return eui64;
  }

  /** Says "locally administered, unicast" in the first byte of an organisation's identifier. */
  private static void markLocal(byte[] name, int at) {
    name[at] = (byte) ((name[at] | 2) & ~1);
  }

  private static byte[] hash(String text) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }
}
