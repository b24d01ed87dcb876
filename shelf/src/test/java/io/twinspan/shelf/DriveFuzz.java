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
import org.jspecify.annotations.Nullable;

/**
 * A drive whose two clients do anything: arbitrary entries in their queues, PRPs, SGLs, doorbells,
 * register writes, mappings that come and go, faults. The first one has doorbells in pages, and
 * lends queue pairs ({@link DomainFuzz}); the second has registers, and shadows of them. What must
 * hold: nothing is thrown, every round ends, and no byte changes outside of what the client has
 * mapped for writing.
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
  static final long ADDRESS = 0x1000_0000L;

  /** Queues and lists lie in the first half of what is writable, data mostly in the second. */
  private static final long DATA = WRITABLE + MIB;

  private static final int ENTRIES = 64;
  private static final int QUEUES = 4;

  /** Shadow doorbells, and the page of event indexes. */
  private static final long SHADOWS = WRITABLE + 15L * (1 << 16);

  private static final long QUEUE_BYTES = 0x10000;
  private static final long NAMESPACE_BYTES = 4L * MIB;
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final int[] ADMIN_OPCODES = {0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 0x7c};
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
    private final @Nullable DomainFuzz domains;
    private boolean mapped;

    private Client(NvmeController controller) {
      this.controller = controller;
      controller.connect(doorbells, vector -> {}, false);
      pattern(memory, 0, WRITABLE);
      pattern(memory, WRITABLE + WRITABLE_BYTES, MEMORY_BYTES);
      domains =
          controller.doorbellKind() == DoorbellKind.PAGES
              ? new DomainFuzz(controller, this::admin)
              : null;
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
      if (controller.doorbellKind() == DoorbellKind.SHADOWED) {
        long at = entry(0);
        memory.set(INT, at, AdminOpcode.DOORBELL_BUFFER_CONFIG);
        memory.set(LONG, at + 24, ADDRESS + SHADOWS);
        memory.set(LONG, at + 32, ADDRESS + SHADOWS + 4096);
      }
      for (int id = 1; id < QUEUES; id++) {
        admin(AdminOpcode.CREATE_IO_CQ, cq(id), id | (ENTRIES - 1) << 16, 3 | id << 16);
        admin(AdminOpcode.CREATE_IO_SQ, sq(id), id | (ENTRIES - 1) << 16, 1 | id << 16);
      }
      ring(0);
      var _ = controller.poll();
    }

    private void admin(int opcode, long prp1, int cdw10, int cdw11) {
      long at = entry(0);
      memory.set(INT, at, opcode);
      memory.set(LONG, at + 24, prp1);
      memory.set(INT, at + 40, cdw10);
      memory.set(INT, at + 44, cdw11);
      ring(0);
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
      doorbell(id, false, tails[id]);
    }

    private void doorbell(int id, boolean head, int value) {
      if (controller.doorbellKind() == DoorbellKind.PAGES) {
        int offset = head ? DoorbellPage.CQ_HEAD_OFFSET : DoorbellPage.SQ_TAIL_OFFSET;
        doorbells.set(INT, (long) id * DoorbellPage.BYTES + offset, value);
      } else {
        long offset = 8L * id + (head ? 4 : 0);
        doorbells.set(INT, offset, value);
        memory.set(INT, SHADOWS + offset, value);
      }
    }

    /** Tells the drive that all completions were taken. */
    private void takeCompletions() {
      for (int id = 0; id < QUEUES; id++) {
        doorbell(id, true, completionTail(memory, cq(id) - ADDRESS, ENTRIES));
      }
      if (domains != null) {
        domains.takeCompletions();
      }
    }

    @Override
    public void close() {
      controller.disconnect();
      requireUntouched(memory, 0, WRITABLE);
      requireUntouched(memory, WRITABLE + WRITABLE_BYTES, MEMORY_BYTES);
      if (domains != null) {
        domains.close();
      }
      mapping.close();
      memfd.close();
    }
  }

  private final ArrayDeque<Runnable> flushes = new ArrayDeque<>();
  private final HeldTransfers held = new HeldTransfers();
  private final MemoryMedium holding = new MemoryMedium(NAMESPACE_BYTES);
  private final Subsystem subsystem =
      new Subsystem(
          "fuzz",
          "F1",
          List.of(new RamMedium(NAMESPACE_BYTES), holding),
          held,
          null,
          new ClientMappings(),
          flushes::add,
          () -> {});
  private final Client[] clients = {
    new Client(subsystem.addController(DoorbellKind.PAGES)),
    new Client(subsystem.addController(DoorbellKind.SHADOWED))
  };
  private long commands;

  DriveFuzz() {
    holding.held = held;
  }

  /** Entries that were submitted. */
  long commands() {
    return commands + lentCommands();
  }

  /** How many of them stood in queues that were lent. */
  long lentCommands() {
    long lent = 0;
    for (Client client : clients) {
      lent += client.domains == null ? 0 : client.domains.submitted();
    }
    return lent;
  }

  /** Memory that nobody may change. */
  static void pattern(MemorySegment memory, long from, long to) {
    for (long at = from; at < to; at += 8) {
      memory.set(LONG, at, at * 0x9e37_79b9_7f4a_7c15L);
    }
  }

  /** Throws if somebody has. */
  static void requireUntouched(MemorySegment memory, long from, long to) {
    for (long at = from; at < to; at += 8) {
      if (memory.get(LONG, at) != at * 0x9e37_79b9_7f4a_7c15L) {
        throw new AssertionError("byte 0x%x outside of the windows changed".formatted(at));
      }
    }
  }

  /** The end of the entries with the newest phase, as a host would find it. */
  static int completionTail(MemorySegment memory, long base, int entries) {
    int phase = memory.get(INT, base + 12) >>> 16 & 1;
    int at = 1;
    while (at < entries && (memory.get(INT, base + at * 16L + 12) >>> 16 & 1) == phase) {
      at++;
    }
    return at % entries;
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
      case 7 -> client.controller.sleeping(choices.next(2) == 0);
      default -> {
        if (client.domains != null && choices.next(2) == 0) {
          client.domains.step(choices);
        } else {
          submit(client, choices);
        }
      }
    }
    while (!held.underWay.isEmpty() && choices.next(4) != 0) {
      held.end(choices.next(held.underWay.size()));
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

  private static void fill(Client client, long at, int queue, Choices choices) {
    int[] likely = queue == 0 ? ADMIN_OPCODES : IO_OPCODES;
    int opcode = fill(client.memory, at, likely, choices, address(choices), address(choices));
    if (opcode == NvmOpcode.DATASET_MANAGEMENT || choices.next(8) == 0) {
      list(client.memory, choices);
    }
  }

  /** Fills a cleared entry of an I/O queue in, with two addresses that it may name. */
  static void fill(
      MemorySegment memory, long at, Choices choices, long address, long otherAddress) {
    var _ = fill(memory, at, IO_OPCODES, choices, address, otherAddress);
  }

  private static int fill(
      MemorySegment memory,
      long at,
      int[] likely,
      Choices choices,
      long address,
      long otherAddress) {
    int opcode = choices.next(8) == 0 ? choices.next(256) : likely[choices.next(likely.length)];
    boolean sgl = choices.next(8) == 0;
    int flags = choices.next(32) == 0 ? choices.next(256) : sgl ? SubmissionEntry.PSDT_SGL : 0;
    memory.set(INT, at, opcode | flags << 8 | choices.next(1 << 16) << 16);
    memory.set(INT, at + 4, choices.next(16) == 0 ? choices.nextInt() : 1 + choices.next(2));
    memory.set(LONG, at + 24, address);
    memory.set(LONG, at + 32, sgl ? descriptor(choices) : otherAddress);
    for (int dword = 10; dword < 16; dword++) {
      int value = choices.next(16) == 0 ? choices.nextInt() : choices.next(32);
      boolean small = likely == IO_OPCODES && choices.next(4) != 0;
      if (small && dword == 11) {
        value = 0; // the upper half of the first block
      } else if (small && dword == 12) {
        value &= 1; // the blocks, so that they often fit into two pages
      }
      memory.set(INT, at + 4L * dword, value);
    }
    return opcode;
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
    var _ = subsystem.poll();
    for (Client each : clients) {
      var _ = each.controller.poll();
      if (each.controller.takePowerLoss()) {
        each.controller.reset();
      }
    }
    while (!flushes.isEmpty()) {
      flushes.remove().run();
    }
    var _ = subsystem.poll();
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
