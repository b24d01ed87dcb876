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
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SubmitterTest {
  private static final int DEPTH = 8;
  private static final int SLOTS = 4;
  private static final int MESSAGE_BYTES = 64;
  private static final ChannelPlan PLAN =
      new ChannelPlan(
          List.of(
              new ChannelSpec(0, "both", Direction.BOTH, 1 << 16, 1 << 16, 2, DEPTH, DEPTH, 64)));

  @TempDir Path directory;
  private LinkPair pair;
  private End a;
  private End b;
  private MemoryRegion landing;
  private Submitter submitter;
  private final MemorySegment word = Arena.ofAuto().allocate(8);
  private final WorkRequest request = new WorkRequest();

  @BeforeEach
  void connect() {
    pair = new LinkPair(directory, PLAN);
    a = pair.a.end(0);
    b = pair.b.end(0);
    landing = b.channel().register(0, b.channel().allocate(4096), Access.LOCAL_WRITE);
    submitter = a.qp().createSubmitter(SLOTS);
    connect(a.qp(), b.qp());
  }

  @AfterEach
  void close() {
    pair.close();
  }

  @Test
  void postsWhatWasSubmittedInTheNextRound() {
    Submitter receiver = b.qp().createSubmitter(SLOTS);
    assertThat(receiver.postReceive(9, landing, 8, 8)).isZero();
    word.set(JAVA_LONG, 0, 77);
    assertThat(submitter.postSend(request.send(5).inline(word, 0, 8))).isEqualTo(QueuePair.OK);
    word.set(JAVA_LONG, 0, 78); // it has been copied
    assertThat(a.isEmpty()).isTrue();
    pair.run(3);
    assertThat(a.next().wrId()).isEqualTo(5);
    assertThat(b.next().wrId()).isEqualTo(9);
    assertThat(landing.segment().get(JAVA_LONG, 8)).isEqualTo(77);
  }

  @Test
  void aFullRingPushesBackAndOneThatCantBePostedYetWaits() {
    for (int i = 0; i < DEPTH; i++) {
      assertThat(a.qp().postSend(request.send(i).inline(word, 0, 8))).isZero();
    }
    for (int i = 0; i < SLOTS; i++) {
      assertThat(submitter.postSend(request.send(100 + i).inline(word, 0, 8))).isZero();
    }
    pair.run(2);
    assertThat(submitter.postSend(request.send(104))).isEqualTo(QueuePair.FULL);
    assertThat(b.qp().postReceive(1, landing, 0, 64)).isZero();
    pair.run(2);
    assertThat(a.next().wrId()).isZero();
    pair.run(1);
    assertThat(submitter.postSend(request.send(104))).as("one moved on").isZero();
  }

  @Test
  void refusesWhatCantBeRightAtOnceOrWithACompletion() {
    assertThat(submitter.postSend(request.send(1).inline(word, 0, 65)))
        .isEqualTo(QueuePair.INVALID);
    assertThat(submitter.postReceive(2, landing, 0, 64)).as("b's region").isZero();
    pair.run(2);
    assertThat(a.next().status()).isEqualTo(WcStatus.LOC_QP_OP_ERR);
    assertThat(a.completion().wrId()).isEqualTo(2);
    assertThat(a.qp().state()).isEqualTo(QpState.ERR);
  }

  @Test
  void whatComesTooLateForTheQueuePairIsFlushed() {
    a.qp().reset();
    assertThat(submitter.postSend(request.send(1).inline(word, 0, 8))).isZero();
    assertThat(submitter.postReceive(2, landing, 0, 0)).isZero();
    pair.run(1);
    assertThat(a.next().wrId()).isEqualTo(2);
    assertThat(a.completion().status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
    assertThat(a.next().wrId()).isEqualTo(1);
    assertThat(a.completion().status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
  }

  @Test
  void aClosedSubmitterTakesNoMoreButPostsWhatItHas() {
    assertThat(b.qp().postReceive(1, landing, 0, 64)).isZero();
    assertThat(submitter.postSend(request.send(1).inline(word, 0, 8))).isZero();
    submitter.close();
    assertThat(submitter.postSend(request)).isEqualTo(QueuePair.BAD_STATE);
    assertThat(submitter.postReceive(2, landing, 0, 0)).isEqualTo(QueuePair.BAD_STATE);
    pair.run(3);
    assertThat(a.next().isSuccess()).isTrue();
  }

  @Test
  void whatALinkThatIsClosedHadTakenIsFlushed() {
    assertThat(submitter.postSend(request.send(1).inline(word, 0, 8))).isZero();
    pair.a.link.close();
    assertThat(a.next().status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
    assertThat(submitter.postSend(request)).isEqualTo(QueuePair.BAD_STATE);
  }

  @Test
  void aRequestWhoseInlineDataCantBeReadLeavesNothingBehind() {
    assertThat(b.qp().postReceive(1, landing, 0, 64)).isZero();
    assertThatThrownBy(() -> submitter.postSend(request.send(1).inline(word, 4, 8)))
        .isInstanceOf(IndexOutOfBoundsException.class);
    assertThat(submitter.postSend(request.send(2).inline(word, 0, 8))).isZero();
    pair.run(3);
    assertThat(a.next().wrId()).isEqualTo(2);
    assertThat(a.isEmpty()).isTrue();
  }

  @Test
  void tellsTheLimitsAndTheState() {
    DeviceAttributes device = pair.a.link.queryDevice();
    assertThat(device.maxQp()).isEqualTo(2);
    assertThat(device.maxQpWr()).isEqualTo(DEPTH);
    assertThat(device.maxSrq()).isZero();
    assertThat(device.maxSge()).isEqualTo(4);
    assertThat(device.maxMrSize()).isEqualTo(1L << 40);
    assertThat(pair.a.link.queryPort().state()).isEqualTo(PortAttributes.PortState.ACTIVE);
    pair.a.link.fail(LinkDown.Kind.PROTOCOL, "the test says so");
    assertThat(pair.a.link.queryPort().state()).isEqualTo(PortAttributes.PortState.DOWN);
    assertThat(pair.a.link.queryPort().generation()).isEqualTo(1);
  }

  /** Three threads into two queue pairs and one completion queue, which a fourth thread polls. */
  @Test
  void severalThreadsKeepTheirOrderPerQueuePair() throws InterruptedException {
    int threads = 3;
    int each = 2_000;
    CompletionQueue toA = pair.a.link.createCompletionQueue(2 * DEPTH);
    CompletionQueue toB = pair.b.link.createCompletionQueue(2 * DEPTH);
    QueuePair from = a.channel().createQueuePair(1, toA, toA);
    QueuePair to = b.channel().createQueuePair(1, toB, toB);
    connect(from, to);
    Submitter second = from.createSubmitter(SLOTS);
    AtomicReference<Throwable> failure = new AtomicReference<>();
    List<Thread> running = new ArrayList<>();
    for (int t = 0; t < threads; t++) {
      long name = t;
      running.add(start(failure, () -> submitAll(List.of(submitter, second), name, each)));
    }
    running.add(start(failure, () -> pollAll(List.of(a.cq(), toA), threads, each)));
    for (QueuePair end : List.of(b.qp(), to)) {
      for (int i = 0; i < DEPTH; i++) {
        post(end, i);
      }
    }
    long[][] next = new long[2][threads];
    long got = 0;
    while (got < 2L * threads * each && failure.get() == null) {
      pair.run(1);
      got += take(b.cq(), b.qp(), 0, next[0]);
      got += take(toB, to, 1, next[1]);
    }
    while (running.stream().anyMatch(Thread::isAlive) && failure.get() == null) {
      pair.run(1);
    }
    for (Thread thread : running) {
      if (failure.get() != null) {
        thread.interrupt();
      }
      thread.join();
    }
    assertThat(failure.get()).isNull();
  }

  private int take(CompletionQueue queue, QueuePair qp, int which, long[] next) {
    WorkCompletion completion = new WorkCompletion();
    int count = 0;
    while (queue.poll(completion)) {
      count++;
      assertThat(completion.isSuccess()).isTrue();
      int slot = (int) completion.wrId();
      long value = landing.segment().get(JAVA_LONG, place(which, slot));
      int thread = (int) (value >>> Integer.SIZE);
      assertThat((int) value).as("of thread %d", thread).isEqualTo((int) next[thread]++);
      post(qp, slot);
    }
    return count;
  }

  private void post(QueuePair qp, int slot) {
    int which = qp == b.qp() ? 0 : 1;
    assertThat(qp.postReceive(slot, landing, place(which, slot), MESSAGE_BYTES)).isZero();
  }

  private static long place(int which, int slot) {
    return (long) (which * DEPTH + slot) * MESSAGE_BYTES;
  }

  @SuppressWarnings("ThreadPriorityCheck")
  private static void submitAll(List<Submitter> submitters, long name, int each) {
    WorkRequest own = new WorkRequest();
    MemorySegment value = MemorySegment.ofArray(new long[1]);
    for (int i = 0; i < each; i++) {
      long id = name << Integer.SIZE | i;
      value.set(JAVA_LONG, 0, id);
      for (Submitter submitter : submitters) {
        own.send(id).inline(value, 0, 8);
        while (submitter.postSend(own) == QueuePair.FULL) {
          if (Thread.interrupted()) {
            return;
          }
          Thread.yield(); // nothing depends on it, but the link's thread needs a processor
        }
      }
    }
  }

  @SuppressWarnings("ThreadPriorityCheck")
  private static void pollAll(List<CompletionQueue> queues, int threads, int each) {
    WorkCompletion completion = new WorkCompletion();
    long[][] next = new long[queues.size()][threads];
    long left = (long) queues.size() * threads * each;
    while (left > 0 && !Thread.interrupted()) {
      for (int q = 0; q < queues.size(); q++) {
        while (queues.get(q).poll(completion)) {
          assertThat(completion.isSuccess()).isTrue();
          int thread = (int) (completion.wrId() >>> Integer.SIZE);
          assertThat((int) completion.wrId()).isEqualTo((int) next[q][thread]++);
          left--;
        }
      }
      Thread.yield(); // nothing depends on it, but the link's thread needs a processor
    }
  }

  private static Thread start(AtomicReference<Throwable> failure, Runnable body) {
    return Thread.ofPlatform()
        .start(() -> {
          try {
            body.run();
          } catch (RuntimeException | Error e) {
            failure.set(e);
          }
        });
  }

  private void connect(QueuePair one, QueuePair other) {
    one.init().connect();
    other.init().connect();
    pair.runUntil(() -> one.state() == QpState.RTS && other.state() == QpState.RTS);
  }
}
