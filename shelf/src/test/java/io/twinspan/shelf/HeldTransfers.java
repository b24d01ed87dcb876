package io.twinspan.shelf;

import io.twinspan.linux.Fd;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/**
 * Transfers of media in memory that end when a test says so, or when the drive waits for them. They
 * touch the client's memory by its address, at their end: what is unmapped before ends the JVM.
 */
final class HeldTransfers implements TransferEngine {
  static final int CAPACITY = 16;

  /** Those that were submitted and have not ended. */
  final List<Transfer> underWay = new ArrayList<>();

  private record Ended(Transfer transfer, int result) {}

  private final List<Transfer> begun = new ArrayList<>();
  private final Queue<Ended> ended = new ArrayDeque<>();
  private final Map<Transfer, MemorySegment> media = new HashMap<>();
  private int result;
  int awaits;

  @Override
  public int capacity() {
    return CAPACITY;
  }

  @Override
  public boolean helpsSingleWrites() {
    return true;
  }

  /** What a medium in memory does to begin. */
  void begin(Transfer transfer, MemorySegment medium) {
    media.put(transfer, medium);
    begun.add(transfer);
  }

  @Override
  public void begin(Transfer transfer, Fd file) {
    throw new UnsupportedOperationException("these media have no file");
  }

  @Override
  public boolean submit() {
    underWay.addAll(begun);
    begun.clear();
    return true;
  }

  @Override
  public @Nullable Transfer next() {
    Ended next = ended.poll();
    result = next == null ? 0 : next.result;
    return next == null ? null : next.transfer;
  }

  @Override
  public int result() {
    return result;
  }

  @Override
  public void await() {
    awaits++;
    var _ = submit();
    end(0);
  }

  @Override
  public void close() {
    if (!underWay.isEmpty() || !ended.isEmpty()) {
      throw new IllegalStateException(underWay.size() + " are on their way");
    }
  }

  /** Moves the data of one that is on its way, and ends it. */
  void end(int index) {
    Transfer transfer = underWay.get(index);
    MemorySegment medium = media.get(transfer);
    long position = transfer.position();
    for (int i = 0; i < transfer.pieces(); i++) {
      MemorySegment piece = transfer.piece(i);
      MemorySegment there = medium.asSlice(position, piece.byteSize());
      if (transfer.isWrite()) {
        there.copyFrom(piece);
      } else {
        piece.copyFrom(there);
      }
      position += piece.byteSize();
    }
    fail(index, 0);
  }

  /** Ends one without moving anything. */
  void fail(int index, int errno) {
    Transfer transfer = underWay.remove(index);
    ended.add(new Ended(transfer, errno));
  }
}
