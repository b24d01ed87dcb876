package io.twinspan.systemtests;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** What proc(5) tells about other processes. */
final class Os {
  private static final long TICKS_PER_SECOND = 100; // USER_HZ of every Linux port

  private Os() {}

  /** Processes that have a text among their arguments. */
  static List<Integer> processesWith(String argument) {
    List<Integer> found = new ArrayList<>();
    try (Stream<Path> all = Files.list(Path.of("/proc"))) {
      for (Path process : all.filter(p -> p.getFileName().toString().matches("\\d+")).toList()) {
        int pid = Integer.parseInt(process.getFileName().toString());
        if (pid != ProcessHandle.current().pid() && commandLine(process).contains(argument)) {
          found.add(pid);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return found;
  }

  private static String commandLine(Path process) {
    try {
      return new String(Files.readAllBytes(process.resolve("cmdline")), StandardCharsets.UTF_8);
    } catch (IOException e) {
      return ""; // it has ended meanwhile
    }
  }

  /** Number of open file descriptors of a process. */
  static int openFiles(int pid) {
    try (Stream<Path> open = Files.list(Path.of("/proc/" + pid + "/fd"))) {
      return (int) open.count();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What the open file descriptors of a process are. */
  static List<String> openFileNames(int pid) {
    List<String> names = new ArrayList<>();
    try (Stream<Path> open = Files.list(Path.of("/proc/" + pid + "/fd"))) {
      for (Path each : open.toList()) {
        try {
          names.add(each.getFileName() + " " + Files.readSymbolicLink(each));
        } catch (NoSuchFileException e) {
          names.add(each.getFileName() + " closed meanwhile");
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return names;
  }

  /** Processor time that a process has used, in milliseconds. */
  static long cpuMs(int pid) {
    try {
      String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
      String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
      long ticks = Long.parseLong(fields[11]) + Long.parseLong(fields[12]);
      return ticks * 1000 / TICKS_PER_SECOND;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Whether a process lives and is no zombie. */
  static boolean isAlive(int pid) {
    return !commandLine(Path.of("/proc/" + pid)).isEmpty();
  }

  static boolean isRoot() {
    return "root".equals(System.getProperty("user.name"));
  }
}
