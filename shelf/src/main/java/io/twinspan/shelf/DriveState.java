package io.twinspan.shelf;

import io.twinspan.linux.TwinspanException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;

/**
 * What of a drive outlives a loss of its power, beside the blocks: health, reservations that
 * persist through power loss, and blocks that can't be read.
 *
 * <pre>
 *   magic u32 | version u32 | length u32, of all | 1 if shut down in order, else 0, u32
 *   health: 9 x u64
 *   for each namespace: uncorrectable ranges u32, then first and end of each, u64
 *                       1 if reservations persist u32 | type u32 | generation u32 | registrants u32
 *                       of each: host low u64, high u64, key u64, CNTLID u32, 1 for the holder u32
 *   CRC-32C of all before u32
 * </pre>
 *
 * <p>All little-endian. The agent thread's.
 */
final class DriveState {
  private static final int MAGIC = 0x5344_5354; // "TSDS"
  private static final int VERSION = 1;
  private static final int HEADER_BYTES = 16;
  private static final int HEALTH_BYTES = 9 * Long.BYTES;
  private static final int NAMESPACE_BYTES = 5 * Integer.BYTES;
  private static final int RANGE_BYTES = 2 * Long.BYTES;
  private static final int REGISTRANT_BYTES = 3 * Long.BYTES + 2 * Integer.BYTES;

  private DriveState() {}

  /** The state as bytes. */
  static byte[] encode(Subsystem subsystem, boolean inOrder) {
    int length = HEADER_BYTES + HEALTH_BYTES + Integer.BYTES;
    for (Namespace namespace : subsystem.namespaces()) {
      length += NAMESPACE_BYTES + namespace.uncorrectable().count() * RANGE_BYTES;
      length += namespace.reservations().registrants().size() * REGISTRANT_BYTES;
    }
    ByteBuffer out = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
    out.putInt(MAGIC).putInt(VERSION).putInt(length).putInt(inOrder ? 1 : 0);
    Health health = subsystem.health();
    out.putLong(health.bytesRead).putLong(health.bytesWritten);
    out.putLong(health.reads).putLong(health.writes);
    out.putLong(health.mediaErrors).putLong(health.unsafeShutdowns);
    out.putLong(subsystem.errorLog().count()).putLong(health.powerCycles);
    out.putLong(health.powerOnSeconds());
    for (Namespace namespace : subsystem.namespaces()) {
      UncorrectableBlocks blocks = namespace.uncorrectable();
      out.putInt(blocks.count());
      for (int i = 0; i < blocks.count(); i++) {
        out.putLong(blocks.first(i)).putLong(blocks.end(i));
      }
      encode(namespace.reservations(), out);
    }
    CRC32C crc = new CRC32C();
    crc.update(out.array(), 0, length - Integer.BYTES);
    return out.putInt((int) crc.getValue()).array();
  }

  private static void encode(Reservations reservations, ByteBuffer out) {
    out.putInt(reservations.persists() ? 1 : 0);
    out.putInt(reservations.type().code()).putInt(reservations.generation());
    out.putInt(reservations.registrants().size());
    for (Reservations.Registrant registrant : reservations.registrants()) {
      HostIdentity host = registrant.host();
      out.putLong(host.low()).putLong(host.high()).putLong(registrant.key());
      out.putInt(host.controllerId()).putInt(reservations.holds(host) ? 1 : 0);
    }
  }

  /**
   * Gives a drive that has just got power its state back.
   *
   * @param bytes what {@link #encode} gave
   * @throws TwinspanException if they are something else
   */
  static void decode(byte[] bytes, Subsystem subsystem, Object where) {
    ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    if (bytes.length < HEADER_BYTES || in.getInt() != MAGIC) {
      throw new TwinspanException(where + " holds no drive's state; remove it to begin anew");
    }
    int version = in.getInt();
    if (version != VERSION) {
      throw new TwinspanException(
          "%s has version %d, this is version %d".formatted(where, version, VERSION));
    }
    CRC32C crc = new CRC32C();
    int length = in.getInt();
    crc.update(bytes, 0, Math.max(0, bytes.length - Integer.BYTES));
    boolean whole = length == bytes.length && length >= HEADER_BYTES + HEALTH_BYTES;
    if (!whole || in.getInt(length - Integer.BYTES) != (int) crc.getValue()) {
      throw new TwinspanException(where + " is damaged; remove it to begin anew");
    }
    boolean inOrder = in.getInt() != 0;
    Health health = subsystem.health();
    health.bytesRead = in.getLong();
    health.bytesWritten = in.getLong();
    health.reads = in.getLong();
    health.writes = in.getLong();
    health.mediaErrors = in.getLong();
    health.unsafeShutdowns = in.getLong() + (inOrder ? 0 : 1);
    subsystem.errorLog().startAt(in.getLong());
    health.powerCycles = in.getLong() + 1;
    health.powerOnSecondsBefore(in.getLong());
    for (Namespace namespace : subsystem.namespaces()) {
      for (int ranges = in.getInt(); ranges > 0; ranges--) {
        long first = in.getLong();
        var _ = namespace.uncorrectable().add(first, in.getLong() - first);
      }
      decode(namespace.reservations(), in);
    }
  }

  private static void decode(Reservations reservations, ByteBuffer in) {
    boolean persists = in.getInt() != 0;
    ReservationType type = ReservationType.of(in.getInt());
    int generation = in.getInt();
    reservations.restore(persists, persists ? type : ReservationType.NONE, generation);
    for (int registrants = in.getInt(); registrants > 0; registrants--) {
      long low = in.getLong();
      long high = in.getLong();
      long key = in.getLong();
      HostIdentity host = new HostIdentity(low, high, in.getInt());
      boolean holder = in.getInt() != 0;
      if (persists) {
        reservations.restore(host, key, holder);
      }
    }
  }
}
