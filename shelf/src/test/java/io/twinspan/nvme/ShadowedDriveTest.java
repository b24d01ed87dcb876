package io.twinspan.nvme;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.Poller;
import io.twinspan.shelf.DoorbellKind;
import io.twinspan.shelf.MediumKind;
import io.twinspan.shelf.Shelf;
import io.twinspan.shelf.ShelfOptions;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The driver with shadow doorbells at a drive of a real shelf that offers them. */
class ShadowedDriveTest {
  private static final int DEPTH = 32;
  private static final int BLOCKS = 4096;
  private static final Duration TIMEOUT = Duration.ofSeconds(30);

  private final DmaMemory memory = DmaMemory.allocate("test", DEPTH * 4096L);
  private final MemorySegment data = memory.segment();
  private final AtomicInteger rings = new AtomicInteger();
  private final int[] statuses = new int[DEPTH];
  @TempDir private Path directory;
  private Shelf shelf;
  private NvmeController controller;
  private QueuePair<Integer> queue;
  private int answered;

  @BeforeEach
  void start() {
    ShelfOptions options =
        new ShelfOptions(directory, directory, 1, 2L * BLOCKS * 4096, List.of("a"), "TEST")
            .withMedium(MediumKind.MEMORY)
            .withDoorbells(DoorbellKind.SHADOWED);
    shelf = new Shelf(options).start();
    PciDevice device = VfioUserDevice.connect(options.socket(0, "a"), TIMEOUT);
    controller = NvmeController.open(counting(device), NvmeOptions.DEFAULTS);
    controller.map(memory);
    queue = controller.createQueuePair(DEPTH, this::completed);
    rings.set(0);
  }

  @AfterEach
  void stop() {
    queue.close();
    controller.close();
    shelf.close();
    memory.close();
  }

  @Test
  void aBusyDriveIsHardlyEverRung() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    long[] model = new long[BLOCKS];
    int bursts = 1000;
    for (int burst = 0; burst < bursts; burst++) {
      int first = random.nextInt(BLOCKS - DEPTH);
      boolean writes = random.nextBoolean();
      for (int i = 0; i < DEPTH; i++) {
        int lba = first + i;
        if (writes) {
          model[lba] = random.nextLong();
          data.set(ValueLayout.JAVA_LONG, i * 4096L, model[lba]);
          assertThat(queue.write(1, lba, 1, data, i * 4096L, i)).isZero();
        } else {
          assertThat(queue.read(1, lba, 1, data, i * 4096L, i)).isZero();
        }
      }
      await((burst + 1) * DEPTH);
      for (int i = 0; i < DEPTH; i++) {
        assertThat(statuses[i]).isZero();
        assertThat(data.get(ValueLayout.JAVA_LONG, i * 4096L))
            .as("seed %d, burst %d", seed, burst)
            .isEqualTo(model[first + i]);
      }
    }
    assertThat(rings.get()).isLessThan(bursts * DEPTH / 4);
  }

  @Test
  void aDriveThatSleepsIsWoken() {
    long endNs = System.nanoTime() + TIMEOUT.toNanos();
    for (int i = 0; rings.get() < 20; i++) {
      assertThat(System.nanoTime()).as("rings %d", rings.get()).isLessThan(endNs);
      assertThat(queue.read(1, 0, 1, data, 0, 0)).isZero();
      await(i + 1);
      LockSupport.parkNanos(1_000_000); // the drive falls asleep meanwhile, most times
    }
  }

  @Test
  void aClientThatSleepsIsWokenByItsInterrupt() {
    try (QueuePair<Integer> sleeper = controller.createQueuePair(4, true, this::completed);
        Poller poller = new Poller()) {
      WakeSource source = sleeper.wakeSource();
      poller.add(source.fd(), 0);
      for (int i = 0; i < 50; i++) {
        assertThat(sleeper.read(1, i, 1, data, 0, 0)).isZero();
        source.arm();
        while (sleeper.poll(4) == 0) {
          assertThat(poller.await(TIMEOUT.toNanos())).isPositive();
        }
        source.disarm();
      }
      assertThat(answered).isEqualTo(50);
    }
  }

  @Test
  void afterAResetTheyAreSetUpAnew() {
    for (int i = 0; i < 10; i++) {
      assertThat(queue.read(1, 0, 1, data, 0, 0)).isZero();
      await(2 * i + 1);
      controller.reset();
      queue.close();
      queue = controller.createQueuePair(DEPTH, this::completed);
      assertThat(queue.write(1, 0, 1, data, 0, 0)).isZero();
      await(2 * i + 2);
      assertThat(statuses[0]).isZero();
    }
  }

  @Test
  void queuePairsCantBeLent() {
    assertThat(controller.device().maxDomains()).isZero();
    assertThat(controller.device().doorbellEvent(ControllerRegisters.DOORBELLS)).isEmpty();
  }

  private void completed(Integer request, int status) {
    statuses[request] = status;
    answered++;
  }

  private void await(int count) {
    long endNs = System.nanoTime() + TIMEOUT.toNanos();
    while (answered < count) {
      assertThat(System.nanoTime()).as("answered %d of %d", answered, count).isLessThan(endNs);
      var _ = queue.poll(DEPTH);
    }
  }

  /** The same device, whose doorbells are counted. */
  private PciDevice counting(PciDevice device) {
    return (PciDevice)
        Proxy.newProxyInstance(
            PciDevice.class.getClassLoader(),
            new Class<?>[] {PciDevice.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("ring")) {
                rings.incrementAndGet();
              }
              try {
                return method.invoke(device, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }
}
