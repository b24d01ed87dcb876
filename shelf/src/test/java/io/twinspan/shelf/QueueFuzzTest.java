package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.nvme.ControllerRegisters;
import io.twinspan.nvme.SubmissionEntry;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class QueueFuzzTest extends TwoPortDrive {
  @Test
  void anythingInTheQueuesIsSurvived() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    Host[] hosts = {a, b};
    List<Integer> statuses = new ArrayList<>();
    for (int round = 0; round < 300; round++) {
      Host host = hosts[random.nextInt(2)];
      host.controller.writeRegister(ControllerRegisters.CC, 0);
      host.enable().createQueues(1, 64).createQueues(2, 64);
      for (int i = 0; i < 60; i++) {
        int queue = random.nextInt(3);
        SubmissionEntry command = Host.command(randomOpcode(random, queue));
        command.nsid(random.nextInt(4) == 0 ? random.nextInt() : 1 + random.nextInt(2));
        command.prp(randomAddress(random), randomAddress(random));
        if (random.nextInt(3) == 0) {
          randomSgl(random, host, command);
        }
        for (int dword = 10; dword < 16; dword++) {
          command.cdw(dword, random.nextInt(3) == 0 ? random.nextInt() : random.nextInt(256));
        }
        if (host.controller.submissionQueue(queue) != null) {
          var _ = host.submit(queue, command);
        }
        if (random.nextInt(50) == 0) {
          host.page(random.nextInt(3)).sqTail(random.nextInt());
        }
        var _ = host.poll();
        runFlushes();
        host.reap(0).forEach(c -> statuses.add(c.status()));
        host.reap(1).forEach(c -> statuses.add(c.status()));
        host.reap(2).forEach(c -> statuses.add(c.status()));
      }
    }
    assertThat(statuses).as("seed %d", seed).contains(0).hasSizeGreaterThan(1000);
  }

  private static int randomOpcode(Random random, int queue) {
    int[] likely =
        queue == 0
            ? new int[] {0, 1, 2, 4, 5, 6, 8, 9, 10, 12}
            : new int[] {0, 1, 2, 4, 5, 8, 9, 12, 13, 14, 17, 21};
    return random.nextInt(8) == 0 ? random.nextInt(256) : likely[random.nextInt(likely.length)];
  }

  /** An SGL whose segments lie, with random descriptors, where the data lies too. */
  private static void randomSgl(Random random, Host host, SubmissionEntry command) {
    int[] types = {0x00, 0x00, 0x20, 0x30, 0x10, random.nextInt(256)};
    for (int i = 0; i < 8; i++) {
      long at = Host.DATA + 16L * random.nextInt(1 << 16);
      host.memory.set(Host.LONG, at, randomAddress(random));
      long type = types[random.nextInt(types.length)];
      host.memory.set(Host.LONG, at + 8, type << 56 | random.nextInt(8192));
    }
    command.sgl(randomAddress(random), random.nextInt(1 << 16));
    if (random.nextBoolean()) {
      long segment = Host.ADDRESS + Host.DATA + 16L * random.nextInt(1 << 16);
      command.prp(segment, (long) types[random.nextInt(types.length)] << 56 | 16L * 64);
    }
  }

  /** Mostly beyond the queues, so that the test does not overwrite its own commands. */
  private static long randomAddress(Random random) {
    return switch (random.nextInt(6)) {
      case 0 -> random.nextLong();
      case 1 -> Host.ADDRESS + Host.MEMORY_BYTES - 4096L * random.nextInt(3);
      case 2 -> Host.ADDRESS + Host.DATA + random.nextInt(1 << 20);
      default -> Host.ADDRESS + Host.DATA + 4096L * random.nextInt(512);
    };
  }
}
