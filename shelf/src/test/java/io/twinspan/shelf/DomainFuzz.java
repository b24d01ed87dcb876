package io.twinspan.shelf;

import io.twinspan.linux.Errno;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.Memfd;
import io.twinspan.nvme.AdminOpcode;
import io.twinspan.nvme.DoorbellPage;
import io.twinspan.nvme.SubmissionEntry;
import io.twinspan.nvme.VfioUser;
import io.twinspan.nvme.VfioUserMessage;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a client does that lends queue pairs: messages about domains, right ones and wrong ones, and
 * what those do whom it lends to, commands and doorbells of any kind, and letting go. One domain,
 * the victim, only has memory; no byte of it may change, nor of what no domain has.
 *
 * <pre>
 *   the lent memory:  0 MiB  the victim's   1 MiB  for other domains   3 MiB  nobody's   4 MiB
 * </pre>
 */
final class DomainFuzz implements AutoCloseable {
  /** Submits an administrative command of the client. */
  interface Admin {
    /** Fills in what the commands about queues need. */
    void submit(int opcode, long prp1, int cdw10, int cdw11);
  }

  private static final int MIB = 1 << 20;
  private static final long MEMORY_BYTES = 4L * MIB;
  private static final long LENT = MIB;
  private static final long LENT_BYTES = 2L * MIB;
  private static final long ADDRESS = 0x5000_0000L;

  /** Queues lie in the first half of what is lent, data in the second. */
  private static final long DATA = LENT + MIB;

  private static final int FIRST_QUEUE = 4;
  private static final int QUEUES = 3;
  private static final int ENTRIES = 32;
  private static final long QUEUE_BYTES = 0x10000;
  private static final int[] COMMANDS = {
    VfioUser.DOMAIN_CREATE,
    VfioUser.DOMAIN_DESTROY,
    VfioUser.DOMAIN_MAP,
    VfioUser.DOMAIN_UNMAP,
    VfioUser.DOMAIN_BIND
  };

  /** A queue pair as who borrowed it has it. */
  private record Lent(Mapping page, Fd bell) implements AutoCloseable {
    @Override
    public void close() {
      page.close();
      bell.close();
    }
  }

  private final NvmeController controller;
  private final Admin admin;
  private final DomainCommands commands;
  private final VfioUserMessage request = message();
  private final VfioUserMessage reply = message();
  private final Fd memfd = Memfd.create("lent", MEMORY_BYTES);
  private final Mapping mapping =
      Mapping.shared(memfd, 0, MEMORY_BYTES, Mapping.Protection.READ_WRITE);
  private final MemorySegment memory = mapping.segment();
  private final @Nullable Lent[] lent = new @Nullable Lent[QUEUES];
  private final int[] tails = new int[QUEUES];
  private long submitted;

  DomainFuzz(NvmeController controller, Admin admin) {
    this.controller = controller;
    this.admin = admin;
    commands = new DomainCommands(controller.domains());
    DriveFuzz.pattern(memory, 0, LENT);
    DriveFuzz.pattern(memory, LENT + LENT_BYTES, MEMORY_BYTES);
    if (create(0, 0, 0, VfioUser.DomainCreate.WRITABLE) != 0 || map(1, 0, LENT, 0) != 0) {
      throw new AssertionError("no domain for the victim");
    }
  }

  /** Entries that were submitted. */
  long submitted() {
    return submitted;
  }

  /** Does one thing. */
  void step(Choices choices) {
    switch (choices.next(64)) {
      case 0 -> create(choices);
      case 1 -> message(choices, VfioUser.DOMAIN_DESTROY, VfioUser.Domain.BYTES, domain(choices));
      case 2 -> map(domain(choices), LENT, LENT_BYTES, LENT);
      case 3 -> mapAnything(choices);
      case 4 -> unmap(choices);
      case 5 -> bind(domain(choices), FIRST_QUEUE + choices.next(QUEUES));
      case 6 -> bind(domain(choices), choices.nextInt());
      case 7 -> createQueue(choices.next(QUEUES));
      case 8 -> admin.submit(deletion(choices), 0, FIRST_QUEUE + choices.next(QUEUES), 0);
      case 9 -> anyMessage(choices);
      case 10 -> misbehave(choices);
      default -> {
        int queue = choices.next(QUEUES);
        if (!controller.hasQueue(FIRST_QUEUE + queue)) {
          lend(queue, choices);
        } else {
          submit(queue, choices);
        }
      }
    }
  }

