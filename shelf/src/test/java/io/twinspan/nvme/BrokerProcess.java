package io.twinspan.nvme;

import io.twinspan.concurrent.Agent;
import io.twinspan.linux.EventFd;
import io.twinspan.linux.Fd;
import io.twinspan.linux.UnixSocket;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.Logger;

/**
 * A process of another user at a broker. Role {@code work} writes and compares its own blocks until
 * it is killed or told to stop, {@code ask} sends administrative commands and reads blocks of
 * somebody else, {@code pry} tries to get at another process's memory and doorbells from outside,
 * {@code attack} is {@link BrokerAttacker}, {@code misbehave} breaks a rule that costs it all.
 */
final class BrokerProcess {
  static final String BUSY = "busy";
  static final String SOUND = "sound";

  private static final int BLOCK = 4096;
  private static final int BLOCKS = 16;
  private static final int GUARD_BYTES = 1 << 20;
  private static final byte SECRET = 0x5e;
  private static final int DEPTH = 32;
  private static final int ROUNDS_UNTIL_BUSY = 100;

  private BrokerProcess() {}

  /**
   * Starts one as another user, who can read nothing but copies of the classes it needs.
   *
   * @param readable a folder that everybody may read
   */
  static Process start(Path readable, int user, String... arguments) throws IOException {
    String id = Integer.toString(user);
    List<String> command =
        List.of(
            "setpriv",
            "--reuid",
            id,
            "--regid",
            id,
            "--clear-groups",
            "--inh-caps=-all",
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:-UsePerfData",
            "-cp",
            classPath(readable),
            BrokerProcess.class.getName());
    return new ProcessBuilder(Stream.concat(command.stream(), Stream.of(arguments)).toList())
        .redirectError(ProcessBuilder.Redirect.INHERIT)
        .start();
  }

  private static String classPath(Path readable) {
    return Stream.of(BrokeredDrive.class, Agent.class, Fd.class, Logger.class, BrokerProcess.class)
        .map(type -> copy(source(type), readable).toString())
        .distinct()
        .collect(Collectors.joining(":"));
  }

