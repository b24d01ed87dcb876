package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * An open {@code /dev/twinspan-nvmeN}: a drive of which Twinspan's kernel driver keeps the admin
 * queue and gives each process queue pairs of its own ({@code kernel/twinspan-nvme}, whose {@code
 * twinspan_nvme.h} says what each call does). Safe for several threads, but for {@link Ringer}.
 */
public final class TwinspanNvme implements AutoCloseable {
  /** The most data of an admin command in bytes. */
  public static final int ADMIN_BYTES = 128 << 10;

  /**
   * Where the submission queue is in a file that has a queue pair; before it is a doorbell page.
   */
  public static final int SQ_OFFSET = 4096;

  private static final int VERSION = 2;
  private static final int COMMAND_BYTES = 64;

  // _IOC(direction, 0xbc, number, size)
  private static final int GET_INFO = 0x8020BC00;
  private static final int ADMIN = 0xC038BC01;
  private static final int CREATE_QUEUE = 0xC020BC02;
  private static final int DELETE_QUEUE = 0x0000BC03;
  private static final int RING = 0x4008BC04;
  private static final int REGISTER = 0xC018BC05;
  private static final int UNREGISTER = 0x4008BC06;

  private static final int NONE = -1;
  private static final int INFO_BYTES = 32;

  /**
   * What the driver says of itself and the drive.
   *
   * @param directDoorbells whether doorbells can be mapped
   * @param cap the register CAP
   * @param csts the register CSTS
   * @param queuePairs of the drive, for all processes
   * @param processQueuePairs the most for one process
   * @param interrupts queue pairs with an identifier below have an interrupt
   */
  public record Info(
      boolean directDoorbells,
      long cap,
      int csts,
      int queuePairs,
      int processQueuePairs,
      int interrupts) {}

  /**
   * How an admin command ended.
   *
   * @param status bits 15:1 of the last dword of its completion, 0 for success
   * @param result dword 0 of its completion
   */
  public record Answer(int status, int result) {}

  /**
   * The queue pair of a file, and what of the file can be mapped: a page with its doorbells, if it
   * is direct, from {@link #SQ_OFFSET} on the submission queue, and behind it the completion queue.
   * The sizes are those that {@code entries} take, in whole pages.
   *
   * @param direct whether its doorbells can be mapped
   * @param id its identifier
   * @param bytes what can be mapped
   * @param sqDoorbell where the submission queue's tail doorbell is, in bytes
   * @param cqDoorbell where the completion queue's head doorbell is
   */
  public record Queue(boolean direct, int id, int bytes, int sqDoorbell, int cqDoorbell) {}

  private final Path path;
  private final Fd fd;

  private TwinspanNvme(Path path, Fd fd) {
    this.path = path;
    this.fd = fd;
  }

