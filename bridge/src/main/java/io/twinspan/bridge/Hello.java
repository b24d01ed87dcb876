package io.twinspan.bridge;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;

/**
 * How a side introduces itself; the payload of the first frame of a connection, little endian.
 *
 * <pre>
 *   0  array id (16)          16  boot id (16)        32  nonce (32)
 *  64  latest generation (8)  72  data window bytes (8)  80  control window bytes (8)
 *  88  pid (4)   92  side (1)   93  name length (1)   94  contract length (2)
 *  96  name, contract
 * </pre>
 *
 * @param encoded all of it, as it travels: what the proofs are computed over
 */
record Hello(
    UUID arrayId,
    UUID bootId,
    long generation,
    long windowBytes,
    long controlBytes,
    int pid,
    Side side,
    String nodeName,
    ByteBuffer contract,
    ByteBuffer encoded) {
  static final int NONCE_BYTES = 32;
  static final int MAX_NAME_BYTES = 64;
  static final int MAX_BYTES = 96 + MAX_NAME_BYTES + Contract.MAX_BYTES;
  private static final int FIXED_BYTES = 96;
  private static final int NONCE_OFFSET = 32;
  private static final Path BOOT_ID = Path.of("/proc/sys/kernel/random/boot_id");

  /** Changes with every start of the machine; zero if it can't be told. For people. */
  static UUID bootIdOfThisMachine() {
    try {
      return UUID.fromString(Files.readString(BOOT_ID).strip());
    } catch (IOException | IllegalArgumentException e) {
      return new UUID(0, 0);
    }
  }

  static Hello of(
      UUID arrayId,
      UUID bootId,
      byte[] nonce,
      long generation,
      long windowBytes,
      long controlBytes,
      int pid,
      Side side,
      String nodeName,
      byte[] contract) {
    byte[] name = nodeName.getBytes(StandardCharsets.UTF_8);
    if (name.length > MAX_NAME_BYTES || nonce.length != NONCE_BYTES) {
      throw new IllegalArgumentException("node name " + nodeName + " is too long");
    }
    ByteBuffer out = allocate(FIXED_BYTES + name.length + contract.length);
    putUuid(out, arrayId);
    putUuid(out, bootId);
    out.put(nonce);
    out.putLong(generation).putLong(windowBytes).putLong(controlBytes).putInt(pid);
    out.put(side.code()).put((byte) name.length).putShort((short) contract.length);
    out.put(name).put(contract).flip();
    return new Hello(
        arrayId,
        bootId,
        generation,
        windowBytes,
        controlBytes,
        pid,
        side,
        nodeName,
        ByteBuffer.wrap(contract),
        out);
  }

  /** Reads what a stranger sent; every length is checked. */
  static Hello decode(ByteBuffer in) throws Refusal {
    ByteBuffer bytes = in.slice().order(ByteOrder.LITTLE_ENDIAN);
    ByteBuffer encoded = allocate(bytes.remaining()).put(bytes.duplicate()).flip();
    if (bytes.remaining() < FIXED_BYTES) {
      throw new Refusal("its hello has %d bytes, too few".formatted(bytes.remaining()));
    }
    UUID arrayId = getUuid(bytes);
    UUID bootId = getUuid(bytes);
    bytes.position(NONCE_OFFSET + NONCE_BYTES);
    long generation = bytes.getLong();
    long windowBytes = bytes.getLong();
    long controlBytes = bytes.getLong();
    int pid = bytes.getInt();
    byte sideCode = bytes.get();
    int nameLength = Byte.toUnsignedInt(bytes.get());
    int contractLength = Short.toUnsignedInt(bytes.getShort());
    boolean lengthsFit =
        nameLength <= MAX_NAME_BYTES
            && contractLength <= Contract.MAX_BYTES
            && bytes.remaining() == nameLength + contractLength;
    boolean isSide = sideCode == Side.A.code() || sideCode == Side.B.code();
    if (!lengthsFit || !isSide) {
      throw new Refusal("the lengths in its hello do not fit");
    }
    // A generation near the end of the numbers would leave none for later lives.
    if (generation < 0 || generation > Integer.MAX_VALUE - 1) {
      throw new Refusal("its generation is " + generation);
    }
    byte[] name = new byte[nameLength];
    bytes.get(name);
    return new Hello(
        arrayId,
        bootId,
        generation,
        windowBytes,
        controlBytes,
        pid,
        sideCode == Side.A.code() ? Side.A : Side.B,
        printable(new String(name, StandardCharsets.UTF_8)),
        bytes.slice(),
        encoded);
  }

  byte[] contractBytes() {
    byte[] bytes = new byte[contract.remaining()];
    contract.duplicate().get(bytes);
    return bytes;
  }

  /** What a stranger calls himself may stand in a log only without control characters. */
  static String printable(String text) {
    return text.replaceAll("[^\\p{Graph} ]", "?");
  }

  private static ByteBuffer allocate(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static void putUuid(ByteBuffer out, UUID id) {
    out.putLong(id.getMostSignificantBits()).putLong(id.getLeastSignificantBits());
  }

  private static UUID getUuid(ByteBuffer in) {
    return new UUID(in.getLong(), in.getLong());
  }
}
