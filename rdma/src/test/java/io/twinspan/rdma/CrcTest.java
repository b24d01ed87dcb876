package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Bits that flip in the window of a channel with CRCs, between the two sides' looks at it. */
class CrcTest {
  private static final int SIZE = 128 * 1024;
  private static final int SENDS = 64;
  private static final int RECEIVES = 8;
  private static final int INBOX = 0;
  private static final int LANDING = 1;
  private static final ChannelSpec SPEC =
      new ChannelSpec(0, "checked", Direction.BOTH, 1 << 20, 1 << 20, 1, SENDS, RECEIVES, 256)
          .withCrc(true);
  private static final ChannelPlan PLAN =
      new ChannelPlan(
          List.of(
              SPEC,
              new ChannelSpec(1, "plain", Direction.BOTH, 1 << 20, 1 << 20, 1, SENDS, 8, 256)));

  @TempDir Path directory;
  private LinkPair pair;
  private End a;
  private End b;
  private MemoryRegion source;
  private MemoryRegion sink;
  private MemoryRegion result;
  private MemoryRegion inbox;
  private MemoryRegion landing;
  private final WorkRequest request = new WorkRequest();

  @BeforeEach
  void connect() {
    pair = new LinkPair(directory, PLAN);
    a = pair.a.end(0);
    b = pair.b.end(0);
    MemorySegment memory = Arena.ofAuto().allocate(SIZE, 64);
    byte[] bytes = new byte[SIZE];
    new Random(3).nextBytes(bytes);
    MemorySegment.copy(bytes, 0, memory, JAVA_BYTE, 0, SIZE);
    source = pair.a.link.protectionDomain().register(memory);
    result =
        pair.a.link.protectionDomain().register(Arena.ofAuto().allocate(8, 8), Access.LOCAL_WRITE);
    sink = a.channel().register(0, a.channel().allocate(SIZE), Access.LOCAL_WRITE);
    inbox = b.channel().register(INBOX, b.channel().allocate(SIZE), Access.LOCAL_WRITE);
    landing =
        b.channel()
            .register(
                LANDING,
                b.channel().allocate(SIZE),
                Access.REMOTE_WRITE,
                Access.REMOTE_READ,
                Access.REMOTE_ATOMIC);
    MemorySegment.copy(bytes, 0, landing.segment(), JAVA_BYTE, 0, SIZE);
    connectAnew();
  }

