package io.twinspan.bridge;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.bridge.Starvation.Sample;
import io.twinspan.linux.Processes;
import org.junit.jupiter.api.Test;

class HeartbeatTest {
  private static final long MS = 1_000_000;

  private final Heartbeat heartbeat = new Heartbeat(50 * MS, 300 * MS);

  @Test
  void aPeerCountsAsHungAnIntervalBeforeTheLimitBecauseItsLastBeatWasSeenLate() {
    heartbeat.begin(0, 7);
    assertThat(heartbeat.look(100 * MS, 8, false)).isTrue();

    assertThat(heartbeat.look(349 * MS, 8, false)).isFalse();
    assertThat(heartbeat.isSilent(349 * MS)).isFalse();
    assertThat(heartbeat.isSilent(350 * MS)).isTrue();
    assertThat(heartbeat.lastSignNs()).isEqualTo(100 * MS);
  }

  @Test
  void asksForExcusesFromHalfOfTheSilenceOnAndBeforeTheVerdict() {
    heartbeat.begin(0, 0);
    assertThat(heartbeat.takeQuestion(124 * MS)).isFalse();
    assertThat(heartbeat.takeQuestion(125 * MS)).isTrue();
    assertThat(heartbeat.takeQuestion(126 * MS)).isFalse();
    assertThat(heartbeat.takeQuestion(150 * MS)).isTrue();
    assertThat(heartbeat.takeQuestion(249 * MS)).isTrue();
    assertThat(heartbeat.takeQuestion(250 * MS)).as("it would be silent").isTrue();
  }

  @Test
  void excusedTimeDoesNotCountAndPatienceEnds() {
    heartbeat.begin(0, 0);
    heartbeat.excuse(150 * MS, 100 * MS);
    assertThat(heartbeat.isSilent(349 * MS)).isFalse();
    assertThat(heartbeat.isSilent(350 * MS)).isTrue();

    long nowNs = 150 * MS;
    while (!heartbeat.isSilent(nowNs)) {
      nowNs += 25 * MS;
      heartbeat.excuse(nowNs, 25 * MS);
    }
    assertThat(nowNs).isBetween(2_900 * MS, 3_000 * MS);

    assertThat(heartbeat.look(nowNs, 1, false)).isTrue();
    assertThat(heartbeat.isSilent(nowNs + 249 * MS)).as("a sign renews all").isFalse();
    heartbeat.excuse(nowNs + 150 * MS, 100 * MS);
    assertThat(heartbeat.isSilent(nowNs + 349 * MS)).isFalse();
  }

  @Test
  void whoMissedItsOwnLooksGivesThePeerHalfOfItsTimeAgain() {
    heartbeat.begin(0, 0);
    assertThat(heartbeat.wasPaused(0, 62 * MS)).isFalse();
    assertThat(heartbeat.wasPaused(0, 63 * MS)).isTrue();
    boolean _ = heartbeat.look(300 * MS, 0, true);
    assertThat(heartbeat.isSilent(424 * MS)).isFalse();
    assertThat(heartbeat.isSilent(425 * MS)).isTrue();

    Heartbeat strict = new Heartbeat(50 * MS, 100 * MS);
    assertThat(strict.wasPaused(0, 50 * MS)).as("its regular sleep").isFalse();
  }

  @Test
  void wakesInTimeForBeatsQuestionsAndTheVerdict() {
    heartbeat.begin(0, 0);
    assertThat(heartbeat.takeBeat(0)).isTrue();
    assertThat(heartbeat.nextDeadlineNs()).isEqualTo(50 * MS);
    assertThat(heartbeat.nextQuestionNs()).isEqualTo(125 * MS);
    assertThat(heartbeat.takeBeat(240 * MS)).isTrue();
    assertThat(heartbeat.nextDeadlineNs()).isEqualTo(250 * MS);
  }

  @Test
  void whatWaitsForAProcessorIsExcusedAndWhatSleepsLoopsOrIsStoppedIsNot() {
    Sample queued = sample("agent", 'R', 10, 20, 3);
    assertThat(queued.excusedNs(sample("agent", 'R', 10, 20, 3), 1000)).isEqualTo(1000);
    Sample slept = sample("agent", 'S', 10, 20, 3);
    assertThat(queued.excusedNs(slept, 1000)).as("woke since").isEqualTo(1000);
    Sample ranAWhile = sample("agent", 'S', 10, 620, 4);
    assertThat(ranAWhile.excusedNs(queued, 1000)).isEqualTo(600);
    assertThat(sample("agent", 'S', 10, 20, 3).excusedNs(queued, 1000)).isZero();
    assertThat(sample("agent", 'T', 10, 20, 3).excusedNs(queued, 1000)).isZero();
    Sample looped = sample("agent", 'R', 1010, 20, 3);
    assertThat(looped.excusedNs(queued, 1000)).isZero();
  }

  @Test
  void theVirtualMachinesOwnWorkIsExcusedEvenWhileItRuns() {
    Sample before = sample("VM Thread", 'S', 0, 0, 1);
    assertThat(sample("VM Thread", 'R', 900, 50, 2).excusedNs(before, 1000)).isEqualTo(950);
    assertThat(sample("GC Thread#1", 'R', 900, 500, 2).excusedNs(before, 1000)).isEqualTo(1000);
    assertThat(sample("busy (VM Thread)", 'R', 900, 0, 2).excusedNs(before, 1000)).isZero();
  }

  @Test
  void looksAtRealProcessesAndExcusesNothingOfOneThatIsNotThere() {
    Starvation self = new Starvation(Processes.pid());
    assertThat(self.look()).as("the first look").isZero();
    long fromNs = System.nanoTime();
    long excusedNs = self.look();
    assertThat(excusedNs).isBetween(0L, System.nanoTime() - fromNs + 1_000 * MS);

    Starvation nobody = new Starvation(Integer.MAX_VALUE);
    assertThat(nobody.look() + nobody.look()).isZero();
  }

  private static Sample sample(String name, char state, long ran, long waited, long turns) {
    return Sample.of(
        "42 (%s) %c 1 42 42 0 -1 4194304".formatted(name, state),
        "%d %d %d\n".formatted(ran, waited, turns));
  }
}
