package io.twinspan.perf;

import io.twinspan.bridge.Side;
import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.TwinspanException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * One side of a measurement, from finding the peer to the result. Side A listens and follows, side
 * B connects and leads.
 *
 * <p>After a warm-up, rounds of the test alternate with rounds of what the machine can do. Both
 * sides begin every phase together.
 *
 * <pre>
 * CONNECTING -> WAITING (for the peer) -> WORKING -> WAITING ... -> DONE
 * </pre>
 */
final class PerfSide implements AutoCloseable {
  private static final int ROUNDS = 10;
  private static final int SPINS = 1000;

  private enum State {
    CONNECTING,
    WAITING,
    WORKING,
    DONE
  }

  private final PerfOptions options;
  private final boolean leads;
  private final Path socket;
  private final long patienceNs;
  private final PerfEndpoint endpoint;
  private final Samples measured = new Samples(ROUNDS + 1);
  private final Samples limits = new Samples(ROUNDS + 1);
  private final Samples copies = new Samples(ROUNDS + 1);
  private final Samples floods = new Samples(ROUNDS + 1);
  private final Sequence bareWords = new Sequence();
  private final Sequence writes = new Sequence();
  private final List<Phase> phases = new ArrayList<>();
  private State state = State.CONNECTING;
  private int current;
  private int measuredFrom;
  private int fruitlessRounds;
  private long deadlineNs;

  /**
   * A side that has not begun.
   *
   * @param side A or B
   * @param socket where they meet
   * @param options the same at both sides
   * @param patience how long the peer may take to come
   */
  PerfSide(Side side, Path socket, PerfOptions options, Duration patience) {
    this.options = options;
    this.socket = socket;
    leads = side == Side.B;
    patienceNs = patience.toNanos();
    endpoint = new PerfEndpoint(side, socket, options);
    deadlineNs = System.nanoTime() + patienceNs;
    plan();
  }

  /** The warm-up, then {@value #ROUNDS} rounds, in which all iterations are done. */
  private void plan() {
    addRound(Math.max(options.warmup(), 1));
    measuredFrom = phases.size();
    int rounds = Math.min(ROUNDS, options.iterations());
    for (int i = 0; i < rounds; i++) {
      long from = (long) options.iterations() * i / rounds;
      addRound((int) ((long) options.iterations() * (i + 1) / rounds - from));
    }
  }

  private void addRound(int count) {
    if (options.test().isFlooded()) {
      phases.add(new MessagePingPong(endpoint, leads, count, limits));
      phases.add(leads ? new PieceCopies(endpoint, endpoint.flood(), copies) : bystander());
    } else if (options.test().isLatency()) {
      phases.add(bareWords(count));
    } else if (leads) {
      phases.add(new CopyLimit(endpoint, count, limits));
    } else {
      phases.add(bystander());
    }
    phases.add(test(count));
  }

  private Phase bystander() {
    return new Bystander(endpoint, phases.size() + 1);
  }

  private Phase bareWords(int count) {
    return options.adaptive()
        ? new BareWakeUps(endpoint, leads, count, limits, bareWords)
        : new BarePingPong(endpoint, leads, count, limits, bareWords);
  }

  private Phase test(int count) {
    return switch (options.test()) {
      case SEND_LAT, WRITE_IMM_LAT -> new MessagePingPong(endpoint, leads, count, measured);
      case WRITE_LAT -> new WritePingPong(endpoint, leads, count, measured, writes);
      case SEND_BW, WRITE_IMM_BW ->
          leads ? new Sender(endpoint, count, measured) : new Receiver(endpoint, count);
      case READ_LAT, ATOMIC_LAT ->
          leads ? new RequestRoundTrips(endpoint, count, measured) : bystander();
      case WRITE_BW, READ_BW, ATOMIC_BW ->
          leads ? new Sender(endpoint, count, measured) : bystander();
      case ISOLATION -> flooded(new MessagePingPong(endpoint, leads, count, measured));
    };
  }

  private Phase flooded(Phase phase) {
    return leads ? new FloodedPhase(endpoint, endpoint.flood(), phase, floods) : phase;
  }

  /** Whether everything is measured. */
  boolean isDone() {
    return state == State.DONE;
  }

