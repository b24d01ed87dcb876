package io.twinspan.pool;

import static io.twinspan.pool.PoolFinding.Severity.DEGRADED;
import static io.twinspan.pool.PoolFinding.Severity.LOST;
import static io.twinspan.pool.PoolFinding.Severity.NOTE;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class PoolCheckTest {
  private final PoolRig rig = new PoolRig(4, 1024, 11);
  private int volume;

  /** The media of the rig, as they are now. */
  private static PoolImages images(PoolRig rig) {
    return new PoolImages() {
      @Override
      public int count() {
        return rig.media.size();
      }

      @Override
      public String name(int drive) {
        return "drive" + drive;
      }

      @Override
      public long blockCount(int drive) {
        return rig.pulled.get(drive) ? 0 : rig.media.get(drive).blockCount();
      }

      @Override
      public boolean read(int drive, long block, int count, MemorySegment to, long offset) {
        return rig.media.get(drive).read(block, count, to, offset) == Drive.OK;
      }
    };
  }

  static PoolReport check(PoolRig rig) {
    return new PoolCheck(images(rig)).run(PoolRig.ARRAY, 0, true, (_, _) -> {});
  }

  private void withData() {
    rig.formatted();
    volume = rig.create("v", 300);
    for (int i = 0; i < 300; i++) {
      assertThat(rig.writeTags(volume, i % 200, 1, 5000 + i)).isEqualTo(PoolStatus.OK);
    }
    rig.flush();
  }

  private void closed() {
    withData();
    assertThat(rig.close()).isEqualTo(PoolStatus.OK);
  }

  private Superblock root(int drive) {
    Superblock best = null;
    for (int slot = 0; slot < Layout.SUPERBLOCKS; slot++) {
      Superblock found = new Superblock(Layout.NONE);
      MemorySegment content = MemorySegment.ofArray(rig.media.get(drive).content(slot));
      if (found.load(content, 0, new Checksums()) && (best == null || found.isNewerThan(best))) {
        best = found;
      }
    }
    return best;
  }

  private void damage(int drive, long block) {
    rig.media.get(drive).flipBit(block, 500);
  }

  private void assertFound(
      PoolFinding.Severity severity, PoolFinding.Kind kind, int times, String... words) {
    List<PoolFinding> found = check(rig).findings();
    assertThat(found).filteredOn(f -> f.kind() == kind).hasSize(times);
    assertThat(found)
        .filteredOn(f -> f.kind() == kind)
        .allSatisfy(f -> assertThat(f.severity()).isEqualTo(severity))
        .anySatisfy(f -> assertThat(f.text()).contains(words));
  }

  @Test
  void findsNothingInAPoolThatWasClosed() {
    closed();
    PoolReport report = check(rig);
    assertThat(report.findings()).isEmpty();
    assertThat(report.isClean() && report.opens()).isTrue();
    assertThat(report.volumes()).isOne();
    assertThat(report.usedBlocks()).isEqualTo(200);
    assertThat(report.checkedBlocks()).isEqualTo(200);
  }

  @Test
  void findsNothingWrongAfterAnyCrashAndSeesWhatAnOpenFinds() {
    for (int seed = 0; seed < 150; seed++) {
      PoolRig crashed = new PoolRig(2 + seed % 3, 400, seed);
      crashed.options = new PoolOptions(16, 16, 2, 2, 8, 64, 1 << 18, 64, Redundancy.MIRROR);
      crashed.maxDelayTicks = seed % 6;
      crashed.attach();
      crashed.formatted();
      Random random = new Random(seed);
      int id = crashed.create("v", 200);
      for (int i = 0; i < 20 + seed; i++) {
        int block = random.nextInt(190);
        if (random.nextInt(12) == 0) {
          crashed.pool.submit(PoolRig.request(PoolOperation.FLUSH, 0, 0, 0));
        } else if (crashed.pool.reserve(id, block, 4) == Pool.Grant.GRANTED
            && !crashed.pool.submit(PoolRig.write(id, block, 4, 100 + 4L * i))) {
          crashed.pool.unreserve(id, block, 4);
        }
        for (int rounds = random.nextInt(8); rounds > 0; rounds--) {
          crashed.work();
        }
      }
      if (seed % 2 == 0) {
        crashed.powerCut();
      } else {
        crashed.controllerDies();
      }
      PoolReport report = check(crashed);
      // A copy that never was flushed may be missing: the open makes it again.
      assertThat(report.findings())
          .as("seed " + seed)
          .allMatch(f -> f.severity() == NOTE || f.kind() == PoolFinding.Kind.DATA_COPY);
      assertThat(report.opens()).isTrue();
      assertThat(crashed.open(false)).isEqualTo(PoolStatus.OK);
      assertThat(crashed.pool.usedBlocks()).as("seed " + seed).isEqualTo(report.usedBlocks());
      assertThat(crashed.pool.checksumErrors()).isZero();
      assertThat(crashed.close()).isEqualTo(PoolStatus.OK);
      assertThat(check(crashed).findings()).as("seed " + seed).isEmpty();
    }
  }

  @Test
  void saysThatThereIsNoPool() {
    assertFound(LOST, PoolFinding.Kind.NOT_FORMATTED, 1, "no superblock");
    rig.formatted();
    PoolReport report = new PoolCheck(images(rig)).run(77, 0, false, (_, _) -> {});
    assertThat(report.opens()).isFalse();
    assertThat(report.findings()).anyMatch(f -> f.kind() == PoolFinding.Kind.NOT_FORMATTED);
  }

  @Test
  void namesATornSuperblockAndOneThatIsGone() {
    closed();
    Superblock newest = root(2);
    int slot = rig.media.get(2).content(0)[64] == (byte) newest.generation ? 0 : 1;
    damage(2, slot);
    assertFound(NOTE, PoolFinding.Kind.SUPERBLOCK, 1, "superblock " + slot + " of drive2");
    assertFound(NOTE, PoolFinding.Kind.DRIVE_STALE, 1, "drive2");
    damage(2, 1 - slot);
    assertFound(DEGRADED, PoolFinding.Kind.SUPERBLOCK, 3, "drive2 holds no superblock");
  }

  @Test
  void namesDrivesThatAreOutOrMissingAndAQuorumThatIs() {
    withData();
    rig.drives.get(1).remove();
    assertThat(rig.writeTags(volume, 0, 8, 9000)).isEqualTo(PoolStatus.OK);
    rig.flush();
    rig.close();
    assertFound(DEGRADED, PoolFinding.Kind.DRIVE_OUT, 1, "drive1");
    assertThat(check(rig).opens()).isTrue();
    rig.pulled.set(3);
    assertFound(DEGRADED, PoolFinding.Kind.DRIVE_MISSING, 1, "drive3");
    rig.pulled.set(2);
    assertFound(LOST, PoolFinding.Kind.NO_QUORUM, 1, "1 of 3");
    assertFound(LOST, PoolFinding.Kind.DATA_LOST, 1, "both copies");
  }

  @Test
  void namesDamagedPiecesOfTheCheckpoint() {
    closed();
    Superblock root = root(0);
    assertThat(root.checkpointPieces).isPositive();
    long block = root.layout.checkpointBlock(root.checkpointArea, 0);
    damage(3, block);
    assertFound(DEGRADED, PoolFinding.Kind.CHECKPOINT, 1, "piece 0", "drive3");
    assertThat(check(rig).opens()).isTrue();
    for (int drive = 0; drive < 3; drive++) {
      damage(drive, block);
    }
    PoolReport report = check(rig);
    assertThat(report.opens()).isFalse();
    assertThat(report.findings()).anyMatch(f -> f.severity() == LOST);
    rig.attach();
    assertThat(rig.open(true)).isEqualTo(PoolStatus.MEDIA_ERROR);
  }

  @Test
  void namesBatchesThatOneDriveOrAllOfThemLack() {
    closed();
    Superblock root = root(0);
    long block = root.layout.journalBlock(root.journalHalf, 1);
    damage(1, block);
    assertFound(DEGRADED, PoolFinding.Kind.JOURNAL_COPY, 1, "drive1");
    for (int drive : new int[] {0, 2, 3}) {
      damage(drive, block);
    }
    assertFound(LOST, PoolFinding.Kind.JOURNAL_GAP, 1, "is on no drive");
  }

  @Test
  void namesWrongCopiesOfData() {
    closed();
    long[][] copies = rig.copies(5250);
    damage((int) copies[0][0], copies[0][1]);
    assertFound(
        DEGRADED,
        PoolFinding.Kind.DATA_COPY,
        1,
        "block 50 of volume v",
        "drive" + copies[0][0] + ", block " + copies[0][1]);
    damage((int) copies[1][0], copies[1][1]);
    assertFound(LOST, PoolFinding.Kind.DATA_LOST, 1, "block 50 of volume v");
    assertThat(new PoolCheck(images(rig)).run(PoolRig.ARRAY, 0, false, (_, _) -> {}).isClean())
        .isTrue();
  }

  @Test
  void namesBlocksThatAreMappedTwice() {
    withData();
    appendToJournal(page -> {
      int at = Records.write(page, volume, 250, 3, 1);
      page.words[at] = 1;
      at = Records.write(page, volume, 251, 3, 1);
      page.words[at] = 1;
    });
    assertFound(LOST, PoolFinding.Kind.DOUBLE_MAPPED, 1, "block 250 of volume v", "block 251");
    assertThat(check(rig).opens()).isFalse();
  }

  @Test
  void namesRecordsThatMakeNoSense() {
    withData();
    appendToJournal(page -> {
      int at = Records.write(page, volume, 250, 1 << 30, 1);
      page.words[at] = 1;
    });
    assertFound(LOST, PoolFinding.Kind.RECORD, 1, "makes no sense");
  }

  @Test
  void namesVolumesOfTheSameName() {
    withData();
    appendToJournal(page -> Records.create(page, volume + 1, 7, "v"));
    assertFound(DEGRADED, PoolFinding.Kind.VOLUME, 1, "\"v\"");
  }

  private interface Content {
    void fill(MetadataPage page);
  }

  /** Puts a batch behind the journal's end on all drives, as if the pool had written it. */
  private void appendToJournal(Content content) {
    rig.close();
    Superblock root = root(0);
    Checksums checksums = new Checksums();
    MemorySegment memory = PoolRig.buffer();
    MetadataPage page = new MetadataPage(4, checksums);
    int block = 0;
    long sequence = root.journalSequence;
    while (page.load(
        MetadataPage.JOURNAL,
        root.pool,
        sequence,
        0,
        MemorySegment.ofArray(
            rig.media.get(0).content(root.layout.journalBlock(root.journalHalf, block))),
        0,
        1)) {
      block += page.blocks();
      sequence++;
    }
    page.clear();
    content.fill(page);
    page.store(
        MetadataPage.JOURNAL,
        root.pool,
        sequence,
        root.epoch,
        sequence, // said to be flushed: it counts whatever it maps
        0,
        memory,
        0);
    for (SimulatedMedium medium : rig.media) {
      medium.writeBlock(root.layout.journalBlock(root.journalHalf, block), memory, 0);
    }
  }
}
