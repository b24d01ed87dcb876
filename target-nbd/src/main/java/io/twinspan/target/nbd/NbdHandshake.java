package io.twinspan.target.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.twinspan.pool.VolumeInfo;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The server's side of the fixed newstyle handshake: bytes in, bytes out, no sockets, no clock.
 *
 * <pre>
 *  state        on                                      to
 *  CLIENT_FLAGS known flags / others                    OPTION / REFUSED
 *  OPTION       LIST, INFO, a GO that fails             OPTION, answered
 *               unknown or oversized option             SKIP, then OPTION, answered with an error
 *               GO, EXPORT_NAME of a volume             READY
 *               ABORT                                   ABORTED, answered
 *               no option magic, EXPORT_NAME of nothing REFUSED
 * </pre>
 *
 * <p>READY, ABORTED and REFUSED are final. Not thread-safe. Input is untrusted: an option that is
 * understood is taken only whole and up to {@link #MAX_OPTION_BYTES}; longer ones are dropped as
 * they come in.
 */
final class NbdHandshake {
  /** Where the handshake is. */
  enum State {
    CLIENT_FLAGS,
    OPTION,
    SKIP,
    READY,
    ABORTED,
    REFUSED
  }

  /**
   * Longest option that is looked at: a name, and as many information requests as anybody could
   * want.
   */
  static final int MAX_OPTION_BYTES = 8192;

  private static final int OPTION_HEADER_BYTES = 16;
  private static final int EXPORT_NAME_PADDING_BYTES = 124;

  private final Supplier<List<VolumeInfo>> volumes;
  private State state = State.CLIENT_FLAGS;
  private boolean noZeroes;
  private @Nullable VolumeInfo export;
  private String refusal = "";

  /** What is being skipped, and the error that it will be answered with. */
  private int skippedOption;

  private long skipBytes;
  private int skipReply;

  /**
   * A handshake that has not begun.
   *
   * @param volumes asked whenever a client names or lists exports
   */
  NbdHandshake(Supplier<List<VolumeInfo>> volumes) {
    this.volumes = volumes;
  }

  State state() {
    return state;
  }

  /** The volume that was chosen; only when READY. */
  VolumeInfo export() {
    VolumeInfo chosen = export;
    if (chosen == null) {
      throw new IllegalStateException("no export in state " + state);
    }
    return chosen;
  }

  /** Why the client was refused; only when REFUSED. */
  String refusal() {
    return refusal;
  }

  /** Writes what a server says first. */
  void greet(ByteBuf out) {
    out.writeLong(NbdProtocol.NBDMAGIC);
    out.writeLong(NbdProtocol.IHAVEOPT);
    out.writeShort(NbdProtocol.FLAG_FIXED_NEWSTYLE | NbdProtocol.FLAG_NO_ZEROES);
  }

  /**
   * Takes at most one message, so that the caller can wait for its answer to leave before the next.
   *
   * @param in what came and was not taken yet
   * @param out takes the answer
   * @return whether anything was taken
   */
  boolean advance(ByteBuf in, ByteBuf out) {
    return switch (state) {
      case CLIENT_FLAGS -> clientFlags(in);
      case OPTION -> option(in, out);
      case SKIP -> skip(in, out);
      case READY, ABORTED, REFUSED -> false;
    };
  }

  private boolean clientFlags(ByteBuf in) {
    if (in.readableBytes() < Integer.BYTES) {
      return false;
    }
    int flags = in.readInt();
    if ((flags & ~(NbdProtocol.FLAG_FIXED_NEWSTYLE | NbdProtocol.FLAG_NO_ZEROES)) != 0) {
      refuse("unknown client flags 0x" + Integer.toHexString(flags));
    } else {
      noZeroes = (flags & NbdProtocol.FLAG_NO_ZEROES) != 0;
      state = State.OPTION;
    }
    return true;
  }

  private boolean option(ByteBuf in, ByteBuf out) {
    if (in.readableBytes() < OPTION_HEADER_BYTES) {
      return false;
    }
    int start = in.readerIndex();
    if (in.getLong(start) != NbdProtocol.IHAVEOPT) {
      refuse("bad option magic 0x" + Long.toHexString(in.getLong(start)));
      return true;
    }
    int option = in.getInt(start + 8);
    long length = in.getUnsignedInt(start + 12);
    boolean known =
        switch (option) {
          case NbdProtocol.OPT_EXPORT_NAME,
              NbdProtocol.OPT_ABORT,
              NbdProtocol.OPT_LIST,
              NbdProtocol.OPT_INFO,
              NbdProtocol.OPT_GO ->
              true;
          default -> false;
        };
    if (!known || length > MAX_OPTION_BYTES) {
      in.skipBytes(OPTION_HEADER_BYTES);
      if (option == NbdProtocol.OPT_EXPORT_NAME) {
        refuse("export name of " + length + " bytes");
        return true;
      }
      skippedOption = option;
      skipBytes = length;
      skipReply = known ? NbdProtocol.REP_ERR_TOO_BIG : NbdProtocol.REP_ERR_UNSUP;
      state = State.SKIP;
      return true;
    }
    if (in.readableBytes() < OPTION_HEADER_BYTES + length) {
      return false;
    }
    in.skipBytes(OPTION_HEADER_BYTES);
    answer(option, in.readSlice((int) length), out);
    return true;
  }

  private boolean skip(ByteBuf in, ByteBuf out) {
    int count = (int) Math.min(skipBytes, in.readableBytes());
    in.skipBytes(count);
    skipBytes -= count;
    if (skipBytes > 0) {
      return count > 0;
    }
    reply(out, skippedOption, skipReply, 0);
    state = State.OPTION;
    return true;
  }

  private void answer(int option, ByteBuf data, ByteBuf out) {
    switch (option) {
      case NbdProtocol.OPT_EXPORT_NAME -> exportName(data, out);
      case NbdProtocol.OPT_LIST -> list(data, out);
      case NbdProtocol.OPT_INFO, NbdProtocol.OPT_GO -> info(option, data, out);
      default -> {
        reply(out, option, NbdProtocol.REP_ACK, 0);
        state = State.ABORTED;
      }
    }
  }

  private void exportName(ByteBuf data, ByteBuf out) {
    String name = data.toString(UTF_8);
    VolumeInfo volume = find(name);
    if (volume == null) {
      refuse("no volume named '" + printable(name) + "'"); // this option has no way to say so
      return;
    }
    out.writeLong(volume.sizeBytes()).writeShort(NbdProtocol.exportFlags(volume));
    if (!noZeroes) {
      out.writeZero(EXPORT_NAME_PADDING_BYTES);
    }
    export = volume;
    state = State.READY;
  }

  private void list(ByteBuf data, ByteBuf out) {
    if (data.isReadable()) {
      reply(out, NbdProtocol.OPT_LIST, NbdProtocol.REP_ERR_INVALID, 0);
      return;
    }
    for (VolumeInfo volume : volumes.get()) {
      int nameBytes = ByteBufUtil.utf8Bytes(volume.name());
      reply(out, NbdProtocol.OPT_LIST, NbdProtocol.REP_SERVER, Integer.BYTES + nameBytes);
      out.writeInt(nameBytes);
      out.writeCharSequence(volume.name(), UTF_8);
    }
    reply(out, NbdProtocol.OPT_LIST, NbdProtocol.REP_ACK, 0);
  }

  private void info(int option, ByteBuf data, ByteBuf out) {
    String name = requestedName(data);
    if (name == null) {
      reply(out, option, NbdProtocol.REP_ERR_INVALID, 0);
      return;
    }
    VolumeInfo volume = find(name);
    if (volume == null) {
      reply(out, option, NbdProtocol.REP_ERR_UNKNOWN, 0);
      return;
    }
    boolean wantsName = false;
    boolean wantsDescription = false;
    while (data.isReadable()) {
      int wanted = data.readUnsignedShort();
      wantsName |= wanted == NbdProtocol.INFO_NAME;
      wantsDescription |= wanted == NbdProtocol.INFO_DESCRIPTION;
    }
    reply(out, option, NbdProtocol.REP_INFO, 12);
    out.writeShort(NbdProtocol.INFO_EXPORT).writeLong(volume.sizeBytes());
    out.writeShort(NbdProtocol.exportFlags(volume));
    reply(out, option, NbdProtocol.REP_INFO, 14);
    out.writeShort(NbdProtocol.INFO_BLOCK_SIZE).writeInt(NbdProtocol.MIN_BLOCK_BYTES);
    out.writeInt(NbdProtocol.PREFERRED_BLOCK_BYTES).writeInt(NbdProtocol.MAX_PAYLOAD_BYTES);
    if (wantsName) {
      text(out, option, NbdProtocol.INFO_NAME, volume.name());
    }
    if (wantsDescription) {
      text(out, option, NbdProtocol.INFO_DESCRIPTION, "Twinspan volume " + volume.name());
    }
    reply(out, option, NbdProtocol.REP_ACK, 0);
    if (option == NbdProtocol.OPT_GO) {
      export = volume;
      state = State.READY;
    }
  }

  /**
   * Reads the name and checks that exactly the announced information requests follow; null when
   * malformed.
   */
  private static @Nullable String requestedName(ByteBuf data) {
    if (data.readableBytes() < Integer.BYTES + Short.BYTES) {
      return null;
    }
    long nameBytes = data.readUnsignedInt();
    if (nameBytes > Math.min(NbdProtocol.MAX_STRING_BYTES, data.readableBytes() - Short.BYTES)) {
      return null;
    }
    String name = data.readCharSequence((int) nameBytes, UTF_8).toString();
    int requests = data.readUnsignedShort();
    return data.readableBytes() == requests * Short.BYTES ? name : null;
  }

  /** The volume of that name; the empty name is the only volume, when there is only one. */
  private @Nullable VolumeInfo find(String name) {
    List<VolumeInfo> all = volumes.get();
    if (name.isEmpty()) {
      return all.size() == 1 ? all.getFirst() : null;
    }
    for (VolumeInfo volume : all) {
      if (volume.name().equals(name)) {
        return volume;
      }
    }
    return null;
  }

  private void refuse(String reason) {
    refusal = reason;
    state = State.REFUSED;
  }

  private static void text(ByteBuf out, int option, int information, String text) {
    reply(out, option, NbdProtocol.REP_INFO, Short.BYTES + ByteBufUtil.utf8Bytes(text));
    out.writeShort(information);
    out.writeCharSequence(text, UTF_8);
  }

  private static void reply(ByteBuf out, int option, int type, int lengthBytes) {
    out.writeLong(NbdProtocol.OPTION_REPLY_MAGIC);
    out.writeInt(option).writeInt(type).writeInt(lengthBytes);
  }

  /** A stranger's text, short and without control characters, for the log. */
  private static String printable(String text) {
    String shown = text.length() > 64 ? text.substring(0, 64) + "…" : text;
    return shown.replaceAll("\\p{Cntrl}", "?");
  }
}
