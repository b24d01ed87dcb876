package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.Memfd;
import io.twinspan.nvme.AdminOpcode;
import io.twinspan.nvme.CompletionEntry;
import io.twinspan.nvme.NamespaceRange;
import io.twinspan.nvme.SubmissionEntry;
import java.lang.foreign.MemorySegment;

/** Somebody whom a host in a test lends a queue pair: a domain with memory, and what it rings. */
final class Lodger implements AutoCloseable {
  static final int ENTRIES = 8;
  static final long BYTES = 64 << 10;

  /** Addresses of its own, which mean nothing in other domains. */
  static final long BASE = 0x9000_0000L;

  static final long SQ = BASE;
  static final long CQ = BASE + 4096;

  /** Where its data is. */
  static final long DATA = BASE + 8192;

  final Host host;
  final int domain;
  final int queue;
  final MemorySegment memory;
  private final Fd memfd = Memfd.create("lodger", BYTES);
  private final Mapping mapping = Mapping.shared(memfd, 0, BYTES, Mapping.Protection.READ_WRITE);
  private final CompletionEntry completion = new CompletionEntry();
  private int tail;
  private int head;
  private int phase = 1;

  /** Has a domain with memory and a bound identifier, but no queues yet. */
  Lodger(Host host, NamespaceRange range, int queue) {
    this.host = host;
    this.queue = queue;
    memory = mapping.segment();
    domain = domains().create(range);
    assertThat(domain).isPositive();
    assertThat(domains().map(domain, BASE, BYTES, memfd, 0)).isZero();
    assertThat(domains().bind(domain, queue)).isZero();
  }

  /** Creates the queues. */
  Lodger moveIn() {
    assertThat(createCq(queue, CQ)).isZero();
    assertThat(createSq(queue, SQ, queue)).isZero();
    return this;
  }

  QueueDomains domains() {
    return host.controller.domains();
  }

  int createCq(int id, long address) {
    SubmissionEntry command =
        Host.command(AdminOpcode.CREATE_IO_CQ)
            .prp(address, 0)
            .cdw(10, id | (ENTRIES - 1) << 16)
            .cdw(11, 1);
    return host.admin(command).status();
  }

  int createSq(int id, long address, int cq) {
    SubmissionEntry command =
        Host.command(AdminOpcode.CREATE_IO_SQ)
            .prp(address, 0)
            .cdw(10, id | (ENTRIES - 1) << 16)
            .cdw(11, 1 | cq << 16);
    return host.admin(command).status();
  }

  /** Puts a command into its queue and rings. */
  void submit(SubmissionEntry command) {
    command.copyTo(memory, (long) tail * SubmissionEntry.BYTES);
    tail = (tail + 1) % ENTRIES;
    ring(tail);
  }

  /** Rings, with whatever tail. */
  void ring(int value) {
    var doorbells = domains().lent(queue);
    assertThat(doorbells).isNotNull();
    doorbells.page().sqTail(value);
  }

  /** Runs a command; returns its status, or -1 if none came. */
  int run(SubmissionEntry command) {
    submit(command);
    for (int round = 0; round < 4; round++) {
      var _ = host.poll();
    }
    completion.wrap(memory, CQ - BASE + (long) head * CompletionEntry.BYTES);
    int last = completion.lastDwordAcquire();
    if (CompletionEntry.phase(last) != phase) {
      return -1;
    }
    head = (head + 1) % ENTRIES;
    phase ^= head == 0 ? 1 : 0;
    domains().lent(queue).page().cqHead(head);
    return CompletionEntry.status(last);
  }

  /** Runs a command of some blocks, with data from {@link #DATA} on. */
  int run(int opcode, int nsid, long lba, int blocks) {
    return run(Host.command(opcode).nsid(nsid).prp(DATA, DATA + 4096).blocks(lba, blocks, 0));
  }

  MemorySegment data(long lengthBytes) {
    return memory.asSlice(DATA - BASE, lengthBytes);
  }

  @Override
  public void close() {
    mapping.close();
    memfd.close();
  }
}