  /** Tells the drive that all completions were taken. */
  void takeCompletions() {
    for (int i = 0; i < QUEUES; i++) {
      Lent queue = lent[i];
      if (queue != null) {
        int head = DriveFuzz.completionTail(memory, cq(i) - ADDRESS, ENTRIES);
        queue.page.segment().set(DriveFuzz.INT, DoorbellPage.CQ_HEAD_OFFSET, head);
      }
    }
  }

  /** Looks whether anything was touched that should not be; the client has disconnected. */
  @Override
  public void close() {
    for (Lent queue : lent) {
      if (queue != null) {
        queue.close();
      }
    }
    DriveFuzz.requireUntouched(memory, 0, LENT);
    DriveFuzz.requireUntouched(memory, LENT + LENT_BYTES, MEMORY_BYTES);
    mapping.close();
    memfd.close();
  }

  private static VfioUserMessage message() {
    return new VfioUserMessage(Arena.ofAuto().allocate(256, 8));
  }

  private static long sq(int queue) {
    return ADDRESS + LENT + queue * QUEUE_BYTES;
  }

  private static long cq(int queue) {
    return sq(queue) + QUEUE_BYTES / 2;
  }

  /** Mostly not the victim. */
  private static int domain(Choices choices) {
    return choices.next(64) == 0 ? choices.nextInt() : 2 + choices.next(3);
  }

  private static int deletion(Choices choices) {
    return choices.next(2) == 0 ? AdminOpcode.DELETE_IO_SQ : AdminOpcode.DELETE_IO_CQ;
  }

  /** All that it takes, in the right order, for a domain that may be there already. */
  private void lend(int queue, Choices choices) {
    int domain = 2 + choices.next(3);
    if (map(domain, LENT, LENT_BYTES, LENT) == Errno.ENOENT) {
      create(choices); // if not this one, then another; next time it is mapped
      var _ = map(domain, LENT, LENT_BYTES, LENT);
    }
    bind(QueueDomain.OWN, FIRST_QUEUE + queue);
    bind(domain, FIRST_QUEUE + queue);
    createQueue(queue);
  }

  private void create(Choices choices) {
    long blocks = choices.next(4) == 0 ? choices.nextLong() : choices.next(1 << 10);
    long first = choices.next(8) == 0 ? choices.nextLong() : choices.next(8);
    var _ = create(choices.next(4), first, blocks, choices.next(4));
  }

  private int create(int nsid, long firstBlock, long blocks, int flags) {
    request
        .command(1, VfioUser.DOMAIN_CREATE, VfioUser.DomainCreate.BYTES)
        .u32(VfioUser.DomainCreate.NSID, nsid)
        .u32(VfioUser.DomainCreate.FLAGS, flags)
        .u64(VfioUser.DomainCreate.FIRST_BLOCK, firstBlock)
        .u64(VfioUser.DomainCreate.BLOCKS, blocks);
    return serve(List.of());
  }

  /** Memory of the file from an offset on, found at {@link #ADDRESS} and the same offset. */
  private int map(int domain, long offset, long lengthBytes, long at) {
    request
        .command(1, VfioUser.DOMAIN_MAP, VfioUser.DomainMap.BYTES)
        .u32(VfioUser.Domain.DOMAIN, domain)
        .u64(VfioUser.DomainMap.OFFSET, offset)
        .u64(VfioUser.DomainMap.ADDRESS, ADDRESS + at)
        .u64(VfioUser.DomainMap.SIZE, lengthBytes);
    return serve(List.of(memfd));
  }

  private void mapAnything(Choices choices) {
    request
        .command(1, VfioUser.DOMAIN_MAP, VfioUser.DomainMap.BYTES)
        .u32(VfioUser.Domain.DOMAIN, domain(choices))
        .u64(VfioUser.DomainMap.OFFSET, LENT + 512L * choices.next(1024))
        .u64(
            VfioUser.DomainMap.ADDRESS,
            choices.next(2) == 0 ? choices.nextLong() : ADDRESS + 512L * choices.next(1 << 16))
        .u64(VfioUser.DomainMap.SIZE, 512L * (choices.next(1024) - 1));
    List<Fd> fds = new ArrayList<>();
    for (int i = choices.next(4); i > 0; i--) {
      fds.add(memfd);
    }
    var _ = serve(fds);
  }