  private static Path source(Class<?> type) {
    try {
      return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  private static Path copy(Path source, Path readable) {
    Path target = readable.resolve(Integer.toHexString(source.hashCode()));
    if (Files.exists(target)) {
      return target;
    }
    try (Stream<Path> files = Files.walk(source)) {
      for (Path file : files.toList()) {
        Files.copy(
            file,
            target.resolve(source.relativize(file).toString()),
            StandardCopyOption.REPLACE_EXISTING);
      }
      return target;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Plays a role.
   *
   * @param arguments role, socket or process, first block
   */
  public static void main(String[] arguments) throws IOException {
    switch (arguments[0]) {
      case "work" -> work(Path.of(arguments[1]), Long.parseLong(arguments[2]));
      case "ask" -> ask(Path.of(arguments[1]), Long.parseLong(arguments[2]));
      case "pry" -> pry(arguments[1]);
      case "attack" -> BrokerAttacker.attack(arguments);
      case "misbehave" -> misbehave(Path.of(arguments[1]), arguments[2]);
      default -> throw new IllegalArgumentException(arguments[0]);
    }
  }

  private static void work(Path socket, long lba) throws IOException {
    int[] answered = {0, 0};
    try (BrokeredDrive drive = BrokeredDrive.connect(socket);
        DmaMemory memory = DmaMemory.allocate("work", 2L * DEPTH * BLOCKS * BLOCK);
        DmaMemory guard = DmaMemory.allocate("guard", GUARD_BYTES)) {
      drive.map(memory);
      drive.map(guard);
      guard.segment().fill(SECRET);
      MemorySegment data = memory.segment();
      try (QueuePair<Integer> queue =
          drive.createQueuePair(
              DEPTH,
              (request, status) -> {
                answered[0]++;
                answered[1] += status == Status.SUCCESS ? 0 : 1;
              })) {
        long half = data.byteSize() / 2;
        for (int round = 1; System.in.available() == 0; round++) {
          data.asSlice(0, half).fill((byte) (round + lba));
          transfer(queue, data, lba, 0, true, answered);
          transfer(queue, data, lba, half, false, answered);
          if (answered[1] > 0 || data.asSlice(0, half).mismatch(data.asSlice(half, half)) >= 0) {
            System.out.println("unsound after %d rounds".formatted(round));
            return;
          }
          if (round == ROUNDS_UNTIL_BUSY) {
            System.out.printf("%s 0x%x%n", BUSY, drive.iovaOf(guard.segment(), 0, 1));
          }
        }
      }
      for (long at = 0; at < GUARD_BYTES; at++) {
        if (guard.segment().get(ValueLayout.JAVA_BYTE, at) != SECRET) {
          System.out.println("byte %d of the guard has changed".formatted(at));
          return;
        }
      }
    }
    System.out.println(SOUND);
  }

  private static void transfer(
      QueuePair<Integer> queue,
      MemorySegment data,
      long lba,
      long offset,
      boolean write,
      int[] answered) {
    answered[0] = 0;
    for (int i = 0; i < DEPTH; ) {
      long at = offset + (long) i * BLOCKS * BLOCK;
      long block = lba + (long) i * BLOCKS;
      int status =
          write
              ? queue.write(1, block, BLOCKS, data, at, i)
              : queue.read(1, block, BLOCKS, data, at, i);
      i += status == Status.SUCCESS ? 1 : 0;
      var _ = queue.poll(DEPTH);
    }
    while (answered[0] < DEPTH) {
      var _ = queue.poll(DEPTH);
    }
  }

  private static void ask(Path socket, long lba) {
    try (BrokeredDrive drive = BrokeredDrive.connect(socket);
        DmaMemory memory = DmaMemory.allocate("ask", BLOCK)) {
      drive.map(memory);
      System.out.println("model " + drive.identifyController().modelNumber());
      MemorySegment entry = Arena.ofAuto().allocate(SubmissionEntry.BYTES, 8);
      SubmissionEntry command = new SubmissionEntry().wrap(entry, 0);
      command.command(AdminOpcode.SET_FEATURES, 0).cdw(10, Feature.VOLATILE_WRITE_CACHE);
      command.cdw(11, 1);
      System.out.printf(
          "set 0x%03x%n", drive.admin(command, MemorySegment.ofArray(new byte[0])).status());
      int[] status = {Integer.MIN_VALUE};
      try (QueuePair<Integer> queue = drive.createQueuePair(1, (request, s) -> status[0] = s)) {
        var _ = queue.read(1, lba, 1, memory.segment(), 0, 0);
        while (status[0] == Integer.MIN_VALUE) {
          var _ = queue.poll(1);
        }
      }
      System.out.printf("read 0x%03x%n", status[0]);
    }
  }

  /** Does something that no library does, and waits until it has lost the drive. */
  private static void misbehave(Path socket, String how) {
    try (BrokeredDrive drive = BrokeredDrive.connect(socket);
        DmaMemory memory = DmaMemory.allocate("misbehave", BLOCK)) {
      drive.map(memory);
      QueuePair<Integer> queue = drive.createQueuePair(4, (request, status) -> {});
      DoorbellPage page =
          new DoorbellPage(
              drive.device().mapBar(DoorbellPage.barOffset(queue.id()), DoorbellPage.BYTES), 0);
      EventFd bell = drive.device().interrupt(queue.id());
      switch (how) {
        case "tail" -> page.sqTail(5);
        case "negative" -> page.sqTail(-1);
        case "bell" -> UnixSocket.adopt(bell.fd().duplicate()).endOutput();
        case "words" -> {
          try (BrokerConnection connection =
              new BrokerConnection(UnixSocket.connect(socket, Duration.ofSeconds(5)))) {
            connection.message().begin(77, 0);
            connection.send();
            System.out.println(connection.receive().type());
          } catch (BrokerConnection.EndedException e) {
            System.out.println("lost");
          }
          return;
        }
        default -> throw new IllegalArgumentException(how);
      }
      while (drive.checkPresence()) {
        bell.signal();
        Thread.onSpinWait();
      }
      System.out.println("lost");
    }
  }

  private static void pry(String process) {
    Path proc = Path.of("/proc", process);
    int open = tryOpen(proc.resolve("mem"));
    for (int fd = 3; fd < 64; fd++) {
      open += tryOpen(proc.resolve("fd").resolve(Integer.toString(fd)));
    }
    System.out.println("opened " + open);
  }

  private static int tryOpen(Path path) {
    try (var channel =
        Files.newByteChannel(path, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      return channel.isOpen() ? 1 : 0;
    } catch (IOException e) {
      return 0;
    }
  }
}
