package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import io.twinspan.concurrent.SharedMemory;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Asks the peer for what only it can do on a link that carries nothing but writes: reads and
 * atomics. Requests go into a ring in the peer's control window, answers come into one in this
 * side's. The link's thread only.
 */
final class Requester {
  private final Channel channel;
  private final ProtectionDomain domain;
  private final long block;
  private final @Nullable PayloadCrc crc;
  private long asked;
  private long answered;

  /**
   * The requests of a queue pair.
   *
   * @param block where the queue pair's block begins in the channel's control block
   */
  Requester(Channel channel, ProtectionDomain domain, long block) {
    this.channel = channel;
    this.domain = domain;
    this.block = block;
    crc = channel.crc();
  }

  /**
   * Before a connection is asked for or accepted: shows the peer where requests will begin.
   *
   * @param sharesReceives whether this side's receives are the channel's shared ones
   */
  void announce(boolean sharesReceives) {
    answered = asked;
    MemorySegment peer = channel.remoteControl();
    peer.set(JAVA_LONG, block + ChannelLayout.CM_FIRST_REQUEST, asked);
    peer.set(JAVA_LONG, block + ChannelLayout.CM_SHARED, sharesReceives ? 1 : 0);
  }

  /** Whether the peer has said that it takes messages into its shared receives. */
  boolean peerSharesReceives() {
    return channel.localControl().get(JAVA_LONG, block + ChannelLayout.CM_SHARED) == 1;
  }

  int outstanding() {
    return (int) (asked - answered);
  }

  /** Whether the local list can take what the peer answers. */
  WcStatus check(SendSlot slot) {
    boolean isRead = slot.operation == WorkRequest.Operation.READ;
    if (!isRead && (slot.sges != 1 || slot.lengthBytes != Long.BYTES)) {
      return WcStatus.LOC_LEN_ERR;
    }
    for (int i = 0; i < slot.sges; i++) {
      boolean writable =
          isRead
              ? slot.lengths[i] == 0 || domain.windowKey(slot.localKeys[i], channel) != 0
              : domain.isWritable(slot.localKeys[i]);
      if (!writable) {
        return WcStatus.LOC_PROT_ERR;
      }
    }
    return WcStatus.SUCCESS;
  }

  /** Stores a request; there are fewer than {@link ChannelLayout#MAX_RD_ATOMIC} outstanding. */
  void ask(SendSlot slot) {
    MemorySegment peer = channel.remoteControl();
    long entry =
        block
            + ChannelLayout.REQUESTS
            + (asked & (ChannelLayout.MAX_RD_ATOMIC - 1)) * ChannelLayout.REQUEST_BYTES;
    peer.set(JAVA_INT, entry + ChannelLayout.REQUEST_RKEY, slot.remoteKey);
    peer.set(JAVA_LONG, entry + ChannelLayout.REQUEST_OFFSET, slot.remoteOffset);
    peer.set(JAVA_LONG, entry + ChannelLayout.REQUEST_LENGTH, slot.lengthBytes);
    int count = 0;
    int opcode = slot.operation.requestOpcode;
    if (slot.operation == WorkRequest.Operation.WRITE) {
      opcode = ChannelLayout.OPCODE_CHECK;
    } else if (slot.operation == WorkRequest.Operation.READ) {
      count = slot.sges;
      for (int i = 0; i < count; i++) {
        long sge = entry + ChannelLayout.REQUEST_LIST + i * ChannelLayout.SGE_BYTES;
        peer.set(
            JAVA_INT, sge + ChannelLayout.SGE_RKEY, domain.windowKey(slot.localKeys[i], channel));
        peer.set(JAVA_INT, sge + ChannelLayout.SGE_LENGTH, slot.lengths[i]);
        peer.set(JAVA_LONG, sge + ChannelLayout.SGE_OFFSET, slot.localOffsets[i]);
      }
    } else {
      peer.set(JAVA_LONG, entry + ChannelLayout.REQUEST_COMPARE_ADD, slot.compareAdd);
      peer.set(JAVA_LONG, entry + ChannelLayout.REQUEST_SWAP, slot.swap);
    }
    if (crc != null) {
      int value = opcode == ChannelLayout.OPCODE_CHECK ? slot.crc : crcOf(slot, crc);
      peer.set(JAVA_INT, entry + ChannelLayout.REQUEST_CRC, value);
    }
    long word = ChannelLayout.word(asked, opcode, 0, 0, count);
    SharedMemory.setLongRelease(peer, entry, word);
    slot.requestIndex = asked;
    asked++;
    channel.link().ringLater();
  }

