package io.twinspan.controller;

import io.twinspan.linux.TwinspanException;
import io.twinspan.pool.Redundancy;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The settings of an array: immutable values of {@link Key}s, read from {@code twinspan.conf},
 * lines of {@code key = value}.
 *
 * <p>An unknown key, a value that can't be read and a value out of its range are refused with the
 * file, line, value and limit. Thread-safe.
 */
public final class Settings {
  private enum Kind {
    COUNT,
    BYTES,
    DURATION,
    /** A duration, or {@code never}. */
    DELAY,
    REDUNDANCY,
    TEXT
  }

  /** What can be set. */
  public enum Key {
    /** Number of drives. */
    SHELF_DRIVES(
        "shelf.drives",
        Kind.COUNT,
        "4",
        2,
        16,
        "Drives in the shelf. Fixed when the array is made."),
    /** Size of a drive. */
    SHELF_DRIVE_SIZE(
        "shelf.drive-size",
        Kind.BYTES,
        "2GiB",
        256L << 20,
        4L << 40,
        "Size of each drive; the image files are sparse. Half of a drive belongs to each pool."
            + " Fixed when the array is made."),
    /** How pools keep data. */
    POOL_REDUNDANCY(
        "pool.redundancy",
        Kind.REDUNDANCY,
        "mirror",
        0,
        0,
        "How pools keep data: mirror, two copies, any one drive may be lost; or parity, two"
            + " parities in every stripe, any two of at least 5 drives may be lost. Fixed when the"
            + " array is made."),
    /** Size of a commit log. */
    POOL_LOG_SIZE(
        "pool.log-size",
        Kind.BYTES,
        "8MiB",
        1L << 20,
        1L << 30,
        "Size of the commit log of each pool, in both controllers."),
    /** Depth of a private queue. */
    DRIVE_QUEUE_DEPTH(
        "drive.queue-depth",
        Kind.COUNT,
        "128",
        8,
        1024,
        "Entries of a controller's private queue pair on each drive."),
    /** Heartbeat time-out. */
    LINK_HEARTBEAT_TIMEOUT(
        "link.heartbeat-timeout",
        Kind.DURATION,
        "300ms",
        100,
        60_000,
        "A peer that is silent for so long is taken for dead. A peer whose process ends is seen at"
            + " once."),
    /** How long a lone controller waits for its peer. */
    STARTUP_WAIT(
        "controller.startup-wait",
        Kind.DURATION,
        "10s",
        1_000,
        3_600_000,
        "A controller that starts and finds no peer takes over all pools after this time."),
    /** When a pool goes back home. */
    GIVEBACK_DELAY(
        "controller.giveback-delay",
        Kind.DELAY,
        "1s",
        0,
        3_600_000,
        "A pool goes back to its home controller when that has been in step for so long. With"
            + " \"never\" only twinspan controller handover gives it back."),
    /** Memory for hosts' data. */
    IO_BUFFERS(
        "controller.io-buffers",
        Kind.BYTES,
        "24MiB",
        4L << 20,
        4L << 30,
        "Memory of each controller for hosts' data in flight."),
    /** NBD address. */
    NBD_HOST(
        "nbd.host", Kind.TEXT, "127.0.0.1", 1, 255, "Address that both controllers serve NBD on."),
    /** Port of a. */
    NBD_PORT_A(
        "nbd.port-a",
        Kind.COUNT,
        "0",
        0,
        65_535,
        "TCP port of controller a; 0 takes a free one and keeps it."),
    /** Port of b. */
    NBD_PORT_B(
        "nbd.port-b",
        Kind.COUNT,
        "0",
        0,
        65_535,
        "TCP port of controller b; 0 takes a free one and keeps it."),
    /** Connections. */
    NBD_MAX_CONNECTIONS(
        "nbd.max-connections", Kind.COUNT, "64", 1, 4096, "NBD connections per controller.");

    private final String key;
    private final Kind kind;
    private final String defaultText;
    private final long min;
    private final long max;
    private final String about;

