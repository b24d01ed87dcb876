package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.linux.TwinspanException;
import io.twinspan.rdma.ChannelSpec.Direction;
import io.twinspan.rdma.LinkPair.End;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A channel that fails and comes up again while the link and the other channels go on. */
class ChannelFailureTest {
  private static final int BAD = 0;
  private static final int GOOD = 1;
  private static final ChannelPlan PLAN = new ChannelPlan(List.of(channel(BAD), channel(GOOD)));
  private static final int LANDING = 1;
  private static final int RECEIVES = 2;
  private static final int MESSAGES = 8;

  @TempDir Path directory;
  private LinkPair pair;
  private final Lane[] lanes = new Lane[2];
  private final MemorySegment memory = Arena.ofAuto().allocate(1 << 20, 64);
  private MemoryRegion source;
  private final WorkRequest request = new WorkRequest();

  private static ChannelSpec channel(int id) {
    return new ChannelSpec(id, "channel " + id, Direction.BOTH, 1 << 20, 1 << 20, 2, 16, 8, 64);
  }

  /** Both ends of a channel: a sends, b receives. */
  private final class Lane {
    final End a;
    final End b;
    final MemorySegment landingMemory;
    final MemorySegment receiveMemory;
    MemoryRegion landing;
    long sent;
    long received;

    Lane(int id) {
      a = pair.a.end(id);
      b = pair.b.end(id);
      landingMemory = b.channel().allocate(256 * 1024);
      receiveMemory = b.channel().allocate(MESSAGES * 64);
      begin();
    }

    /** Sets both ends up for a life of the channel. */
    final void begin() {
      landing = b.channel().register(LANDING, landingMemory, Access.REMOTE_WRITE);
      MemoryRegion receives = b.channel().register(RECEIVES, receiveMemory, Access.LOCAL_WRITE);
      a.qp().reset().init().connect();
      b.qp().reset().init();
      for (int i = 0; i < MESSAGES; i++) {
        assertThat(b.qp().postReceive(i, receives, i * 64L, 64)).isEqualTo(QueuePair.OK);
      }
      b.qp().connect();
      sent = 0;
      received = 0;
      pair.runUntil(() -> a.qp().state() == QpState.RTS && b.qp().state() == QpState.RTS);
    }

    void drain() {
      for (End end : List.of(a, b)) {
        while (!end.isEmpty()) {
          var _ = end.next();
        }
      }
    }

    /** A write and a message, each with its number, and what came of them. */
    void exchange() {
      memory.set(JAVA_LONG, 0, sent);
      int rkey = a.channel().remoteRegion(LANDING).rkey();
      assertThat(a.qp().postSend(request.write(sent, rkey, 8).sge(source.lkey(), 0, 200_000)))
          .isEqualTo(QueuePair.OK);
      assertThat(a.qp().postSend(request.send(sent).inline(memory, 0, 8))).isEqualTo(QueuePair.OK);
      pair.runUntil(() -> !b.isEmpty() && a.cq().size() == 2);
      for (int i = 0; i < 2; i++) {
        assertThat(a.next().status()).isEqualTo(WcStatus.SUCCESS);
        assertThat(a.completion().wrId()).isEqualTo(sent);
      }
      assertThat(b.next().status()).isEqualTo(WcStatus.SUCCESS);
      long slot = b.completion().wrId();
      assertThat(slot).isEqualTo(received % MESSAGES);
      assertThat(receiveMemory.get(JAVA_LONG, slot * 64)).isEqualTo(sent);
      assertThat(landingMemory.asSlice(8, 200_000).mismatch(memory.asSlice(0, 200_000)))
          .isEqualTo(-1);
      MemoryRegion region = receives();
      assertThat(b.qp().postReceive(slot, region, slot * 64, 64)).isEqualTo(QueuePair.OK);
      sent++;
      received++;
    }

    private MemoryRegion receives() {
      return b.channel().regions().at(RECEIVES);
    }
  }

