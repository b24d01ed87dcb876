package io.twinspan.rdma;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import io.twinspan.bridge.Side;
import io.twinspan.concurrent.AgentRunner;
import io.twinspan.linux.Processes;
import io.twinspan.linux.Processes.Signal;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;

/** Runs side A, keeps a process with side B, and makes the faults that only a parent can make. */
final class MixDirector implements AutoCloseable {
  private static final long PATIENCE_NS = TimeUnit.SECONDS.toNanos(60);
  private static final int TICK_MS = 2;

  private final Path socket;
  private final long seed;
  private final Random random;
  private final MixSide side;
  private final AgentRunner runner;
  private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
  private final MixTally tally = new MixTally();
  private final Logger log = (Logger) LoggerFactory.getLogger("io.twinspan");
  private final @Nullable Level level = log.getLevel();
  private final long startNs = System.nanoTime();
  private final StringBuilder summaries = new StringBuilder();

  private final Queue<String> obeyed = new ConcurrentLinkedQueue<>();

  private Process peer;
  private PrintStream peerIn;
  private Queue<String> peerOut = new ConcurrentLinkedQueue<>();
  private int children;
  private long roundsBefore;
  private long roundsSinceNs = System.nanoTime();

  MixDirector(Path socket, long seed) throws IOException {
    this.socket = socket;
    this.seed = seed;
    random = new Random(seed);
    log.setLevel(Level.ERROR); // faults are the rule here
    side = new MixSide(Side.A, socket, random.nextLong());
    runner = MixMain.runner(side, failure).start();
    spawn();
  }

  long successes() {
    return side.successes();
  }

  /** Makes one fault after the other until the time is over, and then waits for a sound end. */
  void run(Duration duration) throws Exception {
    awaitTraffic();
    while (System.nanoTime() - startNs < duration.toNanos()) {
      pause(random.nextInt(300));
      switch (random.nextInt(14)) {
        case 0 -> kill();
        case 1, 2 -> stop(1 + random.nextInt(100));
        case 3 -> stop(400 + random.nextInt(1200));
        case 4 -> tell("fail");
        case 5 -> ask("fail");
        case 6 -> tell("nap " + (1 + random.nextInt(random.nextInt(4) == 0 ? 1500 : 100)));
        case 7, 8 -> corrupt();
        case 9 -> tell("channel");
        case 10 -> ask("channel");
        default -> awaitTraffic();
      }
    }
    awaitTraffic();
    peerIn.close();
    await("side B's end", () -> !peer.isAlive());
    check();
    runner.close();
    System.out.printf(
        "mix: seed %d, %d s, director: %s%n%s%n%s",
        seed, (System.nanoTime() - startNs) / 1_000_000_000, tally, side.summary(), summaries);
  }

  // --- faults

  private void kill() throws Exception {
    tally.count("kills");
    peer.destroyForcibly().waitFor();
    pause(random.nextInt(50));
    spawn();
    awaitTraffic();
  }

  private void stop(int ms) throws InterruptedException {
    tally.count(ms < 300 ? "short stops" : "long stops");
    int pid = Math.toIntExact(peer.pid());
    boolean stopped = Processes.kill(pid, Signal.STOP);
    pause(ms);
    boolean went = Processes.kill(pid, Signal.CONT);
    if (!stopped || !went) {
      check();
    }
  }

  /** Both sides lie for a while, and need not be believed until the next life. */
  private void corrupt() throws InterruptedException {
    tally.count("corruptions");
    awaitTraffic();
    both("taint");
    both("corrupt");
    pause(random.nextInt(400));
    if (random.nextInt(3) == 0) {
      stop(1 + random.nextInt(50));
    }
    both("sound");
    both("clean");
    tell("fail");
    awaitTraffic();
  }

  private void both(String command) throws InterruptedException {
    tell(command);
    ask(command);
  }

  /** Tells side A, and waits until it has obeyed. */
  private void tell(String command) throws InterruptedException {
    String word = command.split(" ")[0];
    side.command(command);
    runner.wake();
    await("side A to obey " + command, () -> word.equals(side.answer()));
  }

  /** Tells side B, and waits until it has obeyed. */
  private void ask(String command) throws InterruptedException {
    peerIn.println(command);
    await("side B to obey " + command, () -> command.equals(obeyed.poll()));
  }

  private void awaitTraffic() throws InterruptedException {
    await("all queue pairs of A to be connected", side::isAllConnected);
    long before = side.successes();
    await("traffic", () -> side.successes() > before + 100);
  }

  // --- watching

  private void await(String what, BooleanSupplier condition) throws InterruptedException {
    long sinceNs = System.nanoTime();
    while (!condition.getAsBoolean()) {
      pause(TICK_MS);
      if (System.nanoTime() - sinceNs > PATIENCE_NS) {
        throw failed("waited in vain for " + what + "\n" + MixMain.threads());
      }
    }
  }

  private void pause(int ms) throws InterruptedException {
    Thread.sleep(ms);
    check();
  }

  private void check() {
    if (!peer.isAlive() && peer.exitValue() == 3) {
      throw failed("side B has failed");
    }
    Throwable thrown = failure.get();
    if (thrown != null) {
      throw failed("side A has failed: " + MixMain.describe(thrown));
    }
    long nowNs = System.nanoTime();
    if (side.rounds() != roundsBefore) {
      roundsBefore = side.rounds();
      roundsSinceNs = nowNs;
    } else if (nowNs - roundsSinceNs > PATIENCE_NS) {
      throw failed("side A hangs\n" + MixMain.threads());
    }
  }

  private AssertionError failed(String what) {
    try {
      runner.close();
      peerIn.close();
      boolean _ = peer.waitFor(5, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    StringBuilder all = new StringBuilder(what + "\n");
    all.append("seed %d, after %.1f s%n".formatted(seed, (System.nanoTime() - startNs) / 1e9));
    all.append("director: ").append(tally).append('\n');
    for (String line = peerOut.poll(); line != null; line = peerOut.poll()) {
      all.append("B: ").append(line).append('\n');
    }
    all.append(side.report());
    return new AssertionError(all.toString());
  }

  private void spawn() throws IOException {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    peer =
        new ProcessBuilder(
                java,
                "--enable-native-access=ALL-UNNAMED",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Xmx256m",
                "-cp",
                System.getProperty("java.class.path"),
                MixMain.class.getName(),
                socket.toString(),
                Long.toString(MixPattern.hash(seed, ++children)))
            .redirectErrorStream(true)
            .start();
    peerIn = new PrintStream(peer.getOutputStream(), true, StandardCharsets.US_ASCII);
    Queue<String> lines = new ConcurrentLinkedQueue<>();
    peerOut = lines;
    BufferedReader out = peer.inputReader();
    Thread.ofPlatform().daemon().start(() -> read(out, lines));
  }

  private void read(BufferedReader out, Queue<String> lines) {
    try (out) {
      for (String line = out.readLine(); line != null; line = out.readLine()) {
        if (line.startsWith(MixMain.SUMMARY)) {
          synchronized (summaries) {
            summaries.append(line.substring(MixMain.SUMMARY.length())).append('\n');
          }
        } else if (line.startsWith(MixMain.OBEYED)) {
          obeyed.add(line.substring(MixMain.OBEYED.length()));
        } else {
          lines.add(line);
        }
      }
    } catch (IOException e) {
      // it was killed
    }
  }

  @Override
  public void close() {
    log.setLevel(level);
    runner.close();
    peer.destroyForcibly().onExit().join();
  }
}
