package io.twinspan.pool;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * A drive in memory: one host's port onto a {@link SimulatedMedium}.
 *
 * <p>Nothing happens in {@link #submit}. Each call of {@link #doWork} is a tick; a command takes
 * effect at some tick and completes at that or a later one, drawn from the seed, so that commands
 * overtake each other and a crash finds some that had an effect but no answer. Reservations are
 * checked when a command takes effect. All calls on one thread.
 */
public final class SimulatedDrive implements Drive {
  private final SimulatedMedium medium;
  private final long hostId;
  private final Random random;
  private final List<Command> commands = new ArrayList<>();
  private final List<Fault> faults = new ArrayList<>();
  private final List<Command> due = new ArrayList<>();
  private final long[] submitted = new long[DriveOperation.values().length];
  private int queueDepth = 64;
  private int maxTransferBlocks = 256;
  private int maxDelayTicks;
  private long tick;

  /** No command takes effect or completes before this tick. */
  private long nextTick = Long.MAX_VALUE;

  private boolean present = true;
  private boolean stalled;
  private boolean dead;

  private static final class Command {
    final DriveRequest request;
    final long effectTick;
    final long completionTick;
    final long flushStamp;
    boolean carriedOut;

    /** The drive has answered, whether the host looks or not. */
    boolean answered;

    int status = GONE;

    Command(DriveRequest request, long effectTick, long completionTick, long flushStamp) {
      this.request = request;
      this.effectTick = effectTick;
      this.completionTick = completionTick;
      this.flushStamp = flushStamp;
    }

    /** When something happens to it next. */
    long dueTick() {
      return carriedOut ? completionTick : effectTick;
    }
  }

  private static final class Fault {
    final DriveOperation operation;
    final long first;
    final long end;
    final int status;
    long remaining;

    Fault(DriveOperation operation, long first, long end, int status, long times) {
      this.operation = operation;
      this.first = first;
      this.end = end;
      this.status = status;
      this.remaining = times;
    }

    boolean hits(DriveRequest request) {
      boolean ranged = operation == DriveOperation.READ || operation == DriveOperation.WRITE;
      boolean hit =
          request.operation == operation
              && remaining > 0
              && (!ranged || (request.block < end && request.block + request.blockCount > first));
      remaining -= hit ? 1 : 0;
      return hit;
    }
  }

  SimulatedDrive(SimulatedMedium medium, long hostId, long seed) {
    this.medium = medium;
    this.hostId = hostId;
    this.random = new Random(seed);
  }

  /** Most commands at a time (default 64). */
  public SimulatedDrive queueDepth(int depth) {
    queueDepth = depth;
    return this;
  }

  /** See {@link Drive#maxTransferBlocks()} (default 256). */
  public SimulatedDrive maxTransferBlocks(int blocks) {
    maxTransferBlocks = blocks;
    return this;
  }

  /**
   * Most ticks that a command takes beyond the next one (default 0: all complete at the next tick,
   * in order).
   */
  public SimulatedDrive maxDelayTicks(int ticks) {
    maxDelayTicks = ticks;
    return this;
  }

  /** The next {@code times} commands of this kind that touch the blocks fail, without effect. */
  public void fail(
      DriveOperation operation, long firstBlock, long blockCount, int status, long times) {
    long end = firstBlock + Math.min(blockCount, Long.MAX_VALUE - firstBlock);
    faults.add(new Fault(operation, firstBlock, end, status, times));
  }

  /** The next {@code times} commands of this kind fail, without effect. */
  public void fail(DriveOperation operation, int status, long times) {
    fail(operation, 0, Long.MAX_VALUE, status, times);
  }

  /** Ends all faults set with {@code fail}. */
  public void clearFaults() {
    faults.clear();
  }

  /** Pulls the drive: everything ends with GONE, {@link #isPresent} is false for good. */
  public void remove() {
    present = false;
  }

  /** While true nothing takes effect and nothing completes. */
  public void stall(boolean stalls) {
    stalled = stalls;
  }

  /**
   * The host dies: completions are never delivered, but the commands that it left in the drive take
   * effect later (work of the other ports drives them on), unless a reservation of somebody else
   * stops them.
   */
  public void die() {
    dead = true;
    for (Command command : commands) {
      DriveRequest request = command.request;
      if (request.operation == DriveOperation.WRITE && !command.carriedOut) {
        // The host's memory is not ours any more: keep what a DMA engine would have found there.
        MemorySegment copy = Arena.ofAuto().allocate((long) request.blockCount * BLOCK_BYTES);
        copy.copyFrom(request.data.asSlice(request.dataOffset, copy.byteSize()));
        request.data = copy;
        request.dataOffset = 0;
      } else if (request.operation == DriveOperation.READ) {
        command.carriedOut = true;
      }
    }
    commands.removeIf(command -> command.carriedOut && command.status != OK);
    if (commands.isEmpty()) {
      medium.forget(this);
    } else {
      medium.orphaned();
    }
  }

  /** Number of commands accepted of a kind. */
  public long submitted(DriveOperation operation) {
    return submitted[indexOf(operation)];
  }

  @SuppressWarnings("EnumOrdinal") // an index of counts, in memory only
  private static int indexOf(DriveOperation operation) {
    return operation.ordinal();
  }

  /** Number of commands that have not completed yet. */
  public int pending() {
    return commands.size();
  }

  /** What is behind this port. */
  public SimulatedMedium medium() {
    return medium;
  }

  @Override
  public String name() {
    return medium.name();
  }

  @Override
  public long blockCount() {
    return medium.blockCount();
  }

  @Override
  public int maxTransferBlocks() {
    return maxTransferBlocks;
  }

  @Override
  public boolean isPresent() {
    return present;
  }

  @Override
  public boolean submit(DriveRequest request) {
    if (dead) {
      throw new IllegalStateException("a dead host submits nothing: " + medium.name());
    }
    check(request);
    if (commands.size() >= queueDepth) {
      return false;
    }
    for (Command command : commands) {
      if (command.request == request) {
        throw new IllegalStateException("request is under way already");
      }
    }
    long effect = tick + 1 + random.nextInt(maxDelayTicks + 1);
    long completion = effect + (maxDelayTicks == 0 ? 0 : random.nextInt(maxDelayTicks + 1));
    commands.add(new Command(request, effect, completion, medium.stamp()));
    nextTick = Math.min(nextTick, effect);
    submitted[indexOf(request.operation)]++;
    return true;
  }

  private void check(DriveRequest request) {
    if (request.operation != DriveOperation.READ && request.operation != DriveOperation.WRITE) {
      return;
    }
    long bytes = (long) request.blockCount * BLOCK_BYTES;
    boolean fits =
        request.blockCount >= 1
            && request.blockCount <= maxTransferBlocks
            && (request.dataOffset & 63) == 0
            && request.dataOffset >= 0
            && request.dataOffset + bytes <= request.data.byteSize();
    if (!fits) {
      throw new IllegalArgumentException(
          "transfer of " + request.blockCount + " blocks at " + request.dataOffset);
    }
  }

  /**
   * Ticks until a command takes effect or completes if nothing else is submitted, at least 1;
   * {@link Long#MAX_VALUE} when that will not happen. With what dead hosts have left it is 1.
   */
  public long idleTicks() {
    if (stalled && present) {
      return Long.MAX_VALUE;
    }
    if (medium.hasOrphans()) {
      return 1;
    }
    if (commands.isEmpty()) {
      return Long.MAX_VALUE;
    }
    return present ? Math.max(nextTick - tick, 1) : 1;
  }

  /** Lets ticks pass in which nothing is due: fewer than {@link #idleTicks()}. */
  public void skip(long ticks) {
    tick += stalled && present ? 0 : ticks;
  }

  /**
   * One tick in which the host does not look: commands take effect and the drive answers, but the
   * host is told later. Returns the number that took effect.
   */
  public int workUnattended() {
    if (stalled || !present) {
      return 0;
    }
    tick++;
    int work = medium.workOnOrphans();
    if (tick >= nextTick) {
      work += carryOutDue();
      nextTick = Long.MAX_VALUE;
      for (int i = 0; i < commands.size(); i++) {
        Command command = commands.get(i);
        if (command.completionTick <= tick) {
          answer(command);
        }
        nextTick = Math.min(nextTick, command.dueTick());
      }
    }
    return work;
  }

  /** One tick. Returns the number of commands that took effect or completed. */
  public int doWork() {
    if (stalled && present) {
      return 0;
    }
    tick++;
    int work = medium.workOnOrphans();
    if (commands.isEmpty() || (present && tick < nextTick)) {
      return work;
    }
    work += carryOutDue();
    takeOutDue();
    for (int i = 0; i < due.size(); i++) {
      Command command = due.get(i);
      DriveRequest request = command.request;
      answer(command);
      request.completed(present ? command.status : GONE);
    }
    work += due.size();
    due.clear();
    return work;
  }

  /** Moves what completes now to {@link #due}, in order, and finds out when to look again. */
  private void takeOutDue() {
    int left = 0;
    nextTick = Long.MAX_VALUE;
    for (int i = 0; i < commands.size(); i++) {
      Command command = commands.get(i);
      if (!present || command.completionTick <= tick) {
        due.add(command);
      } else {
        nextTick = Math.min(nextTick, command.dueTick());
        commands.set(left++, command);
      }
    }
    commands.subList(left, commands.size()).clear();
  }

  private int carryOutDue() {
    int work = 0;
    if (present) {
      for (int i = 0; i < commands.size(); i++) {
        Command command = commands.get(i);
        if (!command.carriedOut && command.effectTick <= tick) {
          command.carriedOut = true;
          command.status = carryOut(command);
          work++;
        }
      }
    }
    return work;
  }

  private int carryOut(Command command) {
    DriveRequest request = command.request;
    for (Fault fault : faults) {
      if (fault.hits(request)) {
        return fault.status;
      }
    }
    return switch (request.operation) {
      case READ, WRITE, FLUSH ->
          medium.mayAccess(hostId) ? transfer(command) : RESERVATION_CONFLICT;
      default -> medium.reservation(hostId, request);
    };
  }

  private int transfer(Command command) {
    DriveRequest request = command.request;
    if (request.operation == DriveOperation.FLUSH) {
      return medium.flush(command.flushStamp);
    }
    long count = request.blockCount;
    if (request.block < 0 || request.block > medium.blockCount() - count) {
      return LBA_OUT_OF_RANGE;
    }
    return request.operation == DriveOperation.READ
        ? medium.read(request.block, request.blockCount, request.data, request.dataOffset)
        : medium.write(request.block, request.blockCount, request.data, request.dataOffset);
  }

  long hostId() {
    return hostId;
  }

  boolean isOrphan() {
    return dead && !commands.isEmpty();
  }

  int workAsOrphan() {
    if (!dead || stalled || commands.isEmpty()) {
      return 0;
    }
    if (!present) {
      commands.clear(); // pulled: nothing reaches it any more
    }
    tick++;
    int work = carryOutDue();
    commands.removeIf(command -> {
      if (command.carriedOut) {
        answer(command);
      }
      return command.carriedOut;
    });
    return work;
  }

  /**
   * The host's registration was preempted: what it has under way is aborted, if it was not carried
   * out already.
   */
  void preempted() {
    for (int i = 0; i < commands.size(); i++) {
      Command command = commands.get(i);
      if (command.carriedOut) {
        answer(command);
      }
    }
  }

  /** From now on a FLUSH covers it. */
  private void answer(Command command) {
    DriveRequest request = command.request;
    if (!command.answered && command.status == OK && request.operation == DriveOperation.WRITE) {
      medium.writeCompleted(request.block, request.blockCount);
    }
    command.answered = true;
  }

  /** Writes under way reach the medium block by block as far as chance lets them. */
  void powerLost() {
    present = false;
    dead = true;
    for (Command command : commands) {
      DriveRequest request = command.request;
      if (request.operation == DriveOperation.WRITE
          && !command.carriedOut
          && medium.mayAccess(hostId)) {
        for (int i = 0; i < request.blockCount; i++) {
          if (random.nextBoolean() && request.block + i < medium.blockCount()) {
            medium.writeBlock(
                request.block + i, request.data, request.dataOffset + (long) i * BLOCK_BYTES);
          }
        }
      }
    }
    commands.clear();
  }
}
