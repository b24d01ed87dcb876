package io.twinspan.perf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.bridge.Side;
import io.twinspan.linux.TwinspanException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Both sides in one process, each on a thread of its own. */
@Timeout(60)
class PerfSideTest {
  private static final Duration PATIENCE = Duration.ofSeconds(20);

  @TempDir private Path folder;

  private Path socket() {
    return folder.resolve("perf.sock");
  }

  private CompletableFuture<PerfResult> start(Side which, PerfOptions options) {
    return CompletableFuture.supplyAsync(
        () -> {
          try (PerfSide side = new PerfSide(which, socket(), options, PATIENCE)) {
            side.spin();
            return side.result();
          }
        },
        task -> Thread.ofPlatform().daemon().start(task));
  }

  /** The nearest size that a test can have. */
  private static int sizeFor(PerfTest test, int sizeBytes) {
    return test.verb() == PerfTest.Verb.ATOMIC ? Long.BYTES : sizeBytes;
  }

  private PerfResult measure(PerfOptions options) throws Exception {
    CompletableFuture<PerfResult> follower = start(Side.A, options);
    CompletableFuture<PerfResult> leader = start(Side.B, options);
    follower.get();
    return leader.get();
  }

  private static PerfOptions options(PerfTest test, int sizeBytes, int queuePairs, long rotate) {
    return new PerfOptions(
        test, sizeFor(test, sizeBytes), 100, 20, queuePairs, 112, 16, false, false, rotate, false);
  }

  @ParameterizedTest
  @EnumSource
  void measuresEveryTest(PerfTest test) throws Exception {
    for (int size : new int[] {8, 1024, 200_000}) {
      PerfResult result = measure(options(test, size, 1, 0));

      assertThat(result.test()).isEqualTo(test);
      assertThat(result.sizeBytes()).isEqualTo(sizeFor(test, size));
      assertThat(result.p50Us()).isPositive().isLessThanOrEqualTo(result.p99Us());
      assertThat(result.p99Us()).isLessThanOrEqualTo(result.p999Us());
      assertThat(result.p999Us()).isLessThanOrEqualTo(result.maxUs());
      assertThat(result.messagesPerSecond()).isPositive();
      assertThat(result.megabytesPerSecond()).isPositive();
      assertThat(result.limit()).isPositive();
      assertThat(result.ratioToLimit()).isPositive();
    }
  }

  @ParameterizedTest
  @EnumSource
  void checksEverythingWithCrcs(PerfTest test) throws Exception {
    for (int size : new int[] {8, 200_000}) {
      PerfOptions options =
          new PerfOptions(test, sizeFor(test, size), 100, 20, 1, 112, 16, false, false, 0, true);
      assertThat(measure(options).p50Us()).isPositive();
    }
  }

  @Test
  void refusesSeveralQueuePairsThatWriteToOnePlaceBeforeItIsChecked() {
    assertThatThrownBy(
            () -> new PerfOptions(PerfTest.WRITE_LAT, 8, 1, 0, 2, 0, 2, false, false, 0, true))
        .hasMessageContaining("one queue pair");
  }

  @ParameterizedTest
  @EnumSource
  void takesTurnsAmongQueuePairsAndBuffers(PerfTest test) throws Exception {
    assertThat(measure(options(test, 64, 3, 1000)).p50Us()).isPositive();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void goesOnWithTheShortestQueues(int depth) throws Exception {
    for (PerfTest test : PerfTest.values()) {
      PerfOptions options =
          new PerfOptions(test, sizeFor(test, 64), 100, 1, 1, 0, depth, false, false, 0, false);
      assertThat(measure(options).p50Us()).isPositive();
    }
  }

  @ParameterizedTest
  @EnumSource
  void letsAWorkerCopy(PerfTest test) throws Exception {
    PerfOptions options =
        new PerfOptions(test, sizeFor(test, 4096), 50, 5, 1, 112, 16, true, false, 0, false);
    assertThat(measure(options).p50Us()).isPositive();
  }

  @Test
  void oneIterationIsEnough() throws Exception {
    PerfOptions options =
        new PerfOptions(PerfTest.SEND_LAT, 0, 1, 0, 1, 0, 2, false, false, 0, false);
    assertThat(measure(options).messagesPerSecond()).isPositive();
  }

  @ParameterizedTest
  @EnumSource(names = {"SEND_LAT", "ISOLATION"})
  void tellsOfTheIdleLinkIfAnotherChannelIsFlooded(PerfTest test) throws Exception {
    PerfResult result = measure(options(test, 64, 1, 4 << 20));

    assertThat(result.idle().isPresent()).isEqualTo(test == PerfTest.ISOLATION);
    assertThat(PerfResult.decode(result.encode())).isEqualTo(result);
    result
        .idle()
        .ifPresent(idle -> {
          assertThat(idle.p50Us()).isPositive().isLessThanOrEqualTo(idle.p99Us());
          assertThat(result.limit()).isEqualTo(3 * idle.p99Us() + idle.copyUs());
          assertThat(result.ratioToLimit()).isEqualTo(result.p99Us() / result.limit());
        });
  }

  @Test
  void aPeerThatGoesEndsTheMeasurement() throws Exception {
    PerfOptions options =
        new PerfOptions(
            PerfTest.WRITE_BW, 64, Integer.MAX_VALUE, 1, 1, 112, 16, false, false, 0, false);
    CompletableFuture<PerfResult> leader = start(Side.B, options);
    try (PerfSide follower = new PerfSide(Side.A, socket(), options, PATIENCE)) {
      while (follower.phase() == 0) { // the leader's warm-up
        follower.doWork();
      }
    }

    assertThatThrownBy(leader::get)
        .isInstanceOf(ExecutionException.class)
        .hasCauseInstanceOf(TwinspanException.class)
        .hasMessageContaining("the peer is gone");
  }

  @Test
  void aPeerThatDoesNotComeEndsTheMeasurement() {
    PerfOptions options = options(PerfTest.SEND_LAT, 64, 1, 0);
    try (PerfSide side = new PerfSide(Side.B, socket(), options, Duration.ofMillis(20))) {
      assertThatThrownBy(side::spin)
          .isInstanceOf(TwinspanException.class)
          .hasMessageContaining("no peer at " + socket());
    }
  }
}