  @BeforeEach
  void connect() {
    byte[] bytes = new byte[1 << 20];
    new Random(9).nextBytes(bytes);
    MemorySegment.copy(bytes, 0, memory, JAVA_BYTE, 0, bytes.length);
    pair = new LinkPair(directory, PLAN);
    source = pair.a.link.protectionDomain().register(memory);
    lanes[BAD] = new Lane(BAD);
    lanes[GOOD] = new Lane(GOOD);
  }

  @AfterEach
  void close() {
    pair.close();
  }

  @Test
  void failsAtBothSidesWithItsReasonAndComesUpAgain() {
    Lane bad = lanes[BAD];
    bad.exchange();
    int oldKey = bad.a.channel().remoteRegion(LANDING).rkey();
    assertThat(bad.a.qp().postSend(request.write(5, oldKey, 0).sge(source.lkey(), 0, 200_000)))
        .isEqualTo(QueuePair.OK);

    bad.b.channel().fail("a test of b");

    assertThat(bad.b.channel().isUp()).isFalse();
    assertThat(bad.landing.isValid()).isFalse();
    assertThatThrownBy(() -> bad.b.channel().register(5, bad.landingMemory, Access.REMOTE_WRITE))
        .isInstanceOf(TwinspanException.class);
    pair.runUntil(() -> pair.a.channelsUp.equals(List.of("0: 1")) && pair.b.channelsUp.size() == 1);
    assertThat(pair.b.channelsDown).containsExactly("0: a test of b");
    assertThat(pair.a.channelsDown).containsExactly("0: the peer: a test of b");
    assertThat(bad.a.next().status()).isIn(WcStatus.REM_ACCESS_ERR, WcStatus.WR_FLUSH_ERR);
    assertThat(bad.a.channel().remoteRegion(LANDING).isValid()).isFalse();
    assertThat(pair.a.link.isUp()).isTrue();
    assertThat(pair.a.downs).isEmpty();

    bad.drain();
    bad.begin();
    bad.exchange();
    lanes[GOOD].exchange();
  }

  @Test
  void canFailAgainAndAgainFromEitherSideAndFromBothAtOnce() {
    Lane bad = lanes[BAD];
    for (int round = 0; round < 12; round++) {
      if (round % 3 != 0) {
        bad.a.channel().fail("a, round " + round);
      }
      if (round % 3 != 1) {
        bad.b.channel().fail("b, round " + round);
      }
      int lives = round + 1;
      pair.runUntil(() -> pair.a.channelsUp.size() == lives && pair.b.channelsUp.size() == lives);
      assertThat(pair.a.channelsUp.getLast()).isEqualTo("0: " + lives);
      bad.drain();
      bad.begin();
      bad.exchange();
      lanes[GOOD].exchange();
    }
  }

  @Test
  void aNewLifeOfTheLinkBeginsWithAllChannelsUp() {
    lanes[BAD].a.channel().fail("a test");
    pair.restartB();
    assertThat(lanes[BAD].a.channel().isUp()).isTrue();
    assertThat(pair.b.link.channel(BAD).isUp()).isTrue();
  }

  @Test
  void isToldAtTheEndOfTheRoundWhenItFailsWithinOne() {
    lanes[BAD].a.qp().disconnect();
    pair.b.onConnectionEvent =
        () -> {
          pair.b.link.channel(BAD).fail("in a round");
          assertThat(pair.b.channelsDown).isEmpty();
        };
    pair.run(1);
    pair.b.onConnectionEvent = () -> {};
    assertThat(pair.b.channelsDown).containsExactly("0: in a round");
  }

  @Test
  void randomBytesInOneChannelsMemoryLeaveTheOtherAloneAndItCanBeginAnew() {
    long seed = System.nanoTime();
    try {
      failByRandomBytesAndBeginAnew(new Random(seed));
    } catch (AssertionError | RuntimeException e) {
      throw new AssertionError("seed " + seed + ": " + e.getMessage(), e);
    }
  }

