package io.twinspan.target.nbd;

import io.netty.buffer.ByteBuf;
import io.twinspan.array.HostOperation;
import io.twinspan.array.HostPort;
import io.twinspan.array.HostRequest;
import io.twinspan.array.HostStatus;
import io.twinspan.pool.VolumeInfo;
import java.util.ArrayDeque;
import java.util.ArrayList;
import org.jspecify.annotations.Nullable;

/**
 * The transmission phase of one connection, without a socket: bytes in, requests to the array,
 * replies out.
 *
 * <pre>
 *  state    on                                              to
 *  HEADER   WRITE / READ                                    WRITE / READ
 *           FLUSH, TRIM, WRITE_ZEROES, anything refused     HEADER
 *           a refused WRITE                                 DISCARD, then HEADER
 *           DISC, or {@link #leave}                         LEAVING
 *  WRITE    the last byte of its payload                    HEADER
 *  READ     its last piece begun                            HEADER
 *  any      bad magic, SHUTDOWN, {@link #closed}            CLOSED
 * </pre>
 *
 * <p><b>Pieces.</b> READ and WRITE are cut at multiples of {@link HostRequest#MAX_BYTES}; a WRITE's
 * piece goes to the array as soon as its payload is there. The reply follows the last answer.
 *
 * <p><b>Back-pressure.</b> A connection has at most {@code maxCommands} commands and {@code
 * maxDataBytes} of buffers. When these, the array's buffers or its queue run out, {@link #advance}
 * says so and nothing more is read.
 *
 * <p><b>Long reads.</b> The header of a simple reply comes first and says how the command ended, so
 * the pieces of a READ normally wait for one another. If there are no more buffers for that, then
 * the READ, once it is the only command left, is answered as its pieces arrive; an error after that
 * can only close the connection, which is what the specification asks for. So each command gets
 * done however few buffers there are.
 *
 * <p>Confined to its event loop. A piece is given back after the array's answer, or after its bytes
 * were sent, or when the connection ends.
 */
final class NbdTransmission {
  /** What the transmission needs from its transport. */
  interface Output {
    /** Sends the header of a simple reply. */
    void reply(long cookie, int error);

    /** Sends the bytes of a READ's piece, then releases its view. */
    void data(NbdPiece piece);

    /** Sends what is queued, then closes. */
    void finish();

    /** Closes at once. */
    void disconnect(String reason);

    /** Answers have come in: send what is queued and call {@link #advance} again. */
    void settle();

    /**
     * Something that {@link #advance} waited for has come free: call it again, but not from here.
     */
    void resume();
  }

  /** What it is in the middle of. */
  enum State {
    HEADER,
    WRITE,
    READ,
    DISCARD,
    LEAVING,
    CLOSED
  }

  /** What {@link #advance} has found. */
  enum Progress {
    /** Wants more bytes. */
    READ_MORE,
    /** Read nothing; an answer or the end of a transfer will go on from here. */
    WAIT,
    /**
     * Read nothing, and try again a little later: the array's buffers or its queue are exhausted.
     */
    RETRY
  }

  private final VolumeInfo export;
  private final NbdLimits limits;
  private final ExportCounters counters;
  private final Output output;
  private final NbdPieces pieces;

  private final ArrayList<NbdCommand> commands = new ArrayList<>();
  private final ArrayDeque<NbdCommand> freeCommands = new ArrayDeque<>();

  private State state = State.HEADER;
  private Progress stall = Progress.READ_MORE;
  private boolean leaving;
  private boolean touched;

  /** The READ or WRITE being cut into pieces: its next byte and its end. */
  private @Nullable NbdCommand current;

  private long cursor;
  private long end;

  /** The WRITE's piece that is being filled, and how far it is. */
  private @Nullable NbdPiece filling;

  private int filledBytes;

  /** The refused WRITE whose payload is being dropped. */
  private long discardBytes;

  private long discardCookie;
  private int discardError;

