package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.rdma.ChannelSpec.Direction;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Two queue pairs: the first in the first domain at both sides, the second in another one, which
 * has different numbers at the two sides.
 */
class ProtectionDomainTest {
  private static final ChannelSpec SPEC =
      new ChannelSpec(0, "both", Direction.BOTH, 1 << 20, 1 << 20, 2, 16, 16, 64)
          .withSharedReceives(4);

  @TempDir Path directory;
  private LinkPair pair;
  private Channel ofA;
  private Channel ofB;
  private CompletionQueue atA;
  private CompletionQueue atB;
  private ProtectionDomain otherOfA;
  private ProtectionDomain otherOfB;
  private final QueuePair[] a = new QueuePair[2];
  private final QueuePair[] b = new QueuePair[2];
  private final MemoryRegion[] remote = new MemoryRegion[2];
  private final MemoryRegion[] local = new MemoryRegion[2];
  private final MemorySegment word = Arena.ofAuto().allocate(64, 8);
  private final WorkRequest request = new WorkRequest();
  private final WorkCompletion completion = new WorkCompletion();

  @BeforeEach
  void connect() {
    open(false);
  }

  private void open(boolean crc) {
    pair = new LinkPair(directory, new ChannelPlan(List.of(SPEC.withCrc(crc))));
    ofA = pair.a.link.channel(0);
    ofB = pair.b.link.channel(0);
    otherOfA = pair.a.link.allocateProtectionDomain();
    ProtectionDomain _ = pair.b.link.allocateProtectionDomain();
    otherOfB = pair.b.link.allocateProtectionDomain();
    atA = pair.a.link.createCompletionQueue(64);
    atB = pair.b.link.createCompletionQueue(64);
    a[0] = ofA.createQueuePair(0, atA, atA);
    b[0] = ofB.createQueuePair(0, atB, atB);
    a[1] = ofA.createQueuePair(otherOfA, 1, atA, atA);
    b[1] = ofB.createQueuePair(otherOfB, 1, atB, atB);
    remote[0] = ofB.register(0, ofB.allocate(64), Access.values());
    remote[1] = ofB.register(otherOfB, 1, ofB.allocate(64), Access.values());
    local[0] = ofA.register(0, ofA.allocate(64), Access.LOCAL_WRITE);
    local[1] = ofA.register(otherOfA, 1, ofA.allocate(64), Access.LOCAL_WRITE);
    for (int i = 0; i < 2; i++) {
      a[i].init().connect();
      b[i].init().connect();
    }
    pair.runUntil(() -> a[1].state() == QpState.RTS && b[1].state() == QpState.RTS);
    pair.run(1);
  }

