package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.Memfd;
import io.twinspan.nvme.AdminOpcode;
import io.twinspan.nvme.ControllerRegisters;
import io.twinspan.nvme.DatasetRange;
import io.twinspan.nvme.DoorbellPage;
import io.twinspan.nvme.NvmOpcode;
import io.twinspan.nvme.SubmissionEntry;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.List;

/**
 * A drive whose two clients do anything: arbitrary entries in their queues, PRPs, SGLs, doorbells,
 * register writes, mappings that come and go, faults. What must hold: nothing is thrown, every
 * round ends, and no byte changes outside of what the client has mapped for writing.
 *
 * <pre>
 *   the client's memory:  0 MiB  not mapped   1 MiB  read-only   2 MiB  writable  … 4 MiB  not mapped  5 MiB
 * </pre>
 */
final class DriveFuzz implements AutoCloseable {
  private static final int MIB = 1 << 20;
  private static final long MEMORY_BYTES = 5L * MIB;
  private static final long READ_ONLY = MIB;
  private static final long WRITABLE = 2 * MIB;
  private static final long WRITABLE_BYTES = 2L * MIB;
  private static final long ADDRESS = 0x1000_0000L;

  /** Queues and lists lie in the first half of what is writable, data mostly in the second. */
  private static final long DATA = WRITABLE + MIB;

  private static final int ENTRIES = 64;
  private static final int QUEUES = 4;
  private static final long QUEUE_BYTES = 0x10000;
  private static final long NAMESPACE_BYTES = 4L * MIB;
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final int[] ADMIN_OPCODES = {0, 1, 2, 4, 5, 6, 8, 9, 10, 12};
  private static final int[] IO_OPCODES = {0, 1, 2, 4, 5, 8, 9, 12, 13, 14, 17, 21};
  private static final int[] SGL_TYPES = {0x00, 0x00, 0x20, 0x30, 0x10, 0xff};
  private static final int[] REGISTERS = {
    ControllerRegisters.CC,
    ControllerRegisters.AQA,
    ControllerRegisters.ASQ,
    ControllerRegisters.ASQ + 4,
    ControllerRegisters.ACQ,
    ControllerRegisters.ACQ + 4,
    ControllerRegisters.CAP,
    ControllerRegisters.CSTS
  };

  /** One client. */
  private static final class Client implements AutoCloseable {
    private final NvmeController controller;
    private final Fd memfd = Memfd.create("fuzz", MEMORY_BYTES);
    private final Mapping mapping =
        Mapping.shared(memfd, 0, MEMORY_BYTES, Mapping.Protection.READ_WRITE);
    private final MemorySegment memory = mapping.segment();
    private final MemorySegment doorbells =
        Arena.ofAuto().allocate(NvmeController.doorbellBytes(), DoorbellPage.BYTES);
    private final int[] tails = new int[QUEUES];
    private boolean mapped;

    private Client(NvmeController controller) {
      this.controller = controller;
      controller.connect(doorbells, vector -> {}, false);
      pattern(0, WRITABLE);
      pattern(WRITABLE + WRITABLE_BYTES, MEMORY_BYTES);
    }

    private void pattern(long from, long to) {
      for (long at = from; at < to; at += 8) {
        memory.set(LONG, at, at * 0x9e37_79b9_7f4a_7c15L);
      }
    }

    private void requireUntouched(long from, long to) {
      for (long at = from; at < to; at += 8) {
        if (memory.get(LONG, at) != at * 0x9e37_79b9_7f4a_7c15L) {
          throw new AssertionError("byte 0x%x outside of the windows changed".formatted(at));
        }
      }
    }

