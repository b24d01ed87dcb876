package io.twinspan.dma;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.concurrent.Idle;
import io.twinspan.concurrent.WakeSignal;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class DmaWorkerTest {
  private static final int RINGS = 3;
  private static final int SIZE = 4 * SoftwareEngine.PIECE_BYTES;

  private final MemorySegment source = Arena.ofAuto().allocate(SIZE, 64);
  private final MemorySegment destination = Arena.ofAuto().allocate((long) RINGS * SIZE, 64);
  private final FakeSpace space = new FakeSpace().with(1, source).with(2, destination);
  private final WakeSignal signal = new WakeSignal();
  private final DmaWorker worker = new DmaWorker("dma-test", Idle.SLEEP, signal);
  private final DescriptorRing[] rings = new DescriptorRing[RINGS];
  private final SoftwareEngine[] engines = new SoftwareEngine[RINGS];

  DmaWorkerTest() {
    for (int i = 0; i < RINGS; i++) {
      rings[i] = new DescriptorRing(4);
      engines[i] = new SoftwareEngine(rings[i], space);
      worker.add(engines[i], i, 1);
    }
  }

  @AfterEach
  void close() {
    worker.close();
    signal.close();
  }

  @Test
  void servesSeveralRingsWhileThePosterCollects() {
    worker.start();
    for (long round = 1; round <= 300; round++) {
      source.set(JAVA_LONG, 0, round);
      source.set(JAVA_LONG, SIZE - 8, round);
      for (int i = 0; i < RINGS; i++) {
        post(i, SIZE);
      }
      for (int i = 0; i < RINGS; i++) {
        collect(i);
        assertThat(destination.get(JAVA_LONG, (long) i * SIZE)).isEqualTo(round);
        assertThat(destination.get(JAVA_LONG, (i + 1L) * SIZE - 8)).isEqualTo(round);
      }
    }
  }

  @Test
  void nothingMovesWhileItIsPausedAndWhatIsDiscardedThenNeverDoes() {
    worker.start();
    for (int round = 0; round < 200; round++) {
      post(0, SIZE);
      worker.pause();
      engines[0].discard();
      rings[0].releaseAll();
      source.set(JAVA_LONG, 0, round);
      post(1, SIZE);
      assertThat(rings[1].record(rings[1].next()).status()).isEqualTo(DmaStatus.NONE);
      worker.resume();
      collect(1);
      assertThat(destination.get(JAVA_LONG, SIZE)).isEqualTo(round);
    }
  }

  @Test
  void whenItsThreadHasDiedThePosterServesItsRings() throws InterruptedException {
    FakeSpace sound = new FakeSpace().with(1, source).with(2, destination);
    DescriptorRing ring = new DescriptorRing(4);
    AddressSpace failing =
        new AddressSpace() {
          private final Thread poster = Thread.currentThread();

          @Override
          public boolean resolveSource(long address, int lengthBytes, Translation into) {
            if (Thread.currentThread() != poster) {
              throw new AssertionError("a bug, in a test");
            }
            return sound.resolveSource(address, lengthBytes, into);
          }

          @Override
          public boolean resolveDestination(long address, int lengthBytes, Translation into) {
            return sound.resolveDestination(address, lengthBytes, into);
          }

          @Override
          public boolean stillGranted(long slot, long witness) {
            return true;
          }
        };
    worker.add(new SoftwareEngine(ring, failing), 0, 1);
    worker.start();
    post(ring, 0, 64);
    while (worker.isRunning()) {
      Thread.sleep(1);
    }
    assertThat(ring.record(ring.next()).status()).isEqualTo(DmaStatus.NONE);
    assertThat(worker.step()).isTrue();
    assertThat(ring.record(ring.next()).status()).isEqualTo(DmaStatus.SUCCESS);
    assertThat(worker.step()).isFalse();
  }

  private void post(int i, int size) {
    post(rings[i], (long) i * SIZE, size);
    worker.wake();
  }

  private void post(DescriptorRing ring, long to, int size) {
    int slot = ring.claim();
    ring.descriptor(slot)
        .set(
            Opcode.MEMMOVE,
            Descriptor.FLAG_COMPLETION_ADDRESS_VALID,
            ring.completionAddress(slot),
            DmaAddress.of(1, 0),
            DmaAddress.of(2, to),
            size);
    ring.publish();
    worker.wake();
  }

  private void collect(int i) {
    while (rings[i].record(rings[i].next()).status() == DmaStatus.NONE) {
      Thread.onSpinWait();
    }
    assertThat(rings[i].record(rings[i].next()).status()).isEqualTo(DmaStatus.SUCCESS);
    rings[i].release();
  }
}