  private void unmap(Choices choices) {
    boolean whole = choices.next(2) == 0;
    request
        .command(1, VfioUser.DOMAIN_UNMAP, VfioUser.DomainUnmap.BYTES)
        .u32(VfioUser.Domain.DOMAIN, domain(choices))
        .u64(VfioUser.DomainUnmap.ADDRESS, whole ? ADDRESS + LENT : choices.nextLong())
        .u64(VfioUser.DomainUnmap.SIZE, whole ? LENT_BYTES : choices.nextLong());
    var _ = serve(List.of());
  }

  private void bind(int domain, int queueId) {
    request
        .command(1, VfioUser.DOMAIN_BIND, VfioUser.DomainBind.BYTES)
        .u32(VfioUser.Domain.DOMAIN, domain)
        .u32(VfioUser.DomainBind.QUEUE, queueId);
    var _ = serve(List.of());
  }

  private void message(Choices choices, int command, int payloadBytes, int first) {
    request.command(1, command, payloadBytes).u32(0, first);
    for (int at = 4; at < payloadBytes; at += 4) {
      request.u32(at, choices.nextInt());
    }
    var _ = serve(List.of());
  }

  private void anyMessage(Choices choices) {
    int command = COMMANDS[choices.next(COMMANDS.length)];
    message(choices, command, 4 * (1 + choices.next(12)), domain(choices));
  }

  /** Lets the server answer, and takes what comes with the answer. Returns 0 or an errno. */
  private int serve(List<Fd> fds) {
    int result = commands.serve(request, reply, fds);
    if (result < 0) {
      return -result;
    }
    Fd[] shared = commands.shared();
    if (shared.length > 0) {
      int queue = request.u32(VfioUser.DomainBind.QUEUE) - FIRST_QUEUE;
      Lent taken =
          new Lent(
              Mapping.shared(shared[0], 0, DoorbellPage.BYTES, Mapping.Protection.READ_WRITE),
              shared[1].duplicate());
      if (queue < 0 || queue >= QUEUES) {
        taken.close();
      } else {
        letGo(queue);
        lent[queue] = taken;
      }
    }
    commands.sent();
    return 0;
  }

  private void letGo(int queue) {
    Lent held = lent[queue];
    lent[queue] = null;
    if (held != null) {
      held.close();
    }
  }

  private void createQueue(int queue) {
    int id = FIRST_QUEUE + queue;
    memory.asSlice(sq(queue) - ADDRESS, QUEUE_BYTES).fill((byte) 0);
    tails[queue] = 0;
    admin.submit(AdminOpcode.CREATE_IO_CQ, cq(queue), id | (ENTRIES - 1) << 16, 3 | id << 16);
    admin.submit(AdminOpcode.CREATE_IO_SQ, sq(queue), id | (ENTRIES - 1) << 16, 1 | id << 16);
  }

  /** Rings a tail that there is not, or hangs up; then all is lost. */
  private void misbehave(Choices choices) {
    int queue = choices.next(QUEUES);
    Lent held = lent[queue];
    if (held != null && choices.next(8) == 0) {
      if (choices.next(2) == 0) {
        letGo(queue);
      } else {
        long offset = 4L * choices.next(DoorbellPage.BYTES / 4);
        held.page.segment().set(DriveFuzz.INT, offset, choices.nextInt());
      }
    }
  }

  private void submit(int queue, Choices choices) {
    int count = 1 + choices.next(16);
    for (int i = 0; i < count; i++) {
      long at = sq(queue) - ADDRESS + (long) tails[queue] * SubmissionEntry.BYTES;
      memory.asSlice(at, SubmissionEntry.BYTES).fill((byte) 0);
      DriveFuzz.fill(memory, at, choices, address(choices), address(choices));
      tails[queue] = (tails[queue] + 1) % ENTRIES;
    }
    Lent held = lent[queue];
    if (held != null) {
      submitted += controller.hasQueue(FIRST_QUEUE + queue) ? count : 0;
      held.page.segment().set(DriveFuzz.INT, DoorbellPage.SQ_TAIL_OFFSET, tails[queue]);
    }
  }

  private static long address(Choices choices) {
    return switch (choices.next(12)) {
      case 0 -> choices.nextLong();
      case 1, 2 -> ADDRESS + 4096L * choices.next((int) (LENT / 4096)); // the victim's
      case 3 -> DriveFuzz.ADDRESS + 4096L * choices.next(5 * 256); // the client's
      case 4 -> ADDRESS + LENT + LENT_BYTES - 4096L + choices.next(8192);
      default -> ADDRESS + DATA + 4096L * choices.next(MIB / 4096);
    };
  }
}
