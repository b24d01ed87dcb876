package io.twinspan.cli;

import io.twinspan.linux.TwinspanException;
import io.twinspan.pool.Redundancy;
import java.time.Duration;
import java.util.Random;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * What {@link Chaos} does to drives: never so much that the redundancy could not make up for it.
 * Bits rot on drive 0 only, and only that drive is taken out. For one thread.
 */
final class ChaosDrives {
  private static final Duration CHANGE_DEADLINE = Duration.ofSeconds(20);
  private static final String FIRST = "drive0";

  private final ArrayProcesses processes;
  private final Redundancy redundancy;
  private final Random random;
  private boolean out;

  ChaosDrives(ArrayProcesses processes, Redundancy redundancy, Random random) {
    this.processes = processes;
    this.redundancy = redundancy;
    this.random = random;
  }

  /** As many as an array of this redundancy has here. */
  static int count(Redundancy redundancy) {
    return redundancy == Redundancy.MIRROR ? 4 : 6;
  }

  /** Orders faults that run out by themselves. */
  String spoil() {
    int drive = random.nextInt(count(redundancy));
    int dice = random.nextInt(4);
    // A mirror without a drive has one copy of some blocks: that must be readable.
    String fault =
        switch (out && redundancy == Redundancy.MIRROR ? 1 : dice) {
          case 0 -> "status opcode=read count=%d".formatted(1 + random.nextInt(20));
          case 1 ->
              "delay delay=%d count=%d".formatted(1 + random.nextInt(100), 1 + random.nextInt(50));
          case 2 -> "drop count=1";
          default -> "rot opcode=read count=1";
        };
    String name = fault.startsWith("rot") ? FIRST : "drive" + drive;
    order(name, fault);
    return name + " " + fault;
  }

  private void order(String drive, String fault) {
    ObjectNode request = ArrayProcesses.request("fault").put("drive", drive).put("fault", fault);
    var _ = processes.ask(ArrayProcesses.SHELF, request);
  }

  /** Takes the drive out of the pools; or, if it is out, into them again. */
  String exchange() {
    if (out) {
      takeIn();
      return FIRST + " taken in";
    }
    for (int i = 0; i < count(redundancy); i++) {
      order("drive" + i, "clear"); // what is left to hit would hit the only copy
    }
    out = true;
    try {
      processes.askAnyController(
          ArrayProcesses.request("drive-fail").put("drive", FIRST), CHANGE_DEADLINE);
    } catch (TwinspanException e) {
      return FIRST + " perhaps taken out"; // a controller is starting, or a pool changes hands
    }
    return FIRST + " taken out";
  }

  /** Has the drive taken in, if it is out, and waits until it has all data. */
  void takeIn() {
    Chaos.await("all drives to be whole members of both pools", this::pullIn);
    out = false;
  }

  /**
   * Asks for the drive to be taken in wherever it is out; returns whether it is whole everywhere.
   */
  private boolean pullIn() {
    try {
      JsonNode pools = PoolCommand.pools(processes, null);
      boolean whole = pools.size() == ArrayProcesses.CONTROLLERS.size();
      boolean wanted = false;
      for (JsonNode pool : pools) {
        for (JsonNode drive : pool.path("drives")) {
          String state = drive.path("state").asString("");
          whole &= state.equals("MEMBER");
          wanted |= state.equals("FAILED");
        }
      }
      if (wanted) {
        processes.askAnyController(
            ArrayProcesses.request("drive-replace").put("drive", FIRST), CHANGE_DEADLINE);
      }
      return whole;
    } catch (TwinspanException e) {
      return false; // it is in one pool already, or that changes hands: the next look tells
    }
  }
}
