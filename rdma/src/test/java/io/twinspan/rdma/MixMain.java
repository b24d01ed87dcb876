package io.twinspan.rdma;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import io.twinspan.bridge.Side;
import io.twinspan.concurrent.AgentErrorHandler.Decision;
import io.twinspan.concurrent.AgentRunner;
import io.twinspan.concurrent.Idle;
import io.twinspan.concurrent.SystemClock;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;

/**
 * Side B of the mixer in a process of its own. Lines that come in are commands, lines that go out
 * say what was obeyed; everything else that goes out is the report of a failure. The end of the
 * input ends it.
 */
final class MixMain {
  static final String OBEYED = "obeyed ";
  static final String SUMMARY = "summary ";
  static final int MOST_IDLE_TICKS = 20;

  private MixMain() {}

  public static void main(String[] args) throws Exception {
    ((Logger) LoggerFactory.getLogger("io.twinspan")).setLevel(Level.ERROR);
    MixSide side = new MixSide(Side.B, Path.of(args[0]), Long.parseLong(args[1]));
    AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
    AgentRunner runner = runner(side, failure).start();
    Thread.ofPlatform().daemon().start(() -> readCommands(side, runner));
    long before = -1;
    for (int idleTicks = 0; runner.thread().isAlive(); ) {
      boolean _ = runner.thread().join(java.time.Duration.ofMillis(5));
      for (String line = side.answer(); line != null; line = side.answer()) {
        System.out.println(OBEYED + line);
      }
      idleTicks = side.rounds() == before ? idleTicks + 1 : 0;
      before = side.rounds();
      if (idleTicks > MOST_IDLE_TICKS * 200) {
        fail("side B hangs\n" + threads());
      }
    }
    Throwable thrown = failure.get();
    if (thrown != null) {
      fail(describe(thrown) + side.report());
    }
    System.out.println(SUMMARY + side.summary());
  }

  /** Runs a side; what it throws is kept, and ends it. */
  static AgentRunner runner(MixSide side, AtomicReference<@Nullable Throwable> failure) {
    return new AgentRunner(
        side,
        Idle.DEFAULT,
        side.link().wakeSources(),
        SystemClock.INSTANCE,
        (_, thrown) -> {
          failure.compareAndSet(null, thrown);
          return Decision.STOP;
        },
        AgentRunner.DEFAULT_CLOSE_TIMEOUT);
  }

  static String describe(Throwable thrown) {
    StringBuilder all = new StringBuilder(thrown + "\n");
    for (StackTraceElement element : thrown.getStackTrace()) {
      all.append("    at ").append(element).append('\n');
    }
    return all.toString();
  }

  static String threads() {
    StringBuilder all = new StringBuilder();
    Thread.getAllStackTraces()
        .forEach((thread, stack) -> {
          all.append(thread).append('\n');
          for (StackTraceElement element : stack) {
            all.append("    at ").append(element).append('\n');
          }
        });
    return all.toString();
  }

  private static void readCommands(MixSide side, AgentRunner runner) {
    try (BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII))) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        side.command(line);
        runner.wake();
      }
    } catch (IOException e) {
      System.out.println("no more commands: " + e);
    }
    runner.close();
  }

  private static void fail(String report) {
    System.out.println(report);
    System.out.flush();
    Runtime.getRuntime().halt(3);
  }
}
