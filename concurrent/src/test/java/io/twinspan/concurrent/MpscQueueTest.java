package io.twinspan.concurrent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class MpscQueueTest {
  @Test
  void elementsLeaveInTheOrderInWhichTheyCame() {
    MpscQueue<Integer> queue = new MpscQueue<>(4);
    for (int round = 0; round < 10; round++) {
      for (int i = 0; i < 3; i++) {
        assertThat(queue.offer(round * 10 + i)).isTrue();
      }
      assertThat(queue.size()).isEqualTo(3);
      for (int i = 0; i < 3; i++) {
        assertThat(queue.poll()).isEqualTo(round * 10 + i);
      }
      assertThat(queue.poll()).isNull();
    }
  }

  @Test
  void fullQueueRefusesUntilOneLeaves() {
    MpscQueue<Integer> queue = new MpscQueue<>(4);
    for (int i = 0; i < 4; i++) {
      assertThat(queue.offer(i)).isTrue();
    }

    assertThat(queue.offer(4)).isFalse();
    assertThat(queue.poll()).isZero();
    assertThat(queue.offer(5)).isTrue();
    assertThat(queue.offer(6)).isFalse();
    assertThat(queue.size()).isEqualTo(4);
  }

  @Test
  void capacityIsRoundedUpToAPowerOfTwo() {
    assertThat(new MpscQueue<>(1).capacity()).isEqualTo(1);
    assertThat(new MpscQueue<>(2).capacity()).isEqualTo(2);
    assertThat(new MpscQueue<>(5).capacity()).isEqualTo(8);
    assertThat(new MpscQueue<>(64).capacity()).isEqualTo(64);
    assertThatThrownBy(() -> new MpscQueue<>(0)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void queueOfOneHandsOverOneByOne() {
    MpscQueue<String> queue = new MpscQueue<>(1);

    assertThat(queue.offer("a")).isTrue();
    assertThat(queue.offer("b")).isFalse();
    assertThat(queue.poll()).isEqualTo("a");
    assertThat(queue.offer("b")).isTrue();
    assertThat(queue.poll()).isEqualTo("b");
  }

  @Test
  @SuppressWarnings("ThreadPriorityCheck") // four threads, and maybe two processors
  void nothingIsLostDoubledOrReorderedBetweenThreads() throws InterruptedException {
    int producers = 3;
    int each = 20_000;
    MpscQueue<long[]> queue = new MpscQueue<>(64);
    List<Thread> threads = new ArrayList<>();
    for (int p = 0; p < producers; p++) {
      int producer = p;
      threads.add(Thread.ofPlatform().daemon(true).start(() -> produce(queue, producer, each)));
    }

    long[] next = new long[producers];
    for (int got = 0; got < producers * each; ) {
      long[] element = queue.poll();
      if (element == null) {
        Thread.yield();
        continue;
      }
      int producer = (int) element[0];
      assertThat(element[1]).isEqualTo(next[producer]);
      next[producer]++;
      got++;
    }

    for (Thread thread : threads) {
      thread.join();
    }
    assertThat(Arrays.stream(next)).containsOnly((long) each);
    assertThat(queue.poll()).isNull();
  }

  @SuppressWarnings("ThreadPriorityCheck")
  private static void produce(MpscQueue<long[]> queue, int producer, int count) {
    for (long i = 0; i < count; i++) {
      long[] element = {producer, i};
      while (!queue.offer(element)) {
        Thread.yield();
      }
    }
  }
}