  /**
   * Opens a device.
   *
   * @param path such as {@code /dev/twinspan-nvme0}
   * @throws ErrnoException if it is not there, or this user may not open it
   * @throws TwinspanException if it is something else, or of a driver of another version
   */
  public static TwinspanNvme open(Path path) {
    TwinspanNvme device = new TwinspanNvme(path, Fd.open(path, Fd.READ_WRITE, 0));
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = arena.allocate(INFO_BYTES, Long.BYTES);
      int result = device.ioctl(GET_INFO, info);
      if (result == -Errno.ENOTTY) {
        throw new TwinspanException(path + " is not a device of the driver twinspan-nvme");
      }
      ErrnoException.check(result, "TWINSPAN_NVME_INFO of " + path);
      int version = info.get(JAVA_INT, 0);
      if (version != VERSION) {
        throw new TwinspanException(
            "%s: the driver speaks version %d, this program %d".formatted(path, version, VERSION));
      }
      return device;
    } catch (RuntimeException e) {
      device.close();
      throw e;
    }
  }

  /** The descriptor, which reports a hang-up when the drive has gone; owned by this object. */
  public Fd fd() {
    return fd;
  }

  /**
   * Asks the driver, which asks the drive.
   *
   * @throws ErrnoException with {@code ENODEV} if the drive has gone or was reset
   */
  public Info info() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = arena.allocate(INFO_BYTES, Long.BYTES);
      ErrnoException.check(ioctl(GET_INFO, info), "TWINSPAN_NVME_INFO of " + path);
      return new Info(
          (info.get(JAVA_INT, 4) & 1) != 0,
          info.get(JAVA_LONG, 8),
          info.get(JAVA_INT, 16),
          info.get(JAVA_INT, 20),
          info.get(JAVA_INT, 24),
          info.get(JAVA_INT, 28));
    }
  }

  /**
   * Has an admin command carried out.
   *
   * @param command a submission queue entry, of which opcode, NSID and dwords 10 to 15 count
   * @param data native memory, at most {@link #ADMIN_BYTES}, empty for none; bits 0 and 1 of the
   *     opcode tell which way it goes
   * @throws ErrnoException with {@code EPERM} if the policy does not allow it, {@code ENODEV} if
   *     the drive has gone or was reset
   */
  public Answer admin(MemorySegment command, MemorySegment data) {
    if (command.byteSize() != COMMAND_BYTES || data.byteSize() > ADMIN_BYTES) {
      throw new IllegalArgumentException(
          "command of %d bytes, data of %d".formatted(command.byteSize(), data.byteSize()));
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment argument = arena.allocate(56, Long.BYTES);
      MemorySegment.copy(command, 0, argument, 0, 1);
      MemorySegment.copy(command, 4, argument, 4, Integer.BYTES);
      MemorySegment.copy(command, 40, argument, 8, 6 * Integer.BYTES);
      argument.set(JAVA_LONG, 32, data.address());
      argument.set(JAVA_INT, 40, (int) data.byteSize());
      ErrnoException.check(ioctl(ADMIN, argument), "TWINSPAN_NVME_ADMIN of " + path);
      return new Answer(argument.get(JAVA_INT, 48), argument.get(JAVA_INT, 52));
    }
  }

  /**
   * Creates the queue pair of this file, which can have but one.
   *
   * @param entries of each of its queues
   * @param event signalled for completions
   * @throws ErrnoException if the driver refuses
   */
  public Queue createQueue(int entries, @Nullable EventFd event) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment argument = arena.allocate(32, Long.BYTES);
      argument.set(JAVA_INT, 0, entries);
      argument.set(JAVA_INT, 4, event == null ? NONE : event.fd().number());
      ErrnoException.check(ioctl(CREATE_QUEUE, argument), "create a queue pair of " + path);
      return new Queue(
          (argument.get(JAVA_INT, 8) & 1) != 0,
          argument.get(JAVA_INT, 12),
          argument.get(JAVA_INT, 20),
          argument.get(JAVA_INT, 24),
          argument.get(JAVA_INT, 28));
    }
  }

  /**
   * Deletes the queue pair; when this returns the drive does not carry out its commands any more.
   *
   * @return 0, or a negative {@link Errno}
   */
  public int deleteQueue() {
    return ioctl(DELETE_QUEUE, MemorySegment.NULL);
  }

  /**
   * Pins memory of this process and shows it to the drive. It stays so when it is unmapped.
   *
   * @param memory whole pages
   * @return the DMA address of its first byte; the others follow
   * @throws ErrnoException with {@code ENOMEM} if RLIMIT_MEMLOCK does not allow so much
   */
  public long register(MemorySegment memory) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment argument = arena.allocate(24, Long.BYTES);
      argument.set(JAVA_LONG, 0, memory.address());
      argument.set(JAVA_LONG, 8, memory.byteSize());
      ErrnoException.check(
          ioctl(REGISTER, argument),
          "show %d bytes to %s (is RLIMIT_MEMLOCK too low?)".formatted(memory.byteSize(), path));
      return argument.get(JAVA_LONG, 16);
    }
  }

  /**
   * Takes memory back from the drive: when this returns, it can't reach it any more.
   *
   * @param iova what {@link #register} returned
   * @return 0, or a negative {@link Errno}
   */
  public int unregister(long iova) {
    try (Arena arena = Arena.ofConfined()) {
      return ioctl(UNREGISTER, arena.allocateFrom(JAVA_LONG, iova));
    }
  }

  /** Opens the same device once more, for another queue pair. */
  public TwinspanNvme openAnother() {
    return open(path);
  }

  /** Lets go of the drive; mappings of its queue pair must have been closed before. */
  @Override
  public void close() {
    fd.close();
  }

  @Override
  public String toString() {
    return path.toString();
  }

  private int ioctl(int request, MemorySegment argument) {
    return Native.ioctl(fd.number(), Integer.toUnsignedLong(request), argument.address());
  }

  /**
   * Rings the doorbells of a file's queue pair by system calls. For one thread; does not allocate.
   */
  public static final class Ringer {
    private final Fd fd;
    private final MemorySegment argument = Arena.ofAuto().allocate(8, Integer.BYTES);

    /**
     * For a queue pair.
     *
     * @param device the file that has it
     */
    public Ringer(TwinspanNvme device) {
      fd = device.fd;
    }

    /**
     * Rings the completion queue's head doorbell, then the submission queue's tail doorbell.
     *
     * @param tail the new tail, or -1 to leave it alone
     * @param head the new head, or -1 to leave it alone
     * @return 0, or a negative {@link Errno}
     */
    public int ring(int tail, int head) {
      argument.set(JAVA_INT, 0, tail);
      argument.set(JAVA_INT, 4, head);
      return Native.ioctl(fd.number(), RING, argument.address());
    }
  }
}
