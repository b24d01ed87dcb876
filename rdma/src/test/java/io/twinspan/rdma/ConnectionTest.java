package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.bridge.LinkDown;
import io.twinspan.rdma.ChannelSpec.Direction;
import io.twinspan.rdma.LinkPair.End;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** States, attributes, connections and events of a queue pair. */
class ConnectionTest {
  private static final ChannelPlan PLAN =
      new ChannelPlan(
          List.of(new ChannelSpec(0, "both", Direction.BOTH, 1 << 20, 1 << 20, 2, 8, 8, 64)));
  private static final MemorySegment WORD = Arena.ofAuto().allocate(8);

  @TempDir Path directory;
  private LinkPair pair;
  private End a;
  private End b;
  private final WorkRequest request = new WorkRequest();

  @BeforeEach
  void open() {
    pair = new LinkPair(directory, PLAN);
    a = pair.a.end(0);
    b = pair.b.end(0);
  }

  @AfterEach
  void close() {
    pair.close();
  }

  @Test
  void aPolicyAcceptsByItselfAndTheAnswerCarriesItsData() {
    b.qp()
        .listen(data ->
            data.length == 1 && data[0] == 7
                ? ConnectPolicy.Answer.accept((byte) 8)
                : ConnectPolicy.Answer.reject((byte) 9));
    a.qp().init().connect((byte) 6);
    pair.run(3);
    assertThat(pair.a.events).as("b is not in INIT yet").isEmpty();
    b.qp().init();
    pair.run(3);
    assertThat(pair.a.events).containsExactly(CmEvent.REJECTED);
    assertThat(a.qp().peerPrivateData()).containsExactly(9);

    a.qp().connect((byte) 7);
    pair.run(3);
    assertThat(pair.a.events).containsExactly(CmEvent.REJECTED, CmEvent.ESTABLISHED);
    assertThat(pair.b.events).as("no request").containsExactly(CmEvent.ESTABLISHED);
    assertThat(a.qp().peerPrivateData()).containsExactly(8);
    assertThat(b.qp().state()).isEqualTo(QpState.RTS);
  }

  @Test
  void anEventIsToldWithItsOwnPrivateDataThoughThePeerHasSaidMoreSince() {
    List<String> heard = new ArrayList<>();
    pair.a.onConnectionEvent = () -> heard.add(Arrays.toString(a.qp().peerPrivateData()));
    a.qp().init();
    b.qp().init().connect((byte) 1, (byte) 2);
    pair.run(2);
    a.qp().accept();
    int _ = pair.b.link.doWork();
    assertThat(b.qp().state()).isEqualTo(QpState.RTS);
    b.qp().disconnect();
    b.qp().reset().init().connect((byte) 7);
    pair.run(2); // a is told of all this at once
    assertThat(pair.a.events)
        .containsExactly(
            CmEvent.CONNECT_REQUEST,
            CmEvent.ESTABLISHED,
            CmEvent.DISCONNECTED,
            CmEvent.CONNECT_REQUEST);
    assertThat(heard).containsExactly("[1, 2]", "[1, 2]", "[1, 2]", "[7]");
  }

  @Test
  void connectingGivesUpInTimeAndMayBeTriedAgain() {
    b.qp().init();
    a.qp().init().connect(Duration.ofMillis(20));
    pair.run(19);
    assertThat(pair.a.events).isEmpty();
    assertThat(a.qp().nextDeadlineNs()).isEqualTo(pair.clock.nanoTime() + LinkPair.MS);
    pair.run(1);
    assertThat(pair.a.events).containsExactly(CmEvent.UNREACHABLE);
    assertThat(a.qp().state()).isEqualTo(QpState.INIT);
    pair.run(2);
    assertThatThrownBy(() -> b.qp().accept()).hasMessageContaining("nobody asks");

    a.qp().connect(Duration.ofMillis(20));
    pair.run(2);
    b.qp().accept();
    pair.run(40);
    assertThat(pair.a.events).containsExactly(CmEvent.UNREACHABLE, CmEvent.ESTABLISHED);
  }

