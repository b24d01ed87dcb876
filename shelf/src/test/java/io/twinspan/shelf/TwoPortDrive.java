package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.nvme.AdminOpcode;
import io.twinspan.nvme.DatasetRange;
import io.twinspan.nvme.NvmOpcode;
import io.twinspan.nvme.SubmissionEntry;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;

/** A drive in memory, with a host at each of its two ports; its flushes run when a test says so. */
abstract class TwoPortDrive {
  static final long NAMESPACE_BYTES = 4 << 20;
  static final int BLOCKS = (int) (NAMESPACE_BYTES / 4096);

  final MemoryMedium medium1 = new MemoryMedium(NAMESPACE_BYTES);
  final MemoryMedium medium2 = new MemoryMedium(NAMESPACE_BYTES);
  final Queue<Runnable> flusher = new ArrayDeque<>();
  final HeldTransfers held = new HeldTransfers();
  final Subsystem subsystem =
      new Subsystem(
          "model",
          "serial",
          List.of(medium1, medium2),
          held,
          null,
          new ClientMappings(),
          flusher::add,
          () -> {});
  final Host a = new Host(subsystem, subsystem.addController());
  final Host b = new Host(subsystem, subsystem.addController());

  @AfterEach
  final void close() {
    a.close();
    b.close();
    subsystem.close();
  }

  final void settle(Host host) {
    for (int i = 0; i < 4; i++) {
      var _ = host.poll();
      runFlushes();
    }
  }

  final void runFlushes() {
    while (!flusher.isEmpty()) {
      flusher.remove().run();
    }
  }

  static int deallocate(Host host, int nsid, long[][] ranges) {
    MemorySegment list = host.memory.asSlice(Host.DATA + (2 << 20), 4096);
    for (int i = 0; i < ranges.length; i++) {
      DatasetRange.set(list, i, ranges[i][0], (int) ranges[i][1]);
    }
    return host.run(
            1,
            Host.command(NvmOpcode.DATASET_MANAGEMENT)
                .nsid(nsid)
                .prp(Host.ADDRESS + Host.DATA + (2 << 20), 0)
                .cdw(10, ranges.length - 1)
                .cdw(11, DatasetRange.DEALLOCATE))
        .status();
  }

  static int delete(Host host, int opcode, int id) {
    return host.admin(Host.command(opcode).cdw(10, id)).status();
  }

  static MemorySegment identify(Host host, int cns, int nsid) {
    assertThat(identifyStatus(host, cns, nsid)).isZero();
    return host.memory.asSlice(Host.DATA, 4096);
  }

  static int identifyStatus(Host host, int cns, int nsid) {
    SubmissionEntry command =
        Host.command(AdminOpcode.IDENTIFY).nsid(nsid).prp(Host.ADDRESS + Host.DATA, 0).cdw(10, cns);
    return host.admin(command).status();
  }

  static void log(Host host, int page, int lengthBytes) {
    SubmissionEntry command =
        Host.command(AdminOpcode.GET_LOG_PAGE)
            .prp(Host.ADDRESS + Host.DATA, 0)
            .cdw(10, page | ((lengthBytes / 4 - 1) << 16));
    assertThat(host.admin(command).status()).isZero();
  }

  static void fill(Host host, long offset, long lengthBytes, long seed) {
    Random random = new Random(seed);
    for (long i = 0; i < lengthBytes; i += 8) {
      host.memory.set(Host.LONG, Host.DATA + offset + i, random.nextLong());
    }
  }

  static MemorySegment data(Host host, long offset, long lengthBytes) {
    return host.memory.asSlice(Host.DATA + offset, lengthBytes);
  }
}
