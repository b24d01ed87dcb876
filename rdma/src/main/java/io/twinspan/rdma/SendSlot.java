package io.twinspan.rdma;

import io.twinspan.rdma.WorkRequest.Operation;

/** A work request as the send queue keeps it, and how far it is. Reused; the link's thread only. */
final class SendSlot {
  /** A witness that is not needed, because no memory of the peer is touched. */
  static final long NO_WITNESS = -1;

  /** No receive of the peer is taken, or no answer is due. */
  static final long NONE = -1;

  /** As far as is known. */
  static final int CRC_FINE = 0;

  /** The peer has found its checksum to be wrong. */
  static final int CRC_TOLD = 1;

  /** This side has found that of the answer to be wrong. */
  static final int CRC_FOUND = 2;

  /** Index of its queue pair. */
  final int queuePair;

  /** Which attempt of the queue pair led to its connection. */
  int attempt;

  Operation operation = Operation.SEND;
  long wrId;
  boolean signaled;
  boolean fence;
  boolean inline;
  boolean solicited;
  int lengthBytes;
  int sges;
  final int[] localKeys = new int[ChannelLayout.MAX_SGE];
  final long[] localOffsets = new long[ChannelLayout.MAX_SGE];
  final int[] lengths = new int[ChannelLayout.MAX_SGE];
  int remoteKey;
  long remoteOffset;
  int immediate;
  long compareAdd;
  long swap;

  /** Where the key word is that must still be the same when the request completes. */
  long witnessAt;

  /** That key word. */
  long witness;

  /** Which receive of the peer it took. */
  long receiveIndex;

  /** Whether the peer was told of that receive. */
  boolean filled;

  /** Whether it is complete only when the peer has answered. */
  boolean answered;

  /** On a channel with checksums: that of its data and immediate data. */
  int crc;

  /** And where in the peer's segment it lands. */
  long landsAt;

  /** And whether a checksum was found to be wrong: one of {@link #CRC_FINE} and so on. */
  int crcFault;

  /** Which of the requests to the peer it is. */
  long requestIndex;

  /** Not SUCCESS when it is known already that it has failed. */
  WcStatus status = WcStatus.SUCCESS;

  SendSlot(int queuePair) {
    this.queuePair = queuePair;
  }

  /** Takes a request over, but not inline data; returns whether it can be right. */
  boolean keep(WorkRequest request) {
    if (operation != request.operation) {
      operation =
          request.operation; // a store of a reference costs more than this with some collectors
    }
    wrId = request.wrId;
    signaled = request.signaled;
    fence = request.fence;
    solicited = request.solicited;
    inline = request.inline;
    remoteKey = request.remoteKey;
    remoteOffset = request.remoteOffset;
    immediate = request.immediate;
    witnessAt = NO_WITNESS;
    receiveIndex = NONE;
    filled = false;
    answered = operation.isAnswered;
    crcFault = CRC_FINE;
    if (status != WcStatus.SUCCESS) {
      status = WcStatus.SUCCESS;
    }
    if (inline) {
      lengthBytes = request.inlineLength;
      return lengthBytes >= 0 && !operation.isAnswered;
    }
    compareAdd = request.compareAdd;
    swap = request.swap;
    return keepList(request);
  }

  /** Says where inline data was copied to. */
  void keepInline(int key, long offset) {
    sges = 1;
    localKeys[0] = key;
    localOffsets[0] = offset;
    lengths[0] = lengthBytes;
  }

  private boolean keepList(WorkRequest request) {
    sges = request.sges;
    if (sges > ChannelLayout.MAX_SGE) {
      return false;
    }
    long total = 0;
    for (int i = 0; i < sges; i++) {
      localKeys[i] = request.localKeys[i];
      localOffsets[i] = request.localOffsets[i];
      lengths[i] = request.lengths[i];
      if (lengths[i] < 0) {
        return false;
      }
      total += lengths[i];
    }
    lengthBytes = (int) total;
    return total <= Integer.MAX_VALUE;
  }
}
