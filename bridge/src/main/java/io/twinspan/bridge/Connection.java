package io.twinspan.bridge;

import io.twinspan.linux.Credentials;
import io.twinspan.linux.Errno;
import io.twinspan.linux.Fd;
import io.twinspan.linux.UnixSocket;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * A socket to somebody who may be the peer: frames in, frames out, never blocking.
 *
 * <pre>
 *  0  magic "TLNK"   4  version (2)   6  type (2)   8  frame length with this header (4)   12  zero
 * 16  payload
 * </pre>
 */
final class Connection implements AutoCloseable {
  /** The types of frame, in the order in which a connection sees them. */
  enum Type {
    /** {@link Hello}. */
    HELLO(1),
    /** {@link Proof}. */
    PROOF(2),
    /** Generation (8 bytes), with three descriptors: data window, control window, doorbell. */
    WINDOWS(3),
    /** Whether it is passing (1 byte) and why, in UTF-8. The sender closes. */
    REFUSE(4),
    /** No payload. The sender closes. */
    GOODBYE(5);

    private final short code;

    Type(int code) {
      this.code = (short) code;
    }

    static Type of(short code) throws Refusal {
      for (Type type : values()) {
        if (type.code == code) {
          return type;
        }
      }
      throw new Refusal("its frame has the unknown type " + code);
    }
  }

  /** Takes what comes in. */
  interface Receiver {
    void frame(Type type, ByteBuffer payload) throws Refusal;
  }

  /** How a round of receiving went. */
  enum Outcome {
    NOTHING,
    PROGRESS,
    ENDED
  }

  static final int WINDOW_FDS = 3;

  private static final int MAGIC = 0x4B4E_4C54; // "TLNK"
  private static final short VERSION = 1;
  private static final int HEADER_BYTES = 16;
  private static final int BUFFER_BYTES = 4096;
  private static final int MAX_REASON_BYTES = 200;

  private final UnixSocket socket;
  private final Arena arena = Arena.ofAuto();
  private final MemorySegment input = arena.allocate(BUFFER_BYTES, Long.BYTES);
  private final MemorySegment output = arena.allocate(BUFFER_BYTES, Long.BYTES);
  private final List<Fd> descriptors = new ArrayList<>(WINDOW_FDS);
  private int filled;

  Connection(UnixSocket socket) {
    this.socket = socket;
    socket.setNonBlocking(true);
  }

  Fd fd() {
    return socket.fd();
  }

  Credentials peer() {
    return socket.peer();
  }

  /** Whether anything at all has come. */
  boolean isSilent() {
    return filled == 0;
  }

  /** Reads what has come and hands over complete frames. */
  Outcome receive(Receiver receiver) throws Refusal {
    int count = socket.receive(input, filled, BUFFER_BYTES - filled, descriptors);
    if (count == -Errno.EAGAIN || count == -Errno.EINTR) {
      return Outcome.NOTHING;
    }
    if (count <= 0) {
      return Outcome.ENDED;
    }
    if (descriptors.size() > WINDOW_FDS) {
      throw new Refusal("it sent " + descriptors.size() + " descriptors");
    }
    filled += count;
    int start = 0;
    for (int length = frameLength(start); length > 0; length = frameLength(start)) {
      ByteBuffer frame = input.asSlice(start, length).asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
      Type type = Type.of(frame.getShort(6));
      receiver.frame(type, frame.position(HEADER_BYTES).slice().order(ByteOrder.LITTLE_ENDIAN));
      start += length;
    }
    MemorySegment.copy(input, start, input, 0, filled - start);
    filled -= start;
    return Outcome.PROGRESS;
  }

  /** The descriptors that came, in order; the caller owns them from now on. */
  List<Fd> takeDescriptors() {
    List<Fd> taken = List.copyOf(descriptors);
    descriptors.clear();
    return taken;
  }

  boolean send(Type type, ByteBuffer payload, Fd... fds) {
    int length = HEADER_BYTES + payload.remaining();
    ByteBuffer frame = output.asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
    frame.putInt(MAGIC).putShort(VERSION).putShort(type.code);
    frame.putInt(length).putInt(0).put(payload.duplicate());
    // A new socket takes far more than all frames of a connection together.
    return socket.send(output, 0, length, fds) == length;
  }

  boolean sendRefusal(Refusal refusal) {
    byte[] reason = refusal.reason().getBytes(StandardCharsets.UTF_8);
    ByteBuffer payload = ByteBuffer.allocate(1 + MAX_REASON_BYTES);
    payload.put((byte) (refusal.passing() ? 1 : 0));
    payload.put(reason, 0, Math.min(reason.length, MAX_REASON_BYTES));
    return send(Type.REFUSE, payload.flip());
  }

  static Refusal decodeRefusal(ByteBuffer payload) {
    boolean passing = payload.hasRemaining() && payload.get() == 1;
    String reason = StandardCharsets.UTF_8.decode(payload.duplicate()).toString();
    return new Refusal(reason.isBlank() ? "without a reason" : Hello.printable(reason), passing);
  }

  @Override
  public void close() {
    socket.close();
    descriptors.forEach(Fd::close);
    descriptors.clear();
  }

  /** Length of the frame at the start, 0 while it is incomplete. */
  private int frameLength(int start) throws Refusal {
    int available = filled - start;
    checkMagic(start, available);
    if (available < HEADER_BYTES) {
      return 0;
    }
    ByteBuffer header = input.asSlice(start, HEADER_BYTES).asByteBuffer();
    header.order(ByteOrder.LITTLE_ENDIAN);
    short version = header.getShort(4);
    int length = header.getInt(8);
    if (version != VERSION) {
      throw new Refusal("it speaks version " + version + " of the link, this side " + VERSION);
    }
    if (length < HEADER_BYTES || length > BUFFER_BYTES) {
      throw new Refusal("its frame has " + Integer.toUnsignedString(length) + " bytes");
    }
    return available >= length ? length : 0;
  }

  private void checkMagic(int start, int available) throws Refusal {
    if (available < Integer.BYTES) {
      return;
    }
    ByteBuffer word = input.asSlice(start, Integer.BYTES).asByteBuffer();
    if (word.order(ByteOrder.LITTLE_ENDIAN).getInt() != MAGIC) {
      throw new Refusal("it does not speak the link's protocol");
    }
  }
}
