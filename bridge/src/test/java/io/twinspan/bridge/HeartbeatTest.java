package io.twinspan.bridge;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.bridge.Starvation.Sample;
import io.twinspan.bridge.Witness.Evidence;
import io.twinspan.linux.Processes;
import org.junit.jupiter.api.Test;

class HeartbeatTest {
  private static final long MS = 1_000_000;

  private final FakeWitness witness = new FakeWitness();
  private final Heartbeat heartbeat = new Heartbeat(50 * MS, 300 * MS);

  @Test
  void aPeerCountsAsHungAnIntervalBeforeTheLimitBecauseItsLastBeatWasSeenLate() {
    begin(7);
    heartbeat.look(100 * MS, 8, false);

    heartbeat.look(349 * MS, 8, false);
    assertThat(heartbeat.isSilent(349 * MS)).isFalse();
    assertThat(heartbeat.isSilent(350 * MS)).isTrue();
    assertThat(heartbeat.lastSignNs()).isEqualTo(100 * MS);
  }

  @Test
  void asksForExcusesFromHalfOfTheSilenceOnAndBeforeTheVerdict() {
    begin(0);
    long[] looksMs = {124, 125, 126, 149, 150, 249, 250};
    int[] asked = {0, 1, 1, 1, 2, 3, 4};
    for (int i = 0; i < looksMs.length; i++) {
      heartbeat.look(looksMs[i] * MS, 0, false);
      assertThat(witness.looks).as("at %d ms", looksMs[i]).isEqualTo(asked[i]);
    }
    heartbeat.look(251 * MS, 1, false);
    assertThat(witness.forgets).as("a sign").isOne();
  }

  @Test
  void excusedTimeDoesNotCountAndPatienceEnds() {
    begin(0);
    excuseAt(150 * MS, 100 * MS);
    assertThat(heartbeat.isSilent(349 * MS)).isFalse();
    assertThat(heartbeat.isSilent(350 * MS)).isTrue();

    long nowNs = 150 * MS;
    while (!heartbeat.isSilent(nowNs)) {
      nowNs += 25 * MS;
      excuseAt(nowNs, 25 * MS);
    }
    assertThat(nowNs).isBetween(8_900 * MS, 9_000 * MS);

    heartbeat.look(nowNs, 1, false);
    assertThat(heartbeat.isSilent(nowNs + 249 * MS)).as("a sign renews all").isFalse();
    excuseAt(nowNs + 150 * MS, 100 * MS);
    assertThat(heartbeat.isSilent(nowNs + 349 * MS)).isFalse();
  }

  @Test
  void whoMissedItsOwnLooksGivesThePeerHalfOfItsTimeAgain() {
    begin(0);
    assertThat(heartbeat.wasPaused(0, 62 * MS)).isFalse();
    assertThat(heartbeat.wasPaused(0, 63 * MS)).isTrue();
    heartbeat.look(300 * MS, 0, true);
    assertThat(heartbeat.isSilent(424 * MS)).isFalse();
    assertThat(heartbeat.isSilent(425 * MS)).isTrue();

    Heartbeat strict = new Heartbeat(50 * MS, 100 * MS);
    assertThat(strict.wasPaused(0, 50 * MS)).as("its regular sleep").isFalse();
  }

  @Test
  void whoMissesItsLooksAgainAndAgainStillFindsAPeerThatHangs() {
    begin(0);
    long nowNs = 0;
    while (!heartbeat.isSilent(nowNs) && nowNs < 60_000 * MS) {
      nowNs += 100 * MS;
      heartbeat.look(nowNs, 0, true);
    }
    assertThat(nowNs).isBetween(3_000 * MS, 3_400 * MS);
  }

  @Test
  void aPeerThatIsKnownToBeStoppedGetsNoTimeForThePausesOfThisSide() {
    begin(0);
    heartbeat.look(150 * MS, 0, false);
    witness.evidence = new Evidence(0, true);
    heartbeat.look(230 * MS, 0, true);
    assertThat(heartbeat.isSilent(249 * MS)).isFalse();
    assertThat(heartbeat.isSilent(250 * MS)).isTrue();
  }

  @Test
  void wakesInTimeForBeatsQuestionsAndTheVerdict() {
    begin(0);
    assertThat(heartbeat.takeBeat(0)).isTrue();
    assertThat(heartbeat.nextDeadlineNs()).as("a beat").isEqualTo(50 * MS);
    assertThat(heartbeat.takeBeat(100 * MS)).isTrue();
    assertThat(heartbeat.nextDeadlineNs()).as("a question").isEqualTo(125 * MS);
    heartbeat.look(240 * MS, 0, false);
    assertThat(heartbeat.takeBeat(240 * MS)).isTrue();
    assertThat(heartbeat.nextDeadlineNs()).as("the verdict").isEqualTo(250 * MS);
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
    assertThat(self.look()).as("the first look").isEqualTo(Evidence.NONE);
    long fromNs = System.nanoTime();
    Evidence evidence = self.look();
    assertThat(evidence.excusedNs()).isBetween(0L, System.nanoTime() - fromNs + 1_000 * MS);
    assertThat(evidence.stopped()).isFalse();

    Starvation nobody = new Starvation(Integer.MAX_VALUE);
    assertThat(nobody.look()).isEqualTo(Evidence.NONE);
    assertThat(nobody.look()).isEqualTo(Evidence.NONE);
  }

  @Test
  void aThreadStoodStoppedIfItGotNoProcessorBetweenTwoLooksAtItStopped() {
    Sample stopped = sample("agent", 'T', 10, 20, 3);
    assertThat(sample("agent", 'T', 10, 20, 3).stoodStopped(stopped)).isTrue();
    assertThat(sample("agent", 'T', 11, 20, 4).stoodStopped(stopped)).as("it went on").isFalse();
    assertThat(sample("agent", 'R', 10, 20, 3).stoodStopped(stopped)).as("it may go on").isFalse();
    assertThat(stopped.stoodStopped(sample("agent", 'S', 10, 20, 3))).as("only now").isFalse();
  }

  private void begin(long count) {
    heartbeat.begin(0, count, witness);
  }

  private void excuseAt(long nowNs, long ns) {
    witness.evidence = new Evidence(ns, false);
    heartbeat.look(nowNs, 0, false);
  }

  /** Says what it is told to, and counts. */
  private static final class FakeWitness implements Witness {
    Evidence evidence = Evidence.NONE;
    int looks;
    int forgets;

    @Override
    public Evidence look() {
      looks++;
      return evidence;
    }

    @Override
    public void forget() {
      forgets++;
    }
  }

  private static Sample sample(String name, char state, long ran, long waited, long turns) {
    return Sample.of(
        "42 (%s) %c 1 42 42 0 -1 4194304".formatted(name, state),
        "%d %d %d\n".formatted(ran, waited, turns));
  }
}
