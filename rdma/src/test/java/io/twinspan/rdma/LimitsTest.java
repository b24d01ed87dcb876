package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.rdma.ChannelSpec.Direction;
import io.twinspan.rdma.LinkPair.End;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** One more than is allowed, one moment before it is time, and what is given up half-way. */
class LimitsTest {
  private static final int DEPTH = 8;
  private static final int SENDS = 32;
  private static final int LONG_BYTES = 512 * 1024;
  private static final ChannelPlan PLAN =
      new ChannelPlan(
          List.of(
              new ChannelSpec(0, "both", Direction.BOTH, 1 << 20, 1 << 20, 1, SENDS, DEPTH, 64)));
  private static final long BLOCK = ChannelLayout.queuePair(PLAN.channels().getFirst(), 0);
  private static final long RECEIVES = BLOCK + ChannelLayout.RECEIVE_BLOCK;

  @TempDir Path directory;
  private LinkPair pair;
  private End a;
  private End b;
  private MemoryRegion ofA;
  private MemoryRegion ofB;
  private final MemorySegment word = MemorySegment.ofArray(new long[] {7});
  private final WorkRequest request = new WorkRequest();

  @BeforeEach
  void connect() {
    pair = new LinkPair(directory, PLAN);
    a = pair.a.end(0);
    b = pair.b.end(0);
    ofA = register(a);
    ofB = register(b);
    a.qp().init().connect();
    b.qp().init().connect();
    pair.runUntil(() -> a.qp().state() == QpState.RTS && b.qp().state() == QpState.RTS);
    pair.a.told.clear();
  }

  private static MemoryRegion register(End end) {
    MemorySegment memory = end.channel().allocate(LONG_BYTES);
    return end.channel()
        .register(0, memory, Access.LOCAL_WRITE, Access.REMOTE_WRITE, Access.REMOTE_READ);
  }

  @AfterEach
  void close() {
    pair.close();
  }

  @Test
  void aPeerCantHaveOneReceiveMoreThanItsRingHolds() {
    MemorySegment toA = b.channel().remoteControl();
    long posted = toA.get(JAVA_LONG, RECEIVES + ChannelLayout.POSTED);
    toA.set(JAVA_LONG, RECEIVES + ChannelLayout.POSTED, posted + DEPTH + 1);
    assertThat(a.qp().postSend(request.send(1).inline(word, 0, 8))).isEqualTo(QueuePair.OK);
    assertThat(a.next().status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
    assertThat(a.qp().lastError()).contains("broke the protocol");
  }

  @Test
  void aMessageCantBeOneByteLongerThanItsReceive() {
    aShortMessageIsABreach(64, 65);
  }

  @Test
  void aPayloadCantBeOneByteLongerThanItsEntryHolds() {
    aShortMessageIsABreach(4096, ChannelLayout.EAGER_BYTES + 1);
  }

  private void aShortMessageIsABreach(int receiveBytes, int messageBytes) {
    assertThat(a.qp().postReceive(5, ofA, 0, receiveBytes)).isEqualTo(QueuePair.OK);
    MemorySegment toA = b.channel().remoteControl();
    long index = b.channel().localControl().get(JAVA_LONG, RECEIVES + ChannelLayout.POSTED) - 1;
    long entry = RECEIVES + ChannelLayout.fills(DEPTH) + index % DEPTH * ChannelLayout.FILL_BYTES;
    int detail = ChannelLayout.fillDetail(messageBytes, 1);
    long fill =
        ChannelLayout.word(index, ChannelLayout.OPCODE_SEND, 0, ChannelLayout.FLAG_EAGER, detail);
    toA.set(JAVA_LONG, entry, fill);
    pair.run(1);
    assertThat(a.qp().lastError()).contains("broke the protocol");
    assertThat(a.next().status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
  }

  @Test
  void noMoreReadsAreAskedForThanMayBeOutstanding() {
    pair.bRuns(false);
    int limit = a.qp().attributes().maxRdAtomic();
    for (int i = 0; i <= limit; i++) {
      request.read(i, ofB.rkey(), 0).sge(ofA.lkey(), 0, 8);
      assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.OK);
    }
    pair.run(3);
    assertThat(pair.a.link.channel(0).snapshot().queuePairs().getFirst().sendsIssued())
        .isEqualTo(limit);
    pair.bRuns(true);
    pair.runUntil(() -> a.cq().size() == limit + 1);
  }

  @Test
  void theSendQueueIsNotDrainedWhileAReadIsUnanswered() {
    pair.bRuns(false);
    request.read(1, ofB.rkey(), 0).sge(ofA.lkey(), 0, 8);
    assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.OK);
    a.qp().modify(QpState.SQD);
    pair.run(3);
    assertThat(pair.a.told).isEmpty();
    pair.bRuns(true);
    pair.run(3);
    assertThat(a.next().isSuccess()).isTrue();
    assertThat(pair.a.told).containsExactly("SQ_DRAINED of 1");
  }

  @Test
  void aFenceHoldsALongRequestBackToo() {
    pair.bRuns(false);
    ofA.segment().set(JAVA_LONG, 4096, 7);
    request.read(1, ofB.rkey(), 0).sge(ofA.lkey(), 0, 8);
    assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.OK);
    request.write(2, ofB.rkey(), 0).sge(ofA.lkey(), 4096, 1000).fence(true);
    assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.OK);
    pair.run(3);
    assertThat(ofB.segment().get(JAVA_LONG, 0)).as("held back").isZero();
    pair.bRuns(true);
    pair.runUntil(() -> a.cq().size() == 2);
    assertThat(ofB.segment().get(JAVA_LONG, 0)).isEqualTo(7);
  }

  @Test
  void nothingIsStoredByAKeyThatWasGoodAMomentAgo() {
    MemorySegment memory = ofB.segment();
    int rkey = ofB.rkey();
    assertThat(a.qp().postSend(request.write(1, rkey, 0).inline(word, 0, 8)))
        .isEqualTo(QueuePair.OK);
    pair.run(1);
    assertThat(a.next().isSuccess()).isTrue();
    assertThat(memory.get(JAVA_LONG, 0)).isEqualTo(7);
    ofB.close();
    assertThat(a.qp().postSend(request.write(2, rkey, 8).inline(word, 0, 8)))
        .isEqualTo(QueuePair.OK);
    pair.run(2);
    assertThat(memory.get(JAVA_LONG, 8)).isZero();
    assertThat(a.next().status()).isEqualTo(WcStatus.REM_ACCESS_ERR);
  }

  @Test
  void theRestOfALongWriteIsNotCopiedWhenItsQueuePairHasFailed() {
    ofA.segment().set(JAVA_LONG, LONG_BYTES - 8, 7);
    request.write(1, ofB.rkey(), 0).sge(ofA.lkey(), 0, LONG_BYTES);
    assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.OK);
    a.qp().disconnect();
    assertThat(a.next().status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
    pair.run(20);
    assertThat(ofB.segment().get(JAVA_LONG, LONG_BYTES - 8)).isZero();
  }

  @Test
  void theRestOfALongReadIsNotCopiedWhenItsResponderHasFailed() {
    ofB.segment().set(JAVA_LONG, LONG_BYTES - 8, 7);
    request.read(1, ofB.rkey(), 0).sge(ofA.lkey(), 0, LONG_BYTES);
    assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.OK);
    b.qp().goOn();
    b.qp().disconnect();
    pair.run(20);
    assertThat(a.next().status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
    assertThat(ofA.segment().get(JAVA_LONG, LONG_BYTES - 8)).isZero();
  }
}