  private void failByRandomBytesAndBeginAnew(Random random) {
    Lane bad = lanes[BAD];
    for (int round = 0; round < 15; round++) {
      for (int i = 0; i < 30; i++) {
        End end = random.nextBoolean() ? bad.a : bad.b;
        MemorySegment block = end.channel().controlBlock();
        for (int k = random.nextInt(40); k > 0; k--) {
          block.set(JAVA_LONG, 8L * random.nextLong(block.byteSize() / 8), random.nextLong());
        }
        if (bad.a.qp().state() == QpState.RTS) {
          int _ = bad.a.qp().postSend(request.send(i).inline(memory, 0, 8));
        }
        lanes[GOOD].exchange();
        bad.drain();
      }
      assertThat(pair.a.link.isUp()).isTrue();
      int lives = pair.a.channelsUp.size();
      bad.a.channel().fail("round " + round);
      pair.runUntil(() -> bad.a.channel().isUp() && bad.b.channel().isUp());
      pair.run(5);
      assertThat(pair.a.channelsUp).hasSizeGreaterThan(lives);
      bad.drain();
      bad.begin();
      bad.exchange();
    }
    assertThat(pair.a.downs).isEmpty();
    assertThat(pair.a.channelsDown).noneMatch(line -> line.startsWith("1"));
  }

  @Test
  void comesUpAlthoughItsLastWordWasLostOnTheWay() {
    Lane bad = lanes[BAD];
    for (End early : List.of(bad.a, bad.b)) {
      End late = early == bad.a ? bad.b : bad.a;
      early.channel().fail("a test");
      upToThePeersLastLook(early, late);
      late.channel().controlBlock().set(JAVA_LONG, ChannelLayout.CHANNEL_LIFE, 0x1234_5678);
      pair.runUntil(() -> late.channel().isUp());
      assertThat(early.channel().isUp()).isTrue();
      bad.drain();
      bad.begin();
      bad.exchange();
    }
    assertThat(pair.a.channelsUp).containsExactly("0: 1", "0: 2");
    assertThat(pair.b.channelsUp).containsExactly("0: 1", "0: 2");
  }

  /** One side has opened the channel, and the other one has not looked since. */
  private void upToThePeersLastLook(End early, End late) {
    for (int i = 0; i < 10 && !early.channel().isUp(); i++) {
      pair.clock.advance(LinkPair.MS);
      late.channel().link().doWork();
      early.channel().link().doWork();
    }
    assertThat(early.channel().isUp()).isTrue();
    assertThat(late.channel().isUp()).isFalse();
  }

  @Test
  void aSnapshotTellsWhatWentOver() throws Exception {
    List<LinkSnapshot> shots = new ArrayList<>();
    lanes[GOOD].exchange();
    lanes[GOOD].exchange();
    Thread tool = Thread.ofPlatform().start(() -> shots.add(pair.a.link.snapshot().join()));
    while (tool.isAlive()) {
      pair.run(1);
    }
    tool.join();
    LinkSnapshot shot = shots.getFirst();
    ChannelSnapshot good = shot.channels().get(GOOD);
    assertThat(shot.up()).isTrue();
    assertThat(good.counts().sentOperations()).isEqualTo(4);
    assertThat(good.counts().sentBytes()).isEqualTo(2 * 200_008);
    assertThat(good.latency().samples()).isEqualTo(1);
    assertThat(good.remoteRegions()).hasSize(2);
    ChannelSnapshot.Pair qp = good.queuePairs().getFirst();
    assertThat(qp.state()).isEqualTo(QpState.RTS);
    assertThat(qp.sendsPosted()).isEqualTo(4);
    assertThat(qp.sendsCompleted()).isEqualTo(4);
    assertThat(qp.credit()).isBetween(0L, (long) MESSAGES);
    assertThat(good.rings().getFirst().consumed()).isEqualTo(good.rings().getFirst().claimed());
    ChannelSnapshot.Pair receiver = pair.b.link.channel(GOOD).snapshot().queuePairs().getFirst();
    assertThat(receiver.receivesPosted()).isEqualTo(MESSAGES + 2);
    assertThat(receiver.receivesCompleted()).isEqualTo(2);
  }

  @Test
  void aSnapshotOfAClosedLinkFails() {
    var asked = pair.a.link.snapshot();
    pair.a.link.close();
    assertThat(asked).isCompletedExceptionally();
    assertThat(pair.a.link.snapshot()).isCompletedExceptionally();
  }
}
