package io.twinspan.pool;

import java.nio.charset.StandardCharsets;

/**
 * Longs and names in arrays of ints. Metadata is encoded and decoded in int arrays and copied to
 * and from drive memory in bulk: that is fast in a JVM that has not compiled this code yet, as it
 * is at the moment of a takeover.
 */
final class Words {
  private Words() {}

  static void putLong(int[] words, int index, long value) {
    words[index] = (int) value;
    words[index + 1] = (int) (value >>> 32);
  }

  static long getLong(int[] words, int index) {
    return (words[index] & 0xffff_ffffL) | ((long) words[index + 1] << 32);
  }

  /** Length in the first byte, then the characters, in {@code (length + 4) / 4} words. */
  static void putName(int[] words, int index, String name) {
    byte[] bytes = name.getBytes(StandardCharsets.US_ASCII);
    putByte(words, index, 0, bytes.length);
    for (int i = 0; i < bytes.length; i++) {
      putByte(words, index, i + 1, bytes[i]);
    }
  }

  static String getName(int[] words, int index, int maxLength) {
    byte[] bytes = new byte[Math.min(maxLength, getByte(words, index, 0))];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) getByte(words, index, i + 1);
    }
    return new String(bytes, StandardCharsets.US_ASCII);
  }

  private static void putByte(int[] words, int index, int position, int value) {
    int shift = (position & 3) * 8;
    int word = index + (position >> 2);
    words[word] = (words[word] & ~(0xff << shift)) | ((value & 0xff) << shift);
  }

  private static int getByte(int[] words, int index, int position) {
    return (words[index + (position >> 2)] >>> ((position & 3) * 8)) & 0xff;
  }
}
