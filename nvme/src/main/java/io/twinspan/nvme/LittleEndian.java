package io.twinspan.nvme;

import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** The byte order of every NVM Express and vfio-user structure, with and without alignment. */
final class LittleEndian {
  /** A byte. */
  static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;

  /** Two bytes at an even offset. */
  static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** Four bytes at a multiple of four. */
  static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** Eight bytes at a multiple of eight. */
  static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** Two bytes anywhere. */
  static final ValueLayout.OfShort ANY_SHORT = SHORT.withByteAlignment(1);

  /** Four bytes anywhere. */
  static final ValueLayout.OfInt ANY_INT = INT.withByteAlignment(1);

  /** Eight bytes anywhere. */
  static final ValueLayout.OfLong ANY_LONG = LONG.withByteAlignment(1);

  private LittleEndian() {}
}
