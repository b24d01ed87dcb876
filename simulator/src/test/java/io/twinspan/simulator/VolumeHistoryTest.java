package io.twinspan.simulator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

/** What the judge of hosts' reads lets pass, and what it doesn't. */
class VolumeHistoryTest {
  private static final int SECTOR = 5;

  private final VolumeHistory history = new VolumeHistory(3, 16);
  private final MemorySegment data = MemorySegment.ofArray(new byte[VolumeHistory.SECTOR_BYTES]);

  @Test
  void lastAcknowledgedVersionPasses() {
    write(true);
    MemorySegment second = write(true);

    check(0, second);
  }

  @Test
  void writeThatWasNotAcknowledgedMayBeThereOrNot() {
    MemorySegment first = write(true);
    MemorySegment second = write(false);

    check(1, first);
    check(1, second);
  }

  @Test
  void lostWriteIsFound() {
    MemorySegment first = write(true);
    write(true);

    assertThatThrownBy(() -> check(begin(), first))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("sector 5: version 1 after 2");
  }

  @Test
  void olderVersionAfterNewerOneWasReadIsFound() {
    MemorySegment first = write(true);
    MemorySegment second = write(false);
    check(begin(), second);

    assertThatThrownBy(() -> check(begin(), first)).hasMessageContaining("version 1 after 2");
  }

  @Test
  void readThatBeganBeforeTheNewerOneEndedMayBringTheOlder() {
    MemorySegment first = write(true);
    int least = begin();
    MemorySegment second = write(true);
    check(begin(), second);

    check(least, first);
  }

  @Test
  void zerosThatNobodyWroteAreFound() {
    write(true);
    data.fill((byte) 0);

    assertThatThrownBy(() -> check(begin(), data)).hasMessageContaining("version zero after 1");
  }

  @Test
  void zerosThatWereWrittenPass() {
    write(true);
    int[] versions = new int[1];
    assertThat(history.beginWrite(SECTOR, true, versions)).isTrue();
    history.acknowledge(SECTOR, versions, false);
    history.endWrite(SECTOR, 1);
    data.fill((byte) 0);

    assertThatCode(() -> check(begin(), data)).doesNotThrowAnyException();
  }

  @Test
  void anotherPlacesBytesAreFound() {
    write(true);
    int[] versions = {1};
    history.stamp(SECTOR + 1, versions, data);
    assertThatThrownBy(() -> check(begin(), data)).hasMessageContaining("nobody wrote");

    new VolumeHistory(4, 16).stamp(SECTOR, versions, data);
    assertThatThrownBy(() -> check(begin(), data)).hasMessageContaining("nobody wrote");
  }

  @Test
  void tornSectorIsFound() {
    MemorySegment first = write(true);
    first.set(ValueLayout.JAVA_BYTE, 100, (byte) 1);

    assertThatThrownBy(() -> check(begin(), first)).hasMessageContaining("torn at byte 96");
  }

  @Test
  void versionThatNobodySentIsFound() {
    write(true);
    history.stamp(SECTOR, new int[] {2}, data);

    assertThatThrownBy(() -> check(begin(), data)).hasMessageContaining("1 was sent");
  }

  @Test
  void sectorsThatAreBeingWrittenAreNotWrittenTwice() {
    assertThat(history.beginWrite(SECTOR, false, new int[2])).isTrue();
    assertThat(history.beginWrite(SECTOR + 1, false, new int[2])).isFalse();
    history.endWrite(SECTOR, 2);
    assertThat(history.beginWrite(SECTOR + 1, false, new int[2])).isTrue();
  }

  @Test
  void onlyWhatWasFlushedOutlivesTheLossOfMemory() {
    MemorySegment first = write(true);
    history.endFlush(history.beginFlush());
    MemorySegment second = write(true);
    history.memoryIsLost();

    check(begin(), first);
    check(begin(), second);
    data.fill((byte) 0);
    assertThatThrownBy(() -> check(begin(), data)).hasMessageContaining("version zero");
  }

  @Test
  void readThatIsUnderWayWhenMemoryIsLostMayBringWhatIsLeft() {
    MemorySegment first = write(true);
    history.endFlush(history.beginFlush());
    MemorySegment second = write(true);
    int[] early = {begin()};
    int[] late = {begin()};
    history.memoryIsLost();
    history.forgive(SECTOR, early);
    history.forgive(SECTOR, late);

    history.check(SECTOR, early, first);
    history.check(SECTOR, early, second);
    data.fill((byte) 0);
    assertThatThrownBy(() -> history.check(SECTOR, late, data))
        .hasMessageContaining("version zero after 1");
  }

  @Test
  void flushThatIsUnderWayWhenMemoryIsLostSavesOnlyWhatIsLeft() {
    MemorySegment first = write(true);
    history.endFlush(history.beginFlush());
    write(true);
    int[] begun = history.beginFlush();
    history.memoryIsLost();
    history.forgive(0, begun);
    history.endFlush(begun);

    check(begin(), first);
  }

  @Test
  void flushThatEndedWellIsHeldToWhatItSaved() {
    MemorySegment first = write(true);
    int[] begun = history.beginFlush();
    history.memoryIsLost();
    history.endFlush(begun);

    check(begin(), first);
    data.fill((byte) 0);
    assertThatThrownBy(() -> check(begin(), data)).hasMessageContaining("version zero after 1");
  }

  /** Writes the sector once; returns its bytes. */
  private MemorySegment write(boolean acknowledged) {
    int[] versions = new int[1];
    assertThat(history.beginWrite(SECTOR, false, versions)).isTrue();
    MemorySegment bytes = MemorySegment.ofArray(new byte[VolumeHistory.SECTOR_BYTES]);
    history.stamp(SECTOR, versions, bytes);
    if (acknowledged) {
      history.acknowledge(SECTOR, versions, false);
    }
    history.endWrite(SECTOR, 1);
    return bytes;
  }

  private int begin() {
    int[] least = new int[1];
    history.beginRead(SECTOR, least);
    return least[0];
  }

  private void check(int least, MemorySegment bytes) {
    history.check(SECTOR, new int[] {least}, bytes);
  }
}
