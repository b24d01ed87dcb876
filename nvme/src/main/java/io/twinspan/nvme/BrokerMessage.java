package io.twinspan.nvme;

import static io.twinspan.nvme.LittleEndian.ANY_INT;
import static io.twinspan.nvme.LittleEndian.ANY_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;

/**
 * A message between a {@link Broker} and a process: a header, then the payload, little-endian. Each
 * request is answered by one message of the same type.
 *
 * <pre>
 *    0 | type (4) | result (4) | payload bytes (4) | 0 (4) |
 *
 *   type         request                                  reply
 *   1  HELLO     magic 4, version 4                       magic 4, version 4, transfer bytes 4, queues 4,
 *                                                         depth 4, administrator 4, memory bytes 8,
 *                                                         NSID 4, writable 4, first block 8, blocks 8,
 *                                                         direct 4, death word 4; its page if that is 1
 *   2  ADMIN     SQE 64, data                             status 4, CQE dword 0 4, DNR 4, 0 4, data
 *   3  MAP       offset 8, length 8; a memfd              DMA address 8
 *   4  UNMAP     DMA address 8
 *   5  RESERVE   depth 4                                  queue 4; doorbell page, socket of the bell
 *   6  CREATE    queue 4, 0 4, SQ address 8, CQ address 8
 *   7  DELETE    queue 4
 *   8  ABORT     queue 4, CID 4
 * </pre>
 *
 * <p>A request that is refused has result 1 and a text for people. HELLO comes first. A queue's
 * doorbell page is laid out as {@link DoorbellPage} says, with the bell in place of its eventfds:
 * eight bytes sent to it wake who looks at the queue, eight bytes that come from it are an
 * interrupt. That is the drive if HELLO says "direct", else the broker, which also aborts by
 * itself. The page of the {@link DeathWord} comes where the kernel has such words.
 */
final class BrokerMessage {
  static final int MAGIC = 0x51505754; // "TWPQ"
  static final int VERSION = 3;

  static final int HELLO = 1;
  static final int ADMIN = 2;
  static final int MAP = 3;
  static final int UNMAP = 4;
  static final int RESERVE = 5;
  static final int CREATE = 6;
  static final int DELETE = 7;
  static final int ABORT = 8;

  static final int OK = 0;
  static final int REFUSED = 1;

  static final int HELLO_BYTES = 64;
  static final int ADMIN_REPLY_BYTES = 16;
  static final int HEADER_BYTES = 16;
  static final int MAX_PAYLOAD_BYTES = SubmissionEntry.BYTES + AdminQueue.DATA_BYTES;

  private static final int RESULT = 4;
  private static final int PAYLOAD = 8;

  private final MemorySegment buffer =
      Arena.ofAuto().allocate((long) HEADER_BYTES + MAX_PAYLOAD_BYTES, Long.BYTES);

  MemorySegment buffer() {
    return buffer;
  }

  /** Begins a message with a zeroed payload. */
  BrokerMessage begin(int type, int payloadBytes) {
    buffer.asSlice(0, (long) HEADER_BYTES + payloadBytes).fill((byte) 0);
    buffer.set(ANY_INT, 0, type);
    buffer.set(ANY_INT, PAYLOAD, payloadBytes);
    return this;
  }

  /** Makes it the answer to a request that is refused. */
  BrokerMessage refuse(int type, String reason) {
    byte[] text = reason.getBytes(StandardCharsets.UTF_8);
    int length = Math.min(text.length, MAX_PAYLOAD_BYTES);
    begin(type, length);
    buffer.set(ANY_INT, RESULT, REFUSED);
    MemorySegment.copy(text, 0, buffer, ValueLayout.JAVA_BYTE, HEADER_BYTES, length);
    return this;
  }

  int type() {
    return buffer.get(ANY_INT, 0);
  }

  boolean isRefused() {
    return buffer.get(ANY_INT, RESULT) != OK;
  }

  /** Size of the payload in bytes as the header has it; anything, if somebody else sent it. */
  int payloadBytes() {
    return buffer.get(ANY_INT, PAYLOAD);
  }

  int u32(int at) {
    return buffer.get(ANY_INT, (long) HEADER_BYTES + at);
  }

  BrokerMessage u32(int at, int value) {
    buffer.set(ANY_INT, (long) HEADER_BYTES + at, value);
    return this;
  }

  long u64(int at) {
    return buffer.get(ANY_LONG, (long) HEADER_BYTES + at);
  }

  BrokerMessage u64(int at, long value) {
    buffer.set(ANY_LONG, (long) HEADER_BYTES + at, value);
    return this;
  }

  /** A part of the payload. */
  MemorySegment payload(int at, int lengthBytes) {
    return buffer.asSlice((long) HEADER_BYTES + at, lengthBytes);
  }

  /** The whole payload as text. */
  String text() {
    byte[] bytes = payload(0, payloadBytes()).toArray(ValueLayout.JAVA_BYTE);
    return new String(bytes, StandardCharsets.UTF_8);
  }
}