  @Test
  void anAcceptThatComesTooLateEndsInADisconnect() {
    b.qp().init();
    a.qp().init().connect(Duration.ofMillis(5));
    pair.run(2);
    pair.bRuns(false);
    pair.run(5);
    assertThat(pair.a.events).containsExactly(CmEvent.UNREACHABLE);
    b.qp().accept(); // it has not looked since
    pair.bRuns(true);
    pair.run(3);
    assertThat(b.qp().state()).isEqualTo(QpState.ERR);
    assertThat(pair.b.events)
        .containsExactly(CmEvent.CONNECT_REQUEST, CmEvent.ESTABLISHED, CmEvent.DISCONNECTED);
    assertThat(a.qp().state()).isEqualTo(QpState.INIT);
  }

  @Test
  void disconnectingIsToldAtBothSides() {
    connect();
    a.qp().disconnect();
    assertThat(pair.a.told).as("only in doWork").isEmpty();
    pair.run(2);
    assertThat(pair.a.told).containsExactly("DISCONNECTED of 1");
    assertThat(pair.b.told).containsExactly("DISCONNECTED of 1");
    assertThat(b.qp().lastError()).isEqualTo("disconnected by the peer");
  }

  @Test
  void whatWasToBeToldOfAQueuePairIsDroppedWhenItBeginsAnew() {
    connect();
    a.qp().disconnect();
    a.qp().reset();
    pair.run(2);
    assertThat(pair.a.told).isEmpty();
  }

  @Test
  void aLinkThatGoesDownIsToldInOneOrder() {
    CompletionQueue queue = pair.a.link.createCompletionQueue(16);
    QueuePair second = a.channel().createQueuePair(1, queue, queue);
    connect();
    second.init();
    pair.a.link.fail(LinkDown.Kind.PROTOCOL, "the test says so");
    assertThat(pair.a.told)
        .containsExactly("PORT_ERR", "DEVICE_REMOVAL of 1", "DEVICE_REMOVAL of 2", "linkDown");
    assertThat(a.qp().state()).isEqualTo(QpState.ERR);
    pair.a.told.clear();
    pair.runUntil(() -> pair.a.link.isUp());
    assertThat(pair.a.told).containsExactly("linkUp", "PORT_ACTIVE");
  }

  @Test
  void theFirstMessageOfAConnectionIsToldOnce() {
    connect();
    MemoryRegion region = b.channel().register(0, b.channel().allocate(64), Access.LOCAL_WRITE);
    for (int i = 0; i < 2; i++) {
      assertThat(b.qp().postReceive(i, region, 0, 64)).isEqualTo(QueuePair.OK);
      pair.run(2);
      assertThat(a.qp().postSend(request.send(i).inline(WORD, 0, 8))).isEqualTo(QueuePair.OK);
      pair.run(2);
    }
    assertThat(pair.b.told).containsExactly("COMM_EST of 1");
  }

  @Test
  void aBreachOfTheProtocolIsFatalForTheQueuePairOnly() {
    connect();
    long receives =
        ChannelLayout.queuePair(PLAN.channels().getFirst(), 0) + ChannelLayout.RECEIVE_BLOCK;
    b.channel().remoteControl().set(JAVA_LONG, receives + ChannelLayout.POSTED, 1_000_000);
    assertThat(a.qp().postSend(request.send(1).inline(WORD, 0, 8))).isEqualTo(QueuePair.OK);
    pair.run(2);
    assertThat(pair.a.told).containsExactly("QP_FATAL of 1", "DISCONNECTED of 1");
    assertThat(pair.b.told).containsExactly("DISCONNECTED of 1");
  }