  /** The READ whose reply has begun before its end is known. */
  private @Nullable NbdCommand streaming;

  NbdTransmission(
      HostPort port,
      VolumeInfo export,
      NbdLimits limits,
      NbdLoop loop,
      ExportCounters counters,
      Output output) {
    this.export = export;
    this.limits = limits;
    this.counters = counters;
    this.output = output;
    this.pieces = new NbdPieces(this, port, export, limits, loop);
  }

  VolumeInfo export() {
    return export;
  }

  State state() {
    return state;
  }

  /** Commands received and not answered. */
  int inFlight() {
    return commands.size();
  }

  /** Bytes of buffers that the connection has now. */
  long heldBytes() {
    return pieces.heldBytes();
  }

  /** Whether the client owes bytes of a command that it has begun to send. */
  boolean expectsPayload() {
    return (state == State.WRITE && filling != null) || state == State.DISCARD;
  }

  /**
   * The view that payload may be read into directly, its writer index where the next byte goes;
   * null when there is none.
   */
  @Nullable DataView payloadView() {
    NbdPiece piece = filling;
    return piece == null ? null : piece.dataView().setIndexes(0, filledBytes);
  }

  /** Bytes that {@link #payloadView} still takes. */
  int payloadBytes() {
    NbdPiece piece = filling;
    return piece == null ? 0 : (int) piece.length - filledBytes;
  }

  /** That many bytes were put into {@link #payloadView}; {@link #advance} goes on from there. */
  void payloadRead(int count) {
    filledBytes += count;
  }

  /** Goes on as far as the bytes, the buffers and the array allow. */
  Progress advance(ByteBuf in) {
    do {
      stall = Progress.READ_MORE;
    } while (step(in));
    pieces.announce();
    return state == State.LEAVING || state == State.CLOSED ? Progress.WAIT : stall;
  }

  /** Takes no further command; calls {@link Output#finish} once those in flight are answered. */
  void leave() {
    leaving = true;
    output.resume();
  }

  /**
   * The connection is gone: gives back what the array does not have; the rest comes back with the
   * answers.
   */
  void closed() {
    if (state == State.CLOSED) {
      return;
    }
    state = State.CLOSED;
    // A refused piece of a READ hangs on its command too, but is not done: it is released once.
    pieces.close();
    if (filling != null) {
      pieces.release(filling);
      filling = null;
    }
    for (NbdCommand command : commands) {
      for (NbdPiece piece = command.poll(); piece != null; piece = command.poll()) {
        if (piece.done) {
          pieces.release(piece);
        }
      }
    }
    commands.clear();
    current = null;
    streaming = null;
  }

  /**
   * The array has answered a piece.
   *
   * @return whether {@link #settle} is to be called, once, after the other answers of the moment
   */
  boolean completed(NbdPiece piece) {
    if (state == State.CLOSED) {
      pieces.release(piece);
      return false;
    }
    NbdCommand command = piece.commandInUse();
    HostStatus status = piece.status;
    command.outstanding--;
    piece.done = true;
    if (status == HostStatus.SHUTDOWN) {
      if (command.type != NbdProtocol.CMD_READ) {
        pieces.release(piece);
      }
      disconnect("this controller does not serve the volume any more");
      return false;
    }
    if (status != HostStatus.OK) {
      command.fail(NbdProtocol.error(status));
    }
    if (command.type != NbdProtocol.CMD_READ) {
      pieces.release(piece);
    }
    finishIfDone(command);
    boolean first = !touched;
    touched = true;
    return first;
  }

  /** Lets the transport go on after {@link #completed}. */
  void settle() {
    touched = false;
    pieces.announce();
    output.settle();
  }

  /** The bytes of a READ's piece have left, or never will. */
  void sent(NbdPiece piece) {
    pieces.release(piece);
    if (stall == Progress.WAIT) {
      output.resume();
    }
  }

