package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.bridge.LinkDown;
import io.twinspan.dma.SoftwareEngine;
import io.twinspan.rdma.ChannelSpec.Direction;
import io.twinspan.rdma.LinkPair.End;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Who copies when: pieces, priorities, weights, workers; counted, not timed. */
class SchedulingTest {
  private static final int MIB = 1 << 20;
  private static final int PIECE = SoftwareEngine.PIECE_BYTES;
  private static final int MANAGEMENT = 0;
  private static final int LIGHT = 1;
  private static final int HEAVY = 2;
  private static final ChannelPlan PLAN =
      new ChannelPlan(
          List.of(
              channel(MANAGEMENT).withPriority(0, 1),
              channel(LIGHT).withPriority(2, 1),
              channel(HEAVY).withPriority(2, 3)));
  private static final int LANDING = 1;
  private static final int RECEIVES = 2;

  @TempDir Path directory;
  private LinkPair pair;
  private final End[] a = new End[3];
  private final End[] b = new End[3];
  private final MemoryRegion[] landings = new MemoryRegion[3];
  private final MemorySegment memory = Arena.ofAuto().allocate(2 * MIB, 64);
  private MemoryRegion source;
  private final WorkRequest request = new WorkRequest();

  private static ChannelSpec channel(int id) {
    return new ChannelSpec(id, "channel " + id, Direction.BOTH, 4L * MIB, 4L * MIB, 1, 64, 8, 64);
  }

  @BeforeEach
  void connect() {
    byte[] bytes = new byte[2 * MIB];
    new Random(3).nextBytes(bytes);
    MemorySegment.copy(bytes, 0, memory, JAVA_BYTE, 0, bytes.length);
    open(LinkOptions.DEFAULT);
  }

  private void open(LinkOptions options) {
    pair = new LinkPair(directory, PLAN, options);
    source = pair.a.link.protectionDomain().register(memory);
    for (int id = 0; id < 3; id++) {
      a[id] = pair.a.end(id);
      b[id] = pair.b.end(id);
      a[id].qp().init().connect();
      b[id].qp().init().connect();
      landings[id] =
          b[id].channel().register(LANDING, b[id].channel().allocate(MIB), Access.REMOTE_WRITE);
    }
    pair.runUntil(() -> a[2].qp().state() == QpState.RTS && b[2].qp().state() == QpState.RTS);
  }

  @AfterEach
  void close() {
    pair.close();
  }

  @Test
  void aBulkRequestIsCopiedByOnePieceBeforeThePostReturnsAndByFewInOnePass() {
    write(LIGHT, MIB);
    assertThat(moved(LIGHT)).isEqualTo(PIECE);
    write(LIGHT, MIB);
    assertThat(moved(LIGHT)).isEqualTo(2 * PIECE);

    int work = pair.a.link.doWork();

    assertThat(work).isPositive();
    assertThat(moved(LIGHT)).isBetween(3L * PIECE, 6L * PIECE);
    pair.runUntil(() -> a[LIGHT].cq().size() == 2);
    assertThat(landings[LIGHT].segment().mismatch(memory.asSlice(0, MIB))).isEqualTo(-1);
  }

  @Test
  void aManagementMessageGoesBeforeWhatFloodsTheOtherChannels() {
    MemorySegment inbox = b[MANAGEMENT].channel().allocate(4096);
    MemoryRegion receives = b[MANAGEMENT].channel().register(RECEIVES, inbox, Access.LOCAL_WRITE);
    for (int i = 0; i < 4; i++) {
      assertThat(b[MANAGEMENT].qp().postReceive(i, receives, 0, 4096)).isEqualTo(QueuePair.OK);
    }
    pair.run(2);
    for (int i = 0; i < 20; i++) {
      write(LIGHT, MIB);
      write(HEAVY, MIB);
    }
    for (int round = 0; round < 4; round++) {
      long before = moved(LIGHT) + moved(HEAVY);
      // By descriptor, so that it has to get its turn.
      assertThat(a[MANAGEMENT].qp().postSend(request.send(round).sge(source.lkey(), 0, 4096)))
          .isEqualTo(QueuePair.OK);
      assertThat(moved(LIGHT) + moved(HEAVY)).isEqualTo(before);
      assertThat(moved(MANAGEMENT)).isEqualTo(4096L * (round + 1));
      pair.run(1);
      assertThat(b[MANAGEMENT].next().isSuccess()).isTrue();
      assertThat(a[MANAGEMENT].next().isSuccess()).isTrue();
    }
  }

  @Test
  void thePostOfAChannelWithoutPrecedenceWaitsForItsTurn() {
    write(HEAVY, MIB);
    write(LIGHT, 64);
    assertThat(a[LIGHT].isEmpty()).isTrue();
    assertThat(moved(LIGHT)).isZero();
    pair.run(1);
    assertThat(a[LIGHT].next().isSuccess()).as("in the first round of turns").isTrue();
    assertThat(a[HEAVY].isEmpty()).isTrue();
  }

