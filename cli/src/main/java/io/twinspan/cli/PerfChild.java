package io.twinspan.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.twinspan.linux.TwinspanException;
import io.twinspan.perf.PerfResult;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;

/** One side of a measurement in a process of its own, and what it says. */
final class PerfChild implements AutoCloseable {
  private static final String PREFIX = "twinspan: ";
  private static final int SHOWN_LINES = 5;
  private static final Executor THREADS = task -> Thread.ofVirtual().start(task);

  private final String name;
  private final Process process;
  private final CompletableFuture<Optional<PerfResult>> result;

  /**
   * A side that has just started.
   *
   * @param name what people call it
   * @param process the process, which ends when this is closed
   * @param showsLog whether its log goes to standard error as it comes
   */
  PerfChild(String name, Process process, boolean showsLog) {
    this.name = name;
    this.process = process;
    CompletableFuture<List<String>> err =
        CompletableFuture.supplyAsync(() -> errors(showsLog), THREADS);
    result =
        CompletableFuture.supplyAsync(() -> lines(process.getInputStream()), THREADS)
            .thenCombine(err, this::ended);
  }

  /** What it has measured, if it was to; fails if the side has failed. */
  CompletableFuture<Optional<PerfResult>> result() {
    return result;
  }

  /** Fails if the side fails, and is never done otherwise. */
  CompletableFuture<Void> failure() {
    CompletableFuture<Void> failure = new CompletableFuture<>();
    result.exceptionally(e -> {
      failure.completeExceptionally(e);
      return Optional.empty();
    });
    return failure;
  }

  private Optional<PerfResult> ended(List<String> out, List<String> err) {
    int status = process.onExit().join().exitValue();
    if (status == 0) {
      return out.stream().filter(PerfResult::isResult).findFirst().map(PerfResult::decode);
    }
    for (String line : err) {
      if (line.startsWith(PREFIX)) {
        throw new TwinspanException(line.substring(PREFIX.length()));
      }
    }
    List<String> last = new ArrayList<>(out);
    last.addAll(err);
    String words =
        String.join("\n  ", last.subList(Math.max(0, last.size() - SHOWN_LINES), last.size()));
    throw new TwinspanException(
        "the %s side ended with status %d%s"
            .formatted(name, status, words.isEmpty() ? "" : "; its last words:\n  " + words));
  }

  private List<String> errors(boolean show) {
    List<String> kept = new ArrayList<>();
    try (BufferedReader reader = reader(process.getErrorStream())) {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        if (show && !line.startsWith(PREFIX)) {
          System.err.println(line);
        } else {
          kept.add(line);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return kept;
  }

  private static List<String> lines(InputStream stream) {
    try (BufferedReader reader = reader(stream)) {
      return reader.lines().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static BufferedReader reader(InputStream stream) {
    return new BufferedReader(new InputStreamReader(stream, UTF_8));
  }

  /** Gives it time to end by itself. */
  void awaitEnd(Duration deadline) {
    try {
      boolean _ = process.waitFor(deadline.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new TwinspanException("interrupted", e);
    }
  }

  /** Ends it, if it has not ended, and waits until it is gone. */
  @Override
  public void close() {
    process.destroyForcibly().onExit().join();
  }
}
