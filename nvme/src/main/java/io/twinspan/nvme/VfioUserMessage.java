package io.twinspan.nvme;

import static io.twinspan.nvme.LittleEndian.ANY_INT;
import static io.twinspan.nvme.LittleEndian.ANY_LONG;
import static io.twinspan.nvme.LittleEndian.ANY_SHORT;

import java.lang.foreign.MemorySegment;

/**
 * One vfio-user message in a buffer: header accessors, and bounded access to the payload by the
 * offsets in {@link VfioUser}.
 *
 * <pre>
 *    0 | command (31:16) | message id (15:0) |
 *    4 | size, header included               |
 *    8 | flags                               |
 *   12 | errno                               |
 *   16 | payload                             |
 * </pre>
 *
 * <p>Offsets of the payload methods count from the end of the header; an offset beyond the buffer
 * throws {@link IndexOutOfBoundsException}, so compare {@link #payloadBytes} with what is needed
 * first. Not thread-safe.
 */
public final class VfioUserMessage {
  private final MemorySegment segment;

  /**
   * A flyweight over a buffer.
   *
   * @param buffer room for the longest message, at least {@link VfioUser#HEADER_BYTES} bytes
   */
  public VfioUserMessage(MemorySegment buffer) {
    if (buffer.byteSize() < VfioUser.HEADER_BYTES) {
      throw new IllegalArgumentException(
          "buffer of " + buffer.byteSize() + " bytes, a header has " + VfioUser.HEADER_BYTES);
    }
    segment = buffer;
  }

  /** {@return the buffer} */
  public MemorySegment buffer() {
    return segment;
  }

  /** {@return the message id} */
  public int id() {
    return segment.get(ANY_SHORT, 0) & 0xffff;
  }

  /** {@return the command} */
  public int command() {
    return segment.get(ANY_SHORT, 2) & 0xffff;
  }

  /**
   * {@return the size of the message with its header as its sender states it, unsigned; untrusted}
   */
  public long size() {
    return segment.get(ANY_INT, 4) & 0xffff_ffffL;
  }

  /** {@return whether {@link #size} is at least a header and at most the buffer} */
  public boolean hasValidSize() {
    return size() >= VfioUser.HEADER_BYTES && size() <= segment.byteSize();
  }

  /** {@return the number of payload bytes; meaningful when {@link #hasValidSize}} */
  public int payloadBytes() {
    return (int) size() - VfioUser.HEADER_BYTES;
  }

  /** {@return the flags} */
  public int flags() {
    return segment.get(ANY_INT, 8);
  }

  /** {@return whether this is a reply} */
  public boolean isReply() {
    return (flags() & VfioUser.FLAG_TYPE_MASK) == VfioUser.FLAG_REPLY;
  }

  /** {@return whether the sender wants no reply} */
  public boolean noReply() {
    return (flags() & VfioUser.FLAG_NO_REPLY) != 0;
  }

  /** {@return whether this reply reports an error} */
  public boolean isError() {
    return (flags() & VfioUser.FLAG_ERROR) != 0;
  }

  /** {@return the errno of an error reply, may be 0} */
  public int errno() {
    return segment.get(ANY_INT, 12);
  }

  /**
   * Writes a command's header and zeroes its payload.
   *
   * @param id message id
   * @param command one of {@link VfioUser}'s
   * @param payloadBytes size of the payload
   * @return this
   */
  public VfioUserMessage command(int id, int command, int payloadBytes) {
    return header(id, command, payloadBytes, VfioUser.FLAG_COMMAND, 0);
  }

  /**
   * Writes a reply's header and zeroes its payload.
   *
   * @param id message id of the command
   * @param command the command
   * @param payloadBytes size of the payload
   * @return this
   */
  public VfioUserMessage reply(int id, int command, int payloadBytes) {
    return header(id, command, payloadBytes, VfioUser.FLAG_REPLY, 0);
  }

  /**
   * Writes an error reply, which has no payload.
   *
   * @param id message id of the command
   * @param command the command
   * @param errno a Unix errno
   * @return this
   */
  public VfioUserMessage error(int id, int command, int errno) {
    return header(id, command, 0, VfioUser.FLAG_REPLY | VfioUser.FLAG_ERROR, errno);
  }

  /**
   * {@return a 16-bit field of the payload}
   *
   * @param offset in bytes
   */
  public int u16(int offset) {
    return segment.get(ANY_SHORT, VfioUser.HEADER_BYTES + (long) offset) & 0xffff;
  }

  /**
   * Sets a 16-bit field of the payload.
   *
   * @param offset in bytes
   * @param value the value
   * @return this
   */
  public VfioUserMessage u16(int offset, int value) {
    segment.set(ANY_SHORT, VfioUser.HEADER_BYTES + (long) offset, (short) value);
    return this;
  }

  /**
   * {@return a 32-bit field of the payload}
   *
   * @param offset in bytes
   */
  public int u32(int offset) {
    return segment.get(ANY_INT, VfioUser.HEADER_BYTES + (long) offset);
  }

  /**
   * Sets a 32-bit field of the payload.
   *
   * @param offset in bytes
   * @param value the value
   * @return this
   */
  public VfioUserMessage u32(int offset, int value) {
    segment.set(ANY_INT, VfioUser.HEADER_BYTES + (long) offset, value);
    return this;
  }

  /**
   * {@return a 64-bit field of the payload}
   *
   * @param offset in bytes
   */
  public long u64(int offset) {
    return segment.get(ANY_LONG, VfioUser.HEADER_BYTES + (long) offset);
  }

  /**
   * Sets a 64-bit field of the payload.
   *
   * @param offset in bytes
   * @param value the value
   * @return this
   */
  public VfioUserMessage u64(int offset, long value) {
    segment.set(ANY_LONG, VfioUser.HEADER_BYTES + (long) offset, value);
    return this;
  }

  /**
   * {@return a part of the payload}
   *
   * @param offset in bytes
   * @param length in bytes
   */
  public MemorySegment payload(int offset, int length) {
    return segment.asSlice(VfioUser.HEADER_BYTES + (long) offset, length);
  }

  private VfioUserMessage header(int id, int command, int payloadBytes, int flags, int errno) {
    segment.asSlice(0, VfioUser.HEADER_BYTES + (long) payloadBytes).fill((byte) 0);
    segment.set(ANY_SHORT, 0, (short) id);
    segment.set(ANY_SHORT, 2, (short) command);
    segment.set(ANY_INT, 4, VfioUser.HEADER_BYTES + payloadBytes);
    segment.set(ANY_INT, 8, flags);
    segment.set(ANY_INT, 12, errno);
    return this;
  }
}
