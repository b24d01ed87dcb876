package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.bridge.LinkDown;
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

class QueuePairTest {
  private static final ChannelPlan PLAN =
      new ChannelPlan(
          List.of(
              new ChannelSpec(0, "both", Direction.BOTH, 1 << 20, 1 << 20, 1, 8, 8, 64),
              new ChannelSpec(1, "a to b", Direction.A_TO_B, 0, 1 << 20, 1, 8, 8, 64)));
  private static final int LANDING = 5;
  private static final int RECEIVES = 6;

  @TempDir Path directory;
  private LinkPair pair;
  private End a;
  private End b;
  private MemoryRegion source;
  private MemoryRegion landing;
  private MemoryRegion receives;
  private final WorkRequest request = new WorkRequest();

  @BeforeEach
  void connect() {
    pair = new LinkPair(directory, PLAN);
    a = pair.a.end(0);
    b = pair.b.end(0);
    MemorySegment memory = Arena.ofAuto().allocate(256 * 1024, 64);
    byte[] bytes = new byte[256 * 1024];
    new Random(11).nextBytes(bytes);
    MemorySegment.copy(bytes, 0, memory, JAVA_BYTE, 0, bytes.length);
    source = pair.a.link.protectionDomain().register(memory);
    landing = b.channel().register(LANDING, b.channel().allocate(512 * 1024), Access.REMOTE_WRITE);
    receives = b.channel().register(RECEIVES, b.channel().allocate(4096), Access.LOCAL_WRITE);
    a.qp().init().connect();
    b.qp().init();
    pair.run(2);
    b.qp().accept();
    pair.runUntil(() -> a.qp().state() == QpState.RTS);
    pair.a.events.clear();
    pair.b.events.clear();
  }

  @AfterEach
  void close() {
    pair.close();
  }

  @Test
  void writesIntoThePeersRegion() {
    int rkey = a.channel().remoteRegion(LANDING).rkey();
    request.write(77, rkey, 1000).sge(source.lkey(), 8, 200_000);

    assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.OK);
    pair.run(1);

