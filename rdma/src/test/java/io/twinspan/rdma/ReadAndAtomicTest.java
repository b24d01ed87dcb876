package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

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

class ReadAndAtomicTest {
  private static final int SIZE = 256 * 1024;
  private static final ChannelPlan PLAN =
      new ChannelPlan(
          List.of(new ChannelSpec(0, "both", Direction.BOTH, 1 << 20, 1 << 20, 1, 32, 8, 64)));

  @TempDir Path directory;
  private LinkPair pair;
  private End a;
  private End b;
  private MemoryRegion sink;
  private MemoryRegion remote;
  private MemoryRegion result;
  private final WorkRequest request = new WorkRequest();

  @BeforeEach
  void connect() {
    pair = new LinkPair(directory, PLAN);
    a = pair.a.end(0);
    b = pair.b.end(0);
    sink = a.channel().register(0, a.channel().allocate(SIZE), Access.LOCAL_WRITE);
    remote =
        b.channel()
            .register(
                1,
                b.channel().allocate(SIZE),
                Access.REMOTE_READ,
                Access.REMOTE_ATOMIC,
                Access.REMOTE_WRITE);
    result =
        pair.a.link.protectionDomain().register(Arena.ofAuto().allocate(64, 8), Access.LOCAL_WRITE);
    byte[] bytes = new byte[SIZE];
    new Random(5).nextBytes(bytes);
    MemorySegment.copy(bytes, 0, remote.segment(), JAVA_BYTE, 0, SIZE);
    connectAnew();
  }

  @AfterEach
  void close() {
    pair.close();
  }

  @Test
  void readsThePeersMemoryIntoAListOfBuffers() {
    request.read(7, remote.rkey(), 100).sge(sink.lkey(), 0, 10_000).sge(sink.lkey(), 50_000, 3);
    assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.OK);
    assertThat(a.isEmpty()).as("the peer has not worked yet").isTrue();
    pair.run(2);

