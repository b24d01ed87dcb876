package io.twinspan.nvme;

import io.twinspan.linux.Fd;
import io.twinspan.linux.UnixSocket;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Random;

/**
 * A process that tries whatever could harm another one at the same broker, and prints what became
 * of it: a status, or what the broker said.
 */
final class BrokerAttacker implements AutoCloseable {
  private static final int BLOCK = 4096;
  private static final int DEPTH = 4;
  private static final int MEMORY_BYTES = 1 << 20;
  private static final long LIST = 64 << 10;
  private static final long BROKERS_IOVA = 2L << 20;

  private final BrokeredDrive drive;
  private final DmaMemory memory = DmaMemory.allocate("attack", MEMORY_BYTES);
  private final MemorySegment data = memory.segment();
  private final QueuePair<Integer> queue;
  private final long own;
  private final long victim;
  private final long ownBlock;
  private final long victimsBlock;
  private int answer;

  private BrokerAttacker(Path socket, long victim, long ownBlock, long victimsBlock) {
    drive = BrokeredDrive.connect(socket);
    drive.map(memory);
    queue = drive.createQueuePair(DEPTH, (request, status) -> answer = status);
    own = drive.iovaOf(data, 0, BLOCK);
    this.victim = victim;
    this.ownBlock = ownBlock;
    this.victimsBlock = victimsBlock;
  }

  /** Arguments: role, socket, DMA address of the victim, own blocks, the first of the victim's. */
  static void attack(String[] arguments) {
    Path socket = Path.of(arguments[1]);
    try (BrokerAttacker attacker =
        new BrokerAttacker(
            socket,
            Long.decode(arguments[2]),
            Long.parseLong(arguments[3]),
            Long.parseLong(arguments[4]))) {
      attacker.nameForeignMemory();
      attacker.nameForeignBlocks();
      attacker.askForTooMuch();
      attacker.nameForeignQueues();
      attacker.takeMemoryAway();
    }
    sendGarbage(socket);
  }

  private void nameForeignMemory() {
    for (int i = 0; i < 4; i++) { // a list of own pages, but for the last one
      long page = i < 3 ? own + (long) i * BLOCK : victim;
      data.set(ValueLayout.JAVA_LONG, LIST + 8L * i, page);
    }
    long list = own + LIST;
    tell("own read", raw(NvmOpcode.READ, ownBlock, 1, own, 0, false));
    tell("read to victim", raw(NvmOpcode.READ, ownBlock, 1, victim, 0, false));
    tell("write from victim", raw(NvmOpcode.WRITE, ownBlock, 1, victim, 0, false));
    tell("compare with victim", raw(NvmOpcode.COMPARE, ownBlock, 1, victim, 0, false));
    tell("second page of victim", raw(NvmOpcode.READ, ownBlock, 2, own, victim, false));
    tell("list with victim", raw(NvmOpcode.READ, ownBlock, 5, own, list, false));
    tell("list in victim", raw(NvmOpcode.READ, ownBlock, 5, own, victim, false));
    tell("SGL of victim", raw(NvmOpcode.READ, ownBlock, 1, victim, BLOCK, true));
    tell("read to broker", raw(NvmOpcode.READ, ownBlock, 1, BROKERS_IOVA, 0, false));
    tell("ranges in victim", raw(NvmOpcode.DATASET_MANAGEMENT, 0, 1, victim, 0, false));
  }

  private void nameForeignBlocks() {
    tell("read theirs", raw(NvmOpcode.READ, victimsBlock, 1, own, 0, false));
    tell("read across", raw(NvmOpcode.READ, victimsBlock - 1, 2, own, own + BLOCK, false));
    tell("write theirs", raw(NvmOpcode.WRITE, victimsBlock, 1, own, 0, false));
    tell("zero theirs", raw(NvmOpcode.WRITE_ZEROES, victimsBlock, 1, 0, 0, false));
    tell("spoil theirs", raw(NvmOpcode.WRITE_UNCORRECTABLE, victimsBlock, 1, 0, 0, false));
    tell("verify theirs", raw(NvmOpcode.VERIFY, victimsBlock, 1, 0, 0, false));
    DatasetRange.set(data, 0, victimsBlock, 1);
    tell("deallocate theirs", deallocate());
    tell("reserve", raw(NvmOpcode.RESERVATION_REGISTER, 0, 1, own, 0, false));
  }

