package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.bridge.LinkDown;
import io.twinspan.rdma.ChannelSpec.Direction;
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

class SharedReceiveQueueTest {
  private static final int PAIRS = 3;
  private static final int DEPTH = 16;
  private static final int BUFFER = 4096;

  /** More than the link copies in one round. */
  private static final int LARGE = 512 << 10;

  private static final ChannelPlan PLAN =
      new ChannelPlan(
          List.of(
              new ChannelSpec(0, "shared", Direction.BOTH, 1 << 20, 1 << 20, PAIRS, 32, 8, 64)
                  .withSharedReceives(DEPTH),
              new ChannelSpec(1, "none", Direction.BOTH, 4096, 4096, 1, 8, 8, 64)));

  @TempDir Path directory;
  private LinkPair pair;
  private SharedReceiveQueue shared;
  private MemoryRegion inbox;
  private MemoryRegion source;
  private CompletionQueue received;
  private CompletionQueue sent;
  private final List<QueuePair> a = new ArrayList<>();
  private final List<QueuePair> b = new ArrayList<>();
  private final List<AsyncEvent.Type> limits = new ArrayList<>();
  private final WorkRequest request = new WorkRequest();
  private final WorkCompletion completion = new WorkCompletion();

  @BeforeEach
  void connect() {
    pair = new LinkPair(directory, PLAN);
    Channel of = pair.b.link.channel(0);
    shared = of.sharedReceiveQueue();
    pair.b.link.listener(
        new LinkListener() {
          @Override
          public void linkUp(long generation) {}

          @Override
          public void linkDown(LinkDown why) {}

          @Override
          public void asyncEvent(AsyncEvent event) {
            if (event.type() == AsyncEvent.Type.SRQ_LIMIT_REACHED) {
              limits.add(event.type());
            }
          }
        });
    received = pair.b.link.createCompletionQueue(PAIRS * (DEPTH + 32));
    sent = pair.a.link.createCompletionQueue(PAIRS * (8 + 32));
    for (int i = 0; i < PAIRS; i++) {
      a.add(pair.a.link.channel(0).createQueuePair(i, sent, sent));
      b.add(of.createQueuePair(i, received, received, shared));
    }
    inbox = of.register(0, of.allocate((long) DEPTH * BUFFER), Access.LOCAL_WRITE);
    MemorySegment memory = Arena.ofAuto().allocate(BUFFER, 64);
    source = pair.a.link.protectionDomain().register(memory);
    for (int i = 0; i < PAIRS; i++) {
      connectAnew(i);
    }
  }

  @AfterEach
  void close() {
    pair.close();
  }