  private boolean step(ByteBuf in) {
    if (!pieces.submitRefused()) {
      stall = Progress.RETRY;
      return false;
    }
    return switch (state) {
      case HEADER -> header(in);
      case WRITE -> payload(in);
      case READ -> read();
      case DISCARD -> discard(in);
      case LEAVING, CLOSED -> false;
    };
  }

  private boolean header(ByteBuf in) {
    if (leaving) {
      state = State.LEAVING;
      finishIfLeft();
      return false;
    }
    if (streaming != null || commands.size() == limits.maxCommands()) {
      stall = Progress.WAIT;
      return false;
    }
    if (in.readableBytes() < NbdProtocol.REQUEST_BYTES) {
      return false;
    }
    int magic = in.readInt();
    if (magic != NbdProtocol.REQUEST_MAGIC) {
      disconnect("bad request magic 0x" + Integer.toHexString(magic));
      return false;
    }
    int flags = in.readUnsignedShort();
    int type = in.readUnsignedShort();
    long cookie = in.readLong();
    long offset = in.readLong();
    long length = in.readUnsignedInt();
    if (type == NbdProtocol.CMD_DISC) {
      leaving = true;
      return true;
    }
    counters.requests.increment();
    int error = NbdChecks.error(type, flags, offset, length, export.sizeBytes());
    if (error == 0) {
      boolean forceUnitAccess = (flags & NbdProtocol.CMD_FLAG_FUA) != 0;
      begin(newCommand().begin(type, forceUnitAccess, cookie), offset, length);
    } else if (type == NbdProtocol.CMD_WRITE && length > 0) {
      discardBytes = length;
      discardCookie = cookie;
      discardError = error;
      state = State.DISCARD;
    } else {
      refuse(cookie, error);
    }
    return true;
  }

  private void begin(NbdCommand command, long offset, long length) {
    commands.add(command);
    switch (command.type) {
      case NbdProtocol.CMD_READ, NbdProtocol.CMD_WRITE -> {
        if (length > 0) {
          current = command;
          cursor = offset;
          end = offset + length;
          state = command.type == NbdProtocol.CMD_READ ? State.READ : State.WRITE;
          return;
        }
      }
      case NbdProtocol.CMD_FLUSH -> single(command, HostOperation.FLUSH, 0, 0);
      case NbdProtocol.CMD_WRITE_ZEROES -> {
        if (length > 0) {
          single(command, HostOperation.ZERO, offset, length);
        }
      }
      default -> { // TRIM: a promise not to read it again, so parts of blocks are not worth a write
        long from = NbdChecks.roundUp(offset);
        long to = NbdChecks.roundDown(offset + length);
        if (from < to) {
          single(command, HostOperation.ZERO, from, to - from);
        }
      }
    }
    command.issued = true;
    finishIfDone(command);
  }

  private boolean payload(ByteBuf in) {
    NbdPiece piece = filling;
    if (piece == null) {
      piece = acquire(current(), HostOperation.WRITE);
      if (piece == null) {
        return false;
      }
      filling = piece;
      filledBytes = 0;
    }
    int count = Math.min(in.readableBytes(), (int) piece.length - filledBytes);
    if (count > 0) {
      piece.dataView().setIndexes(0, filledBytes).writeBytes(in, count);
      filledBytes += count;
    }
    if (filledBytes < piece.length) {
      return false;
    }
    NbdCommand command = piece.commandInUse();
    filling = null;
    cursor += piece.length;
    boolean last = cursor == end;
    // One piece carries FUA itself; several are followed by one flush (see finishIfDone).
    piece.forceUnitAccess = command.forceUnitAccess && last && command.pieces == 1;
    counters.writtenBytes.add(piece.length);
    if (last) {
      command.issued = true;
      current = null;
      state = State.HEADER;
    }
    pieces.submit(piece);
    return true;
  }

