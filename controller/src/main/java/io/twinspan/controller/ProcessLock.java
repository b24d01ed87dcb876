package io.twinspan.controller;

import io.twinspan.linux.TwinspanException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * A lock that a process holds on a file as long as it lives: the kernel lets go of it however the
 * process ends, so a pid in the file is never taken for that of a process which has got the number
 * since.
 *
 * <p>Thread-safe. What this process holds it also remembers: POSIX lets go of a process's locks
 * when it closes any descriptor of the file, so a file whose lock is held here is not opened a
 * second time.
 */
public final class ProcessLock implements AutoCloseable {
  /**
   * Those who ask hold a shared lock for a moment: longer than this it is another process's own.
   */
  private static final long TAKE_DEADLINE_NS = TimeUnit.MILLISECONDS.toNanos(500);

  private static final long RETRY_NS = TimeUnit.MILLISECONDS.toNanos(1);
  private static final Set<Path> HELD_HERE = ConcurrentHashMap.newKeySet();

  private final Path file;
  private final FileChannel channel;

  private ProcessLock(Path file, FileChannel channel) {
    this.file = file;
    this.channel = channel;
  }

  /**
   * Takes the lock and writes this process's pid into the file.
   *
   * @throws TwinspanException when another process holds it
   */
  public static ProcessLock take(Path file) {
    Path absolute = file.toAbsolutePath().normalize();
    if (!HELD_HERE.add(absolute)) {
      throw heldBy(file, Long.toString(ProcessHandle.current().pid()));
    }
    try {
      return new ProcessLock(absolute, lock(file));
    } catch (IOException e) {
      HELD_HERE.remove(absolute);
      throw new TwinspanException("can't lock " + file + ": " + e.getMessage(), e);
    } catch (TwinspanException e) {
      HELD_HERE.remove(absolute);
      throw e;
    }
  }

  private static FileChannel lock(Path file) throws IOException {
    FileChannel channel =
        FileChannel.open(
            file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
    long deadline = System.nanoTime() + TAKE_DEADLINE_NS;
    while (channel.tryLock() == null) {
      if (System.nanoTime() > deadline) {
        channel.close();
        throw heldBy(file, pidIn(file));
      }
      LockSupport.parkNanos(RETRY_NS);
    }
    channel.truncate(0);
    byte[] pid = Long.toString(ProcessHandle.current().pid()).getBytes(StandardCharsets.US_ASCII);
    channel.write(ByteBuffer.wrap(pid), 0);
    return channel;
  }

  private static TwinspanException heldBy(Path file, String pid) {
    return new TwinspanException(file + " is held by process " + pid + ": it is running already");
  }

  /** Pid of the process that holds the lock; empty when nobody does. */
  public static OptionalInt holder(Path file) {
    if (HELD_HERE.contains(file.toAbsolutePath().normalize())) {
      return OptionalInt.of(Math.toIntExact(ProcessHandle.current().pid()));
    }
    if (!Files.exists(file)) {
      return OptionalInt.empty();
    }
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      if (isFree(channel)) {
        return OptionalInt.empty();
      }
      String pid = pidIn(file);
      return pid.isEmpty() ? OptionalInt.empty() : OptionalInt.of(Integer.parseInt(pid));
    } catch (IOException | NumberFormatException e) {
      throw new TwinspanException("can't read the lock " + file + ": " + e.getMessage(), e);
    }
  }

  /** A shared lock, so that those who ask do not take each other for the holder. */
  private static boolean isFree(FileChannel channel) throws IOException {
    try (FileLock lock = channel.tryLock(0, Long.MAX_VALUE, true)) {
      return lock != null;
    } catch (OverlappingFileLockException e) {
      return true; // another thread of this process asks, too
    }
  }

  private static String pidIn(Path file) throws IOException {
    return Files.readString(file, StandardCharsets.US_ASCII).strip();
  }

  @Override
  public void close() {
    try {
      channel.close();
      HELD_HERE.remove(file);
    } catch (IOException e) {
      throw new TwinspanException("can't let go of a lock", e);
    }
  }
}
