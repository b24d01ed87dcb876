package io.twinspan.target.nbd;

import io.twinspan.array.HostOperation;
import io.twinspan.array.HostPort;
import io.twinspan.pool.VolumeInfo;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/**
 * The pieces of one connection: their buffers, and their way to the array. Confined to the
 * connection's event loop.
 *
 * <p>Each buffer is given back exactly once, by {@link #release} of its piece. What the array has
 * no room for waits here, oldest first, and is offered again before anything else.
 */
final class NbdPieces {
  private final NbdTransmission transmission;
  private final HostPort port;
  private final VolumeInfo export;
  private final NbdLimits limits;
  private final NbdLoop loop;
  private final ArrayDeque<NbdPiece> free = new ArrayDeque<>();
  private final ArrayDeque<NbdPiece> refused = new ArrayDeque<>();
  private boolean unannounced;
  private boolean closed;
  private long heldBytes;

  NbdPieces(
      NbdTransmission transmission,
      HostPort port,
      VolumeInfo export,
      NbdLimits limits,
      NbdLoop loop) {
    this.transmission = transmission;
    this.port = port;
    this.export = export;
    this.limits = limits;
    this.loop = loop;
  }

  /** Bytes of buffers that the connection has now. */
  long heldBytes() {
    return heldBytes;
  }

  /** Whether the connection may have another buffer; it may always have one. */
  boolean mayHold(int length) {
    return heldBytes == 0 || heldBytes + length <= limits.maxDataBytes();
  }

  /** A piece with a buffer; null when the array has none left. */
  @Nullable NbdPiece acquire(NbdCommand command, HostOperation operation, long offset, int length) {
    MemorySegment buffer = port.buffers().acquire(length);
    if (buffer == null) {
      return null;
    }
    NbdPiece piece = acquireEmpty(command, operation, offset, length);
    DataView view = loop.view(buffer);
    view.piece = piece;
    view.setIndexes(0, length);
    piece.view = view;
    piece.data = buffer;
    heldBytes += length;
    return piece;
  }

  /** A piece without a buffer. */
  NbdPiece acquireEmpty(NbdCommand command, HostOperation operation, long offset, long length) {
    NbdPiece pooled = free.poll();
    NbdPiece piece = pooled == null ? new NbdPiece(transmission, loop) : pooled;
    piece.command = command;
    piece.operation = operation;
    piece.volume = export.id();
    piece.offset = offset;
    piece.length = length;
    piece.forceUnitAccess = false;
    piece.done = false;
    command.pieces++;
    return piece;
  }

  /** Gives a piece back, and its buffer to the array. */
  void release(NbdPiece piece) {
    if (piece.command == null) {
      throw new IllegalStateException("a piece was released twice");
    }
    piece.command = null;
    DataView view = piece.view;
    if (view != null) {
      MemorySegment buffer = piece.data;
      view.piece = null;
      piece.view = null;
      piece.data = MemorySegment.NULL;
      heldBytes -= piece.length;
      port.buffers().release(buffer);
    }
    if (!closed) {
      free.add(piece);
    }
  }

  /** Hands a piece to the array, now or as soon as it has room; {@link #announce} afterwards. */
  void submit(NbdPiece piece) {
    piece.commandInUse().outstanding++;
    if (!refused.isEmpty() || !handOver(piece)) {
      refused.add(piece);
    }
  }

  /** Offers again what the array had no room for; false when it still has none for some. */
  boolean submitRefused() {
    for (NbdPiece piece = refused.peek(); piece != null; piece = refused.peek()) {
      if (!handOver(piece)) {
        return false;
      }
      refused.remove();
    }
    return true;
  }

  private boolean handOver(NbdPiece piece) {
    boolean taken = port.submit(piece);
    unannounced |= taken;
    return taken;
  }

  /** Has the array begin with what it was handed. */
  void announce() {
    if (unannounced) {
      unannounced = false;
      port.submitted();
    }
  }

  /** Gives back what the array did not take, and keeps no piece from now on. */
  void close() {
    closed = true;
    for (NbdPiece piece = refused.poll(); piece != null; piece = refused.poll()) {
      release(piece);
    }
  }
}