    Key(String key, Kind kind, String defaultText, long min, long max, String about) {
      this.key = key;
      this.kind = kind;
      this.defaultText = defaultText;
      this.min = min;
      this.max = max;
      this.about = about;
    }

    /** Name in the file and on the command line. */
    public String key() {
      return key;
    }

    private Object parse(String where, String text) {
      if (kind == Kind.TEXT) {
        if (text.isEmpty() || text.length() > max) {
          throw new TwinspanException(
              where + ": " + key + " must have 1 to " + max + " characters, not " + text.length());
        }
        return text;
      }
      if (kind == Kind.DELAY && text.equals(NEVER)) {
        return Long.MAX_VALUE;
      }
      if (kind == Kind.REDUNDANCY) {
        return redundancy(where, text);
      }
      long value = number(where, text);
      if (value < min || value > max) {
        throw new TwinspanException(
            where
                + ": "
                + key
                + " = "
                + text
                + " is out of range, it must be from "
                + show(min)
                + " to "
                + show(max));
      }
      if (kind == Kind.BYTES
          && value % PAGE_BYTES != 0) { // memory and drives are laid out in pages
        throw new TwinspanException(
            where + ": " + key + " = " + text + " must be a multiple of " + show(PAGE_BYTES));
      }
      return value;
    }

    private Redundancy redundancy(String where, String text) {
      for (Redundancy one : Redundancy.values()) {
        if (one.name().equalsIgnoreCase(text)) {
          return one;
        }
      }
      throw new TwinspanException(where + ": " + key + " = " + text + " must be mirror or parity");
    }

    private long number(String where, String text) {
      Matcher m = NUMBER.matcher(text);
      if (m.matches()) {
        long scale = scale(m.group(2).toLowerCase(Locale.ROOT));
        long value = Long.parseLong(m.group(1));
        if (scale > 0 && value <= Long.MAX_VALUE / scale) {
          return value * scale;
        }
      }
      throw new TwinspanException(
          where + ": " + key + " = " + text + " can't be read, write it like " + defaultText);
    }

    private long scale(String unit) {
      return switch (kind) {
        case COUNT -> unit.isEmpty() ? 1 : 0;
        case BYTES ->
            switch (unit) {
              case "", "b" -> 1;
              case "kib", "k" -> 1L << 10;
              case "mib", "m" -> 1L << 20;
              case "gib", "g" -> 1L << 30;
              case "tib", "t" -> 1L << 40;
              default -> 0;
            };
        case DURATION, DELAY ->
            switch (unit) {
              case "ms" -> 1;
              case "s" -> 1000;
              case "min" -> 60_000;
              default -> 0;
            };
        case REDUNDANCY, TEXT -> 0;
      };
    }

    private String show(long value) {
      return switch (kind) {
        case BYTES -> Sizes.format(value);
        case DELAY, DURATION ->
            value == Long.MAX_VALUE ? NEVER : value % 1000 == 0 ? value / 1000 + "s" : value + "ms";
        case COUNT, REDUNDANCY, TEXT -> Long.toString(value);
      };
    }
  }

  private static final String NEVER = "never";
  private static final Pattern NUMBER = Pattern.compile("(\\d{1,18}) *([A-Za-z]*)");
  private static final long PAGE_BYTES = 4096;
  private static final long MAX_FILE_BYTES = 64 * 1024;

  private final Map<Key, Object> values;

  private Settings(Map<Key, Object> values) {
    this.values = values;
  }

  /** The defaults. */
  public static Settings defaults() {
    return parse("defaults", "");
  }

  /**
   * Reads a settings file.
   *
   * @throws TwinspanException when something in it is wrong: file, line, value and limit are named
   */
  public static Settings read(Path file) {
    try {
      if (Files.size(file) > MAX_FILE_BYTES) {
        throw new TwinspanException(file + " is longer than " + MAX_FILE_BYTES + " bytes");
      }
      return parse(file.toString(), Files.readString(file));
    } catch (IOException e) {
      throw new UncheckedIOException("can't read " + file, e);
    }
  }

