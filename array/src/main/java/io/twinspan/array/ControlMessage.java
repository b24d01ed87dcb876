package io.twinspan.array;

import io.twinspan.pool.PoolStatus;
import io.twinspan.pool.VolumeInfo;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * What controllers tell each other on the MANAGEMENT lane. On the wire: magic "TWMG" (32 bits),
 * version (16), type (16), then the fields in the order of the record, little-endian; texts have a
 * length byte.
 */
// On the wire enums are their place in the declaration: who changes one raises VERSION.
@SuppressWarnings("EnumOrdinal")
sealed interface ControlMessage {
  /**
   * A controller's part in one pool.
   *
   * @param heldEpoch epoch of the newest log in its memory, its own or the peer's; 0 for none
   */
  record Part(PoolState state, long epoch, long heldEpoch) {}

  /** First message of each side in each life of the link. */
  record Hello(
      String node, long arrayId, long bootId, long logBytes, boolean leaving, List<Part> parts)
      implements ControlMessage {}

  /** The sender's part in a pool has changed. */
  record Role(int pool, boolean leaving, Part part) implements ControlMessage {}

  /** The sender is registered at the drives, and its mirror for the pool is empty. */
  record Ready(int pool) implements ControlMessage {}

  /** The sender has closed the pool: it's the receiver's, who takes the drives. */
  record Handover(int pool, long epoch) implements ControlMessage {}

  /** The sender can't open the pool that was handed to it. */
  record Refused(int pool) implements ControlMessage {}

  /**
   * To a standby that leaves: the sender has its log on the drives and serves alone, so the mirror
   * is not needed any more.
   */
  record Released(int pool) implements ControlMessage {}

  /** Part of the owner's list of volumes: those from {@code first} on, of {@code total}. */
  record Volumes(int pool, int first, int total, List<VolumeInfo> volumes)
      implements ControlMessage {
    /** Most volumes that fit in one message. */
    static final int MOST = 44;
  }

  /** What to do with a volume, or with the pool itself. */
  enum VolumeChange {
    CREATE,
    RESIZE,
    DELETE,
    /** A read-only clone of {@code volume} with the name. */
    SNAPSHOT,
    /** A clone of {@code volume} with the name. */
    CLONE,
    START_SCRUB,
    STOP_SCRUB,
    /** {@code volume} is the drive's index. */
    FAIL_DRIVE,
    /** {@code volume} is the drive's index. */
    REPLACE_DRIVE
  }

  /** Asks the owner to change a volume, or its pool. */
  record VolumeRequest(
      long id, VolumeChange change, int pool, int volume, long sizeBytes, String name)
      implements ControlMessage {}

  /** Answers a {@link VolumeRequest}; CLOSED: the sender doesn't serve the pool. */
  record VolumeReply(long id, PoolStatus status) implements ControlMessage {}

  /** Magic number, "TWMG". */
  int MAGIC = 0x474D5754;

  /** Version of all messages here. */
  int VERSION = 4;