    /** Brings the controller up with queues, which a later choice may take away. */
    private void enable() {
      if (!mapped) {
        map();
      }
      controller.writeRegister(ControllerRegisters.CC, 0);
      memory.asSlice(WRITABLE, MIB).fill((byte) 0);
      controller.writeRegister(ControllerRegisters.AQA, ControllerRegisters.aqa(ENTRIES, ENTRIES));
      register(ControllerRegisters.ASQ, sq(0));
      register(ControllerRegisters.ACQ, cq(0));
      controller.writeRegister(
          ControllerRegisters.CC,
          ControllerRegisters.CC_ENTRY_SIZES | ControllerRegisters.CC_ENABLE);
      Arrays.fill(tails, 0);
      for (int id = 1; id < QUEUES; id++) {
        long at = entry(0);
        memory.set(INT, at, AdminOpcode.CREATE_IO_CQ);
        memory.set(LONG, at + 24, cq(id));
        memory.set(INT, at + 40, id | (ENTRIES - 1) << 16);
        memory.set(INT, at + 44, 3 | id << 16);
        at = entry(0);
        memory.set(INT, at, AdminOpcode.CREATE_IO_SQ);
        memory.set(LONG, at + 24, sq(id));
        memory.set(INT, at + 40, id | (ENTRIES - 1) << 16);
        memory.set(INT, at + 44, 1 | id << 16);
      }
      ring(0);
      var _ = controller.poll();
    }

    private void map() {
      check(controller.dma().add(ADDRESS + READ_ONLY, MIB, memfd, READ_ONLY, true, false));
      check(controller.dma().add(ADDRESS + WRITABLE, WRITABLE_BYTES, memfd, WRITABLE, true, true));
      mapped = true;
    }

    private void unmap() {
      if (mapped) {
        check(controller.unmap(ADDRESS, MEMORY_BYTES));
        mapped = false;
      }
    }

    private void register(int offset, long value) {
      controller.writeRegister(offset, (int) value);
      controller.writeRegister(offset + 4, (int) (value >>> 32));
    }

    private long sq(int id) {
      return ADDRESS + WRITABLE + id * QUEUE_BYTES;
    }

    private long cq(int id) {
      return sq(id) + QUEUE_BYTES / 2;
    }

    /** A cleared entry at the tail, which moves on. */
    private long entry(int id) {
      long at = sq(id) - ADDRESS + (long) tails[id] * SubmissionEntry.BYTES;
      memory.asSlice(at, SubmissionEntry.BYTES).fill((byte) 0);
      tails[id] = (tails[id] + 1) % ENTRIES;
      return at;
    }

    private void ring(int id) {
      doorbells.set(INT, (long) id * DoorbellPage.BYTES, tails[id]);
    }

    /** Tells the drive that all completions were taken. */
    private void takeCompletions() {
      for (int id = 0; id < QUEUES; id++) {
        doorbells.set(
            INT, (long) id * DoorbellPage.BYTES + DoorbellPage.CQ_HEAD_OFFSET, completionTail(id));
      }
    }

    /** The end of the entries with the newest phase, as a host would find it. */
    private int completionTail(int id) {
      long base = cq(id) - ADDRESS;
      int phase = memory.get(INT, base + 12) >>> 16 & 1;
      int at = 1;
      while (at < ENTRIES && (memory.get(INT, base + at * 16L + 12) >>> 16 & 1) == phase) {
        at++;
      }
      return at % ENTRIES;
    }

    @Override
    public void close() {
      controller.disconnect();
      requireUntouched(0, WRITABLE);
      requireUntouched(WRITABLE + WRITABLE_BYTES, MEMORY_BYTES);
      mapping.close();
      memfd.close();
    }
  }

  private final ArrayDeque<Runnable> flushes = new ArrayDeque<>();
  private final Subsystem subsystem =
      new Subsystem(
          "fuzz",
          "F1",
          List.of(new RamMedium(NAMESPACE_BYTES), new RamMedium(NAMESPACE_BYTES)),
          flushes::add,
          () -> {});
  private final Client[] clients = {
    new Client(subsystem.addController()), new Client(subsystem.addController())
  };
  private long commands;

  DriveFuzz() {}

  /** Entries that were submitted. */
  long commands() {
    return commands;
  }

  /** Does one thing that a client can do, and lets the drive work. */
  void step(Choices choices) {
    Client client = clients[choices.next(2)];
    switch (choices.next(64)) {
      case 0 -> client.enable();
      case 1 ->
          client.controller.writeRegister(
              REGISTERS[choices.next(REGISTERS.length)], choices.nextInt());
      case 2 ->
          client.doorbells.set(
              INT, 4L * choices.next((int) (client.doorbells.byteSize() / 4)), choices.nextInt());
      case 3 -> client.unmap();
      case 4 -> client.controller.reset();
      case 5 -> fault(choices);
      case 6 -> client.controller.writeRegister(choices.next(0x1000) & ~3, choices.nextInt());
      default -> submit(client, choices);
    }
    work(client);
    if (client.controller.state() != NvmeController.State.READY && choices.next(4) == 0) {
      client.enable();
    }
  }

