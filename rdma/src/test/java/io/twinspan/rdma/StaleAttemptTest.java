package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.rdma.ChannelSpec.Direction;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The peer connects, sends and fails before this side looks; what it sent then is not delivered,
 * and nothing of the next connection is lost for it. Side B is the one that does not look.
 */
class StaleAttemptTest {
  private static final int OWN_DEPTH = 8;
  private static final int SHARED_DEPTH = 4;
  private static final int LONG_BYTES = 1024;
  private static final long OLD = 100;
  private static final long NEW = 200;
  private static final ChannelPlan PLAN =
      new ChannelPlan(
          List.of(
              new ChannelSpec(0, "own", Direction.BOTH, 1 << 20, 1 << 20, 1, 64, OWN_DEPTH, 64),
              new ChannelSpec(1, "shared", Direction.BOTH, 1 << 20, 1 << 20, 2, 64, OWN_DEPTH, 64)
                  .withSharedReceives(SHARED_DEPTH)));

  @TempDir Path directory;
  private LinkPair pair;
  private LinkPair.End a;
  private LinkPair.End b;
  private MemoryRegion inbox;
  private SharedReceiveQueue shared;
  private QueuePair sharerOfA;
  private QueuePair sharerOfB;
  private QueuePair otherOfA;
  private QueuePair otherOfB;
  private CompletionQueue sharedCompletions;
  private CompletionQueue otherCompletions;
  private MemoryRegion sharedInbox;
  private final MemorySegment data = MemorySegment.ofArray(new long[LONG_BYTES / 8]);
  private final WorkRequest request = new WorkRequest();
  private final WorkCompletion completion = new WorkCompletion();

  @BeforeEach
  void open() {
    pair = new LinkPair(directory, PLAN);
    a = pair.a.end(0);
    b = pair.b.end(0);
    inbox = b.channel().register(0, b.channel().allocate(8192), Access.LOCAL_WRITE);
    Channel ofB = pair.b.link.channel(1);
    shared = ofB.sharedReceiveQueue();
    sharedInbox = ofB.register(0, ofB.allocate(8192), Access.LOCAL_WRITE);
    CompletionQueue atA = pair.a.link.createCompletionQueue(256);
    sharedCompletions = pair.b.link.createCompletionQueue(256);
    otherCompletions = pair.b.link.createCompletionQueue(256);
    sharerOfA = pair.a.link.channel(1).createQueuePair(0, atA, atA);
    otherOfA = pair.a.link.channel(1).createQueuePair(1, atA, atA);
    sharerOfB = ofB.createQueuePair(0, sharedCompletions, sharedCompletions, shared);
    otherOfB = ofB.createQueuePair(1, otherCompletions, otherCompletions, shared);
  }

  @AfterEach
  void close() {
    pair.close();
  }

  @Test
  void whatWasSentBeforeTheFailureIsNotDeliveredToTheNextConnection() {
    b.qp().init();
    postReceives();
    b.qp().connect();
    connectSendAndFail(a.qp(), b.qp(), 3);
    a.qp().reset().init().connect();
    pair.run(3);
    sendNew(a.qp(), 2);
    pair.run(3);
    assertThat(received(b.cq(), inbox)).containsExactly(NEW, NEW + 1);
    assertThat(pair.b.events).containsExactly(CmEvent.ESTABLISHED);
  }

  @Test
  void messagesThatCameByDescriptorAreNotDeliveredEither() {
    b.qp().init();
    postReceives();
    b.qp().connect();
    pair.bRuns(false);
    a.qp().init().connect();
    pair.run(2);
    MemoryRegion source = pair.a.link.protectionDomain().register(a.channel().segment());
    assertThat(a.qp().postSend(request.send(1).sge(source.lkey(), 0, LONG_BYTES)))
        .isEqualTo(QueuePair.OK);
    pair.run(2);
    assertThat(a.next().isSuccess()).as("it was stored").isTrue();
    a.qp().disconnect();
    a.qp().reset().init().connect();
    pair.bRuns(true);
    pair.run(3);
    sendNew(a.qp(), OWN_DEPTH);
    pair.run(3);
    assertThat(received(b.cq(), inbox)).hasSize(OWN_DEPTH).first().isEqualTo(NEW);
  }

  @Test
  void aTimeOutWithoutResetNumbersTheReceivesAnew() {
    b.qp().init();
    postReceives();
    b.qp().connect(Duration.ofMillis(3));
    connectSendAndFail(a.qp(), b.qp(), 2);
    pair.run(10);
    assertThat(b.qp().state()).isEqualTo(QpState.INIT);
    b.qp().connect(Duration.ofSeconds(1));
    a.qp().reset().init().connect();
    pair.run(3);
    sendNew(a.qp(), OWN_DEPTH);
    pair.run(3);
    assertThat(received(b.cq(), inbox)).hasSize(OWN_DEPTH).startsWith(NEW).doesNotContain(OLD);
  }

  @Test
  void thePartnerThatAsksAgainBeforeThisSideLooksGetsReceivesOfItsOwn() {
    b.qp().init();
    postReceives();
    b.qp().connect();
    pair.bRuns(false);
    for (int i = 0; i < 3; i++) {
      a.qp().init().connect();
      pair.run(2);
      if (a.qp().state() == QpState.RTS) {
        send(a.qp(), OLD, 2);
      }
      pair.run(1);
      a.qp().disconnect();
      a.qp().reset();
    }
    a.qp().init().connect();
    pair.bRuns(true);
    pair.run(4);
    sendNew(a.qp(), OWN_DEPTH);
    pair.run(3);
    assertThat(received(b.cq(), inbox)).hasSize(OWN_DEPTH).startsWith(NEW).doesNotContain(OLD);
  }

