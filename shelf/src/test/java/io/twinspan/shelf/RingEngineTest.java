package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.linux.Errno;
import io.twinspan.linux.ErrnoException;
import io.twinspan.linux.Fd;
import io.twinspan.nvme.NvmOpcode;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.SubmissionEntry;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A drive past the page cache, with many requests at the disk. */
class RingEngineTest {
  private static final long BYTES = 1 << 20;
  private static final int BLOCKS = (int) (BYTES / Namespace.BLOCK_BYTES);
  private static final int DEPTH = 32;

  @TempDir private Path folder;
  private Subsystem subsystem;
  private Host host;

  @BeforeEach
  void open() {
    RingEngine engine = RingEngine.open("test");
    Assumptions.assumeTrue(engine != null, "the kernel gives no io_uring");
    try {
      FileMedium medium = FileMedium.open(folder.resolve("image"), BYTES, true, engine);
      subsystem =
          new Subsystem(
              "m",
              "s",
              List.of(medium),
              engine,
              null,
              new ClientMappings(),
              Runnable::run,
              () -> {});
    } catch (ErrnoException e) {
      engine.close();
      Assumptions.assumeFalse(e.errno() == Errno.EINVAL, "the file system has no direct I/O");
      throw e;
    }
    host = new Host(subsystem, subsystem.addController());
    host.enable().createQueues(1, 64);
  }

  @AfterEach
  void close() {
    if (host != null) {
      host.close();
      subsystem.close();
    }
  }

  @Test
  void readsWhatWasWrittenWithManyCommandsOnTheirWay() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    byte[] expected = new byte[BLOCKS]; // what each block is full of
    Map<Integer, int[]> reads = new HashMap<>();
    for (int round = 0; round < 40; round++) {
      boolean write = round % 2 == 0;
      for (int i = 0; i < DEPTH; i++) {
        // Apart, as commands that are on their way together have no order.
        int lba = i * (BLOCKS / DEPTH) + random.nextInt(BLOCKS / DEPTH - 1);
        int blocks = 1 + random.nextInt(2);
        long at = i * 16384L + (blocks == 1 && random.nextInt(4) == 0 ? 512 : 0);
        if (write) {
          byte fill = (byte) random.nextInt();
          memory(at, blocks).fill(fill);
          Arrays.fill(expected, lba, lba + blocks, fill);
        }
        int cid = host.put(1, command(write, lba, blocks, at));
        var _ = reads.put(cid, new int[] {lba, blocks, (int) at});
      }
      host.ring(1);
      for (int done = 0; done < DEPTH; ) {
        var _ = host.poll();
        for (Host.Completion each : host.reap(1)) {
          assertThat(each.status()).as("seed %d, round %d", seed, round).isZero();
          int[] read = reads.get(each.cid());
          if (!write) {
            require(expected, read[0], memory(read[2], read[1]), seed);
          }
          done++;
        }
      }
    }
  }

  @Test
  void transferThatFallsShortSaysWhy() {
    try (Fd image = Fd.open(folder.resolve("image"), Fd.READ_WRITE, 0)) {
      image.truncate(3L * Namespace.BLOCK_BYTES); // behind the drive's back
    }
    assertThat(run(command(false, 0, 1, 0))).isZero();
    assertThat(run(command(false, 2, 2, 0))).isEqualTo(Status.UNRECOVERED_READ);
    assertThat(subsystem.transfers().underWay()).isZero();
  }

  @Test
  void saysWhatToDoWhereTheKernelRefuses() {
    assertThat(RingEngine.refusal(new ErrnoException("io_uring_setup", Errno.EPERM)))
        .contains("EPERM", "kernel.io_uring_disabled", "seccomp");
    assertThat(RingEngine.refusal(new ErrnoException("io_uring_setup", Errno.ENOSYS)))
        .contains("ENOSYS", "Linux 5.6");
  }

  /** Waits for as long as the disk takes. */
  private int run(SubmissionEntry command) {
    var _ = host.submit(1, command);
    while (true) {
      var _ = host.poll();
      List<Host.Completion> completions = host.reap(1);
      if (!completions.isEmpty()) {
        return completions.getFirst().status();
      }
    }
  }

  private MemorySegment memory(long at, int blocks) {
    return host.memory.asSlice(Host.DATA + at, (long) blocks * Namespace.BLOCK_BYTES);
  }

  private static SubmissionEntry command(boolean write, long lba, int blocks, long at) {
    long address = Host.ADDRESS + Host.DATA + at;
    return Host.command(write ? NvmOpcode.WRITE : NvmOpcode.READ)
        .nsid(1)
        .prp(address, (address & -4096L) + 4096)
        .blocks(lba, blocks, 0);
  }

  private static void require(byte[] expected, int lba, MemorySegment data, long seed) {
    for (long i = 0; i < data.byteSize(); i += 512) {
      assertThat(data.get(ValueLayout.JAVA_BYTE, i))
          .as("seed %d, block %d", seed, lba)
          .isEqualTo(expected[lba + (int) (i / Namespace.BLOCK_BYTES)]);
    }
  }
}