  private void submit(Client client, Choices choices) {
    int id = choices.next(8) == 0 ? 0 : 1 + choices.next(QUEUES - 1);
    int count = 1 + choices.next(24);
    for (int i = 0; i < count; i++) {
      fill(client, client.entry(id), id, choices);
    }
    commands += count;
    client.ring(id);
  }

  private void fill(Client client, long at, int queue, Choices choices) {
    MemorySegment memory = client.memory;
    int[] likely = queue == 0 ? ADMIN_OPCODES : IO_OPCODES;
    int opcode = choices.next(8) == 0 ? choices.next(256) : likely[choices.next(likely.length)];
    boolean sgl = choices.next(8) == 0;
    int flags = choices.next(32) == 0 ? choices.next(256) : sgl ? SubmissionEntry.PSDT_SGL : 0;
    memory.set(INT, at, opcode | flags << 8 | choices.next(1 << 16) << 16);
    memory.set(INT, at + 4, choices.next(16) == 0 ? choices.nextInt() : 1 + choices.next(2));
    memory.set(LONG, at + 24, address(choices));
    memory.set(LONG, at + 32, sgl ? descriptor(choices) : address(choices));
    for (int dword = 10; dword < 16; dword++) {
      int value = choices.next(16) == 0 ? choices.nextInt() : choices.next(32);
      memory.set(INT, at + 4L * dword, value);
    }
    if (opcode == NvmOpcode.DATASET_MANAGEMENT || choices.next(8) == 0) {
      list(memory, choices);
    }
  }

  /** Somewhere where data may be, what a list of pages, of descriptors or of ranges may be. */
  private static void list(MemorySegment memory, Choices choices) {
    long at = DATA + 4096L * choices.next(16);
    int kind = choices.next(3);
    for (int i = 0; i < 4; i++) {
      switch (kind) {
        case 0 -> memory.set(LONG, at + 8L * i, address(choices));
        case 1 -> {
          memory.set(LONG, at + 16L * i, address(choices));
          memory.set(LONG, at + 16L * i + 8, descriptor(choices));
        }
        default ->
            DatasetRange.set(
                memory.asSlice(at, 4096), i, choices.next(1 << 12), choices.next(1 << 11));
      }
    }
  }

  private static long descriptor(Choices choices) {
    return (long) SGL_TYPES[choices.next(SGL_TYPES.length)] << 56 | 16L * choices.next(512);
  }

  private static long address(Choices choices) {
    return switch (choices.next(12)) {
      case 0 -> choices.nextLong();
      case 1 -> ADDRESS + READ_ONLY + 4096L * choices.next(256);
      case 2 -> ADDRESS + 4096L * choices.next((int) (MEMORY_BYTES / 4096));
      case 3 -> ADDRESS + DATA + choices.next(MIB);
      case 4 -> ADDRESS + WRITABLE + WRITABLE_BYTES - 4096L * choices.next(3);
      default -> ADDRESS + DATA + 4096L * choices.next(256);
    };
  }

  private void fault(Choices choices) {
    Fault.Effect[] effects = Fault.Effect.values();
    Fault.Effect effect = effects[choices.next(effects.length)];
    subsystem.faults().clear();
    if (effect != Fault.Effect.DELAY && effect != Fault.Effect.REMOVE) {
      subsystem
          .faults()
          .add(
              Fault.parse(
                  effect.name()
                      + " count=1 opcode="
                      + IO_OPCODES[choices.next(IO_OPCODES.length)]));
    }
  }

  private void work(Client client) {
    var _ = subsystem.pollFlushes();
    for (Client each : clients) {
      var _ = each.controller.poll();
      if (each.controller.takePowerLoss()) {
        each.controller.reset();
      }
    }
    while (!flushes.isEmpty()) {
      flushes.remove().run();
    }
    var _ = subsystem.pollFlushes();
    client.takeCompletions();
  }

  private static void check(int result) {
    assertThat(result).isZero();
  }

  /** Looks whether anything was touched that should not be. */
  @Override
  public void close() {
    for (Client client : clients) {
      client.close();
    }
    subsystem.close();
  }
}
