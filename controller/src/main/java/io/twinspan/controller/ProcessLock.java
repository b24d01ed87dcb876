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

/**
 * A lock that a process holds on a file as long as it lives: the kernel lets go of it however the process ends, so a pid in the file is never taken for
 * that of a process which has got the number since.
 */
public final class ProcessLock implements AutoCloseable {
  private final FileChannel channel;

  private ProcessLock(FileChannel channel) {
    this.channel = channel;
  }

  /**
   * Takes the lock and writes this process's pid into the file.
   *
   * @throws TwinspanException when another process holds it
   */
  public static ProcessLock take(Path file) {
    try {
      FileChannel channel =
          FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
      if (!tryLock(channel)) {
        channel.close();
        throw new TwinspanException(
            file + " is held by process " + pidIn(file) + ": it is running already");
      }
      channel.truncate(0);
      byte[] pid = Long.toString(ProcessHandle.current().pid()).getBytes(StandardCharsets.US_ASCII);
      channel.write(ByteBuffer.wrap(pid), 0);
      return new ProcessLock(channel);
    } catch (IOException e) {
      throw new TwinspanException("can't lock " + file + ": " + e.getMessage(), e);
    }
  }

  /** Pid of the process that holds the lock; empty when nobody does. */
  public static OptionalInt holder(Path file) {
    if (!Files.exists(file)) {
      return OptionalInt.empty();
    }
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      if (tryLock(channel)) {
        return OptionalInt.empty();
      }
      String pid = pidIn(file);
      return pid.isEmpty() ? OptionalInt.empty() : OptionalInt.of(Integer.parseInt(pid));
    } catch (IOException | NumberFormatException e) {
      throw new TwinspanException("can't read the lock " + file + ": " + e.getMessage(), e);
    }
  }

  private static boolean tryLock(FileChannel channel) throws IOException {
    try {
      FileLock lock = channel.tryLock();
      return lock != null;
    } catch (OverlappingFileLockException e) {
      return false; // this very process holds it
    }
  }

  private static String pidIn(Path file) throws IOException {
    return Files.readString(file, StandardCharsets.US_ASCII).strip();
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      throw new TwinspanException("can't let go of a lock", e);
    }
  }
}