    assertThat(a.next().isSuccess()).isTrue();
    assertThat(a.completion().wrId()).isEqualTo(77);
    assertThat(a.completion().opcode()).isEqualTo(WcOpcode.RDMA_WRITE);
    assertThat(a.completion().byteLength()).isEqualTo(200_000);
    assertThat(
            landing.segment().asSlice(1000, 200_000).mismatch(source.segment().asSlice(8, 200_000)))
        .isEqualTo(-1);
    pair.run(2);
    assertThat(b.isEmpty()).as("the peer does not notice").isTrue();
    assertThat(a.channel().counters().sentBytes()).isEqualTo(200_000);
    assertThat(b.channel().counters().receivedBytes()).isEqualTo(200_000);
    assertThat(b.channel().counters().receivedOperations()).isEqualTo(1);
  }

  @Test
  void sendsMessagesInOrderIntoTheReceivesThatWerePosted() {
    for (int i = 0; i < 3; i++) {
      assertThat(b.qp().postReceive(100 + i, receives, i * 64L, 64)).isEqualTo(QueuePair.OK);
    }
    for (int i = 0; i < 3; i++) {
      assertThat(a.qp().postSend(request.send(i).sge(source.lkey(), i * 64L, 10 + i)))
          .isEqualTo(QueuePair.OK);
    }
    pair.run(2);
    for (int i = 0; i < 3; i++) {
      assertThat(a.next().isSuccess()).isTrue();
      assertThat(b.next().wrId()).isEqualTo(100 + i);
      assertThat(b.completion().opcode()).isEqualTo(WcOpcode.RECV);
      assertThat(b.completion().byteLength()).isEqualTo(10 + i);
      assertThat(
              receives
                  .segment()
                  .asSlice(i * 64L, 10 + i)
                  .mismatch(source.segment().asSlice(i * 64L, 10 + i)))
          .isEqualTo(-1);
    }
    assertThat(b.isEmpty()).isTrue();
  }

  @Test
  void aWriteWithImmediateCompletesAReceiveOfThePeer() {
    assertThat(b.qp().postReceive(5, receives, 0, 0)).isEqualTo(QueuePair.OK);
    int rkey = a.channel().remoteRegion(LANDING).rkey();
    int result =
        a.qp().postSend(request.writeWithImmediate(1, rkey, 0, 0xCAFE).sge(source.lkey(), 0, 4096));
    assertThat(result).isEqualTo(QueuePair.OK);
    assertThat(a.next().isSuccess()).isTrue();

    pair.run(1);

    assertThat(b.next().opcode()).isEqualTo(WcOpcode.RECV_RDMA_WITH_IMM);
    assertThat(b.completion().withImmediate()).isTrue();
    assertThat(b.completion().immediate()).isEqualTo(0xCAFE);
    assertThat(b.completion().byteLength()).isEqualTo(4096);
    assertThat(landing.segment().asSlice(0, 4096).mismatch(source.segment().asSlice(0, 4096)))
        .isEqualTo(-1);
  }

  @Test
  void inlineDataMayChangeAsSoonAsThePostReturns() {
    MemorySegment heap = MemorySegment.ofArray(new int[] {1, 2, 3});
    assertThat(a.qp().postSend(request.send(1).inline(heap, 4, 8))).isEqualTo(QueuePair.OK);
    heap.fill((byte) 0xff);
    assertThat(a.isEmpty()).as("no receive is posted").isTrue();
    assertThat(b.qp().postReceive(2, receives, 0, 64)).isEqualTo(QueuePair.OK);
    pair.run(2);

    assertThat(a.next().isSuccess()).isTrue();
    assertThat(b.next().byteLength()).isEqualTo(8);
    assertThat(receives.segment().get(JAVA_INT, 0)).isEqualTo(2);
    assertThat(receives.segment().get(JAVA_INT, 4)).isEqualTo(3);
    assertThat(a.qp().postSend(request.send(1).inline(heap, 0, 65))).isEqualTo(QueuePair.INVALID);
  }

  @Test
  void onlySignaledRequestsCompleteWhenTheySucceed() {
    int rkey = a.channel().remoteRegion(LANDING).rkey();
    for (int i = 0; i < 100; i++) {
      request.write(i, rkey, 0).sge(source.lkey(), 0, 8).signaled(i % 5 == 4);
      assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.OK);
      pair.run(1);
      if (i % 5 == 4) {
        assertThat(a.next().wrId()).isEqualTo(i);
      }
      assertThat(a.isEmpty()).isTrue();
    }
  }

  @Test
  void pushesBackWhenTheQueueIsFullAndGoesOnWhenReceivesCome() {
    for (int i = 0; i < 8; i++) {
      assertThat(a.qp().postSend(request.send(i).sge(source.lkey(), 0, 8))).isEqualTo(QueuePair.OK);
    }
    assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.FULL);

    assertThat(b.qp().postReceive(1, receives, 0, 64)).isEqualTo(QueuePair.OK);
    pair.run(1);
    assertThat(a.qp().postSend(request)).as("completed, but not polled").isEqualTo(QueuePair.FULL);
    assertThat(a.next().wrId()).isZero();
    assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.OK);
  }

  @Test
  void aReceiveThatNeverComesFailsTheSendWhenItsRetriesAreUsedUp() {
    a.qp().modify(QpState.RTS, a.qp().attributes().withRnrRetry(2)); // of 10 ms, as b asked for
    assertThat(a.qp().postSend(request.send(1).sge(source.lkey(), 0, 8))).isEqualTo(QueuePair.OK);
    pair.run(15);
    assertThat(a.isEmpty()).isTrue();
    pair.run(10);
    assertThat(a.next().status()).isEqualTo(WcStatus.RNR_RETRY_EXC_ERR);
    assertThat(a.qp().state()).isEqualTo(QpState.ERR);
  }

  @Test
  void aMessageLongerThanTheReceiveFails() {
    assertThat(b.qp().postReceive(1, receives, 0, 16)).isEqualTo(QueuePair.OK);
    assertThat(a.qp().postSend(request.send(1).sge(source.lkey(), 0, 17))).isEqualTo(QueuePair.OK);
    assertThat(a.next().status()).isEqualTo(WcStatus.REM_INV_REQ_ERR);
  }

  @Test
  void refusesWrongKeysRangesAndRightsWithTheVerbsStatus() {
    int rkey = a.channel().remoteRegion(LANDING).rkey();
    int receiveKey = a.channel().remoteRegion(RECEIVES).rkey();
    landing.segment().fill((byte) 0);

    expectFailure(
        request.write(1, rkey + (1 << 8), 0).sge(source.lkey(), 0, 8), WcStatus.REM_ACCESS_ERR);
    expectFailure(
        request.write(1, rkey, 512 * 1024 - 7).sge(source.lkey(), 0, 8), WcStatus.REM_ACCESS_ERR);
    expectFailure(request.write(1, rkey, -1).sge(source.lkey(), 0, 8), WcStatus.REM_ACCESS_ERR);
    expectFailure(
        request.write(1, receiveKey, 0).sge(source.lkey(), 0, 8), WcStatus.REM_ACCESS_ERR);
    expectFailure(
        request.write(1, rkey, 0).sge(source.lkey() + (1 << 12), 0, 8), WcStatus.LOC_PROT_ERR);
    expectFailure(
        request.write(1, rkey, 0).sge(source.lkey(), 256 * 1024 - 7, 8), WcStatus.LOC_PROT_ERR);

    assertThat(landing.segment().mismatch(Arena.ofAuto().allocate(512 * 1024))).isEqualTo(-1);
  }

  @Test
  void aFailureFlushesEverythingAndBothSidesCanBeginAnew() {
    for (int i = 0; i < 2; i++) {
      assertThat(b.qp().postReceive(50 + i, receives, 0, 64)).isEqualTo(QueuePair.OK);
      assertThat(a.qp().postSend(request.send(i).sge(source.lkey(), 0, 8))).isEqualTo(QueuePair.OK);
    }
    assertThat(b.qp().postReceive(52, receives, 0, 64)).isEqualTo(QueuePair.OK);
    int result = a.qp().postSend(request.write(2, 1, 0).sge(source.lkey(), 0, 8));
    assertThat(result).isEqualTo(QueuePair.OK);
    assertThat(a.qp().postSend(request.send(3).sge(source.lkey(), 0, 8))).isEqualTo(QueuePair.OK);

    assertThat(a.next().isSuccess()).isTrue();
    assertThat(a.next().isSuccess()).isTrue();
    assertThat(a.next().status()).isEqualTo(WcStatus.REM_ACCESS_ERR);
    assertThat(a.next().status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
    pair.run(2);
    assertThat(b.next().isSuccess()).as("sent before the failure").isTrue();
    assertThat(b.next().isSuccess()).isTrue();
    assertThat(b.next().status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
    assertThat(b.completion().wrId()).isEqualTo(52);
    assertThat(pair.a.events).containsExactly(CmEvent.DISCONNECTED);
    assertThat(pair.b.events).containsExactly(CmEvent.DISCONNECTED);
    assertThat(pair.a.link.isUp()).isTrue();

    a.qp().reset().init().connect();
    b.qp().reset().init();
    assertThat(b.qp().postReceive(60, receives, 0, 64)).isEqualTo(QueuePair.OK);
    b.qp().connect();
    pair.runUntil(() -> a.qp().state() == QpState.RTS && b.qp().state() == QpState.RTS);
    assertThat(a.qp().postSend(request.send(9).sge(source.lkey(), 0, 8))).isEqualTo(QueuePair.OK);
    assertThat(a.next().isSuccess()).isTrue();
    pair.run(1);
    assertThat(b.next().wrId()).isEqualTo(60);
    assertThat(b.completion().isSuccess()).isTrue();
  }

  @Test
  void aPeerThatBeginsAnewUnasksTheOldConnection() {
    a.qp().reset().init().connect();
    a.qp().reset().init().connect();
    pair.run(3);
    assertThat(b.qp().state()).isEqualTo(QpState.ERR);
    b.qp().reset().init().connect();
    pair.runUntil(() -> a.qp().state() == QpState.RTS && b.qp().state() == QpState.RTS);
  }

  @Test
  void carriesPrivateDataAndTakesNoForAnAnswer() {
    a.qp().reset().init().connect((byte) 1, (byte) 2);
    pair.run(3);
    assertThat(pair.b.events).contains(CmEvent.CONNECT_REQUEST);
    assertThat(b.qp().peerPrivateData()).containsExactly(1, 2);
    b.qp().reject((byte) 3);
    pair.run(2);
    assertThat(pair.a.events).contains(CmEvent.REJECTED);
    assertThat(a.qp().peerPrivateData()).containsExactly(3);
    assertThat(a.qp().state()).isEqualTo(QpState.INIT);
  }

  @Test
  void deregisteringTakesTheRightBack() {
    int rkey = a.channel().remoteRegion(LANDING).rkey();
    assertThat(a.channel().remoteRegion(LANDING).lengthBytes()).isEqualTo(512 * 1024);
    landing.close();

    assertThat(a.channel().remoteRegion(LANDING).isValid()).isFalse();
    expectFailure(request.write(1, rkey, 0).sge(source.lkey(), 0, 8), WcStatus.REM_ACCESS_ERR);

    landing = b.channel().register(LANDING, landing.segment(), Access.REMOTE_WRITE);
    assertThat(a.channel().remoteRegion(LANDING).rkey()).isNotEqualTo(rkey);
    expectFailure(request.write(1, rkey, 0).sge(source.lkey(), 0, 8), WcStatus.REM_ACCESS_ERR);
  }

  @Test
  void whenTheLinkGoesDownEverythingIsFlushedAndNoRightSurvives() {
    assertThat(a.qp().postSend(request.send(1).sge(source.lkey(), 0, 8))).isEqualTo(QueuePair.OK);
    assertThat(b.qp().postReceive(2, receives, 0, 64)).isEqualTo(QueuePair.OK);
    assertThat(a.qp().postSend(request.send(2).sge(source.lkey(), 0, 8))).isEqualTo(QueuePair.OK);

    pair.restartB();

    assertThat(pair.a.downs.getFirst().kind()).isEqualTo(LinkDown.Kind.GOODBYE);
    assertThat(a.next().isSuccess()).isTrue();
    assertThat(a.next().status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
    assertThat(b.next().wrId()).as("delivered before the end").isEqualTo(2);
    assertThat(b.completion().isSuccess()).isTrue();
    assertThat(landing.isValid()).isFalse();
    assertThat(pair.a.link.generation()).isEqualTo(2);
    assertThat(a.channel().remoteRegion(LANDING).isValid()).isFalse();
    assertThat(a.qp().state()).isEqualTo(QpState.ERR);

    End again = pair.b.end(0);
    MemoryRegion region =
        again.channel().register(LANDING, again.channel().allocate(4096), Access.REMOTE_WRITE);
    a.qp().reset().init().connect();
    again.qp().init().connect();
    pair.runUntil(() -> a.qp().state() == QpState.RTS);
    int rkey = a.channel().remoteRegion(LANDING).rkey();
    assertThat(a.qp().postSend(request.write(3, rkey, 8).sge(source.lkey(), 0, 8)))
        .isEqualTo(QueuePair.OK);
    pair.run(1);
    assertThat(a.next().isSuccess()).isTrue();
    assertThat(region.segment().get(JAVA_LONG, 8)).isEqualTo(source.segment().get(JAVA_LONG, 0));
  }

  @Test
  void aPeerThatSleptAndWritesOnIsToldNo() {
    pair.bRuns(false); // b hangs; the writer of this test is b
    MemoryRegion own = a.channel().register(9, a.channel().allocate(4096), Access.REMOTE_WRITE);
    int rkey = b.channel().remoteRegion(9).rkey();
    assertThat(rkey).isNotZero();
    pair.runUntil(() -> !pair.a.downs.isEmpty());
    assertThat(pair.a.downs.getFirst().kind()).isEqualTo(LinkDown.Kind.HEARTBEAT);
    assertThat(own.isValid()).isFalse();

    // It wakes in the middle of its work, before it looks at the socket.
    MemorySegment data = MemorySegment.ofArray(new long[] {-1});
    assertThat(b.qp().postSend(request.write(1, rkey, 0).inline(data, 0, 8)))
        .isEqualTo(QueuePair.OK);

    assertThat(b.next().status()).isEqualTo(WcStatus.REM_ACCESS_ERR);
    pair.bRuns(true);
    pair.runUntil(() -> pair.b.downs.size() == 1);
    assertThat(pair.b.downs.getFirst().kind()).isEqualTo(LinkDown.Kind.EOF);
  }

  @Test
  void nonsenseInSharedMemoryFailsTheQueuePairAndNothingElse() {
    long base = ChannelLayout.queuePair(PLAN.channels().getFirst(), 0);
    MemoryRegion own = a.channel().register(9, a.channel().allocate(4096), Access.LOCAL_WRITE);
    MemorySegment toA = b.channel().remoteControl();
    toA.set(JAVA_LONG, base + ChannelLayout.RECEIVE_BLOCK + ChannelLayout.POSTED, 1_000_000);
    assertThat(a.qp().postSend(request.send(1).sge(source.lkey(), 0, 8))).isEqualTo(QueuePair.OK);
    assertThat(a.next().status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
    assertThat(a.qp().lastError()).contains("broke the protocol");

    pair.run(3);
    a.qp().reset().init().connect();
    b.qp().reset().init().connect();
    pair.runUntil(() -> a.qp().state() == QpState.RTS);
    assertThat(a.qp().postReceive(2, own, 0, 64)).isEqualTo(QueuePair.OK);
    long fills = ChannelLayout.RECEIVE_BLOCK + ChannelLayout.fills(8);
    toA.set(JAVA_LONG, base + fills, ChannelLayout.word(77, 1, 0, 0, 0));
    pair.run(1);
    assertThat(a.qp().state()).isEqualTo(QpState.ERR);
    assertThat(a.channel().counters().receiveErrors()).isEqualTo(2);
    assertThat(pair.a.link.isUp()).isTrue();
  }

  @Test
  void randomBytesAllOverTheControlWindowNeverThrow() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    MemorySegment toA = b.channel().remoteControl();
    for (int round = 0; round < 300; round++) {
      for (int i = 0; i < 200; i++) {
        long offset = random.nextInt((int) toA.byteSize() / 8) * 8L;
        toA.set(JAVA_LONG, offset, random.nextBoolean() ? random.nextLong() : random.nextInt(64));
      }
      assertThat(a.qp().postSend(request.send(1).sge(source.lkey(), 0, 8)))
          .as("seed %d", seed)
          .isLessThanOrEqualTo(0);
      pair.run(1);
      while (a.cq().poll(a.completion())) {
        assertThat(a.completion().status()).isNotNull();
      }
      // The channel's own word may be hit as well; then it is down for some rounds.
      if (a.qp().state() == QpState.ERR && a.channel().isUp()) {
        a.qp().reset().init().connect();
      }
    }
    assertThat(pair.a.link.isUp()).as("seed %d", seed).isTrue();
  }

  @Test
  void aDirectedChannelSendsOneWayOnly() {
    End one = pair.a.end(1);
    End two = pair.b.end(1);
    one.qp().init().connect();
    two.qp().init().connect();
    pair.runUntil(() -> one.qp().state() == QpState.RTS && two.qp().state() == QpState.RTS);

    assertThat(two.qp().postSend(request.send(1))).isEqualTo(QueuePair.INVALID);
    assertThatThrownBy(() -> one.channel().allocate(1)).hasMessageContaining("channel plan");
    MemoryRegion region =
        two.channel().register(0, two.channel().allocate(4096), Access.REMOTE_WRITE);
    int rkey = one.channel().remoteRegion(0).rkey();
    request.write(1, rkey, 0).sge(source.lkey(), 0, 4096);
    assertThat(one.qp().postSend(request)).isEqualTo(QueuePair.OK);
    pair.run(1);
    assertThat(one.next().isSuccess()).isTrue();
    assertThat(region.segment().mismatch(source.segment().asSlice(0, 4096))).isEqualTo(-1);
    assertThat(a.channel().counters().sentOperations()).as("the other channel").isZero();
  }

  @Test
  void takesNoPostsInTheWrongState() {
    End other = pair.a.end(1);
    assertThat(other.qp().postSend(request.send(1))).isEqualTo(QueuePair.BAD_STATE);
    assertThat(other.qp().postReceive(1, receives, 0, 8)).isEqualTo(QueuePair.BAD_STATE);
    other.qp().init();
    assertThat(other.qp().postReceive(1, receives, 0, 8))
        .as("another channel's region")
        .isEqualTo(QueuePair.INVALID);
  }

  /** Posts what must fail, and connects anew. */
  private void expectFailure(WorkRequest bad, WcStatus status) {
    assertThat(a.qp().postSend(bad)).isEqualTo(QueuePair.OK);
    assertThat(a.next().status()).isEqualTo(status);
    assertThat(a.qp().state()).isEqualTo(QpState.ERR);
    pair.run(3);
    a.qp().reset().init().connect();
    b.qp().reset().init().connect();
    pair.runUntil(() -> a.qp().state() == QpState.RTS && b.qp().state() == QpState.RTS);
  }
}