  /** Which phase it is in, or waits to begin, from 0. */
  int phase() {
    return current;
  }

  /** What a thread may sleep on between two {@link #doWork}. */
  List<WakeSource> wakeSources() {
    return endpoint.link().wakeSources();
  }

  /** Works without a pause until everything is measured. */
  void spin() {
    while (state != State.DONE) {
      if (doWork() == 0) {
        fruitless();
      }
    }
  }

  /** Gives way to others if nothing came for a while: the peer may lack a processor. */
  @SuppressWarnings("ThreadPriorityCheck") // a yield is a hint here, and nothing depends on it
  private void fruitless() {
    if (++fruitlessRounds >= SPINS) {
      fruitlessRounds = 0;
      Thread.yield();
    } else {
      Thread.onSpinWait();
    }
  }

  /** Does what can be done without waiting, and tells how much. */
  int doWork() {
    return switch (state) {
      case CONNECTING -> connect();
      case WAITING -> await();
      case WORKING -> work();
      case DONE -> 0;
    };
  }

  private int connect() {
    int work = endpoint.link().doWork();
    endpoint.check();
    if (endpoint.isConnected()) {
      arrive();
      return 1;
    }
    if (System.nanoTime() - deadlineNs > 0) {
      throw new TwinspanException(
          "no peer at %s within %d s".formatted(socket, Duration.ofNanos(patienceNs).toSeconds()));
    }
    return work;
  }

  private void arrive() {
    state = State.WAITING;
    endpoint.reach(current + 1);
  }

  private int await() {
    if (!endpoint.peerHasReached(current + 1)) {
      int work = endpoint.link().doWork();
      if (!endpoint.peerHasReached(current + 1)) {
        endpoint.check();
        return work;
      }
    }
    if (current == phases.size()) {
      state = State.DONE;
      return 1;
    }
    phases.get(current).begin();
    state = State.WORKING;
    return 1;
  }

  private int work() {
    Phase phase = phases.get(current);
    int work = phase.step();
    while (!options.adaptive() && !phase.isDone()) {
      if (phase.step() == 0) {
        fruitless();
      } else {
        fruitlessRounds = 0;
      }
    }
    if (phase.isDone()) {
      current++;
      if (current == measuredFrom) {
        endpoint.warm();
        List.of(measured, limits, copies, floods).forEach(Samples::clear); // that was the warm-up
      }
      arrive();
      work++;
    }
    return work;
  }

  /** What was measured; at the leading side only. */
  PerfResult result() {
    PerfTest test = options.test();
    double share = test.isOneWay() ? 2 : 1; // half a round trip
    if (test.isFlooded()) {
      double copyUs = copies.us(50);
      double mostUs = PerfResult.IDLE_TIMES * limits.us(99) / share + copyUs;
      PerfResult.Idle idle =
          new PerfResult.Idle(limits.us(50) / share, limits.us(99) / share, copyUs);
      return result(floods.rate() / 1e6, mostUs, measured.us(99) / share, Optional.of(idle));
    }
    double megabytes = measured.rate() * options.sizeBytes() / 1e6;
    double limit = test.isLatency() ? limits.us(50) / share : limits.rate() / 1e6;
    double reached = test.isLatency() ? measured.us(50) / share : megabytes;
    return result(megabytes, limit, reached, Optional.empty());
  }

  private PerfResult result(
      double megabytes, double limit, double reached, Optional<PerfResult.Idle> idle) {
    PerfTest test = options.test();
    double share = test.isOneWay() ? 2 : 1;
    return new PerfResult(
        test,
        options.sizeBytes(),
        measured.us(50) / share,
        measured.us(99) / share,
        measured.us(99.9) / share,
        measured.maxUs() / share,
        megabytes,
        measured.rate(),
        limit,
        limit == 0 ? 0 : reached / limit,
        idle);
  }

  /** When {@link #doWork} must run though nothing wakes it. */
  long nextDeadlineNs() {
    long deadline = endpoint.link().nextDeadlineNs();
    if (state == State.WORKING) {
      return Math.min(deadline, phases.get(current).nextDeadlineNs());
    }
    return state == State.CONNECTING ? Math.min(deadline, deadlineNs) : deadline;
  }

  @Override
  public void close() {
    endpoint.close();
  }
}
