package io.twinspan.shelf;

import io.twinspan.nvme.NvmOpcode;
import java.time.Duration;
import java.util.Locale;

/**
 * One way in which a drive misbehaves: what it does, and to which I/O commands.
 *
 * @param effect what is done
 * @param opcode the opcode concerned, or {@link #ANY}
 * @param nsid the namespace concerned, or {@link #ANY}
 * @param firstBlock commands concerned touch a block from here
 * @param lastBlock to here; commands that name no blocks touch all
 * @param count how many commands; {@link Integer#MAX_VALUE} for all that come
 * @param status of {@link Effect#STATUS}, {@code SCT << 8 | SC}
 * @param delay of {@link Effect#DELAY}
 */
public record Fault(
    Effect effect,
    int opcode,
    int nsid,
    long firstBlock,
    long lastBlock,
    int count,
    int status,
    Duration delay) {
  /** Every opcode, or every namespace. */
  public static final int ANY = -1;

  /** What a fault does. */
  public enum Effect {
    /** The command is not carried out, and ends with a status. */
    STATUS,
    /** The command is carried out, and its completion comes late. */
    DELAY,
    /** The command is carried out, and its completion never comes. */
    DROP,
    /** A bit of the command's first block has changed on the medium, before it is carried out. */
    ROT,
    /** A Write is carried out in part only, as power fails. */
    POWER_CUT,
    /** The drive is pulled out before the command is carried out. */
    REMOVE
  }

  /** Checks the values. */
  public Fault {
    if (count < 1 || firstBlock < 0 || lastBlock < firstBlock || delay.isNegative()) {
      throw new IllegalArgumentException(
          "a fault of %d commands, blocks %d to %d, delay %s"
              .formatted(count, firstBlock, lastBlock, delay));
    }
    if (status <= 0 || status > 0x7ff) {
      throw new IllegalArgumentException("0x%x is no error status".formatted(status));
    }
  }

  /**
   * {@return a fault that concerns every I/O command}
   *
   * @param effect what it does
   */
  public static Fault of(Effect effect) {
    return new Fault(
        effect, ANY, ANY, 0, Long.MAX_VALUE, Integer.MAX_VALUE, 0x006, Duration.ofMillis(10));
  }

  /**
   * {@return a fault that somebody has written down}
   *
   * @param text the effect's name, then any of {@code opcode=read}, {@code nsid=1}, {@code
   *     blocks=0-7}, {@code count=1}, {@code status=0x281}, {@code delay=5} (milliseconds), apart
   *     by spaces
   * @throws IllegalArgumentException if it makes no sense, and says why
   */
  public static Fault parse(String text) {
    String[] words = text.strip().split("\\s+", -1);
    Fault fault = of(Effect.valueOf(words[0].toUpperCase(Locale.ROOT).replace('-', '_')));
    for (int i = 1; i < words.length; i++) {
      int equals = words[i].indexOf('=');
      if (equals < 0) {
        throw new IllegalArgumentException("\"" + words[i] + "\" is not name=value");
      }
      fault = fault.with(words[i].substring(0, equals), words[i].substring(equals + 1));
    }
    return fault;
  }

  /** {@return the fault as {@link #parse} reads it} */
  @Override
  public String toString() {
    StringBuilder text =
        new StringBuilder(effect.name().toLowerCase(Locale.ROOT).replace('_', '-'));
    if (opcode != ANY) {
      text.append(" opcode=").append(opcode);
    }
    if (nsid != ANY) {
      text.append(" nsid=").append(nsid);
    }
    if (firstBlock != 0 || lastBlock != Long.MAX_VALUE) {
      text.append(" blocks=").append(firstBlock).append('-').append(lastBlock);
    }
    if (count != Integer.MAX_VALUE) {
      text.append(" count=").append(count);
    }
    if (effect == Effect.STATUS) {
      text.append(" status=0x").append(Integer.toHexString(status));
    }
    if (effect == Effect.DELAY) {
      text.append(" delay=").append(delay.toMillis());
    }
    return text.toString();
  }

  private Fault with(String name, String value) {
    int dash = value.indexOf('-');
    long first = dash < 0 || !name.equals("blocks") ? 0 : Long.parseLong(value.substring(0, dash));
    return switch (name) {
      case "opcode" -> of(opcodeOf(value), nsid, firstBlock, lastBlock, count, status, delay);
      case "nsid" -> of(opcode, number(value), firstBlock, lastBlock, count, status, delay);
      case "blocks" -> {
        long last = Long.parseLong(value.substring(dash + 1));
        yield of(opcode, nsid, dash < 0 ? last : first, last, count, status, delay);
      }
      case "count" -> of(opcode, nsid, firstBlock, lastBlock, number(value), status, delay);
      case "status" -> of(opcode, nsid, firstBlock, lastBlock, count, number(value), delay);
      case "delay" ->
          of(opcode, nsid, firstBlock, lastBlock, count, status, Duration.ofMillis(number(value)));
      default -> throw new IllegalArgumentException("a fault has no \"" + name + "\"");
    };
  }

  private Fault of(
      int newOpcode, int newNsid, long first, long last, int commands, int code, Duration late) {
    return new Fault(effect, newOpcode, newNsid, first, last, commands, code, late);
  }

  private static int number(String value) {
    return Integer.decode(value);
  }

  private static int opcodeOf(String value) {
    for (int opcode = 0; opcode <= NvmOpcode.RESERVATION_RELEASE; opcode++) {
      if (NvmOpcode.name(opcode).replace(' ', '-').equalsIgnoreCase(value)) {
        return opcode;
      }
    }
    return number(value);
  }

  /** Whether it concerns a command. */
  boolean concerns(int commandOpcode, int commandNsid, long lba, long blocks) {
    return (opcode == ANY || opcode == commandOpcode)
        && (nsid == ANY || nsid == commandNsid)
        && lba <= lastBlock
        && firstBlock < lba + blocks;
  }
}
