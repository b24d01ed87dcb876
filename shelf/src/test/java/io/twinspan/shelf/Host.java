package io.twinspan.shelf;

import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.Memfd;
import io.twinspan.nvme.AdminOpcode;
import io.twinspan.nvme.CompletionEntry;
import io.twinspan.nvme.ControllerRegisters;
import io.twinspan.nvme.DoorbellPage;
import io.twinspan.nvme.Feature;
import io.twinspan.nvme.NvmOpcode;
import io.twinspan.nvme.Reservation;
import io.twinspan.nvme.SubmissionEntry;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/** The host of one controller in a test: memory, queues, and commands, all in one thread. */
final class Host implements AutoCloseable {
  static final long MEMORY_BYTES = 8 << 20;
  static final long ADDRESS = 0x1000_0000L;
  static final int ADMIN_ENTRIES = 16;

  /** Where data lies in the memory; what is before it holds queues. */
  static final long DATA = 1 << 20;

  static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** One completion. */
  record Completion(int queue, int cid, int status, int result, int sqHead) {}

  private static final class Pair {
    private final int id;
    private final int entries;
    private final long sq;
    private final long cq;
    private int tail;
    private int head;
    private int phase = 1;
    private int nextCid;

    private Pair(int id, int entries, long sq, long cq) {
      this.id = id;
      this.entries = entries;
      this.sq = sq;
      this.cq = cq;
    }
  }

  final Subsystem subsystem;
  final NvmeController controller;
  final MemorySegment memory;
  final MemorySegment doorbells;
  final List<Integer> interrupts = new ArrayList<>();
  private final Fd memfd = Memfd.create("host", MEMORY_BYTES);
  private final Mapping mapping =
      Mapping.shared(memfd, 0, MEMORY_BYTES, Mapping.Protection.READ_WRITE);
  private final Pair[] pairs = new Pair[NvmeController.QUEUE_PAIRS];
  private final SubmissionEntry entry = new SubmissionEntry();
  private final CompletionEntry completion = new CompletionEntry();
  private long shadows = -1;
  private int rings;

  Host(Subsystem subsystem, NvmeController controller) {
    this(subsystem, controller, false);
  }

  Host(Subsystem subsystem, NvmeController controller, boolean armsInterrupts) {
    this.subsystem = subsystem;
    this.controller = controller;
    memory = mapping.segment();
    doorbells = Arena.ofAuto().allocate(NvmeController.doorbellBytes(), 4096);
    controller.connect(doorbells, interrupts::add, armsInterrupts);
    int result = controller.dma().add(ADDRESS, MEMORY_BYTES, memfd, 0, true, true);
    if (result != 0) {
      throw new IllegalStateException("dma map: " + result);
    }
  }

  /** Brings the controller up as the specification's section 7.6.1 has it. */
  Host enable() {
    pairs[0] = new Pair(0, ADMIN_ENTRIES, 0, 0x1000);
    memory.asSlice(0x1000, 0x1000).fill((byte) 0);
    controller.writeRegister(
        ControllerRegisters.AQA, ControllerRegisters.aqa(ADMIN_ENTRIES, ADMIN_ENTRIES));
    writeLong(ControllerRegisters.ASQ, ADDRESS);
    writeLong(ControllerRegisters.ACQ, ADDRESS + 0x1000);
    controller.writeRegister(
        ControllerRegisters.CC, ControllerRegisters.CC_ENTRY_SIZES | ControllerRegisters.CC_ENABLE);
    return this;
  }

  int csts() {
    return controller.readRegister(ControllerRegisters.CSTS);
  }

  /** Creates an I/O queue pair. */
  Host createQueues(int id, int entries) {
    Completion cq = admin(createCq(id, entries));
    Completion sq = admin(createSq(id, entries, id));
    if (cq.status() != 0 || sq.status() != 0) {
      throw new IllegalStateException(cq + " " + sq);
    }
    return this;
  }

  SubmissionEntry createCq(int id, int entries) {
    long at = id * 0x10000L + 0x8000;
    pairs[id] = new Pair(id, entries, id * 0x10000L, at);
    memory.asSlice(at, entries * 16L).fill((byte) 0);
    return command(AdminOpcode.CREATE_IO_CQ)
        .prp(ADDRESS + at, 0)
        .cdw(10, id | ((entries - 1) << 16))
        .cdw(11, 3 | (id << 16));
  }

  SubmissionEntry createSq(int id, int entries, int cq) {
    return command(AdminOpcode.CREATE_IO_SQ)
        .prp(ADDRESS + id * 0x10000L, 0)
        .cdw(10, id | ((entries - 1) << 16))
        .cdw(11, 1 | (cq << 16));
  }

  /** A zeroed command in scratch memory. */
  static SubmissionEntry command(int opcode) {
    MemorySegment scratch = Arena.ofAuto().allocate(SubmissionEntry.BYTES, 8);
    return new SubmissionEntry().wrap(scratch, 0).command(opcode, 0);
  }

  /** Submits without ringing; returns the CID, which is unique per queue. */
  int put(int queue, SubmissionEntry command) {
    Pair pair = pairs[queue];
    int cid = pair.nextCid++ & 0x7fff;
    command.cid(cid);
    command.copyTo(memory, pair.sq + (long) pair.tail * SubmissionEntry.BYTES);
    pair.tail = (pair.tail + 1) % pair.entries;
    return cid;
  }