  /** That of a request's fields; from this side's memory, as the peer's is not read. */
  private int crcOf(SendSlot slot, PayloadCrc of) {
    of.begin().add(slot.remoteKey).add(slot.remoteOffset).add(slot.lengthBytes);
    if (slot.operation == WorkRequest.Operation.READ) {
      for (int i = 0; i < slot.sges; i++) {
        int key = domain.windowKey(slot.localKeys[i], channel);
        of.add(key).add(slot.lengths[i]).add(slot.localOffsets[i]);
      }
    } else {
      of.add(slot.compareAdd).add(slot.swap);
    }
    return of.value();
  }

  /** Whether the answer to the oldest outstanding request has come. */
  boolean isAnswered(SendSlot slot) {
    long word = SharedMemory.getLongAcquire(channel.localControl(), answer(slot.requestIndex));
    return word != 0 && ChannelLayout.distance(word, slot.requestIndex) >= 0;
  }

  /** Takes that answer, and puts the value of an atomic where it belongs. */
  WcStatus take(SendSlot slot) {
    MemorySegment own = channel.localControl();
    long entry = answer(slot.requestIndex);
    long word = SharedMemory.getLongAcquire(own, entry);
    answered++;
    if (ChannelLayout.distance(word, slot.requestIndex) != 0
        || ChannelLayout.opcode(word) != ChannelLayout.OPCODE_ANSWER) {
      return WcStatus.BAD_RESP_ERR;
    }
    WcStatus status = statusOf(ChannelLayout.detail(word));
    if (status == WcStatus.GENERAL_ERR) {
      slot.crcFault = SendSlot.CRC_TOLD;
    }
    if (status != WcStatus.SUCCESS || slot.operation == WorkRequest.Operation.WRITE) {
      return status;
    }
    if (slot.operation == WorkRequest.Operation.READ) {
      return crc == null ? status : check(slot, own, entry, crc);
    }
    long value = own.get(JAVA_LONG, entry + ChannelLayout.ANSWER_VALUE);
    if (crc != null
        && crc.begin().add(value).value() != own.get(JAVA_INT, entry + ChannelLayout.ANSWER_CRCS)) {
      slot.crcFault = SendSlot.CRC_FOUND;
      return WcStatus.GENERAL_ERR;
    }
    int lkey = slot.localKeys[0];
    if (!domain.covers(lkey, slot.localOffsets[0], Long.BYTES)) {
      return WcStatus.LOC_PROT_ERR; // deregistered meanwhile
    }
    domain.segment(lkey).set(JAVA_LONG_UNALIGNED, slot.localOffsets[0], value);
    return WcStatus.SUCCESS;
  }

  /** Compares what was read with the CRCs that came with the answer. */
  private WcStatus check(SendSlot slot, MemorySegment own, long entry, PayloadCrc of) {
    for (int i = 0; i < slot.sges; i++) {
      int lkey = slot.localKeys[i];
      if (slot.lengths[i] == 0) {
        continue;
      }
      if (!domain.covers(lkey, slot.localOffsets[i], slot.lengths[i])) {
        return WcStatus.LOC_PROT_ERR; // deregistered meanwhile
      }
      int expected =
          own.get(JAVA_INT, entry + ChannelLayout.ANSWER_CRCS + (long) i * Integer.BYTES);
      MemorySegment memory = domain.segment(lkey);
      if (of.begin().add(memory, slot.localOffsets[i], slot.lengths[i]).value() != expected) {
        slot.crcFault = SendSlot.CRC_FOUND;
        return WcStatus.GENERAL_ERR;
      }
    }
    return WcStatus.SUCCESS;
  }

  private long answer(long index) {
    return block
        + ChannelLayout.ANSWERS
        + (index & (ChannelLayout.MAX_RD_ATOMIC - 1)) * ChannelLayout.ANSWER_BYTES;
  }

  /** Only what an honest peer may say. */
  private WcStatus statusOf(int code) {
    if (code == WcStatus.SUCCESS.code()) {
      return WcStatus.SUCCESS;
    }
    if (code == WcStatus.LOC_PROT_ERR.code()) {
      return WcStatus.LOC_PROT_ERR;
    }
    if (code == WcStatus.REM_ACCESS_ERR.code()) {
      return WcStatus.REM_ACCESS_ERR;
    }
    if (code == WcStatus.REM_INV_REQ_ERR.code()) {
      return WcStatus.REM_INV_REQ_ERR;
    }
    if (code == WcStatus.GENERAL_ERR.code() && crc != null) {
      return WcStatus.GENERAL_ERR;
    }
    return code == WcStatus.REM_OP_ERR.code() ? WcStatus.REM_OP_ERR : WcStatus.BAD_RESP_ERR;
  }
}
