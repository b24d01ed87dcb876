package io.twinspan.controller;

import io.twinspan.linux.TwinspanException;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Sizes in bytes as people write them: {@code 64MiB}, {@code 1G}, {@code 4096}. Units are powers of
 * 1024.
 */
public final class Sizes {
  private static final Pattern SIZE =
      Pattern.compile("(\\d{1,18}) *([kmgt]?)(i?b)?", Pattern.CASE_INSENSITIVE);
  private static final String UNITS = "kmgt";

  private Sizes() {}

  /**
   * Reads a size.
   *
   * @return bytes
   * @throws TwinspanException when the text is no size or does not fit 63 bits
   */
  public static long parse(String text) {
    Matcher m = SIZE.matcher(text.strip());
    if (m.matches()) {
      String unit = m.group(2).toLowerCase(Locale.ROOT);
      int shift = unit.isEmpty() ? 0 : 10 * (UNITS.indexOf(unit) + 1);
      long number = Long.parseLong(m.group(1));
      if (number <= Long.MAX_VALUE >> shift) {
        return number << shift;
      }
    }
    throw new TwinspanException(
        "\"" + text + "\" is no size: write it like 512MiB, 2GiB or 4096 (bytes)");
  }

  /** Writes a size exactly, in the largest unit that divides it. */
  public static String format(long bytes) {
    int shift = 0;
    while (shift < 40 && bytes != 0 && (bytes >> shift & 1023) == 0) {
      shift += 10;
    }
    return shift == 0 ? bytes + "B" : (bytes >> shift) + unit(shift);
  }

  /** Writes a size roughly, for people: three digits. */
  public static String rough(long bytes) {
    int shift = 0;
    while (shift < 40 && bytes >> shift >= 1024) {
      shift += 10;
    }
    double value = (double) bytes / (1L << shift);
    String number =
        shift > 0 && value < 100
            ? String.format(Locale.ROOT, "%.1f", value)
            : Math.round(value) + "";
    return number + " " + (shift == 0 ? "B" : unit(shift));
  }

  private static String unit(int shift) {
    return Character.toUpperCase(UNITS.charAt(shift / 10 - 1)) + "iB";
  }
}