    assertThat(a.next().isSuccess()).isTrue();
    assertThat(a.completion().opcode()).isEqualTo(WcOpcode.RDMA_READ);
    assertThat(a.completion().byteLength()).isEqualTo(10_003);
    assertThat(sink.segment().asSlice(0, 10_000).mismatch(remote.segment().asSlice(100, 10_000)))
        .isEqualTo(-1);
    assertThat(sink.segment().asSlice(50_000, 3).mismatch(remote.segment().asSlice(10_100, 3)))
        .isEqualTo(-1);
    assertThat(b.isEmpty()).as("the peer does not notice").isTrue();
  }

  @Test
  void anAnswerThatMakesNoSenseFailsTheRequest() {
    request.read(7, remote.rkey(), 0).sge(sink.lkey(), 0, 8);
    assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.OK);
    long answer = ChannelLayout.queuePair(PLAN.channels().getFirst(), 0) + ChannelLayout.ANSWERS;
    long nonsense = ChannelLayout.word(0, ChannelLayout.OPCODE_ANSWER, 0, 0, 99);
    b.channel().remoteControl().set(JAVA_LONG, answer, nonsense);
    pair.a.link.doWork();
    assertThat(a.next().status()).isEqualTo(WcStatus.BAD_RESP_ERR);
    assertThat(a.qp().state()).isEqualTo(QpState.ERR);
  }

  @Test
  void moreReadsThanMayBeOutstandingCompleteInOrderWithWhatIsPostedAmongThem() {
    for (int i = 0; i < 24; i++) {
      if (i % 3 == 2) {
        request.write(i, remote.rkey(), 8L * i).inline(MemorySegment.ofArray(new long[] {i}), 0, 8);
      } else {
        request.read(i, remote.rkey(), 4096L + i).sge(sink.lkey(), 100L * i, 100);
      }
      assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.OK);
    }
    pair.runUntil(() -> a.cq().size() == 24);
    for (int i = 0; i < 24; i++) {
      assertThat(a.next().wrId()).isEqualTo(i);
      assertThat(a.completion().isSuccess()).isTrue();
      if (i % 3 != 2) {
        assertThat(
                sink.segment()
                    .asSlice(100L * i, 100)
                    .mismatch(remote.segment().asSlice(4096 + i, 100)))
            .isEqualTo(-1);
      }
    }
  }

  @Test
  void aReadThatIsPostedWhenThePartnerHasEndedTheConnectionIsFlushed() {
    MemoryRegion inbox = b.channel().register(2, b.channel().allocate(64), Access.LOCAL_WRITE);
    assertThat(b.qp().postReceive(1, inbox, 0, 64)).isEqualTo(QueuePair.OK);
    MemorySegment word = MemorySegment.ofArray(new long[] {7});
    assertThat(a.qp().postSend(request.send(1).inline(word, 0, 8))).isEqualTo(QueuePair.OK);
    int _ = pair.b.link.doWork();
    b.qp().disconnect();
    request.write(2, remote.rkey(), 0).sge(sink.lkey(), 0, 8);
    assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.OK);
    assertThat(a.next().isSuccess()).as("b has taken it before the end").isTrue();
    request.read(3, remote.rkey(), 0).sge(sink.lkey(), 0, 8);
    assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.OK);
    pair.run(2);
    assertThat(a.next().wrId()).isEqualTo(2);
    assertThat(a.next().wrId()).isEqualTo(3);
    assertThat(a.completion().status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
  }

  @Test
  void atomicsReturnWhatWasThere() {
    remote.segment().set(JAVA_LONG, 16, 40);
    assertThat(
            a.qp().postSend(request.fetchAndAdd(1, remote.rkey(), 16, 2).sge(result.lkey(), 0, 8)))
        .isEqualTo(QueuePair.OK);
    request.compareAndSwap(2, remote.rkey(), 16, 42, 99).sge(result.lkey(), 8, 8);
    assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.OK);
    request.compareAndSwap(3, remote.rkey(), 16, 42, 100).sge(result.lkey(), 16, 8);
    assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.OK);
    pair.run(2);

    assertThat(a.next().opcode()).isEqualTo(WcOpcode.FETCH_ADD);
    assertThat(a.next().opcode()).isEqualTo(WcOpcode.COMP_SWAP);
    assertThat(a.next().isSuccess()).isTrue();
    assertThat(result.segment().get(JAVA_LONG, 0)).isEqualTo(40);
    assertThat(result.segment().get(JAVA_LONG, 8)).isEqualTo(42);
    assertThat(result.segment().get(JAVA_LONG, 16)).as("not swapped").isEqualTo(99);
    assertThat(remote.segment().get(JAVA_LONG, 16)).isEqualTo(99);
  }

  @Test
  void aFenceHoldsARequestBackUntilTheReadsBeforeItAreDone() {
    MemorySegment data = MemorySegment.ofArray(new long[] {-1});
    long before = remote.segment().get(JAVA_LONG, 0);
    assertThat(a.qp().postSend(request.read(1, remote.rkey(), 0).sge(sink.lkey(), 0, 8)))
        .isEqualTo(QueuePair.OK);
    assertThat(a.qp().postSend(request.write(2, remote.rkey(), 0).inline(data, 0, 8).fence(true)))
        .isEqualTo(QueuePair.OK);
    assertThat(remote.segment().get(JAVA_LONG, 0)).as("held back").isEqualTo(before);
    pair.run(3);

    assertThat(a.next().wrId()).isEqualTo(1);
    assertThat(a.next().wrId()).isEqualTo(2);
    assertThat(sink.segment().get(JAVA_LONG, 0)).isEqualTo(before);
    assertThat(remote.segment().get(JAVA_LONG, 0)).isEqualTo(-1);
  }

  @Test
  void emptyReadsSucceedWithoutAKey() {
    assertThat(a.qp().postSend(request.read(1, 0, 0))).isEqualTo(QueuePair.OK);
    pair.run(2);
    assertThat(a.next().isSuccess()).isTrue();
  }

  @Test
  void theResponderRefusesWithTheVerbsStatusAndBothSidesFail() {
    MemoryRegion closed = b.channel().register(2, b.channel().allocate(4096), Access.REMOTE_WRITE);
    int key = remote.rkey();
    expectFailure(request.read(1, key + (1 << 8), 0), WcStatus.REM_ACCESS_ERR, 8);
    expectFailure(request.read(1, key, SIZE - 7), WcStatus.REM_ACCESS_ERR, 8);
    expectFailure(request.read(1, key, -1), WcStatus.REM_ACCESS_ERR, 8);
    expectFailure(request.read(1, closed.rkey(), 0), WcStatus.REM_ACCESS_ERR, 8);
    expectFailure(request.fetchAndAdd(1, closed.rkey(), 0, 1), WcStatus.REM_ACCESS_ERR, 8);
    expectFailure(request.fetchAndAdd(1, key, 4, 1), WcStatus.REM_INV_REQ_ERR, 8);
    expectFailure(request.compareAndSwap(1, key, SIZE, 1, 1), WcStatus.REM_ACCESS_ERR, 8);
    closed.close();
    expectFailure(request.read(1, closed.rkey(), 0), WcStatus.REM_ACCESS_ERR, 8);
  }

  @Test
  void localBuffersThatCantTakeTheAnswerAreRefusedBeforeThePeerIsAsked() {
    MemoryRegion readOnly = pair.a.link.protectionDomain().register(Arena.ofAuto().allocate(64, 8));
    request.read(1, remote.rkey(), 0).sge(result.lkey(), 0, 8);
    expectFailure(request, WcStatus.LOC_PROT_ERR, 0);
    request.read(1, remote.rkey(), 0).sge(sink.lkey(), SIZE - 7, 8);
    expectFailure(request, WcStatus.LOC_PROT_ERR, 0);
    request.fetchAndAdd(1, remote.rkey(), 0, 1).sge(readOnly.lkey(), 0, 8);
    expectFailure(request, WcStatus.LOC_PROT_ERR, 0);
    request.fetchAndAdd(1, remote.rkey(), 0, 1).sge(result.lkey(), 0, 4);
    expectFailure(request, WcStatus.LOC_LEN_ERR, 0);
  }

  @Test
  void whatAnOldConnectionAskedForIsNotAnsweredInANewOne() {
    pair.bRuns(false);
    for (int i = 0; i < 5; i++) {
      assertThat(
              a.qp().postSend(request.fetchAndAdd(i, remote.rkey(), 8, 1).sge(result.lkey(), 0, 8)))
          .isEqualTo(QueuePair.OK);
    }
    long before = remote.segment().get(JAVA_LONG, 8);
    a.qp().disconnect();
    for (int i = 0; i < 5; i++) {
      assertThat(a.next().status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
    }
    a.qp().reset().init().connect();
    pair.bRuns(true);
    pair.run(3);
    b.qp().reset().init().connect();
    pair.runUntil(() -> a.qp().state() == QpState.RTS && b.qp().state() == QpState.RTS);
    long then = remote.segment().get(JAVA_LONG, 8);
    assertThat(then - before).as("flushed ones may have acted").isBetween(0L, 5L);
    assertThat(
            a.qp().postSend(request.fetchAndAdd(9, remote.rkey(), 8, 1).sge(result.lkey(), 0, 8)))
        .isEqualTo(QueuePair.OK);
    pair.run(2);
    assertThat(a.next().isSuccess()).isTrue();
    assertThat(result.segment().get(JAVA_LONG, 0)).isEqualTo(then);
    assertThat(remote.segment().get(JAVA_LONG, 8)).isEqualTo(then + 1);
  }

  @Test
  void aLyingPeerEndsTheConnectionAndNothingElse() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    long block = ChannelLayout.queuePair(PLAN.channels().getFirst(), 0);
    for (int round = 0; round < 200; round++) {
      boolean toResponder = random.nextBoolean();
      MemorySegment window = (toResponder ? a : b).channel().remoteControl();
      long from = block + (toResponder ? ChannelLayout.REQUESTS : ChannelLayout.ANSWERS);
      long to = block + (toResponder ? ChannelLayout.ANSWERS : ChannelLayout.RECEIVE_BLOCK);
      assertThat(a.qp().postSend(request.read(1, remote.rkey(), 0).sge(sink.lkey(), 0, 64)))
          .as("seed %d", seed)
          .isEqualTo(QueuePair.OK);
      for (long at = from; at < to; at += Integer.BYTES) {
        if (random.nextInt(3) == 0) {
          window.set(JAVA_INT, at, random.nextBoolean() ? random.nextInt() : random.nextInt(20));
        }
      }
      pair.run(3);
      while (a.cq().poll(a.completion())) {
        assertThat(a.completion().status()).isNotNull();
      }
      assertThat(pair.a.link.isUp() && pair.b.link.isUp()).as("seed %d", seed).isTrue();
      zero(a.channel().remoteControl(), block);
      zero(b.channel().remoteControl(), block);
      a.qp().disconnect();
      b.qp().disconnect();
      pair.run(3);
      connectAnew();
    }
  }

  private static void zero(MemorySegment window, long block) {
    long bytes = ChannelLayout.RECEIVE_BLOCK - ChannelLayout.REQUESTS;
    window.asSlice(block + ChannelLayout.REQUESTS, bytes).fill((byte) 0);
  }

  private void expectFailure(WorkRequest bad, WcStatus status, int bytes) {
    if (bytes > 0) {
      bad.sge(bad.operation == WorkRequest.Operation.READ ? sink.lkey() : result.lkey(), 0, bytes);
    }
    assertThat(a.qp().postSend(bad)).isEqualTo(QueuePair.OK);
    assertThat(a.qp().postSend(request.send(2))).isEqualTo(QueuePair.OK);
    pair.run(3);
    assertThat(a.next().status()).isEqualTo(status);
    assertThat(a.next().status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
    assertThat(a.qp().state()).isEqualTo(QpState.ERR);
    assertThat(b.qp().state()).isEqualTo(QpState.ERR);
    connectAnew();
  }

  private void connectAnew() {
    a.qp().reset().init().connect();
    b.qp().reset().init().connect();
    pair.runUntil(() -> a.qp().state() == QpState.RTS && b.qp().state() == QpState.RTS);
  }
}