  @Test
  void equalsShareByTheirWeights() {
    for (int i = 0; i < 20; i++) {
      write(LIGHT, MIB);
      write(HEAVY, MIB);
    }
    pair.run(20);
    assertThat(moved(HEAVY) + moved(LIGHT)).isGreaterThan(40L * PIECE);
    assertThat((double) moved(HEAVY) / moved(LIGHT)).isBetween(2.5, 3.5);
  }

  @Test
  void whatAFailedQueuePairHadBegunIsNotGoneOnWith() {
    write(LIGHT, MIB);
    a[LIGHT].qp().disconnect();
    assertThat(a[LIGHT].next().status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
    landings[LIGHT].segment().fill((byte) 0);

    pair.run(20);

    assertThat(landings[LIGHT].segment().mismatch(Arena.ofAuto().allocate(MIB))).isEqualTo(-1);
    reconnect(LIGHT);
    write(LIGHT, MIB);
    pair.runUntil(() -> !a[LIGHT].isEmpty());
    assertThat(a[LIGHT].next().isSuccess()).isTrue();
    assertThat(landings[LIGHT].segment().mismatch(memory.asSlice(0, MIB))).isEqualTo(-1);
  }

  @Test
  void whatALifeOfTheLinkHadBegunIsNotGoneOnWithInTheNext() {
    write(LIGHT, MIB);
    pair.a.link.fail(LinkDown.Kind.PROTOCOL, "a test");
    assertThat(a[LIGHT].next().status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
    landings[LIGHT].segment().fill((byte) 0);
    pair.runUntil(() -> pair.a.link.isUp() && pair.b.link.isUp());
    landings[LIGHT] =
        b[LIGHT].channel().register(LANDING, landings[LIGHT].segment(), Access.REMOTE_WRITE);
    reconnect(LIGHT);
    pair.run(20);
    assertThat(landings[LIGHT].segment().mismatch(Arena.ofAuto().allocate(MIB))).isEqualTo(-1);
    assertThat(a[LIGHT].isEmpty()).isTrue();
  }

  @Test
  void workersCopyWhatIsLongAndEveryQueuePairKeepsItsOrder() {
    pair.close();
    open(new LinkOptions(2, 16 * 1024));
    long seed = System.nanoTime();
    Random random = new Random(seed);
    int[] posted = new int[3];
    int[] done = new int[3];
    long[] expected = new long[3];
    for (long round = 0; done[0] + done[1] + done[2] < 600 && round < 100_000_000; round++) {
      int id = random.nextInt(3);
      if (posted[id] < 200 && posted[id] - done[id] < 60) {
        // Every write covers the same place, so the last one posted must be the last one copied.
        int length =
            random.nextBoolean() ? 8 + random.nextInt(64) : 16_000 + random.nextInt(MIB / 2);
        int rkey = a[id].channel().remoteRegion(LANDING).rkey();
        long place = 8L * random.nextInt(MIB / 8);
        request.write(posted[id]++, rkey, 0).sge(source.lkey(), place, length);
        assertThat(a[id].qp().postSend(request)).isEqualTo(QueuePair.OK);
        if (posted[id] == 200) {
          expected[id] = place;
        }
      }
      int _ = pair.a.link.doWork();
      for (int other = 0; other < 3; other++) {
        while (!a[other].isEmpty()) {
          assertThat(a[other].next().status()).as("seed %d", seed).isEqualTo(WcStatus.SUCCESS);
          assertThat(a[other].completion().wrId()).as("seed %d", seed).isEqualTo(done[other]++);
        }
      }
    }
    assertThat(done).as("seed %d", seed).containsExactly(200, 200, 200);
    for (int id = 0; id < 3; id++) {
      assertThat(landings[id].segment().get(JAVA_LONG, 0))
          .as("channel %d, seed %d", id, seed)
          .isEqualTo(memory.get(JAVA_LONG, expected[id]));
    }
  }

  @Test
  void whatAFailedQueuePairGaveAWorkerIsTakenBack() {
    pair.close();
    open(new LinkOptions(1, 1));
    for (int round = 0; round < 50; round++) {
      for (int i = 0; i < 8; i++) {
        write(LIGHT, MIB);
      }
      a[LIGHT].qp().disconnect();
      landings[LIGHT].segment().fill((byte) 0);
      pair.run(10);
      assertThat(landings[LIGHT].segment().mismatch(Arena.ofAuto().allocate(MIB))).isEqualTo(-1);
      while (!a[LIGHT].isEmpty()) {
        assertThat(a[LIGHT].next().status()).isIn(WcStatus.SUCCESS, WcStatus.WR_FLUSH_ERR);
      }
      reconnect(LIGHT);
    }
  }

  private void reconnect(int id) {
    a[id].qp().reset().init().connect();
    b[id].qp().reset().init().connect();
    pair.runUntil(() -> a[id].qp().state() == QpState.RTS && b[id].qp().state() == QpState.RTS);
  }

  private void write(int id, int length) {
    int rkey = a[id].channel().remoteRegion(LANDING).rkey();
    request.write(1, rkey, 0).sge(source.lkey(), 0, length);
    assertThat(a[id].qp().postSend(request)).isEqualTo(QueuePair.OK);
  }

  /** What the link's thread has copied on a channel, descriptors without data left aside. */
  private long moved(int id) {
    return a[id].channel().transfers().movedBytes();
  }
}