  @Test
  void messagesOfAllQueuePairsTakeTheOldestReceive() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    for (int i = 0; i < DEPTH; i++) {
      post(i);
    }
    long[] next = new long[PAIRS];
    long[] expected = new long[PAIRS];
    for (int round = 0; round < 500; round++) {
      int which = random.nextInt(PAIRS);
      source.segment().set(JAVA_LONG, 0, next[which]++);
      request.send(which);
      if (random.nextBoolean()) {
        request.sge(source.lkey(), 0, 8 + random.nextInt(BUFFER - 8));
      } else {
        request.inline(source.segment(), 0, 8);
      }
      assertThat(a.get(which).postSend(request)).as("seed %d", seed).isEqualTo(QueuePair.OK);
      pair.run(random.nextInt(3));
      take(expected, seed);
    }
    pair.run(3);
    take(expected, seed);
    assertThat(expected).as("seed %d", seed).isEqualTo(next);
    assertThat(shared.size()).isEqualTo(DEPTH);
  }

  private void take(long[] expected, long seed) {
    while (received.poll(completion)) {
      assertThat(completion.status()).as("seed %d", seed).isEqualTo(WcStatus.SUCCESS);
      int which = completion.queuePairNumber() - b.getFirst().number();
      long value = inbox.segment().get(JAVA_LONG, completion.wrId() * BUFFER);
      assertThat(value).as("seed %d", seed).isEqualTo(expected[which]++);
      post(completion.wrId());
    }
    while (sent.poll(completion)) {
      assertThat(completion.isSuccess()).as("seed %d", seed).isTrue();
    }
  }

  @Test
  void aQueuePairThatFailsGivesItsReceivesBackAndTheOthersGoOn() {
    post(0);
    post(1);
    MemorySegment text = MemorySegment.ofArray(new long[] {7});
    assertThat(a.get(0).postSend(request.send(1).inline(text, 0, 8))).isEqualTo(QueuePair.OK);
    assertThat(a.get(0).postSend(request.write(2, 1, 0).sge(source.lkey(), 0, 8)))
        .as("of a key that there is not")
        .isEqualTo(QueuePair.OK);
    assertThat(a.get(0).state()).isEqualTo(QpState.ERR);
    assertThat(a.get(1).postSend(request.send(3).inline(text, 0, 8))).isEqualTo(QueuePair.OK);
    pair.run(3);

    assertThat(b.get(0).state()).isEqualTo(QpState.ERR);
    assertThat(b.get(1).state()).isEqualTo(QpState.RTS);
    assertThat(received.poll(completion)).isTrue();
    assertThat(completion.isSuccess()).isTrue();
    assertThat(received.poll(completion)).isTrue();
    assertThat(completion.queuePairNumber()).isEqualTo(b.get(1).number());
    assertThat(completion.isSuccess()).isTrue();
    assertThat(received.poll(completion)).as("shared receives are not flushed").isFalse();
    connectAnew(0);
    post(2);
    assertThat(a.get(0).postSend(request.send(4).inline(text, 0, 8))).isEqualTo(QueuePair.OK);
    pair.run(2);
    assertThat(received.poll(completion)).isTrue();
    assertThat(completion.wrId()).isEqualTo(2);
  }

  @Test
  void aMessageForAQueuePairThatHasFailedMeanwhileBringsItsReceiveBackFlushed() {
    post(0);
    MemorySegment text = MemorySegment.ofArray(new long[] {7});
    pair.bRuns(false);
    b.get(0).disconnect();
    assertThat(a.get(0).postSend(request.send(1).inline(text, 0, 8))).isEqualTo(QueuePair.OK);
    pair.bRuns(true);
    pair.run(3);
    assertThat(received.poll(completion)).isTrue();
    assertThat(completion.wrId()).isZero();
    assertThat(completion.status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
    assertThat(a.get(0).state()).isEqualTo(QpState.ERR);
  }

  @Test
  void tellsOnceThatFewReceivesAreLeft() {
    MemorySegment text = MemorySegment.ofArray(new long[] {7});
    for (int i = 0; i < 4; i++) {
      post(i);
    }
    shared.limit(3);
    for (int i = 0; i < 3; i++) {
      assertThat(limits).hasSize(i < 2 ? 0 : 1);
      assertThat(a.get(i).postSend(request.send(i).inline(text, 0, 8))).isEqualTo(QueuePair.OK);
      pair.run(2);
    }
    assertThat(limits).containsExactly(AsyncEvent.Type.SRQ_LIMIT_REACHED);
  }

  @Test
  void takesNoMoreThanItHoldsAndNoneOfTheQueuePairsOwn() {
    for (int i = 0; i < DEPTH; i++) {
      post(i);
    }
    assertThat(shared.postReceive(99, inbox, 0, 8)).isEqualTo(QueuePair.FULL);
    assertThat(b.get(0).postReceive(1, inbox, 0, 8)).isEqualTo(QueuePair.INVALID);
    assertThatThrownBy(() -> pair.b.link.channel(1).sharedReceiveQueue())
        .hasMessageContaining("no shared receives");
  }

  @Test
  void nonsenseInTheSharedRingFailsAllWhoUseIt() {
    post(0);
    long fills = ChannelLayout.SHARED_RECEIVES + ChannelLayout.fills(DEPTH);
    MemorySegment toB = pair.a.link.channel(0).remoteControl();
    toB.set(JAVA_LONG, fills, ChannelLayout.word(0, ChannelLayout.OPCODE_SEND, 9, 0, 0));
    pair.run(3);
    for (QueuePair queuePair : b) {
      assertThat(queuePair.state()).isEqualTo(QpState.ERR);
    }
    assertThat(shared.postReceive(1, inbox, 0, 8)).isEqualTo(QueuePair.BAD_STATE);
    assertThat(pair.b.link.isUp()).isTrue();
  }

  @Test
  void noMessageIsToldSuccessfulThatThePeerCantSeeBehindAnotherQueuePairsLongOne() {
    MemoryRegion large = largeInbox();
    MemorySegment text = MemorySegment.ofArray(new long[] {7});
    assertThat(shared.postReceive(0, large, 0, LARGE)).isEqualTo(QueuePair.OK);
    post(1);
    assertThat(a.get(0).postSend(request.send(10).sge(largeSource().lkey(), 0, LARGE)))
        .isEqualTo(QueuePair.OK);
    assertThat(a.get(1).postSend(request.send(11).inline(text, 0, 8))).isEqualTo(QueuePair.OK);
    int _ = pair.a.link.doWork();
    assertThat(sent.size()).as("the long one is under way").isZero();
    b.get(1).disconnect();
    pair.run(6);

    assertThat(statuses(sent)).containsExactlyInAnyOrder("10 SUCCESS", "11 RETRY_EXC_ERR");
    assertThat(statuses(received)).containsExactly("0 SUCCESS", "1 WR_FLUSH_ERR");
  }

  @Test
  void noMessageArrivesAfterOneOfTheSameQueuePairThatFailedInTheEngine() {
    MemoryRegion large = largeInbox();
    post(1);
    post(2);
    WorkRequest write = request.writeWithImmediate(10, large.rkey(), 0, 5);
    assertThat(a.get(0).postSend(write.sge(largeSource().lkey(), 0, LARGE)))
        .isEqualTo(QueuePair.OK);
    assertThat(a.get(0).postSend(request.send(11).sge(source.lkey(), 0, BUFFER)))
        .isEqualTo(QueuePair.OK);
    large.close();
    pair.run(6);

    assertThat(statuses(sent)).containsExactly("10 REM_ACCESS_ERR", "11 WR_FLUSH_ERR");
    assertThat(statuses(received)).containsExactly("1 WR_FLUSH_ERR", "2 WR_FLUSH_ERR");
  }

  @Test
  void aFillThatNamesAnAttemptBeforeItIsMadeConnectsNobodyTwice() {
    post(0);
    a.get(0).reset();
    pair.run(2);
    b.get(0).reset().init().connect();
    pair.run(1);
    ChannelSpec spec = PLAN.channels().getFirst();
    MemorySegment toB = pair.a.link.channel(0).remoteControl();
    MemorySegment toA = pair.b.link.channel(0).remoteControl();
    long block = ChannelLayout.queuePair(spec, 0);
    long serial = (toA.get(JAVA_LONG, block + ChannelLayout.CM_WORD) >>> Byte.SIZE) + 1;
    int detail = ChannelLayout.fillDetail(8, ChannelLayout.attemptOf(serial));
    int flags = ChannelLayout.FLAG_EAGER;
    toB.set(
        JAVA_LONG,
        ChannelLayout.SHARED_RECEIVES + ChannelLayout.fills(DEPTH),
        ChannelLayout.word(0, ChannelLayout.OPCODE_SEND, 0, flags, detail));
    toB.set(JAVA_LONG, block + ChannelLayout.CM_WORD, serial << Byte.SIZE | 1); // it asks

    pair.run(2);
    assertThat(pair.b.link.isUp()).isTrue();
    assertThat(b.get(1).state()).isEqualTo(QpState.RTS);
    assertThat(statuses(received)).containsExactly("0 WR_FLUSH_ERR");
  }

  private MemoryRegion largeInbox() {
    Channel of = pair.b.link.channel(0);
    return of.register(1, of.allocate(LARGE), Access.LOCAL_WRITE, Access.REMOTE_WRITE);
  }

  private MemoryRegion largeSource() {
    return pair.a.link.protectionDomain().register(Arena.ofAuto().allocate(LARGE, 64));
  }

  private List<String> statuses(CompletionQueue queue) {
    List<String> all = new ArrayList<>();
    while (queue.poll(completion)) {
      all.add(completion.wrId() + " " + completion.status());
    }
    return all;
  }

  private void post(long id) {
    assertThat(shared.postReceive(id, inbox, id * BUFFER, BUFFER)).isEqualTo(QueuePair.OK);
  }

  private void connectAnew(int i) {
    a.get(i).reset().init().connect();
    b.get(i).reset().init().connect();
    pair.runUntil(() -> a.get(i).state() == QpState.RTS && b.get(i).state() == QpState.RTS);
  }
}
