package io.twinspan.array;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/**
 * Flyweight over a message on the FORWARD lane: 64 bytes, little-endian.
 *
 * <pre>
 *   +---------------------------------------------------------------+
 *  0| magic "TWFW"                                                  |
 *   +-------------------------------+---------------+---------------+
 *  4| version                       | type          | operation or  |
 *   |                               |               | status        |
 *   +-------------------------------+---------------+---------------+
 *  8| index of the request          | data slot                     |
 *   +-------------------------------+-------------------------------+
 * 12| tag, the same in the reply                                    |
 *   +---------------------------------------------------------------+
 * 16| volume                                                        |
 *   +---------------------------------------------------------------+
 * 20| flags: 1 force unit access                                    |
 *   +---------------------------------------------------------------+
 * 24| offset in bytes (64 bits)                                     |
 *   +---------------------------------------------------------------+
 * 32| length in bytes (64 bits)                                     |
 *   +---------------------------------------------------------------+
 * 40| 0                                                             |
 *   +---------------------------------------------------------------+
 * </pre>
 */
// On the wire enums are their place in the declaration: who changes one raises VERSION.
@SuppressWarnings("EnumOrdinal")
final class ForwardMessage {
  static final int BYTES = 64;
  static final int REQUEST = 1;
  static final int REPLY = 2;

  /** Status of a reply beyond {@link HostStatus}: ask whoever owns the pool. */
  static final int NOT_OWNER = 255;

  private static final HostStatus[] STATUSES = HostStatus.values();
  private static final int MAGIC = 0x57465754;
  private static final int VERSION = 2;
  private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private MemorySegment segment = Arena.ofAuto().allocate(BYTES, 64);

  MemorySegment segment() {
    return segment;
  }

  ForwardMessage wrap(MemorySegment message) {
    segment = message;
    return this;
  }

  /** What is wrong with a message that came, or an empty text. */
  String defect(int lengthBytes) {
    if (lengthBytes != BYTES) {
      return "forward message of " + lengthBytes + " bytes";
    }
    int version = segment.get(SHORT, 4) & 0xFFFF;
    if (segment.get(INT, 0) != MAGIC || version != VERSION) {
      return "forward message of version " + version + ", this controller speaks " + VERSION;
    }
    return "";
  }

  void encodeRequest(Operation operation, int index, int slot, int tag) {
    encode(REQUEST, operation.kind.ordinal(), index, slot, tag);
    segment.set(INT, 16, operation.volume);
    segment.set(INT, 20, operation.forceUnitAccess ? 1 : 0);
    segment.set(LONG, 24, operation.offset);
    segment.set(LONG, 32, operation.length);
  }

  /** A reply; without a status it says that this controller doesn't own the pool. */
  void encodeReply(@Nullable HostStatus status, int index, int tag) {
    encode(REPLY, status == null ? NOT_OWNER : status.ordinal(), index, 0, tag);
  }

  private void encode(int type, int code, int index, int slot, int tag) {
    segment.asSlice(0, BYTES).fill((byte) 0);
    segment.set(INT, 0, MAGIC);
    segment.set(SHORT, 4, (short) VERSION);
    segment.set(BYTE, 6, (byte) type);
    segment.set(BYTE, 7, (byte) code);
    segment.set(SHORT, 8, (short) index);
    segment.set(SHORT, 10, (short) slot);
    segment.set(INT, 12, tag);
  }

  int type() {
    return segment.get(BYTE, 6) & 0xFF;
  }

  int code() {
    return segment.get(BYTE, 7) & 0xFF;
  }

  /** A reply's status, or null when that is none of {@link HostStatus}. */
  @Nullable HostStatus status() {
    return code() < STATUSES.length ? STATUSES[code()] : null;
  }

  /** Whether the reply says that the pool belongs to somebody else. */
  boolean isNotOwner() {
    return code() == NOT_OWNER;
  }

  int index() {
    return segment.get(SHORT, 8) & 0xFFFF;
  }

  int slot() {
    return segment.get(SHORT, 10) & 0xFFFF;
  }

  int tag() {
    return segment.get(INT, 12);
  }

  int volume() {
    return segment.get(INT, 16);
  }

  boolean forceUnitAccess() {
    return (segment.get(INT, 20) & 1) != 0;
  }

  long offset() {
    return segment.get(LONG, 24);
  }

  long length() {
    return segment.get(LONG, 32);
  }
}
