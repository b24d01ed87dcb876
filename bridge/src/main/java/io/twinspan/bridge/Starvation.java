package io.twinspan.bridge;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Asks the kernel for how long a process of this machine could not have worked although it would:
 * what tells a peer that is starved of processor time, or collects garbage, from one that is
 * stopped or hangs.
 *
 * <p>A stretch of time is excused as far as any one thread of the process waited for a processor or
 * for the disk during it, or the virtual machine stopped the others for its own work. Nothing of
 * this holds for a process that waits for a lock or loops on a processor of its own. A process of
 * which one thread stood stopped at both looks, and got no processor in between, was sent a stop:
 * its others are stopped too or will be as soon as they get a processor, so what they wait for
 * excuses nothing. Where the kernel tells nothing (another process namespace) nothing is excused.
 *
 * <p>A look reads two small files per thread, about a millisecond in all: for a peer that is
 * suspected only.
 */
final class Starvation implements Witness {
  private static final int RUN_NS = 0;
  private static final int DELAY_NS = 1;
  private static final int TURNS = 2;

  /**
   * What a thread had done at one look.
   *
   * @param ranNs time on a processor
   * @param waitedNs time in the run queue, without a wait that is not over
   * @param turns how often it got a processor
   * @param state as the kernel abbreviates it: R would run, D waits for the disk, T is stopped
   * @param stopsOthers whether it works for the virtual machine while all others stand still
   */
  record Sample(long ranNs, long waitedNs, long turns, char state, boolean stopsOthers) {
    /** Reads the kernel's files; what makes no sense throws an unchecked exception. */
    static Sample of(String stat, String schedstat) {
      int nameEnd = stat.lastIndexOf(')');
      String name = stat.substring(stat.indexOf('(') + 1, nameEnd);
      char state = stat.charAt(nameEnd + 2);
      String[] words = schedstat.strip().split(" ", -1);
      return new Sample(
          Long.parseLong(words[RUN_NS]),
          Long.parseLong(words[DELAY_NS]),
          Long.parseLong(words[TURNS]),
          state,
          name.equals("VM Thread") || name.startsWith("GC Thread"));
    }

    /** How much of the time since an earlier look is excused. */
    long excusedNs(Sample before, long elapsedNs) {
      long ran = ranNs - before.ranNs;
      // The kernel counts a wait when it ends. Of one that goes on, the beginning is not known: all
      // of the time is taken for it, unless the thread had a processor all along.
      boolean wants = state == 'R' || state == 'D';
      boolean waits = wants && turns == before.turns;
      long waited = waits ? elapsedNs - ran : waitedNs - before.waitedNs;
      return Math.clamp(waited + (stopsOthers ? ran : 0), 0, elapsedNs);
    }

    /** Whether it has been stopped since an earlier look. */
    boolean stoodStopped(Sample before) {
      return state == 'T' && before.state == 'T' && turns == before.turns;
    }
  }

  private final Path tasks;
  private Map<String, Sample> before = Map.of();
  private long lastLookNs;

  Starvation(int pid) {
    tasks = Path.of("/proc", Integer.toString(pid), "task");
  }

  @Override
  public void forget() {
    before = Map.of();
  }

  @Override
  public Evidence look() {
    Map<String, Sample> now = new HashMap<>();
    long nowNs = System.nanoTime();
    long excusedNs = 0;
    boolean stopped = false;
    try (DirectoryStream<Path> threads = Files.newDirectoryStream(tasks)) {
      for (Path thread : threads) {
        String id = String.valueOf(thread.getFileName());
        Sample sample = sample(thread);
        Sample earlier = before.get(id);
        if (sample != null) {
          now.put(id, sample);
        }
        if (sample != null && earlier != null) {
          excusedNs = Math.max(excusedNs, sample.excusedNs(earlier, nowNs - lastLookNs));
          stopped |= sample.stoodStopped(earlier);
        }
      }
    } catch (IOException | RuntimeException e) {
      now.clear(); // the process has gone, or this is a kernel that tells nothing
    }
    before = now;
    lastLookNs = nowNs;
    return new Evidence(stopped ? 0 : excusedNs, stopped);
  }

  private static @Nullable Sample sample(Path thread) {
    try {
      return Sample.of(read(thread.resolve("stat")), read(thread.resolve("schedstat")));
    } catch (IOException e) {
      return null; // it has ended since
    }
  }

  private static String read(Path file) throws IOException {
    return new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
  }
}