  void ring(int queue) {
    if (controller.doorbellKind() == DoorbellKind.PAGES) {
      page(queue).sqTail(pairs[queue].tail);
    } else {
      write(queue, 8L * queue, pairs[queue].tail);
    }
  }

  /** Looks for doorbells in the memory from now on: a page of shadows, one of event indexes. */
  void shadowDoorbells(long at) {
    shadows = at;
  }

  /** How often a register was written though there were shadows. */
  int rings() {
    return rings;
  }

  /** Leaves a value in a shadow, and writes the register if there is none, or section 7.13 asks. */
  private void write(int queue, long offset, int value) {
    if (queue == 0 || shadows < 0) {
      doorbells.set(INT, offset, value);
      return;
    }
    int old = memory.get(INT, shadows + offset);
    int event = memory.get(INT, shadows + 4096 + offset);
    memory.set(INT, shadows + offset, value);
    if ((value - event - 1 & 0xffff) < (value - old & 0xffff)) {
      doorbells.set(INT, offset, value);
      rings++;
    }
  }

  DoorbellPage page(int queue) {
    return new DoorbellPage(doorbells, (long) queue * DoorbellPage.BYTES);
  }

  /** Submits and rings. */
  int submit(int queue, SubmissionEntry command) {
    int cid = put(queue, command);
    ring(queue);
    return cid;
  }

  /** Lets the drive work once. */
  int poll() {
    return subsystem.poll() + controller.poll();
  }

  /** Takes the completions of a queue, telling the drive by its doorbell. */
  List<Completion> reap(int queue) {
    Pair pair = pairs[queue];
    List<Completion> reaped = new ArrayList<>();
    while (true) {
      completion.wrap(memory, pair.cq + (long) pair.head * CompletionEntry.BYTES);
      int last = completion.lastDwordAcquire();
      if (CompletionEntry.phase(last) != pair.phase) {
        break;
      }
      reaped.add(
          new Completion(
              pair.id,
              CompletionEntry.cid(last),
              CompletionEntry.status(last),
              completion.result(),
              completion.sqHead()));
      pair.head++;
      if (pair.head == pair.entries) {
        pair.head = 0;
        pair.phase ^= 1;
      }
    }
    if (!reaped.isEmpty()) {
      if (controller.doorbellKind() == DoorbellKind.PAGES) {
        page(queue).cqHead(pair.head);
      } else {
        write(queue, 8L * queue + 4, pair.head);
      }
    }
    return reaped;
  }

  /** Runs one administrative command to its completion. */
  Completion admin(SubmissionEntry command) {
    return run(0, command);
  }

  /** Runs one command that completes within a few rounds. */
  Completion run(int queue, SubmissionEntry command) {
    int cid = submit(queue, command);
    for (int round = 0; round < 4; round++) {
      var _ = poll();
      for (Completion each : reap(queue)) {
        if (each.cid() == cid) {
          return each;
        }
      }
    }
    throw new AssertionError("no completion of " + cid + " in queue " + queue);
  }

  int write(int nsid, long lba, int blocks, long dataOffset) {
    return transfer(NvmOpcode.WRITE, nsid, lba, blocks, dataOffset);
  }

  int read(int nsid, long lba, int blocks, long dataOffset) {
    return transfer(NvmOpcode.READ, nsid, lba, blocks, dataOffset);
  }

  /** A command that names blocks, with at most 2 pages of data, by queue 1. */
  int transfer(int opcode, int nsid, long lba, int blocks, long dataOffset) {
    SubmissionEntry command =
        command(opcode)
            .nsid(nsid)
            .prp(ADDRESS + DATA + dataOffset, ADDRESS + DATA + dataOffset + 4096)
            .blocks(lba, blocks, 0);
    return run(1, command).status();
  }

  int setHostId(long low, long high) {
    memory.set(LONG, DATA, low);
    memory.set(LONG, DATA + 8, high);
    return admin(
            command(AdminOpcode.SET_FEATURES)
                .prp(ADDRESS + DATA, 0)
                .cdw(10, Feature.HOST_IDENTIFIER)
                .cdw(11, 1))
        .status();
  }

  int register(int nsid, long key) {
    return reservation(
        NvmOpcode.RESERVATION_REGISTER, nsid, Reservation.cdw10(Reservation.REGISTER, 0), 0, key);
  }

  int acquire(int nsid, int action, int type, long key, long victim) {
    return reservation(
        NvmOpcode.RESERVATION_ACQUIRE, nsid, Reservation.cdw10(action, type), key, victim);
  }

  int reservation(int opcode, int nsid, int cdw10, long currentKey, long otherKey) {
    memory.set(LONG, DATA, currentKey);
    memory.set(LONG, DATA + 8, otherKey);
    return run(1, command(opcode).nsid(nsid).prp(ADDRESS + DATA, 0).cdw(10, cdw10)).status();
  }

  Fd memfd() {
    return memfd;
  }

  private void writeLong(int register, long value) {
    controller.writeRegister(register, (int) value);
    controller.writeRegister(register + 4, (int) (value >>> 32));
  }

  SubmissionEntry slot(int queue, int index) {
    return entry.wrap(memory, pairs[queue].sq + (long) index * SubmissionEntry.BYTES);
  }

  @Override
  public void close() {
    controller.disconnect();
    mapping.close();
    memfd.close();
  }
}