  /** The message as bytes. */
  static byte[] encode(ControlMessage message) {
    ByteBuffer out = ByteBuffer.allocate(PeerLink.MAX_MESSAGE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    out.putInt(MAGIC).putShort((short) VERSION).putShort((short) type(message));
    switch (message) {
      case Hello hello -> {
        putText(out, hello.node);
        out.putLong(hello.arrayId).putLong(hello.bootId).putLong(hello.logBytes);
        out.put((byte) (hello.leaving ? 1 : 0));
        hello.parts.forEach(part -> putPart(out, part));
      }
      case Role role -> {
        out.putInt(role.pool).put((byte) (role.leaving ? 1 : 0));
        putPart(out, role.part);
      }
      case Ready ready -> out.putInt(ready.pool);
      case Handover handover -> out.putInt(handover.pool).putLong(handover.epoch);
      case Refused refused -> out.putInt(refused.pool);
      case Released released -> out.putInt(released.pool);
      case Volumes table -> {
        out.putInt(table.pool).putInt(table.first).putInt(table.total);
        out.putInt(table.volumes.size());
        table.volumes.forEach(volume -> putVolume(out, volume));
      }
      case VolumeRequest request -> {
        out.putLong(request.id).putInt(request.change.ordinal()).putInt(request.pool);
        out.putInt(request.volume).putLong(request.sizeBytes);
        putText(out, request.name);
      }
      case VolumeReply reply -> out.putLong(reply.id).putInt(reply.status.ordinal());
    }
    byte[] bytes = new byte[out.position()];
    out.flip().get(bytes);
    return bytes;
  }

  private static int type(ControlMessage message) {
    return switch (message) {
      case Hello _ -> 1;
      case Role _ -> 2;
      case Ready _ -> 3;
      case Handover _ -> 4;
      case Refused _ -> 5;
      case Volumes _ -> 6;
      case VolumeRequest _ -> 7;
      case VolumeReply _ -> 8;
      case Released _ -> 9;
    };
  }

  /**
   * The message in some bytes.
   *
   * @throws IllegalArgumentException when they are none, or a field is out of bounds
   */
  static ControlMessage decode(byte[] bytes) {
    ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    try {
      int magic = in.getInt();
      int version = in.getShort();
      if (magic != MAGIC || version != VERSION) {
        throw new IllegalArgumentException(
            "control message of version " + version + ", this controller speaks " + VERSION);
      }
      return decodeBody(in, in.getShort());
    } catch (BufferUnderflowException e) {
      throw new IllegalArgumentException("control message of " + bytes.length + " bytes", e);
    }
  }

  private static ControlMessage decodeBody(ByteBuffer in, int type) {
    return switch (type) {
      case 1 -> {
        String node = text(in);
        long arrayId = in.getLong();
        long bootId = in.getLong();
        long logBytes = in.getLong();
        boolean leaving = in.get() != 0;
        List<Part> parts = new ArrayList<>();
        for (int i = 0; i < ArrayNode.POOLS; i++) {
          parts.add(part(in));
        }
        yield new Hello(node, arrayId, bootId, logBytes, leaving, parts);
      }
      case 2 -> new Role(pool(in), in.get() != 0, part(in));
      case 3 -> new Ready(pool(in));
      case 4 -> new Handover(pool(in), in.getLong());
      case 5 -> new Refused(pool(in));
      case 6 -> {
        int pool = pool(in);
        int first = bounded(in.getInt(), 1 << 24, "first volume");
        int total = bounded(in.getInt(), 1 << 24, "number of volumes");
        int count = bounded(in.getInt(), Volumes.MOST + 1, "volumes in a message");
        List<VolumeInfo> volumes = new ArrayList<>();
        for (int i = 0; i < count; i++) {
          volumes.add(volume(in));
        }
        yield new Volumes(pool, first, total, volumes);
      }
      case 7 ->
          new VolumeRequest(
              in.getLong(), change(in), pool(in), in.getInt(), in.getLong(), text(in));
      case 8 -> new VolumeReply(in.getLong(), status(in));
      case 9 -> new Released(pool(in));
      default -> throw new IllegalArgumentException("control message of type " + type);
    };
  }

  private static void putPart(ByteBuffer out, Part part) {
    out.put((byte) part.state.ordinal()).putLong(part.epoch).putLong(part.heldEpoch);
  }

  private static Part part(ByteBuffer in) {
    PoolState[] states = PoolState.values();
    return new Part(states[bounded(in.get(), states.length, "state")], in.getLong(), in.getLong());
  }

  private static VolumeChange change(ByteBuffer in) {
    VolumeChange[] changes = VolumeChange.values();
    return changes[bounded(in.getInt(), changes.length, "volume change")];
  }

  private static PoolStatus status(ByteBuffer in) {
    PoolStatus[] statuses = PoolStatus.values();
    return statuses[bounded(in.getInt(), statuses.length, "status")];
  }

  private static void putVolume(ByteBuffer out, VolumeInfo volume) {
    out.putInt(volume.id()).putLong(volume.sizeBytes()).putLong(volume.usedBytes());
    out.putInt(volume.origin()).put((byte) (volume.readOnly() ? 1 : 0));
    putText(out, volume.name());
  }

  private static VolumeInfo volume(ByteBuffer in) {
    int id = in.getInt();
    long size = in.getLong();
    long used = in.getLong();
    int origin = in.getInt();
    boolean readOnly = in.get() != 0;
    return new VolumeInfo(id, text(in), size, used, origin, readOnly);
  }

  private static void putText(ByteBuffer out, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    if (bytes.length > 255) {
      throw new IllegalArgumentException("text of " + bytes.length + " bytes");
    }
    out.put((byte) bytes.length).put(bytes);
  }

  private static String text(ByteBuffer in) {
    byte[] bytes = new byte[in.get() & 0xFF];
    in.get(bytes);
    return new String(bytes, StandardCharsets.UTF_8);
  }

  private static int pool(ByteBuffer in) {
    return bounded(in.getInt(), ArrayNode.POOLS, "pool");
  }

  private static int bounded(int value, int limit, String what) {
    if (value < 0 || value >= limit) {
      throw new IllegalArgumentException(what + " " + value + " is not below " + limit);
    }
    return value;
  }
}
