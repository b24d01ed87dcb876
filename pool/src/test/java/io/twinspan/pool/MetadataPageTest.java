package io.twinspan.pool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import org.junit.jupiter.api.Test;

class MetadataPageTest {
  private final MemorySegment memory = Arena.ofAuto().allocate(16 * 4096, 4096);
  private final Checksums checksums = new Checksums();
  private final MetadataPage page = new MetadataPage(4, checksums);
  private final MetadataPage other = new MetadataPage(4, checksums);

  private void storeSomething() {
    Records.create(page, 1, 1000, "a.name-of_a-volume");
    int at = Records.write(page, 1, 7, 90, 3);
    page.words[at] = 11;
    page.words[at + 1] = 12;
    page.words[at + 2] = 13;
    Records.zero(page, 1, 8, 1);
    page.store(MetadataPage.JOURNAL, 5, 77, 3, 70, 0, memory, 4096);
  }

  private boolean load(long pool, long sequence, int maxBlocks) {
    return other.load(MetadataPage.JOURNAL, pool, sequence, 0, memory, 4096, maxBlocks);
  }

  @Test
  void recordsComeBackAsTheyWere() {
    storeSomething();
    assertThat(load(5, 77, 1)).isTrue();
    assertThat(other.epoch()).isEqualTo(3);
    assertThat(other.stableSequence()).isEqualTo(70);
    VolumeTable volumes = new VolumeTable(0);
    Records.apply(other.words, MetadataPage.HEADER_WORDS, other.wordCount, volumes, 100, _ -> {});
    Volume volume = volumes.all().getFirst();
    assertThat(volume.name).isEqualTo("a.name-of_a-volume");
    assertThat(volume.sizeBlocks()).isEqualTo(1000);
    assertThat(volume.physical(7)).isEqualTo(90);
    assertThat(volume.physical(8)).isEqualTo(-1);
    assertThat(volume.checksum(9)).isEqualTo(13);
    assertThat(volumes.mappedBlocks()).isEqualTo(2);
    assertThat(volumes.nextNumber()).isEqualTo(2);
  }

  @Test
  void onlyThePageThatIsExpectedIsTaken() {
    storeSomething();
    assertThat(load(6, 77, 4)).isFalse();
    assertThat(load(5, 78, 4)).isFalse();
    assertThat(load(5, 77, 0)).isFalse();
    assertThat(other.load(MetadataPage.CHECKPOINT, 5, 77, 0, memory, 4096, 4)).isFalse();
    assertThat(other.load(MetadataPage.JOURNAL, 5, 77, 1, memory, 4096, 4)).isFalse();
  }

  @Test
  void everyFlippedBitIsNoticed() {
    storeSomething();
    for (int bit = 0; bit < page.wordCount * 32; bit++) {
      flip(4096L * 8 + bit);
      assertThat(load(5, 77, 4)).as("bit " + bit).isFalse();
      flip(4096L * 8 + bit);
    }
    assertThat(load(5, 77, 4)).isTrue();
  }

  private void flip(long bit) {
    byte before = memory.get(ValueLayout.JAVA_BYTE, bit >> 3);
    memory.set(ValueLayout.JAVA_BYTE, bit >> 3, (byte) (before ^ 1 << (bit & 7)));
  }

  @Test
  void recordsThatMakeNoSenseAreRefusedNotFollowed() {
    Random random = new Random(3);
    int refused = 0;
    for (int i = 0; i < 20_000; i++) {
      VolumeTable volumes = new VolumeTable(0);
      volumes.add(new Volume(1, "v", 5000));
      int[] words = new int[20];
      for (int j = 0; j < words.length; j++) {
        words[j] = random.nextInt(4) == 0 ? random.nextInt() : random.nextInt(8);
      }
      words[0] = (1 + random.nextInt(6)) << 24 | random.nextInt(24);
      words[1] = 1;
      try {
        Records.apply(words, 0, words.length, volumes, 100, _ -> {});
      } catch (IllegalStateException expected) {
        refused++;
      }
    }
    assertThat(refused).isGreaterThan(1000);
    assertThatThrownBy(() -> Records.apply(new int[] {1}, 0, 1, new VolumeTable(0), 100, _ -> {}))
        .isInstanceOf(IllegalStateException.class);
  }

  @Test
  void garbageIsNoSuperblock() {
    byte[] garbage = new byte[4096];
    new Random(1).nextBytes(garbage);
    Superblock found = new Superblock(Layout.NONE);
    assertThat(found.load(MemorySegment.ofArray(garbage), 0, checksums)).isFalse();
    assertThat(found.load(MemorySegment.ofArray(new byte[4096]), 0, checksums)).isFalse();
  }
}