  @Test
  void manyAttemptsAreNoBreachForAPartnerThatStillThinksItIsConnected() {
    b.qp().init();
    postReceives();
    b.qp().connect();
    pair.bRuns(false);
    a.qp().init().connect();
    pair.run(2);
    send(a.qp(), OLD, OWN_DEPTH);
    b.qp().disconnect(); // and its receives jump
    b.qp().reset().init();
    assertThat(received(b.cq(), inbox)).as("all flushed").isEmpty();
    postReceives();
    b.qp().connect();
    assertThat(a.qp().postSend(request.send(9).inline(data, 0, 8))).isEqualTo(QueuePair.OK);
    pair.run(3);
    assertThat(pair.a.told).contains("DISCONNECTED of 1").doesNotContain("QP_FATAL of 1");
  }

  @Test
  void sharedReceivesThatAFormerAttemptTookComeBackFlushed() {
    sharerOfB.init();
    for (int i = 0; i < SHARED_DEPTH; i++) {
      postShared(i);
    }
    sharerOfB.connect();
    connectSendAndFail(sharerOfA, sharerOfB, 2);
    sharerOfA.reset().init().connect();
    pair.run(3);
    sendNew(sharerOfA, 2);
    pair.run(3);
    assertThat(received(sharedCompletions, sharedInbox)).containsExactly(NEW, NEW + 1);
  }

  @Test
  void aMessageThatIsFoundBeforeItsQueuePairHasLookedIsDelivered() {
    connect(otherOfA, otherOfB);
    for (int i = 0; i < SHARED_DEPTH; i++) {
      postShared(i);
    }
    sharerOfB.init().connect();
    connectSendAndFail(sharerOfA, sharerOfB, 1);
    sharerOfA.reset().init();
    pair.run(2); // B asks anew, and is asleep when that is answered
    pair.bRuns(false);
    sharerOfA.connect();
    pair.run(2);
    assertThat(sharerOfA.state()).isEqualTo(QpState.RTS);
    sendNew(sharerOfA, 1);
    send(otherOfA, OLD, 1);
    otherOfB.audit();
    otherOfB.settle(); // as if it had its turn before
    assertThat(received(sharedCompletions, sharedInbox)).containsExactly(NEW);
    assertThat(received(otherCompletions, sharedInbox)).containsExactly(OLD);
    assertThat(sharerOfB.state()).isEqualTo(QpState.RTS);
  }

  @Test
  void aSharedReceiveThatWaitsForAFullCompletionQueueGoesToNoLaterConnection() {
    connect(sharerOfA, sharerOfB);
    for (int i = 0; i < SHARED_DEPTH; i++) {
      postShared(i);
    }
    sendNew(sharerOfA, SHARED_DEPTH);
    pair.run(2);
    postShared(0);
    send(sharerOfA, OLD, 1);
    pair.run(2);
    assertThat(sharedCompletions.size()).as("full for this queue").isEqualTo(SHARED_DEPTH);
    sharerOfA.disconnect();
    pair.run(2);
    assertThat(pair.b.told).contains("QP_LAST_WQE_REACHED of " + sharerOfB.number());
    connectAnew();
    assertThat(received(sharedCompletions, sharedInbox)).hasSize(SHARED_DEPTH);
    postShared(1);
    sendNew(sharerOfA, 1);
    pair.run(3);
    assertThat(sharedCompletions.poll(completion)).isTrue();
    assertThat(completion.status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
    assertThat(received(sharedCompletions, sharedInbox)).containsExactly(NEW);
  }

  private void connectAnew() {
    sharerOfA.reset().init().connect();
    sharerOfB.reset().init().connect();
    pair.runUntil(() -> sharerOfA.state() == QpState.RTS && sharerOfB.state() == QpState.RTS);
  }

  private void connect(QueuePair ofA, QueuePair ofB) {
    ofA.init().connect();
    ofB.init().connect();
    pair.runUntil(() -> ofA.state() == QpState.RTS && ofB.state() == QpState.RTS);
  }

  /** B has asked; A connects, sends and fails before B looks. */
  private void connectSendAndFail(QueuePair ofA, QueuePair ofB, int messages) {
    pair.bRuns(false);
    ofA.init().connect();
    pair.run(2);
    assertThat(ofA.state()).isEqualTo(QpState.RTS);
    send(ofA, OLD, messages);
    pair.run(1);
    ofA.disconnect();
    assertThat(ofB.state()).as("it has not looked").isEqualTo(QpState.INIT);
    pair.bRuns(true);
  }

  private void sendNew(QueuePair from, int count) {
    send(from, NEW, count);
  }

  private void send(QueuePair from, long first, int count) {
    for (int i = 0; i < count; i++) {
      data.set(JAVA_LONG, 0, first + i);
      assertThat(from.postSend(request.send(i).inline(data, 0, 8))).isEqualTo(QueuePair.OK);
    }
  }

  private void postReceives() {
    for (int i = 0; i < OWN_DEPTH; i++) {
      assertThat(b.qp().postReceive(i, inbox, i * 1024L, 1024)).isEqualTo(QueuePair.OK);
    }
  }

  private void postShared(int id) {
    assertThat(shared.postReceive(id, sharedInbox, id * 1024L, 1024)).isEqualTo(QueuePair.OK);
  }

  /** First words of the messages that were delivered; leaves out what was flushed. */
  private List<Long> received(CompletionQueue queue, MemoryRegion into) {
    List<Long> values = new ArrayList<>();
    while (queue.poll(completion)) {
      if (completion.isSuccess()) {
        values.add(into.segment().get(JAVA_LONG, completion.wrId() * 1024L));
      }
    }
    return values;
  }
}
