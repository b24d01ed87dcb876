package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.linux.Errno;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.Memfd;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.SubmissionEntry;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class DataPointerTest {
  private static final ValueLayout.OfLong ENTRY =
      ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final long BYTES = 16 << 20;
  private static final long AT = 0x4000_0000L;

  private final Fd memfd = Memfd.create("client", BYTES);
  private final Mapping mapping = Mapping.shared(memfd, 0, BYTES, Mapping.Protection.READ_WRITE);
  private final MemorySegment memory = mapping.segment();
  private final DmaMap dma = new DmaMap();
  private final DataPointer data = new DataPointer(dma);

  @BeforeEach
  void map() {
    assertThat(dma.add(AT, BYTES, memfd, 0, true, true)).isZero();
  }

  @AfterEach
  void unmap() {
    dma.close();
    mapping.close();
    memfd.close();
  }

  @Test
  void onePageIsOnePiece() {
    assertThat(data.resolve(AT + 4096 + 512, 0, 512, true)).isEqualTo(Status.SUCCESS);
    assertThat(data.count()).isOne();
    assertThat(data.offset(0)).isEqualTo(4096 + 512);
    assertThat(data.length(0)).isEqualTo(512);
  }

  @Test
  void neighbouringPagesAreJoined() {
    assertThat(data.resolve(AT + 4096, AT + 8192, 8192, true)).isEqualTo(Status.SUCCESS);
    assertThat(data.count()).isOne();
    assertThat(data.resolve(AT + 4096, AT + 16384, 8192, true)).isEqualTo(Status.SUCCESS);
    assertThat(data.count()).isEqualTo(2);
  }

  @Test
  void offsetsOfLaterPagesAreRefused() {
    assertThat(data.resolve(AT + 2, 0, 512, true)).isEqualTo(Status.INVALID_PRP_OFFSET);
    assertThat(data.resolve(AT, AT + 4096 + 8, 8192, true)).isEqualTo(Status.INVALID_PRP_OFFSET);
    assertThat(data.resolve(AT, AT + 4096 + 4, 12288, true)).isEqualTo(Status.INVALID_PRP_OFFSET);
    memory.set(ENTRY, 4096, AT + 8192);
    memory.set(ENTRY, 4104, AT + 8192 + 16);
    assertThat(data.resolve(AT, AT + 4096, 12288, true)).isEqualTo(Status.INVALID_PRP_OFFSET);
  }

  @Test
  void whatIsNotMappedIsRefused() {
    assertThat(data.resolve(AT - 4096, 0, 512, true)).isEqualTo(Status.DATA_TRANSFER_ERROR);
    assertThat(data.resolve(AT + BYTES, 0, 512, true)).isEqualTo(Status.DATA_TRANSFER_ERROR);
    assertThat(data.resolve(AT + BYTES - 4096, AT + BYTES, 8192, true))
        .isEqualTo(Status.DATA_TRANSFER_ERROR);
    assertThat(data.resolve(-4096, -4096, 8192, true)).isEqualTo(Status.DATA_TRANSFER_ERROR);
    assertThat(data.resolve(AT, 0x10, 12288, true)).isEqualTo(Status.DATA_TRANSFER_ERROR);
  }

  @Test
  void rightsOfTheMappingCount() {
    assertThat(dma.add(0, 4096, memfd, 0, true, false)).isZero();
    assertThat(dma.add(4096, 4096, memfd, 0, false, true)).isZero();
    assertThat(data.resolve(0, 0, 512, false)).isEqualTo(Status.SUCCESS);
    assertThat(data.resolve(0, 0, 512, true)).isEqualTo(Status.DATA_TRANSFER_ERROR);
    assertThat(data.resolve(4096, 0, 512, true)).isEqualTo(Status.SUCCESS);
    assertThat(data.resolve(4096, 0, 512, false)).isEqualTo(Status.DATA_TRANSFER_ERROR);
  }

  @Test
  void listsOfRandomPagesAndLengthsAreWalkedAsWritten() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    for (int round = 0; round < 500; round++) {
      int offset = random.nextInt(1024) * 4;
      int length = 1 + random.nextInt(DataPointer.MAX_BYTES);
      int needed = (offset + length + 4095) / 4096;
      long[] pages = random.longs(needed, 512, BYTES / 4096).map(p -> p * 4096).toArray();
      long list = writeList(pages, 1, random.nextInt(512), random.nextInt(3));
      long prp2 = needed <= 1 ? 0 : needed == 2 ? AT + pages[1] : list;
      assertThat(data.resolve(AT + pages[0] + offset, prp2, length, true))
          .as("seed %d round %d", seed, round)
          .isEqualTo(Status.SUCCESS);
      long sum = 0;
      for (int i = 0; i < data.count(); i++) {
        long page = (offset + sum) / 4096;
        long within = (offset + sum) % 4096;
        assertThat(data.offset(i)).as("seed %d", seed).isEqualTo(pages[(int) page] + within);
        sum += data.length(i);
      }
      assertThat(sum).isEqualTo(length);
    }
  }

  @Test
  void aListThatChainsToItselfEnds() {
    memory.set(ENTRY, 4096 + 4088, AT + 4096 + 4088 - 4088);
    memory.asSlice(4096, 4088).fill((byte) 0);
    assertThat(data.resolve(AT, AT + 4096 + 4088, DataPointer.MAX_BYTES, true))
        .isNotEqualTo(Status.SUCCESS);
  }

  @Test
  void oneSglDescriptorNamesDataAtAnyByte() {
    assertThat(sgl(AT + 4097, 0x00, 12_345, 12_345)).isEqualTo(Status.SUCCESS);
    assertThat(data.count()).isOne();
    assertThat(data.offset(0)).isEqualTo(4097);
    assertThat(data.length(0)).isEqualTo(12_345);
    assertThat(sgl(AT, 0x00, 8192, 4096)).isEqualTo(Status.SUCCESS);
    assertThat(data.length(0)).isEqualTo(4096);
    assertThat(sgl(AT, 0x00, 4095, 4096)).isEqualTo(Status.INVALID_SGL_LENGTH);
    assertThat(sgl(AT - 1, 0x00, 4096, 4096)).isEqualTo(Status.DATA_TRANSFER_ERROR);
    assertThat(sgl(AT, 0x10, 4096, 4096)).isEqualTo(Status.INVALID_SGL_TYPE);
    assertThat(sgl(AT, 0x01, 4096, 4096)).isEqualTo(Status.INVALID_SGL_TYPE);
    assertThat(sgl(AT, 0x20, 4090, 4096)).isEqualTo(Status.INVALID_SGL_SEGMENT);
    assertThat(sgl(AT, 0x30, 0, 4096)).isEqualTo(Status.INVALID_SGL_SEGMENT);
  }

  @Test
  void segmentsOfDescriptorsFollowEachOther() {
    descriptor(4096, AT + 100_000, 0x00, 1000);
    descriptor(4112, 0, 0x00, 0); // an empty one is allowed
    descriptor(4128, AT + 8192, 0x30, 32);
    descriptor(8192, AT + 200_001, 0x00, 3000);
    descriptor(8208, AT + 300_000, 0x00, 96);
    assertThat(sgl(AT + 4096, 0x20, 48, 4096)).isEqualTo(Status.SUCCESS);
    assertThat(data.count()).isEqualTo(3);
    assertThat(data.offset(1)).isEqualTo(200_001);
    assertThat(data.length(2)).isEqualTo(96);
    assertThat(sgl(AT + 4096, 0x20, 48, 4097)).isEqualTo(Status.INVALID_SGL_LENGTH);
    assertThat(sgl(AT + 4096, 0x30, 48, 4096)).isEqualTo(Status.INVALID_SGL_SEGMENT);
    assertThat(sgl(AT + 4096, 0x20, 64, 4096)).isEqualTo(Status.INVALID_SGL_SEGMENT);
  }

  @Test
  void sglsThatGoRoundInCirclesOrHaveTooManyPiecesEnd() {
    descriptor(4096, AT + 4096, 0x20, 16);
    assertThat(sgl(AT + 4096, 0x20, 16, 4096)).isEqualTo(Status.INVALID_SGL_COUNT);
    for (int i = 0; i < 1024; i++) {
      descriptor(4096 + 16 * i, AT + (1 << 20) + 8L * i, 0x00, 4);
    }
    assertThat(sgl(AT + 4096, 0x30, 1024 * 16, 4096)).isEqualTo(Status.INVALID_SGL_COUNT);
  }

  private void descriptor(long at, long address, int type, int length) {
    memory.set(ENTRY, at, address);
    memory.set(ENTRY, at + 8, (long) type << 56 | length);
  }

  private int sgl(long address, int type, int listed, int length) {
    MemorySegment entry = Arena.ofAuto().allocate(SubmissionEntry.BYTES, 8);
    SubmissionEntry command = new SubmissionEntry().wrap(entry, 0).sgl(address, listed);
    command.prp(address, (long) type << 56 | listed);
    return data.resolve(command, length, true);
  }

  @Test
  void mappingsThatOverlapOrMakeNoSenseAreRefused() {
    assertThat(dma.add(AT + 4096, 4096, memfd, 0, true, true)).isEqualTo(-Errno.EEXIST);
    assertThat(dma.add(AT - 4096, 8192, memfd, 0, true, true)).isEqualTo(-Errno.EEXIST);
    assertThat(dma.add(0, 4096, memfd, BYTES, true, true)).isEqualTo(-Errno.EINVAL);
    assertThat(dma.add(0, 0, memfd, 0, true, true)).isEqualTo(-Errno.EINVAL);
    assertThat(dma.add(1, 4096, memfd, 0, true, true)).isEqualTo(-Errno.EINVAL);
    assertThat(dma.add(Long.MAX_VALUE - 4095, 8192, memfd, 0, true, true)).isEqualTo(-Errno.EINVAL);
    assertThat(dma.size()).isOne();
  }

  @Test
  void unmappingTakesWholeRegionsOnly() {
    assertThat(dma.add(0, 8192, memfd, 0, true, true)).isZero();
    assertThat(dma.remove(0, 4096)).isEqualTo(-Errno.EINVAL);
    assertThat(dma.remove(8192, 4096)).isEqualTo(-Errno.ENOENT);
    assertThat(dma.remove(0, AT + BYTES)).isZero();
    assertThat(dma.size()).isZero();
    assertThat(data.resolve(AT, 0, 512, true)).isEqualTo(Status.DATA_TRANSFER_ERROR);
  }

  @Test
  void theNumberOfMappingsIsLimited() {
    dma.close();
    for (int i = 0; i < DmaMap.MAX_REGIONS; i++) {
      assertThat(dma.add(i * 4096L, 4096, memfd, 0, true, true)).isZero();
    }
    assertThat(dma.add(AT, 4096, memfd, 0, true, true)).isEqualTo(-Errno.ENOMEM);
  }

  /** Writes a list that begins late in its page and chains on; returns its address. */
  private long writeList(long[] pages, int from, int firstSlot, int gap) {
    long page = 4096;
    long at = page + 8L * firstSlot;
    long address = AT + at;
    for (int i = from; i < pages.length; i++) {
      boolean lastSlot = at % 4096 == 4088;
      if (lastSlot && i < pages.length - 1) {
        page += 4096L * (1 + gap);
        memory.set(ENTRY, at, AT + page);
        at = page;
      }
      memory.set(ENTRY, at, AT + pages[i]);
      at += 8;
    }
    return address;
  }
}