  @AfterEach
  void close() {
    pair.close();
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aQueuePairReachesTheRegionsOfItsPartnersDomain(boolean crc) {
    close();
    open(crc);
    for (int i = 0; i < 2; i++) {
      int to = remote[i].rkey();
      assertThat(outcome(a[i], request.write(1, to, 0).inline(word, 0, 8)))
          .isEqualTo(WcStatus.SUCCESS);
      assertThat(outcome(a[i], request.write(2, to, 0).sge(local[i].lkey(), 0, 64)))
          .isEqualTo(WcStatus.SUCCESS);
      assertThat(outcome(a[i], request.read(3, to, 0).sge(local[i].lkey(), 0, 64)))
          .isEqualTo(WcStatus.SUCCESS);
      assertThat(outcome(a[i], request.fetchAndAdd(4, to, 8, 1).sge(local[i].lkey(), 0, 8)))
          .isEqualTo(WcStatus.SUCCESS);
      assertThat(b[i].postReceive(5, remote[i], 0, 64)).isEqualTo(QueuePair.OK);
      assertThat(outcome(a[i], request.writeWithImmediate(6, to, 0, 1).inline(word, 0, 8)))
          .isEqualTo(WcStatus.SUCCESS);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void noneReachesThoseOfAnotherDomain(int queuePair) {
    MemoryRegion foreign = remote[1 - queuePair];
    MemoryRegion own = local[queuePair];
    QueuePair from = a[queuePair];
    assertThat(outcome(from, request.write(1, foreign.rkey(), 0).inline(word, 0, 8)))
        .isEqualTo(WcStatus.REM_ACCESS_ERR);
    connectAnew(queuePair);
    assertThat(outcome(from, request.write(2, foreign.rkey(), 0).sge(own.lkey(), 0, 64)))
        .isEqualTo(WcStatus.REM_ACCESS_ERR);
    connectAnew(queuePair);
    assertThat(outcome(from, request.read(3, foreign.rkey(), 0).sge(own.lkey(), 0, 64)))
        .isEqualTo(WcStatus.REM_ACCESS_ERR);
    connectAnew(queuePair);
    assertThat(outcome(from, request.fetchAndAdd(4, foreign.rkey(), 0, 1).sge(own.lkey(), 0, 8)))
        .isEqualTo(WcStatus.REM_ACCESS_ERR);
    assertThat(foreign.segment().get(JAVA_LONG, 0)).isZero();
    assertThat(pair.b.told).contains("QP_ACCESS_ERR of " + b[queuePair].number());
    assertThat(a[1 - queuePair].state()).as("the other one").isEqualTo(QpState.RTS);
  }

  @Test
  void localKeysOfAnotherDomainAreNone() {
    assertThat(outcome(a[1], request.write(1, remote[1].rkey(), 0).sge(local[0].lkey(), 0, 8)))
        .isEqualTo(WcStatus.LOC_PROT_ERR);
    connectAnew(1);
    MemoryRegion outside = otherOfA.register(word, Access.LOCAL_WRITE);
    assertThat(outcome(a[1], request.write(2, remote[1].rkey(), 0).sge(outside.lkey(), 0, 8)))
        .isEqualTo(WcStatus.SUCCESS);
    assertThat(
            outcome(a[0], request.fetchAndAdd(3, remote[0].rkey(), 0, 1).sge(outside.lkey(), 0, 8)))
        .isEqualTo(WcStatus.LOC_PROT_ERR);
    assertThat(b[1].postReceive(4, remote[0], 0, 8)).isEqualTo(QueuePair.INVALID);
  }

  @Test
  void aMessageInvalidatesNoRegionOfAnotherDomain() {
    assertThat(b[1].postReceive(1, remote[1], 0, 64)).isEqualTo(QueuePair.OK);
    pair.run(1);
    request.sendWithInvalidate(2, remote[0].rkey()).inline(word, 0, 8);
    assertThat(a[1].postSend(request)).isEqualTo(QueuePair.OK);
    pair.run(3);
    assertThat(b[1].state()).isEqualTo(QpState.ERR);
    assertThat(remote[0].isValid()).isTrue();
  }

  @Test
  void sharedReceivesHaveADomainOfTheirOwn() {
    SharedReceiveQueue shared = ofB.sharedReceiveQueue(otherOfB);
    assertThat(shared.postReceive(1, remote[0], 0, 64)).isEqualTo(QueuePair.INVALID);
    assertThat(shared.postReceive(1, remote[1], 0, 64)).isEqualTo(QueuePair.OK);
    assertThatThrownBy(() -> ofB.sharedReceiveQueue(pair.b.link.protectionDomain()))
        .hasMessageContaining("another domain");
  }

  @Test
  void aDomainIsOfOneLink() {
    assertThatThrownBy(() -> ofB.register(otherOfA, 5, ofB.allocate(64)))
        .hasMessageContaining("another link");
    assertThat(otherOfA.number()).isEqualTo(1);
    assertThat(otherOfB.number()).isEqualTo(2);
    assertThat(remote[1].protectionDomain()).isSameAs(b[1].protectionDomain());
  }

  private WcStatus outcome(QueuePair from, WorkRequest what) {
    assertThat(from.postSend(what)).isEqualTo(QueuePair.OK);
    pair.run(5);
    assertThat(atA.poll(completion)).isTrue();
    return completion.status();
  }

  private void connectAnew(int i) {
    a[i].reset().init().connect();
    b[i].reset().init().connect();
    pair.runUntil(() -> a[i].state() == QpState.RTS && b[i].state() == QpState.RTS);
  }
}
