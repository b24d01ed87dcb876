package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.twinspan.concurrent.SharedMemory;
import io.twinspan.dma.DmaAddress;
import io.twinspan.dma.DmaStatus;
import io.twinspan.dma.Opcode;
import io.twinspan.dma.Translation;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Carries out the peer's reads and atomics, one after the other, against this side's own tables:
 * nothing that the peer says is believed. A refused request gets its status as an answer, and ends
 * the connection. The link's thread only.
 */
final class Responder implements TransferOwner {
  private static final int MAX_PIECES = ChannelLayout.MAX_SGE;

  private final QueuePair queuePair;
  private final Channel channel;
  private final long block;
  private final Translation target = new Translation();
  private long served;
  private boolean reading;
  private final @Nullable PayloadCrc crc;

  // The request in hand, read once.
  private int rkey;
  private long offset;
  private long length;
  private int expectedCrc;
  private long compareAdd;
  private long swap;
  private int entries;
  private final int[] keys = new int[ChannelLayout.MAX_SGE];
  private final int[] lengths = new int[ChannelLayout.MAX_SGE];
  private final long[] offsets = new long[ChannelLayout.MAX_SGE];
  private final int[] crcs = new int[ChannelLayout.MAX_SGE];
  private int copied;

  Responder(QueuePair queuePair, Channel channel, long block) {
    this.queuePair = queuePair;
    this.channel = channel;
    this.block = block;
    crc = channel.crc();
  }

  /** A connection begins: the peer has said where its requests begin. */
  void begin() {
    served = channel.localControl().get(JAVA_LONG, block + ChannelLayout.CM_FIRST_REQUEST);
    reading = false;
  }

  /** The connection has ended. */
  void end() {
    if (reading) {
      reading = false;
      served++;
    }
  }

  /** Carries out what the peer has asked for. */
  int poll() {
    int work = 0;
    while (!reading && queuePair.isConnected() && next()) {
      work++;
    }
    return work;
  }

  @Override
  public void copied(long index, int crcOfCopy) {
    if (reading && index == served) {
      while (copied < entries && lengths[copied] == 0) {
        copied++; // was not copied
      }
      if (copied < entries) {
        crcs[copied++] = crcOfCopy;
      }
    }
  }

  @Override
  public void transferred(long index, int dmaStatus) {
    if (!reading || index != served) {
      return; // of a connection that has failed since
    }
    reading = false;
    if (dmaStatus == DmaStatus.SUCCESS) {
      answer(WcStatus.SUCCESS, 0);
    } else {
      refuse(DmaStatus.isWriteFault(dmaStatus) ? WcStatus.LOC_PROT_ERR : WcStatus.REM_ACCESS_ERR);
    }
  }

  private boolean next() {
    MemorySegment own = channel.localControl();
    long entry =
        block
            + ChannelLayout.REQUESTS
            + (served & (ChannelLayout.MAX_RD_ATOMIC - 1)) * ChannelLayout.REQUEST_BYTES;
    long word = SharedMemory.getLongAcquire(own, entry);
    int distance = ChannelLayout.distance(word, served);
    if (word == 0 || distance < 0) {
      return false;
    }
    if (distance > 0) {
      queuePair.breach("request %x in the place of %d".formatted(word, served));
      return true;
    }
    rkey = own.get(JAVA_INT, entry + ChannelLayout.REQUEST_RKEY);
    expectedCrc = own.get(JAVA_INT, entry + ChannelLayout.REQUEST_CRC);
    offset = own.get(JAVA_LONG, entry + ChannelLayout.REQUEST_OFFSET);
    length = own.get(JAVA_LONG, entry + ChannelLayout.REQUEST_LENGTH);
    compareAdd = own.get(JAVA_LONG, entry + ChannelLayout.REQUEST_COMPARE_ADD);
    swap = own.get(JAVA_LONG, entry + ChannelLayout.REQUEST_SWAP);
    entries = ChannelLayout.detail(word);
    int opcode = ChannelLayout.opcode(word);
    switch (opcode) {
      case ChannelLayout.OPCODE_READ -> {
        return read(own, entry + ChannelLayout.REQUEST_LIST);
      }
      case ChannelLayout.OPCODE_COMPARE_SWAP, ChannelLayout.OPCODE_FETCH_ADD -> atomic(opcode);
      case ChannelLayout.OPCODE_CHECK -> check();
      default -> refuse(WcStatus.REM_INV_REQ_ERR);
    }
    return true;
  }

  /** Compares what a write has brought with its CRC. */
  private void check() {
    PayloadCrc of = crc;
    if (of == null) {
      refuse(WcStatus.REM_INV_REQ_ERR);
      return;
    }
    MemoryRegion region =
        queuePair.allowsPartner(Access.REMOTE_WRITE)
            ? channel.regions().landed(queuePair.protectionDomain(), rkey, offset, length)
            : null;
    if (region == null) {
      refuse(WcStatus.REM_ACCESS_ERR);
    } else if (of.begin().add(region.segment(), offset, length).value() == expectedCrc) {
      answer(WcStatus.SUCCESS, 0);
    } else {
      refuseCrc("what it wrote");
    }
  }

