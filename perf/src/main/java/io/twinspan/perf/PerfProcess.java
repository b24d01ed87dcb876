package io.twinspan.perf;

import io.twinspan.bridge.Side;
import io.twinspan.concurrent.Agent;
import io.twinspan.concurrent.AgentErrorHandler;
import io.twinspan.concurrent.AgentRunner;
import io.twinspan.concurrent.Idle;
import io.twinspan.concurrent.SystemClock;
import io.twinspan.linux.Affinity;
import io.twinspan.linux.Processes;
import io.twinspan.linux.Processes.Signal;
import io.twinspan.linux.TwinspanException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The process of one side of a measurement. It ends with whoever started it.
 *
 * <p>Exit status: 0 measured, and the leading side has printed the result; 1 not, and a line on
 * standard error says why.
 */
public final class PerfProcess {
  private static final Duration FOR_EVER = Duration.ofDays(1000);
  private static final Duration CONNECT_PATIENCE = Duration.ofSeconds(10);
  private static final int FIXED_ARGUMENTS = 4;

  private PerfProcess() {}

  /**
   * What to start such a process with.
   *
   * @param leads whether it is the side that connects, leads and prints the result; the other one
   *     listens
   * @param socket where they meet
   * @param cpu the processor that its measuring thread stays on, -1 for any
   * @param options the same at both sides
   */
  public static List<String> arguments(boolean leads, Path socket, int cpu, PerfOptions options) {
    List<String> arguments = new ArrayList<>();
    arguments.add(leads ? "connect" : "listen");
    arguments.add(socket.toString());
    arguments.add(Integer.toString(cpu));
    arguments.add(Integer.toString(Processes.pid()));
    arguments.addAll(options.encode());
    return arguments;
  }

  /** Runs one side; the arguments are those of {@link #arguments}. */
  @SuppressWarnings("SystemExitOutsideMain") // this is main
  public static void main(String[] args) {
    System.exit(run(List.of(args)));
  }

  private static int run(List<String> args) {
    try {
      Processes.parentDeathSignal(Signal.KILL);
      if (ProcessHandle.current().parent().stream().noneMatch(p -> isParent(p, args.get(3)))) {
        return 1; // it died before the call
      }
      measure(args);
      return 0;
    } catch (TwinspanException e) {
      System.err.println("twinspan: " + e.getMessage());
      return 1;
    }
  }

  private static boolean isParent(ProcessHandle parent, String pid) {
    return Long.toString(parent.pid()).equals(pid);
  }

  private static void measure(List<String> args) {
    boolean leads = args.get(0).equals("connect");
    int cpu = Integer.parseInt(args.get(2));
    PerfOptions options = PerfOptions.decode(args.subList(FIXED_ARGUMENTS, args.size()));
    Duration patience = leads ? CONNECT_PATIENCE : FOR_EVER;
    Side which = leads ? Side.B : Side.A;
    try (PerfSide side = new PerfSide(which, Path.of(args.get(1)), options, patience)) {
      if (options.adaptive()) {
        sleepInBetween(side, cpu);
      } else {
        pin(cpu);
        side.spin();
      }
      if (leads) {
        System.out.println(side.result().encode());
      }
    }
  }

  /** Runs a side on a thread that sleeps when there is nothing to do. */
  private static void sleepInBetween(PerfSide side, int cpu) {
    SleepingSide agent = new SleepingSide(side, cpu);
    agent.run();
    Throwable e = agent.failure;
    if (e instanceof TwinspanException known) {
      throw known;
    }
    if (e != null) {
      throw new IllegalStateException(e);
    }
  }

  private static void pin(int cpu) {
    if (cpu >= 0) {
      Affinity.pin(cpu);
    }
  }

  /** A side as an agent that ends when everything is measured, or at the first error. */
  private static final class SleepingSide implements Agent, AgentErrorHandler {
    private final PerfSide side;
    private final int cpu;
    private final AgentRunner runner;
    private volatile @Nullable Throwable failure;

    SleepingSide(PerfSide side, int cpu) {
      this.side = side;
      this.cpu = cpu;
      runner =
          new AgentRunner(
              this,
              Idle.DEFAULT,
              side.wakeSources(),
              SystemClock.INSTANCE,
              this,
              AgentRunner.DEFAULT_CLOSE_TIMEOUT);
    }

    void run() {
      try {
        runner.start().thread().join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new TwinspanException("interrupted", e);
      }
    }

    @Override
    public void onStart() {
      pin(cpu);
    }

    @Override
    public int doWork() {
      int work = side.doWork();
      if (side.isDone()) {
        runner.close(); // on its own thread: no further round begins
      }
      return work;
    }

    @Override
    public long nextDeadlineNs() {
      return side.nextDeadlineNs();
    }

    @Override
    public String roleName() {
      return "perf";
    }

    @Override
    public Decision onError(Agent agent, Throwable error) {
      failure = error;
      return Decision.STOP;
    }
  }
}
