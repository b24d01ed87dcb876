package io.twinspan.array;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.pool.Drive;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The commit log, its codecs and its overlay. */
class CommitLogTest {
  private static final long ARRAY = 5;
  private final MemorySegment memory = Arena.ofAuto().allocate(CommitLog.MIN_BYTES, 4096);
  private final OperationQueue committed = new OperationQueue();
  private final CommitLog log = new CommitLog(memory, 1, ARRAY, committed);

  private long write(int volume, long block, int count, int fill) {
    long payload = log.prepareWrite(count);
    if (payload >= 0) {
      memory.asSlice(payload, (long) count * Drive.BLOCK_BYTES).fill((byte) fill);
      log.appendWrite(new Operation(new Nobody(), 0), volume, block, count);
    }
    return payload;
  }

  private static final class Nobody implements Operation.Source {
    @Override
    public void ended(Operation operation, HostStatus status) {}

    @Override
    public void notOwner(Operation operation) {}
  }

  @Test
  void recordsOfAnotherEpochArrayPoolOrSequenceAreNotWhole() {
    log.reset(CommitLog.Mode.MIRRORED, 7);
    write(1, 10, 3, 1);
    LogRecord record = new LogRecord(memory).wrap(log.offset(1));
    long space = log.ringBytes();
    assertThat(record.isWhole(1, ARRAY, 7, 1, space)).isTrue();
    assertThat(record.isWhole(1, ARRAY, 8, 1, space)).isFalse();
    assertThat(record.isWhole(1, ARRAY, 6, 1, space)).isFalse();
    assertThat(record.isWhole(1, ARRAY + 1, 7, 1, space)).isFalse();
    assertThat(record.isWhole(0, ARRAY, 7, 1, space)).isFalse();
    assertThat(record.isWhole(1, ARRAY, 7, 2, space)).isFalse();
  }

  @Test
  void aFlippedBitAnywhereMakesARecordTorn() {
    log.reset(CommitLog.Mode.MIRRORED, 7);
    write(1, 10, 2, 1);
    LogRecord record = new LogRecord(memory).wrap(log.offset(1));
    for (int at = 0; at < log.length(1); at += at < 192 ? 1 : 511) {
      long offset = log.offset(1) + at;
      byte before = memory.get(java.lang.foreign.ValueLayout.JAVA_BYTE, offset);
      memory.set(java.lang.foreign.ValueLayout.JAVA_BYTE, offset, (byte) (before ^ 4));
      assertThat(record.isWhole(1, ARRAY, 7, 1, log.ringBytes())).as("byte " + at).isFalse();
      memory.set(java.lang.foreign.ValueLayout.JAVA_BYTE, offset, before);
    }
    assertThat(record.isWhole(1, ARRAY, 7, 1, log.ringBytes())).isTrue();
  }

  @Test
  void mirroredSpaceIsUsedAgainOnlyAfterATailWasPlaced() {
    log.reset(CommitLog.Mode.MIRRORED, 7);
    while (write(1, 0, 32, 1) >= 0) {
      log.placed(log.head() - 1);
      log.destaged(log.head() - 1, 32);
    }
    assertThat(log.isEmpty()).isTrue();
    assertThat(log.wantsRoom()).isTrue();
    log.released(log.tailPosition());
    assertThat(write(1, 0, 32, 2)).isPositive();
  }

  @Test
  void aWriteIsCommittedByTheMirrorOrAloneByTheDrives() {
    log.reset(CommitLog.Mode.MIRRORED, 7);
    write(1, 0, 1, 1);
    assertThat(committed.isEmpty()).isTrue();
    log.placed(1);
    assertThat(committed.size()).isEqualTo(1);
    write(1, 1, 1, 1);
    log.become(CommitLog.Mode.HELD);
    log.become(CommitLog.Mode.SETTLING);
    log.destaged(1, 1);
    log.destaged(2, 1);
    assertThat(committed.size()).isEqualTo(1);
    log.become(CommitLog.Mode.ALONE);
    assertThat(committed.size()).isEqualTo(2);
    assertThat(log.isEmpty()).isTrue();
  }

  @Test
  void overlayIsAMapThatForgetsOnlyWhatWasNotReplaced() {
    BlockOverlay overlay = new BlockOverlay(200);
    Map<Long, Long> model = new HashMap<>();
    Random random = new Random(3);
    for (int i = 1; i < 20_000; i++) {
      long block = random.nextInt(150);
      int volume = (int) (block % 3);
      if (random.nextBoolean()) {
        overlay.put(volume, block, i);
        model.put(block, (long) i);
      } else if (random.nextInt(4) == 0) {
        overlay.remove(volume, block, i);
      } else if (model.containsKey(block)) {
        overlay.remove(volume, block, model.remove(block));
      }
      assertThat(overlay.get(volume, block))
          .isEqualTo(model.getOrDefault(block, BlockOverlay.NONE));
    }
  }

  @Test
  void theNewestValidHeaderCounts() {
    LogHeader header = new LogHeader(memory);
    assertThat(header.newest(1, ARRAY, 640)).isEqualTo(-1);
    header.encode(0, 1, ARRAY, 3, 10, 64, 640, new int[ForwardClient.REQUESTS]);
    header.encode(1, 1, ARRAY, 3, 12, 128, 640, new int[ForwardClient.REQUESTS]);
    assertThat(header.newest(1, ARRAY, 640)).isEqualTo(1);
    memory.set(java.lang.foreign.ValueLayout.JAVA_BYTE, LogHeader.SLOT_BYTES + 24, (byte) 99);
    assertThat(header.newest(1, ARRAY, 640)).isZero();
    assertThat(header.newest(1, ARRAY, 704)).isEqualTo(-1);
    assertThat(header.newest(0, ARRAY, 640)).isEqualTo(-1);
    header.clear();
    assertThat(header.newest(1, ARRAY, 640)).isEqualTo(-1);
  }
}