  /** Whether a request is as the peer has sent it; if not, it is refused. */
  private boolean isIntact(boolean isRead) {
    PayloadCrc of = crc;
    if (of == null) {
      return true;
    }
    of.begin().add(rkey).add(offset).add(length);
    if (isRead) {
      for (int i = 0; i < entries; i++) {
        of.add(keys[i]).add(lengths[i]).add(offsets[i]);
      }
    } else {
      of.add(compareAdd).add(swap);
    }
    if (of.value() == expectedCrc) {
      return true;
    }
    refuseCrc("its request");
    return false;
  }

  /** Returns false if it must be tried again because the descriptor ring is full. */
  private boolean read(MemorySegment own, long list) {
    if (!readList(own, list)) {
      refuse(WcStatus.REM_INV_REQ_ERR);
      return true;
    }
    if (!isIntact(true)) {
      return true;
    }
    if (length == 0) {
      answer(WcStatus.SUCCESS, 0);
      return true;
    }
    MemoryRegion region = granted(length, Access.REMOTE_READ);
    if (region == null) {
      refuse(WcStatus.REM_ACCESS_ERR);
      return true;
    }
    for (int i = 0; i < entries; i++) {
      long right = RegionTable.rights(Access.LOCAL_WRITE.bit(), RegionTable.ANY_DOMAIN);
      boolean usable =
          lengths[i] == 0 || channel.table().find(keys[i], offsets[i], lengths[i], right, target);
      if (!usable) {
        refuse(WcStatus.LOC_PROT_ERR);
        return true;
      }
    }
    if (!channel.hasRoom(MAX_PIECES)) {
      return false;
    }
    reading = true;
    copied = 0;
    int opcode = crc == null ? Opcode.MEMMOVE : Opcode.COPY_CRC;
    long at = offset;
    long left = length;
    for (int i = 0; i < entries; i++) {
      if (lengths[i] > 0) {
        left -= lengths[i];
        long source = DmaAddress.of(region.lkey(), at);
        long destination = DmaAddress.of(keys[i], offsets[i]);
        boolean _ =
            channel.insert(this, served, left == 0, opcode, source, destination, lengths[i]);
        at += lengths[i];
      }
    }
    channel.transfer();
    return true;
  }

  private @Nullable MemoryRegion granted(long bytes, Access purpose) {
    return queuePair.allowsPartner(purpose)
        ? channel.regions().granted(queuePair.protectionDomain(), rkey, offset, bytes, purpose)
        : null;
  }

  private boolean readList(MemorySegment own, long list) {
    if (entries > ChannelLayout.MAX_SGE) {
      return false;
    }
    long total = 0;
    boolean sound = length >= 0 && length <= Integer.MAX_VALUE;
    for (int i = 0; i < entries; i++) {
      long sge = list + i * ChannelLayout.SGE_BYTES;
      keys[i] = own.get(JAVA_INT, sge + ChannelLayout.SGE_RKEY);
      lengths[i] = own.get(JAVA_INT, sge + ChannelLayout.SGE_LENGTH);
      offsets[i] = own.get(JAVA_LONG, sge + ChannelLayout.SGE_OFFSET);
      sound &= lengths[i] >= 0;
      total += lengths[i];
    }
    return sound && total == length;
  }

  private void atomic(int opcode) {
    if (!isIntact(false)) {
      return;
    }
    MemoryRegion region = granted(Long.BYTES, Access.REMOTE_ATOMIC);
    if (region == null) {
      refuse(WcStatus.REM_ACCESS_ERR);
      return;
    }
    if ((region.segment().address() + offset & Long.BYTES - 1) != 0) {
      refuse(WcStatus.REM_INV_REQ_ERR);
      return;
    }
    long before =
        opcode == ChannelLayout.OPCODE_FETCH_ADD
            ? SharedMemory.getAndAddLong(region.segment(), offset, compareAdd)
            : SharedMemory.compareAndExchangeLong(region.segment(), offset, compareAdd, swap);
    answer(WcStatus.SUCCESS, before);
  }

  private void refuse(WcStatus status) {
    answer(status, 0);
    queuePair.accessViolation("what it asked for: " + status);
  }

  private void refuseCrc(String what) {
    answer(WcStatus.GENERAL_ERR, 0);
    queuePair.badCrc("the CRC of " + what + " is wrong");
  }

  private void answer(WcStatus status, long value) {
    MemorySegment peer = channel.remoteControl();
    long entry =
        block
            + ChannelLayout.ANSWERS
            + (served & (ChannelLayout.MAX_RD_ATOMIC - 1)) * ChannelLayout.ANSWER_BYTES;
    peer.set(JAVA_LONG, entry + ChannelLayout.ANSWER_VALUE, value);
    if (crc != null) {
      if (entries == 0) {
        crcs[0] = crc.begin().add(value).value(); // of an atomic
      }
      MemorySegment.copy(
          crcs, 0, peer, JAVA_INT, entry + ChannelLayout.ANSWER_CRCS, ChannelLayout.MAX_SGE);
    }
    long word = ChannelLayout.word(served, ChannelLayout.OPCODE_ANSWER, 0, 0, status.code());
    SharedMemory.setLongRelease(peer, entry, word);
    served++;
    channel.link().ringLater();
  }
}