  @AfterEach
  void close() {
    pair.close();
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 8, 112, 113, 256, 4096, 100_000})
  void whatArrivesAsItWasSentSucceeds(int length) {
    for (int round = 0; round < 20; round++) {
      postReceive(1, SIZE);
      send(request.sendWithImmediate(1, round), length);
      postReceive(2, 0);
      send(request.write(2, landing.rkey(), 16), length);
      send(request.writeWithImmediate(3, landing.rkey(), 8, round), length);
      assertThat(
              a.qp()
                  .postSend(
                      request
                          .read(4, landing.rkey(), 0)
                          .sge(sink.lkey(), 0, length)
                          .sge(sink.lkey(), SIZE - 9, 9)))
          .isEqualTo(QueuePair.OK);
      post(request.fetchAndAdd(5, landing.rkey(), 1024, 7).sge(result.lkey(), 0, 8));
      pair.run(12);
      for (int id = 1; id <= 5; id++) {
        assertThat(a.next().status()).as("request %d", id).isEqualTo(WcStatus.SUCCESS);
        assertThat(a.completion().wrId()).isEqualTo(id);
        assertThat(a.completion().vendorError()).isZero();
      }
      assertThat(b.next().immediate()).isEqualTo(round);
      assertThat(b.next().immediate()).isEqualTo(round);
      assertThat(b.isEmpty()).isTrue();
    }
    assertThat(a.channel().counters().crcErrors()).isZero();
    assertThat(b.channel().counters().crcErrors()).isZero();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 112, 113, 256, 4096, 100_000})
  void aBitThatFlipsInAMessageIsFoundAtBothSides(int length) {
    postReceive(70, SIZE);
    postReceive(71, SIZE);
    postReceive(72, SIZE);
    pair.run(2);
    send(request.send(1), 8);
    pair.run(3);
    assertThat(a.next().isSuccess()).isTrue();
    assertThat(b.next().isSuccess()).isTrue();
    send(request.send(2), length);
    send(request.send(3), 8);
    flip(length <= ChannelLayout.EAGER_BYTES ? eagerPayload() : inbox.segment(), length - 1);
    pair.run(3);

    assertThat(a.next().wrId()).isEqualTo(2);
    isBadCrc(a.completion());
    assertThat(a.next().status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
    assertThat(a.completion().vendorError()).isZero();
    assertThat(b.next().wrId()).isEqualTo(71);
    isBadCrc(b.completion());
    assertThat(b.completion().opcode()).isEqualTo(WcOpcode.RECV);
    assertThat(b.next().status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
    hasFailed();
  }

  @Test
  void aBitThatFlipsInImmediateDataIsFoundAtBothSides() {
    failByImmediateData();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 8, 112, 4096, 100_000})
  void aBitThatFlipsInAWriteIsFoundAtBothSides(int length) {
    send(request.write(1, landing.rkey(), 24).signaled(false), length);
    postReceive(70, SIZE);
    send(request.send(2), 8);
    flip(landing.segment(), 24 + length / 2);
    pair.run(5);
    assertThat(a.next().wrId()).as("failure is told though it was not signaled").isEqualTo(1);
    isBadCrc(a.completion());
    assertThat(a.next().status()).as("the message behind it").isEqualTo(WcStatus.WR_FLUSH_ERR);
    assertThat(b.next().status()).as("was not delivered").isEqualTo(WcStatus.WR_FLUSH_ERR);
    assertThat(pair.b.told).contains("QP_FATAL of 1");
    hasFailed();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 8, 112, 4096, 100_000})
  void aBitThatFlipsInAWriteWithImmediateIsFoundAtBothSides(int length) {
    postReceive(70, 0);
    pair.run(2);
    send(request.writeWithImmediate(1, landing.rkey(), 24, 9), length);
    flip(landing.segment(), 24);
    pair.run(3);
    isBadCrc(a.next());
    assertThat(b.next().wrId()).isEqualTo(70);
    isBadCrc(b.completion());
    assertThat(b.completion().opcode()).isEqualTo(WcOpcode.RECV_RDMA_WITH_IMM);
    hasFailed();
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void aBitThatFlipsInWhatIsReadIsFoundAtBothSides(int buffer) {
    request.read(1, landing.rkey(), 0).sge(sink.lkey(), 0, 9).sge(sink.lkey(), 4096, 90_000);
    post(request);
    pair.a.link.doWork();
    for (int i = 0; i < 5; i++) {
      pair.b.link.doWork();
    }
    flip(sink.segment(), 4096L * buffer);
    pair.run(3);
    isBadCrc(a.next());
    assertThat(pair.b.told).contains("QP_FATAL of 1");
    hasFailed();
  }

  @Test
  void anAtomicWhoseRequestIsNotWhatWasSentIsNotCarriedOut() {
    long before = landing.segment().get(JAVA_LONG, 0);
    post(request.fetchAndAdd(1, landing.rkey(), 0, 1).sge(result.lkey(), 0, 8));
    flip(controlOfB(), ChannelLayout.REQUESTS + ChannelLayout.REQUEST_COMPARE_ADD);
    pair.run(3);
    isBadCrc(a.next());
    assertThat(landing.segment().get(JAVA_LONG, 0)).isEqualTo(before);
    assertThat(pair.b.told).contains("QP_FATAL of 1");
    hasFailed();
  }

  @Test
  void aBitThatFlipsInTheAnswerOfAnAtomicIsFoundAtBothSides() {
    post(request.compareAndSwap(1, landing.rkey(), 0, 1, 2).sge(result.lkey(), 0, 8));
    pair.a.link.doWork();
    pair.b.link.doWork();
    long entry = ChannelLayout.queuePair(SPEC, 0) + ChannelLayout.ANSWERS;
    flip(a.channel().localControl(), entry + ChannelLayout.ANSWER_VALUE + 7);
    pair.run(3);
    isBadCrc(a.next());
    assertThat(result.segment().get(JAVA_LONG, 0)).as("not told").isZero();
    hasFailed();
  }

  @Test
  void whatWasPostedFailsIfItChangesOnItsWay() {
    postReceive(70, SIZE);
    pair.run(2);
    a.qp().modify(QpState.SQD); // it is posted, and not sent yet
    send(request.send(1), 4096);
    flip(source.segment(), 5);
    a.qp().modify(QpState.RTS);
    pair.run(3);
    isBadCrc(a.next());
    isBadCrc(b.next());
  }

  @Test
  void writesToOnePlaceWaitForEachOtherAndMessagesForThem() {
    postReceive(70, SIZE);
    MemorySegment word = Arena.ofAuto().allocate(8);
    for (long i = 1; i <= 40; i++) {
      word.set(JAVA_LONG, 0, i);
      post(request.write(i, landing.rkey(), 512).inline(word, 0, 8).signaled(i == 40));
    }
    post(request.send(41).inline(word, 0, 8));
    pair.run(2);
    assertThat(b.isEmpty()).as("its writes are not checked yet").isTrue();
    pair.run(150);
    assertThat(landing.segment().get(JAVA_LONG, 512)).isEqualTo(40);
    assertThat(a.next().wrId()).isEqualTo(40);
    assertThat(a.next().wrId()).isEqualTo(41);
    assertThat(b.next().isSuccess()).isTrue();
    assertThat(a.channel().counters().crcErrors()).isZero();
  }

  @Test
  void aChannelThatFailedForACrcWorksAgainAfterReset() {
    failByImmediateData();
    pair.a.told.clear();
    connectAnew();
    postReceive(80, SIZE);
    send(request.send(4), 300);
    pair.run(4);
    assertThat(a.next().isSuccess()).isTrue();
    assertThat(b.next().isSuccess()).isTrue();
  }

  @Test
  void writesThatCameBeforeARegionIsClosedAreCheckedByThat() {
    send(request.write(1, landing.rkey(), 0), 4096);
    landing.close();
    pair.run(3);
    assertThat(a.next().status()).isEqualTo(WcStatus.SUCCESS);
    assertThat(a.qp().state()).isEqualTo(QpState.RTS);
  }

  @Test
  void withoutCrcsNothingIsFoundAndTheOtherChannelIsNotDisturbed() {
    End plainA = pair.a.end(1);
    End plainB = pair.b.end(1);
    MemoryRegion into =
        plainB.channel().register(0, plainB.channel().allocate(4096), Access.REMOTE_WRITE);
    plainA.qp().init().connect();
    plainB.qp().init().connect();
    pair.run(4);
    post(plainA, request.write(1, into.rkey(), 0).sge(source.lkey(), 0, 4096));
    flip(into.segment(), 0);
    pair.run(2);
    assertThat(plainA.next().isSuccess()).isTrue();
    failByImmediateData();
    assertThat(plainA.qp().state()).isEqualTo(QpState.RTS);
  }

  // --- what the tests are made of

  private void failByImmediateData() {
    postReceive(70, SIZE);
    pair.run(2);
    send(request.sendWithImmediate(1, 5), 8);
    flip(fill(), ChannelLayout.FILL_IMMEDIATE);
    pair.run(3);
    isBadCrc(a.next());
    isBadCrc(b.next());
    hasFailed();
  }

  private void send(WorkRequest what, int length) {
    boolean inline = length <= SPEC.maxInlineBytes();
    post(inline ? what.inline(source.segment(), 0, length) : what.sge(source.lkey(), 0, length));
  }

  private void post(WorkRequest what) {
    post(a, what);
    for (int i = 0; i < 4; i++) {
      pair.a.link.doWork(); // the data is where B has not looked yet
    }
  }

  private static void post(End from, WorkRequest what) {
    assertThat(from.qp().postSend(what)).isEqualTo(QueuePair.OK);
  }

  private void postReceive(long id, int length) {
    assertThat(b.qp().postReceive(id, inbox, 0, length)).isEqualTo(QueuePair.OK);
  }

  private static void flip(MemorySegment memory, long offset) {
    memory.set(JAVA_BYTE, offset, (byte) (memory.get(JAVA_BYTE, offset) ^ 0x10));
  }

  /** B's control memory of the queue pair. */
  private MemorySegment controlOfB() {
    return b.channel().localControl().asSlice(ChannelLayout.queuePair(SPEC, 0));
  }

  /** The newest fill of B's receives: that with the greatest count. */
  private MemorySegment fill() {
    MemorySegment fills =
        controlOfB().asSlice(ChannelLayout.RECEIVE_BLOCK + ChannelLayout.fills(RECEIVES));
    MemorySegment newest = fills;
    for (int i = 1; i < RECEIVES; i++) {
      MemorySegment entry = fills.asSlice(i * ChannelLayout.FILL_BYTES);
      if (newest.get(JAVA_LONG, 0) == 0
          || (int) entry.get(JAVA_LONG, 0) > (int) newest.get(JAVA_LONG, 0)) {
        newest = entry;
      }
    }
    return newest;
  }

  /** Of the newest but one, before which there was another. */
  private MemorySegment eagerPayload() {
    MemorySegment fills =
        controlOfB().asSlice(ChannelLayout.RECEIVE_BLOCK + ChannelLayout.fills(RECEIVES));
    return fills.asSlice(ChannelLayout.FILL_BYTES + ChannelLayout.FILL_PAYLOAD);
  }

  private static void isBadCrc(WorkCompletion completion) {
    assertThat(completion.status()).isEqualTo(WcStatus.GENERAL_ERR);
    assertThat(completion.vendorError()).isEqualTo(WorkCompletion.VENDOR_BAD_CRC);
  }

  private void hasFailed() {
    pair.run(2);
    for (End end : List.of(a, b)) {
      assertThat(end.qp().state()).isEqualTo(QpState.ERR);
      assertThat(end.qp().lastError()).contains("CRC");
      assertThat(end.channel().counters().crcErrors()).isEqualTo(1);
    }
  }

  private void connectAnew() {
    a.qp().reset().init().connect();
    b.qp().reset().init().connect();
    pair.runUntil(() -> a.qp().state() == QpState.RTS && b.qp().state() == QpState.RTS);
    pair.run(1);
  }
}