  private int deallocate() {
    answer = Integer.MIN_VALUE;
    int cid = queue.engine().begin(NvmOpcode.DATASET_MANAGEMENT, 0, 0);
    SubmissionEntry entry = queue.engine().entry(NvmOpcode.DATASET_MANAGEMENT, cid, 1);
    entry.prp(own, 0).cdw(11, DatasetRange.DEALLOCATE);
    queue.engine().ring(cid);
    return await();
  }

  private void askForTooMuch() {
    try (DmaMemory large = DmaMemory.allocate("large", 65L << 20)) {
      tell("memory", () -> drive.map(large));
    }
    tell("depth", () -> drive.createQueuePair(129, (request, status) -> {}));
    tell(
        "queues",
        () -> {
          for (int i = 0; i < 4; i++) {
            var _ = drive.createQueuePair(1, (request, status) -> {});
          }
        });
    Path file;
    try {
      file = Files.createTempFile("attack", "");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    try (Fd unsealed = Fd.open(file, Fd.READ_WRITE, 0600)) {
      unsealed.truncate(BLOCK);
      try (DmaMemory cut = DmaMemory.of(unsealed, 0, Arena.ofAuto().allocate(BLOCK, BLOCK))) {
        tell("unsealed", () -> drive.map(cut));
      }
    } finally {
      var _ = file.toFile().delete();
    }
  }

  private void nameForeignQueues() {
    tell("delete", () -> drive.device().delete(9));
    tell("create", () -> drive.device().create(9, own, own + BLOCK));
    tell("abort", () -> drive.device().abort(9, 0));
    BrokeredDevice device = drive.device();
    device.delete(2); // one of those before
    device.forget(2);
    int id = device.reserve(DEPTH);
    tell("rings of victim", () -> device.create(id, victim, own));
    tell("rings of victim", () -> device.create(id, own, victim));
    tell("rings of broker", () -> device.create(id, BROKERS_IOVA, own));
  }

  private void takeMemoryAway() {
    long rings = queue.sqIova();
    tell(
        "unmap rings",
        () ->
            drive
                .device()
                .exchange(BrokerMessage.UNMAP, 8, message -> message.u64(0, rings), 0)
                .text());
    tell("still reads", raw(NvmOpcode.READ, ownBlock, 1, own, 0, false));
    DmaMemory more = DmaMemory.allocate("more", MEMORY_BYTES);
    drive.map(more);
    long iova = drive.iovaOf(more.segment(), 0, BLOCK);
    drive.unmap(more);
    more.close();
    tell("after unmap", raw(NvmOpcode.READ, ownBlock, 1, iova, 0, false));
  }

  private static void sendGarbage(Path socket) {
    long seed = System.nanoTime();
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = arena.allocate(4096, 8);
      for (int i = 0; i < 100; i++) {
        try (UnixSocket garbage = UnixSocket.connect(socket, Duration.ofSeconds(30))) {
          byte[] noise = new byte[1 + random.nextInt(4096)];
          random.nextBytes(noise);
          MemorySegment.copy(noise, 0, bytes, ValueLayout.JAVA_BYTE, 0, noise.length);
          if (random.nextBoolean()) { // a header that makes sense
            bytes.set(ValueLayout.JAVA_INT, 0, random.nextInt(10));
            bytes.set(ValueLayout.JAVA_INT, 8, random.nextInt(64));
          }
          var _ = garbage.send(bytes, 0, noise.length);
        }
      }
    }
  }

  /** Sends a command that the library would not send. */
  private int raw(int opcode, long lba, int blocks, long prp1, long prp2, boolean sgl) {
    answer = Integer.MIN_VALUE;
    int cid = queue.engine().begin(opcode, 0, 0);
    SubmissionEntry entry = queue.engine().entry(opcode, cid, 1);
    entry.blocks(lba, blocks, 0).prp(prp1, prp2);
    if (sgl) {
      entry.sgl(prp1, (int) prp2);
    }
    queue.engine().ring(cid);
    return await();
  }

  private int await() {
    while (answer == Integer.MIN_VALUE) {
      var _ = queue.poll(DEPTH);
    }
    return answer;
  }

  private static void tell(String what, int status) {
    System.out.printf("%s: 0x%03x%n", what, status);
  }

  private static void tell(String what, Runnable attempt) {
    try {
      attempt.run();
      System.out.println(what + ": done");
    } catch (NvmeException e) {
      System.out.println(what + ": refused");
    }
  }

  @Override
  public void close() {
    drive.close();
    memory.close();
  }
}
