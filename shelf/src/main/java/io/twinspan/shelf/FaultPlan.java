package io.twinspan.shelf;

import io.twinspan.nvme.NvmOpcode;
import io.twinspan.nvme.SubmissionEntry;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * The faults that one drive shows, and whether it is in its slot. Any thread may change it at any
 * time; the drive's agent thread looks before each I/O command, which costs one load while there
 * are none.
 */
public final class FaultPlan {
  private record Rule(Fault fault, AtomicInteger left) {}

  private static final Rule[] NONE = {};

  private volatile Rule[] rules = NONE;
  private volatile boolean removed;
  private volatile Runnable wake = () -> {};

  /** A plan without faults, of a drive that is in its slot. */
  public FaultPlan() {}

  /**
   * Adds a fault; of several that concern a command the oldest counts.
   *
   * @param fault what to do to which commands
   */
  public synchronized void add(Fault fault) {
    Rule[] more = Arrays.copyOf(rules, rules.length + 1);
    more[rules.length] = new Rule(fault, new AtomicInteger(fault.count()));
    rules = more;
  }

  /** Forgets all faults; what was dropped stays so. */
  public void clear() {
    rules = NONE;
  }

  /** {@return the faults that still have commands to come} */
  public List<Fault> faults() {
    List<Fault> active = new ArrayList<>();
    for (Rule rule : rules) {
      if (rule.left.get() > 0) {
        active.add(rule.fault);
      }
    }
    return active;
  }

  /** Pulls the drive out: its clients find their sockets closed, and nobody can connect. */
  public void remove() {
    removed = true;
    wake.run();
  }

  /** Puts the drive back in. */
  public void insert() {
    removed = false;
  }

  /** What makes the drive's agent look whether it is out. */
  void wakes(Runnable agent) {
    wake = agent;
  }

  /** {@return whether the drive is out} */
  public boolean isRemoved() {
    return removed;
  }

  /** The fault that an I/O command is to suffer, if any; the agent thread's. */
  @Nullable Fault take(SubmissionEntry command) {
    Rule[] current = rules;
    if (current.length == 0) {
      return null;
    }
    boolean ranged = hasBlocks(command.opcode());
    long lba = ranged ? command.lba() : 0;
    long blocks = ranged ? command.blockCount() : Long.MAX_VALUE;
    for (Rule rule : current) {
      if (rule.fault.concerns(command.opcode(), command.nsid(), lba, blocks)
          && rule.left.get() > 0) {
        rule.left.decrementAndGet();
        return rule.fault;
      }
    }
    return null;
  }

  private static boolean hasBlocks(int opcode) {
    return switch (opcode) {
      case NvmOpcode.READ,
          NvmOpcode.WRITE,
          NvmOpcode.COMPARE,
          NvmOpcode.VERIFY,
          NvmOpcode.WRITE_ZEROES,
          NvmOpcode.WRITE_UNCORRECTABLE ->
          true;
      default -> false;
    };
  }
}
