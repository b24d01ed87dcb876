package io.twinspan.rdma;

import java.nio.ByteBuffer;

/**
 * The private data of a connection: who speaks, and what became of the connection before.
 *
 * @param epoch names this attempt; never 0
 * @param incarnation names the process
 * @param previous low half of the partner's epoch of the connection before; 0 if there was none
 * @param received how many of the partner's messages came over that connection
 * @param cause how that connection ended for the speaker
 * @param cell a cell that the speaker leaves alone during this connection
 * @param cellStamp what must be there; {@link MixCells#UNSETTLED} if the speaker does not know
 * @param stampKeys generation and key of the stamp regions written last, latest first
 * @param stamps the last stamps that were successfully written there
 */
@SuppressWarnings({
  "ArrayRecordComponent",
  "EnumOrdinal"
}) // goes into bytes at once; both sides are one build
record MixGreeting(
    long epoch,
    int incarnation,
    int previous,
    int received,
    Cause cause,
    int cell,
    long cellStamp,
    long[] stampKeys,
    long[] stamps) {
  static final int REPORTS = 2;
  private static final int BYTES = 8 + 4 + 4 + 4 + 1 + 1 + 8 + REPORTS * 16;

  /** Why a connection ended. */
  enum Cause {
    /** There was none. */
    NONE,
    /** The speaker knows: it ended it, or did something that ends it, or the link went down. */
    KNOWN,
    /** The speaker was told that it had ended. */
    TOLD
  }

  byte[] encode() {
    ByteBuffer bytes = ByteBuffer.allocate(BYTES);
    bytes.putLong(epoch).putInt(incarnation).putInt(previous).putInt(received);
    bytes.put((byte) cause.ordinal()).put((byte) cell).putLong(cellStamp);
    for (int i = 0; i < REPORTS; i++) {
      bytes.putLong(stampKeys[i]).putLong(stamps[i]);
    }
    return bytes.array();
  }

  static MixGreeting decode(byte[] data) {
    MixViolation.require(data.length == BYTES, "private data of %d bytes", data.length);
    ByteBuffer bytes = ByteBuffer.wrap(data);
    long epoch = bytes.getLong();
    int incarnation = bytes.getInt();
    int previous = bytes.getInt();
    int received = bytes.getInt();
    Cause cause = Cause.values()[bytes.get()];
    int cell = bytes.get();
    long cellStamp = bytes.getLong();
    long[] keys = new long[REPORTS];
    long[] stamps = new long[REPORTS];
    for (int i = 0; i < REPORTS; i++) {
      keys[i] = bytes.getLong();
      stamps[i] = bytes.getLong();
    }
    return new MixGreeting(
        epoch, incarnation, previous, received, cause, cell, cellStamp, keys, stamps);
  }
}
