package io.twinspan.nvme;

import static io.twinspan.nvme.LittleEndian.BYTE;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/**
 * One name of a namespace (NVM Express 1.4, section 5.15.1, figure 249).
 *
 * @param type {@link #EUI64}, {@link #NGUID}, {@link #UUID} or one that is not known here
 * @param value its bytes in hexadecimal, as people write it
 */
public record NamespaceDescriptor(int type, String value) {
  /** IEEE extended unique identifier, 8 bytes. */
  public static final int EUI64 = 1;

  /** Namespace globally unique identifier, 16 bytes. */
  public static final int NGUID = 2;

  /** Universally unique identifier, 16 bytes. */
  public static final int UUID = 3;

  private static final int HEADER_BYTES = 4;

  /**
   * {@return the names in a list, which anybody may have made up}
   *
   * @param list what Identify gave
   */
  static List<NamespaceDescriptor> readFrom(MemorySegment list) {
    List<NamespaceDescriptor> names = new ArrayList<>();
    long at = 0;
    while (at + HEADER_BYTES <= list.byteSize()) {
      int type = list.get(BYTE, at) & 0xff;
      int length = list.get(BYTE, at + 1) & 0xff;
      if (length == 0 || at + HEADER_BYTES + length > list.byteSize()) {
        break; // the end of the list, or one that makes no sense
      }
      byte[] value = list.asSlice(at + HEADER_BYTES, length).toArray(BYTE);
      names.add(new NamespaceDescriptor(type, HexFormat.of().formatHex(value)));
      at += HEADER_BYTES + length;
    }
    return names;
  }
}