  @Test
  void aLinkWhoseWorkThrowsSaysThatItIsBroken() {
    connect();
    LinkListener clumsy =
        new LinkListener() {
          @Override
          public void linkUp(long generation) {}

          @Override
          public void linkDown(LinkDown why) {}

          @Override
          public void connectionEvent(QueuePair queuePair, CmEvent event) {
            throw new IllegalStateException("clumsy");
          }

          @Override
          public void asyncEvent(AsyncEvent event) {
            pair.a.asyncEvent(event);
          }
        };
    pair.a.link.listener(clumsy);
    a.qp().disconnect();
    assertThatThrownBy(() -> pair.a.link.doWork()).hasMessage("clumsy");
    pair.a.link.listener(pair.a);
    assertThat(pair.a.told).containsExactly("DEVICE_FATAL");
  }

  @Test
  void aDrainedSendQueueHoldsBackWhatIsPostedWhileReceivingGoesOn() {
    connect();
    MemoryRegion receives = b.channel().register(0, b.channel().allocate(64), Access.LOCAL_WRITE);
    MemoryRegion own = a.channel().register(0, a.channel().allocate(64), Access.LOCAL_WRITE);
    assertThat(a.qp().postReceive(70, own, 0, 64)).isEqualTo(QueuePair.OK);
    assertThat(b.qp().postReceive(71, receives, 0, 64)).isEqualTo(QueuePair.OK);
    pair.run(2);

    a.qp().modify(QpState.SQD);
    assertThat(a.qp().postSend(request.send(1).inline(WORD, 0, 8))).isEqualTo(QueuePair.OK);
    assertThat(b.qp().postSend(request.send(2).inline(WORD, 0, 8))).isEqualTo(QueuePair.OK);
    pair.run(20);
    assertThat(pair.a.told).containsExactlyInAnyOrder("SQ_DRAINED of 1", "COMM_EST of 1");
    assertThat(a.next().wrId()).as("received").isEqualTo(70);
    assertThat(a.isEmpty()).isTrue();
    assertThat(b.next().wrId()).as("sent").isEqualTo(2);
    assertThat(b.isEmpty()).isTrue();

    a.qp().modify(QpState.RTS);
    pair.run(2);
    assertThat(a.next().wrId()).isEqualTo(1);
    assertThat(b.next().wrId()).isEqualTo(71);
    assertThat(pair.a.told).as("once").containsOnlyOnce("SQ_DRAINED of 1");
  }

