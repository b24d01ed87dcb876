package io.twinspan.controller;

import io.twinspan.linux.TwinspanException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.HexFormat;

/**
 * What makes an array this one and no other: its id, and the secret that controllers prove to each
 * other. Immutable.
 *
 * @param arrayId random, not 0; its lowest two bits are 0
 * @param secret 32 random bytes; not to be modified
 */
@SuppressWarnings("ArrayRecordComponent") // never compared, only handed to the link
public record ArrayIdentity(long arrayId, byte[] secret) {
  private static final int SECRET_BYTES = 32;
  private static final String HEADER = "twinspan-identity 1";

  /** Reads the identity in a directory, or makes one when there is none. */
  public static ArrayIdentity readOrCreate(ArrayDirectory directory) {
    Path file = directory.identityFile();
    try {
      if (!Files.exists(file)) {
        SecureRandom random = new SecureRandom();
        byte[] secret = new byte[SECRET_BYTES];
        random.nextBytes(secret);
        long id = (random.nextLong() | 1L << 62) & ~3L;
        write(file, new ArrayIdentity(id, secret));
      }
      return read(file);
    } catch (IOException e) {
      throw new TwinspanException("can't make " + file + ": " + e.getMessage(), e);
    }
  }

  /** Reads an identity file. */
  public static ArrayIdentity read(Path file) {
    try {
      String[] lines = Files.readString(file).split("\n", -1);
      if (lines.length >= 3 && lines[0].equals(HEADER)) {
        byte[] secret = HexFormat.of().parseHex(lines[2]);
        if (secret.length == SECRET_BYTES) {
          return new ArrayIdentity(Long.parseUnsignedLong(lines[1], 16), secret);
        }
      }
    } catch (IOException | IllegalArgumentException e) {
      throw new TwinspanException(
          "can't read the array's identity " + file + ": " + e.getMessage(), e);
    }
    throw new TwinspanException(
        file + " is no identity of this version: it must begin with \"" + HEADER + "\"");
  }

  private static void write(Path file, ArrayIdentity identity) throws IOException {
    Path part = file.resolveSibling(file.getFileName() + ".part");
    Files.deleteIfExists(part);
    Files.createFile(
        part, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    String text =
        HEADER
            + "\n"
            + Long.toHexString(identity.arrayId)
            + "\n"
            + HexFormat.of().formatHex(identity.secret)
            + "\n";
    Files.writeString(
        part, text, StandardCharsets.US_ASCII, StandardOpenOption.WRITE, StandardOpenOption.SYNC);
    Files.move(part, file);
  }

  /** Reservation key of a controller, not 0. */
  public long reservationKey(String controller) {
    return arrayId | side(controller);
  }

  /** Host identifier (NVM Express 1.4, section 5.21.1.26) of a controller, 16 bytes. */
  public byte[] hostIdentifier(String controller) {
    byte[] id = new byte[16];
    for (int i = 0; i < 8; i++) {
      id[i] = (byte) (arrayId >>> (8 * i));
    }
    id[8] = (byte) side(controller);
    return id;
  }

  private static int side(String controller) {
    return switch (controller) {
      case "a" -> 1;
      case "b" -> 2;
      default ->
          throw new TwinspanException(
              "there is no controller \"" + controller + "\", only a and b");
    };
  }

  @Override
  public String toString() {
    return "array " + Long.toHexString(arrayId); // never the secret
  }
}
