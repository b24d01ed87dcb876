package io.twinspan.rdma;

import io.twinspan.dma.Translation;

/**
 * What a send queue does more on a channel with checksums. A message's checksum travels in its
 * fill, and it is complete when the peer says that it took it. A write is checked by the peer, who
 * is asked in the ring that reads use, and is complete when the peer has answered.
 *
 * <p>The peer looks later than the data comes, so nothing may change it in between: a message waits
 * until the writes before it are checked, because its receiver may go on with what they wrote; and
 * a write waits for those that it overlaps. The link's thread only.
 */
final class SendChecks {
  private final Channel channel;
  private final ProtectionDomain domain;
  private final Requester requester;
  private final PayloadCrc crc;
  private final Translation target = new Translation();

  // Where in the peer's segment the writes landed that are issued and not complete, in their order.
  private final long[] starts;
  private final long[] ends;
  private final int mask;
  private long first;
  private long next;

  /** Writes that are not known to be checked. */
  private int unchecked;

  /** How many of them are not even asked for, since the engine has them. */
  private int promised;

  SendChecks(
      Channel channel,
      ProtectionDomain domain,
      Requester requester,
      PayloadCrc crc,
      int sendDepth) {
    this.channel = channel;
    this.domain = domain;
    this.requester = requester;
    this.crc = crc;
    starts = new long[sendDepth];
    ends = new long[sendDepth];
    mask = sendDepth - 1;
  }

  /** Computes the checksum where the data is, as it is posted. */
  void post(SendSlot slot, WorkRequest request) {
    if (slot.operation.isAnswered) {
      return;
    }
    crc.begin();
    if (slot.inline) {
      crc.add(request.inlineData, request.inlineOffset, slot.lengthBytes);
    } else {
      addBuffers(slot);
    }
    if (slot.operation.hasImmediate) {
      crc.add(slot.immediate);
    }
    slot.crc = crc.value();
    slot.answered = isPlainWrite(slot);
  }

  private void addBuffers(SendSlot slot) {
    for (int i = 0; i < slot.sges; i++) {
      int lkey = slot.localKeys[i];
      if (!domain.covers(lkey, slot.localOffsets[i], slot.lengths[i])) {
        return; // it fails when it is issued
      }
      try {
        crc.add(domain.segment(lkey), slot.localOffsets[i], slot.lengths[i]);
      } catch (IllegalStateException e) {
        return; // its owner unmapped the memory: the engine will say so
      }
    }
  }

  /** Whether nothing before stands in its way; notes where it will land. */
  boolean mayIssue(SendSlot slot) {
    if (slot.operation.isAnswered) {
      return true;
    }
    if (slot.operation.takesReceive && unchecked > 0) {
      return false;
    }
    if (!isRange(slot)) {
      return true;
    }
    if (slot.answered && requester.outstanding() + promised >= ChannelLayout.MAX_RD_ATOMIC) {
      return false;
    }
    if (!channel
        .table()
        .find(slot.remoteKey, slot.remoteOffset, slot.lengthBytes, RegionTable.ANYTHING, target)) {
      return true; // to be refused
    }
    slot.landsAt = target.offset();
    for (long i = first; i < next; i++) {
      int at = (int) i & mask;
      if (slot.landsAt < ends[at] && starts[at] < slot.landsAt + slot.lengthBytes) {
        return false;
      }
    }
    return true;
  }

  /** It is stored, or the engine has it. */
  void issued(SendSlot slot) {
    if (isRange(slot)) {
      int at = (int) next++ & mask;
      starts[at] = slot.landsAt;
      ends[at] = slot.landsAt + slot.lengthBytes;
    }
    if (slot.answered) {
      unchecked++;
      promised++;
    }
  }

  /** It is stored: asks the peer to check it if it is a write. */
  void stored(SendSlot slot) {
    if (slot.answered) {
      promised--;
      requester.ask(slot);
    }
  }

  /** It has succeeded. */
  void completed(SendSlot slot) {
    if (isRange(slot)) {
      first++;
    }
    if (slot.answered && !slot.operation.isAnswered) {
      unchecked--;
    }
  }

  /** Nothing is outstanding any more. */
  void forget() {
    first = next;
    unchecked = 0;
    promised = 0;
  }

  private static boolean isRange(SendSlot slot) {
    return !slot.operation.isSend && !slot.operation.isAnswered && slot.lengthBytes > 0;
  }

  private static boolean isPlainWrite(SendSlot slot) {
    return isRange(slot) && !slot.operation.takesReceive;
  }
}
