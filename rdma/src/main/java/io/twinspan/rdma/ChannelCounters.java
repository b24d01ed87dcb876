package io.twinspan.rdma;

import java.util.concurrent.atomic.AtomicLongArray;

/**
 * What has gone over a channel since this process began, by direction. The link's thread counts;
 * any thread may read.
 *
 * <p>What came in is the peer's count of what it sent, since nobody else sees its writes.
 */
public final class ChannelCounters {
  private static final int SENT_BYTES = 0;
  private static final int SENT_OPERATIONS = 1;
  private static final int SEND_ERRORS = 2;
  private static final int RECEIVED_BYTES = 3;
  private static final int RECEIVED_OPERATIONS = 4;
  private static final int RECEIVE_ERRORS = 5;
  private static final int RECEIVER_WAITS = 6;
  private static final int RING_WAITS = 7;
  private static final int CRC_ERRORS = 8;
  private static final int COUNT = 9;

  private final AtomicLongArray values = new AtomicLongArray(COUNT);

  ChannelCounters() {}

  /** Bytes of payload that were sent or written successfully. */
  public long sentBytes() {
    return values.get(SENT_BYTES);
  }

  /** Sends and writes that succeeded. */
  public long sentOperations() {
    return values.get(SENT_OPERATIONS);
  }

  /** Sends and writes that failed, without those that were only flushed. */
  public long sendErrors() {
    return values.get(SEND_ERRORS);
  }

  /** Bytes of payload that the peer sent or wrote successfully, by its own account. */
  public long receivedBytes() {
    return values.get(RECEIVED_BYTES);
  }

  /** Sends and writes of the peer that succeeded, by its own account. */
  public long receivedOperations() {
    return values.get(RECEIVED_OPERATIONS);
  }

  /** How often a send began to wait for a receive of the peer. */
  public long receiverWaits() {
    return values.get(RECEIVER_WAITS);
  }

  /** How often a request found the descriptor ring full and had to wait. */
  public long ringWaits() {
    return values.get(RING_WAITS);
  }

  /** What the peer announced and made no sense. */
  public long receiveErrors() {
    return values.get(RECEIVE_ERRORS);
  }

  /** Wrong CRCs, whichever side has found them. */
  public long crcErrors() {
    return values.get(CRC_ERRORS);
  }

  void sent(long bytes, long operations) {
    add(SENT_BYTES, bytes);
    add(SENT_OPERATIONS, operations);
  }

  void sendError() {
    add(SEND_ERRORS, 1);
  }

  void receiverWait() {
    add(RECEIVER_WAITS, 1);
  }

  void ringWait() {
    add(RING_WAITS, 1);
  }

  ChannelSnapshot.Counts snapshot() {
    return new ChannelSnapshot.Counts(
        sentBytes(),
        sentOperations(),
        sendErrors(),
        receivedBytes(),
        receivedOperations(),
        receiveErrors(),
        receiverWaits(),
        ringWaits(),
        crcErrors());
  }

  void crcError() {
    add(CRC_ERRORS, 1);
  }

  void receiveError() {
    add(RECEIVE_ERRORS, 1);
  }

  void received(long bytes, long operations) {
    values.lazySet(RECEIVED_BYTES, bytes);
    values.lazySet(RECEIVED_OPERATIONS, operations);
  }

  /** There is one writer, so no atomic addition is needed. */
  private void add(int index, long delta) {
    values.lazySet(index, values.getPlain(index) + delta);
  }
}