  private boolean read() {
    NbdCommand command = current();
    if (command.error != 0) {
      cursor = end; // the rest would be read in vain
    } else {
      NbdPiece piece = acquire(command, HostOperation.READ);
      if (piece == null) {
        stream(command);
        return false;
      }
      cursor += piece.length;
      command.append(piece);
      counters.readBytes.add(piece.length);
      pieces.submit(piece);
    }
    if (cursor == end) {
      command.issued = true;
      current = null;
      state = State.HEADER;
      finishIfDone(command);
    }
    return true;
  }

  private boolean discard(ByteBuf in) {
    int count = (int) Math.min(discardBytes, in.readableBytes());
    in.skipBytes(count);
    discardBytes -= count;
    if (discardBytes > 0) {
      return false;
    }
    state = State.HEADER;
    refuse(discardCookie, discardError);
    return true;
  }

  /**
   * Starts to answer a READ that can't have all its buffers at once, if nothing else can come free.
   */
  private void stream(NbdCommand command) {
    if (commands.size() == 1 && streaming == null && command.error == 0) {
      streaming = command;
      output.reply(command.cookie, 0);
      finishIfDone(command);
    }
  }

  private void single(NbdCommand command, HostOperation operation, long offset, long length) {
    NbdPiece piece = pieces.acquireEmpty(command, operation, offset, length);
    piece.forceUnitAccess = command.forceUnitAccess && operation == HostOperation.ZERO;
    pieces.submit(piece);
  }

  private void finishIfDone(NbdCommand command) {
    if (command == streaming) {
      finishStreaming(command);
      return;
    }
    if (!command.issued || command.outstanding > 0) {
      return;
    }
    if (command.type == NbdProtocol.CMD_WRITE
        && command.forceUnitAccess
        && command.pieces > 1
        && command.error == 0
        && !command.flushed) {
      command.flushed = true;
      single(command, HostOperation.FLUSH, 0, 0);
      return;
    }
    if (command.error != 0) {
      counters.errors.increment();
    }
    output.reply(command.cookie, command.error);
    for (NbdPiece piece = command.poll(); piece != null; piece = command.poll()) {
      if (command.error == 0) {
        output.data(piece);
      } else {
        pieces.release(piece);
      }
    }
    free(command);
  }

  private void finishStreaming(NbdCommand command) {
    if (command.error != 0) {
      counters.errors.increment();
      disconnect("a read failed after its reply had begun");
      return;
    }
    while (command.first != null && command.first.done) {
      NbdPiece piece = command.poll();
      if (piece != null) {
        output.data(piece);
      }
    }
    if (command.issued && command.first == null) {
      streaming = null;
      free(command);
    }
  }

  private void refuse(long cookie, int error) {
    counters.errors.increment();
    output.reply(cookie, error);
  }

  private void disconnect(String reason) {
    closed();
    output.disconnect(reason);
  }

  private void finishIfLeft() {
    if (commands.isEmpty()) {
      closed();
      output.finish();
    }
  }

  /** Takes the next piece of a command with a buffer; null (and stalled) when there is none. */
  private @Nullable NbdPiece acquire(NbdCommand command, HostOperation operation) {
    int length = (int) (Math.min(NbdChecks.pieceEnd(cursor), end) - cursor);
    if (!pieces.mayHold(length)) {
      stall = Progress.WAIT;
      return null;
    }
    NbdPiece piece = pieces.acquire(command, operation, cursor, length);
    if (piece == null) {
      stall = Progress.RETRY;
    }
    return piece;
  }

  /** The READ or WRITE that is being cut into pieces. */
  private NbdCommand current() {
    NbdCommand command = current;
    if (command == null) {
      throw new IllegalStateException("no command in state " + state);
    }
    return command;
  }

  private NbdCommand newCommand() {
    NbdCommand pooled = freeCommands.poll();
    return pooled == null ? new NbdCommand() : pooled;
  }

  private void free(NbdCommand command) {
    commands.remove(command);
    freeCommands.add(command);
    if (state == State.LEAVING) {
      finishIfLeft();
    }
  }
}