  static Settings parse(String name, String text) {
    Map<Key, Object> values = new EnumMap<>(Key.class);
    for (Key key : Key.values()) {
      values.put(key, key.parse(name, key.defaultText));
    }
    int number = 0;
    for (String raw : text.lines().toList()) {
      number++;
      String line = raw.strip();
      if (line.isEmpty() || line.startsWith("#")) {
        continue;
      }
      String where = name + ", line " + number;
      int equals = line.indexOf('=');
      if (equals < 0) {
        throw new TwinspanException(where + ": expected \"key = value\", found \"" + line + "\"");
      }
      Key key = byName(where, line.substring(0, equals).strip());
      values.put(key, key.parse(where, line.substring(equals + 1).strip()));
    }
    return new Settings(values);
  }

  private static Key byName(String where, String name) {
    for (Key key : Key.values()) {
      if (key.key.equals(name)) {
        return key;
      }
    }
    throw new TwinspanException(where + ": there is no setting \"" + name + "\"");
  }

  /** These settings with one of them changed, as from the command line. */
  public Settings with(Key key, String text) {
    Map<Key, Object> changed = new EnumMap<>(values);
    changed.put(key, key.parse("command line", text));
    return new Settings(changed);
  }

  /**
   * Writes a settings file that documents every key; those that differ from their default are
   * active lines.
   */
  public void write(Path file) {
    StringBuilder s =
        new StringBuilder("# Settings of this Twinspan array. Restart it to make a change work.\n");
    for (Key key : Key.values()) {
      Object value = values.get(key);
      String shown =
          value instanceof Long n
              ? key.show(n)
              : value instanceof Redundancy r ? r.word() : String.valueOf(value);
      boolean isDefault = key.parse("default", key.defaultText).equals(value);
      s.append("\n# ").append(key.about);
      if (key.kind != Kind.TEXT && key.kind != Kind.REDUNDANCY) {
        s.append(" From ").append(key.show(key.min)).append(" to ").append(key.show(key.max));
        s.append('.');
      }
      s.append(" Default: ").append(key.defaultText).append(".\n");
      s.append(isDefault ? "#" : "").append(key.key).append(" = ").append(shown).append('\n');
    }
    try {
      Files.writeString(file, s, StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException("can't write " + file, e);
    }
  }

  /** A count or a size in bytes. */
  public long number(Key key) {
    return (Long) value(key);
  }

  /** A count that fits an int. */
  public int count(Key key) {
    return Math.toIntExact(number(key));
  }

  /** A duration. */
  public Duration duration(Key key) {
    return Duration.ofMillis(number(key));
  }

  /** A duration in nanoseconds; {@link Long#MAX_VALUE} for never. */
  public long delayNs(Key key) {
    long ms = number(key);
    return ms == Long.MAX_VALUE ? ms : TimeUnit.MILLISECONDS.toNanos(ms);
  }

  /** How pools keep data. */
  public Redundancy redundancy() {
    return (Redundancy) value(Key.POOL_REDUNDANCY);
  }

  /**
   * Checks that there are drives enough for the redundancy.
   *
   * @throws TwinspanException when there are not
   */
  public void refuseTooFewDrives() {
    int least = redundancy().leastDrives();
    if (count(Key.SHELF_DRIVES) < least) {
      throw new TwinspanException(
          "%s = %s needs %s to be %d or more, not %d"
              .formatted(
                  Key.POOL_REDUNDANCY.key,
                  redundancy().word(),
                  Key.SHELF_DRIVES.key,
                  least,
                  count(Key.SHELF_DRIVES)));
    }
  }

  /** A text. */
  public String text(Key key) {
    return (String) value(key);
  }

  private Object value(Key key) {
    Object value = values.get(key);
    if (value == null) {
      throw new IllegalStateException("no value for " + key);
    }
    return value;
  }
}