  @Test
  void aDrainedQueuePairFailsAndFlushesAsAnyOther() {
    connect();
    a.qp().modify(QpState.SQD);
    assertThat(a.qp().postSend(request.send(1).inline(WORD, 0, 8))).isEqualTo(QueuePair.OK);
    b.qp().disconnect();
    pair.run(3);
    assertThat(a.qp().state()).isEqualTo(QpState.ERR);
    assertThat(a.next().status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
  }

  @Test
  void theConnectionManagerAloneLeadsToReadyToSend() {
    a.qp().init();
    assertThatThrownBy(() -> a.qp().modify(QpState.RTR)).hasMessageContaining("by connecting");
    assertThatThrownBy(() -> a.qp().modify(QpState.RTS)).hasMessageContaining("by connecting");
    assertThatThrownBy(() -> a.qp().modify(QpState.SQD)).hasMessageContaining("can't become SQD");
    assertThatThrownBy(() -> a.qp().modify(QpState.SQE)).hasMessageContaining("can't become SQE");
    assertThat(a.qp().state()).isEqualTo(QpState.INIT);
    assertThat(a.qp().modify(QpState.ERR).state()).isEqualTo(QpState.ERR);
    assertThatThrownBy(() -> a.qp().init()).hasMessageContaining("can't become INIT");
    assertThat(a.qp().reset().reset().state()).isEqualTo(QpState.RESET);
    assertThatThrownBy(() -> a.qp().modify(QpState.ERR)).hasMessageContaining("can't become ERR");
  }

  @Test
  void withoutRetriesASendFailsAtOnceWhenThePeerHasNoReceive() {
    connect(QpAttributes.DEFAULTS.withRnrRetry(0), QpAttributes.DEFAULTS);
    assertThat(a.qp().postSend(request.send(1).inline(WORD, 0, 8))).isEqualTo(QueuePair.OK);
    pair.run(1);
    assertThat(a.next().status()).isEqualTo(WcStatus.RNR_RETRY_EXC_ERR);
  }

  @Test
  void retriesLastAsLongAsThePartnersTimerSays() {
    connect(
        QpAttributes.DEFAULTS.withRnrRetry(3).withMinRnrTimer(Duration.ofMillis(500)),
        QpAttributes.DEFAULTS.withMinRnrTimer(Duration.ofMillis(4)));
    assertThat(a.qp().postSend(request.send(1).inline(WORD, 0, 8))).isEqualTo(QueuePair.OK);
    pair.run(11);
    assertThat(a.isEmpty()).isTrue();
    assertThat(a.qp().nextDeadlineNs()).isEqualTo(pair.clock.nanoTime() + LinkPair.MS);
    pair.run(1);
    assertThat(a.next().status()).isEqualTo(WcStatus.RNR_RETRY_EXC_ERR);
  }

  @Test
  void aQueuePairMayRefuseWhatARegionGrants() {
    connect(QpAttributes.DEFAULTS, QpAttributes.DEFAULTS.withRemoteAccess(Access.REMOTE_READ));
    MemoryRegion _ = b.channel().register(0, b.channel().allocate(64), Access.REMOTE_WRITE);
    int rkey = a.channel().remoteRegion(0).rkey();
    assertThat(a.qp().postSend(request.write(1, rkey, 0).inline(WORD, 0, 8)))
        .isEqualTo(QueuePair.OK);
    pair.run(1);
    assertThat(a.next().status()).isEqualTo(WcStatus.REM_ACCESS_ERR);
  }

  @Test
  void whatThePartnerWasToldStaysForTheConnection() {
    QpAttributes own = QpAttributes.DEFAULTS.withReadsAndAtomics(4, 2);
    connect(own, QpAttributes.DEFAULTS.withReadsAndAtomics(16, 3));
    assertThat(a.qp().readsAndAtomics()).as("the lesser").isEqualTo(3);
    assertThat(b.qp().readsAndAtomics()).isEqualTo(2);
    assertThat(a.qp().attributes()).isEqualTo(own);

    a.qp().modify(QpState.RTS, own.withRnrRetry(1).withReadsAndAtomics(1, 2));
    assertThat(a.qp().readsAndAtomics()).isEqualTo(1);
    QpAttributes told = own.withMinRnrTimer(Duration.ofMillis(1));
    assertThatThrownBy(() -> a.qp().modify(QpState.RTS, told))
        .isInstanceOf(IllegalArgumentException.class);
    assertThat(a.qp().attributes().rnrRetry()).isEqualTo(1);
    a.qp().reset().modify(QpState.INIT, told);
    assertThat(a.qp().attributes()).isEqualTo(told);
    a.qp().connect();
    assertThatThrownBy(() -> a.qp().modify(QpState.INIT, own))
        .as("it has asked with these")
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void refusesAttributesThatMeanNothing() {
    QpAttributes sound = QpAttributes.DEFAULTS;
    assertThatThrownBy(() -> sound.withRnrRetry(8)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> sound.withMinRnrTimer(Duration.ZERO)).hasMessageContaining("timer");
    assertThatThrownBy(() -> sound.withMinRnrTimer(Duration.ofSeconds(1)))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> sound.withReadsAndAtomics(17, 0))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> sound.withRemoteAccess(Access.LOCAL_WRITE))
        .isInstanceOf(IllegalArgumentException.class);
  }

  private void connect() {
    connect(QpAttributes.DEFAULTS, QpAttributes.DEFAULTS);
  }

  private void connect(QpAttributes ofA, QpAttributes ofB) {
    a.qp().modify(QpState.INIT, ofA).connect();
    b.qp().modify(QpState.INIT, ofB).connect();
    pair.runUntil(() -> a.qp().state() == QpState.RTS && b.qp().state() == QpState.RTS);
    pair.run(1);
    for (LinkPair.Node node : List.of(pair.a, pair.b)) {
      node.events.clear();
      node.told.clear();
    }
  }
}
