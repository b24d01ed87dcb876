package io.twinspan.nvme;

import io.twinspan.concurrent.SharedMemory;
import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.Fd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import org.jspecify.annotations.Nullable;

/**
 * A private queue pair of another process: the rings lie in its memory, the doorbells in a page
 * that only it and the broker map, and the commands that come through the {@link CommandGate} go to
 * a queue pair of the drive that no other process uses.
 *
 * <p>Everything in the process's memory and page is untrusted. The agent's thread owns a queue from
 * {@link BrokerAgent#attach} to {@link BrokerAgent#detach}, else the thread of its process's
 * session.
 */
final class BrokeredQueue implements WakeSource, AutoCloseable {
  private static final int BATCH = 32;

  /** A command of the process that the drive has. */
  private static final class Slot {
    private int cid;
  }

  private final int id;
  private final int entries;
  private final LendableDoorbells doorbells = LendableDoorbells.create();
  private final DoorbellPage page = doorbells.page();
  private final SubmissionEntry command =
      new SubmissionEntry().wrap(Arena.ofAuto().allocate(SubmissionEntry.BYTES, Long.BYTES), 0);
  private final CompletionEntry completion = new CompletionEntry();
  private final ArrayList<Slot> free = new ArrayList<>();
  private final CommandGate gate;
  private @Nullable QueuePair<Slot> target;
  private MemorySegment submissions = MemorySegment.NULL;
  private MemorySegment completions = MemorySegment.NULL;

  /** Writer: the session, while the queue is quiet or not attached. */
  private volatile ForeignMemory memory = ForeignMemory.NONE;

  private int sqHead;
  private int cqTail;
  private int phase = 1;
  private boolean paused;
  private boolean posted;
  private boolean closing;

  /** Writer: the agent's thread. */
  private volatile String fault = "";

  /**
   * A queue that does nothing yet.
   *
   * @param id for the process, from 1
   * @param depth most commands in flight
   */
  BrokeredQueue(int id, int depth, CommandGate gate) {
    this.id = id;
    this.gate = gate;
    entries = depth + 1;
    for (int i = 0; i < depth; i++) {
      free.add(new Slot());
    }
  }

  int id() {
    return id;
  }

  /** Doorbell page and bell, for the process. */
  Fd[] shared() {
    return doorbells.shared();
  }

  /** Whether {@link #create} was called. */
  boolean isCreated() {
    return target != null;
  }

  /** Creates the drive's queue pair. */
  void create(NvmeController drive, ForeignMemory of, long sqIova, long cqIova) {
    long sqBytes = (long) entries * SubmissionEntry.BYTES;
    long cqBytes = (long) entries * CompletionEntry.BYTES;
    boolean aligned = ((sqIova | cqIova) & (Prp.PAGE_BYTES - 1)) == 0;
    if (!aligned || !of.contains(sqIova, sqBytes) || !of.contains(cqIova, cqBytes)) {
      throw new NvmeException("the queues are not in memory that was mapped");
    }
    submissions = of.slice(sqIova, sqBytes);
    completions = of.slice(cqIova, cqBytes);
    memory = of;
    target = drive.createQueuePair(entries - 1, true, this::completed);
  }

  /** Whether one of the rings lies in this memory. */
  boolean liesIn(MemorySegment piece) {
    return piece.asOverlappingSlice(submissions).isPresent()
        || piece.asOverlappingSlice(completions).isPresent();
  }

  /** Changes what commands may name. */
  void memory(ForeignMemory changed) {
    memory = changed;
  }

  /** Takes no more commands for now, or again. */
  void pause(boolean pause) {
    paused = pause;
  }

  /** Whether the drive has no command of this queue. */
  boolean isQuiet() {
    QueuePair<Slot> pair = target;
    return pair == null || pair.inFlight() == 0;
  }

  /** What the process did wrong, or what befell the drive; empty if all is well. */
  String fault() {
    return fault;
  }

  /** The drive's interrupt, if it has one for this queue. */
  @Nullable WakeSource interrupt() {
    QueuePair<Slot> pair = target;
    return pair == null ? null : pair.engine().interrupt();
  }

  long nextDeadlineNs() {
    QueuePair<Slot> pair = target;
    return pair == null ? Long.MAX_VALUE : pair.nextDeadlineNs();
  }

  /** Takes completions of the drive, then commands of the process; returns how many. */
  int poll() {
    QueuePair<Slot> pair = target;
    if (pair == null || !fault.isEmpty()) {
      return 0;
    }
    if (doorbells.hungUp()) {
      fault = "its bell has hung up";
      return 1;
    }
    int done;
    try {
      done = pair.poll(BATCH);
      if (!pair.isAlive()) {
        fault = "the drive is gone";
      } else if (!paused) {
        done += take(pair.engine());
      }
      if (posted) {
        posted = false;
        interruptProcess();
      }
    } catch (RuntimeException e) {
      fault = e.toString();
      return 1;
    } catch (InternalError e) { // the JVM's answer to SIGBUS
      fault = "its memory has gone: " + e.getMessage();
      return 1;
    }
    return done;
  }

  @Override
  public void arm() {
    doorbells.arm();
  }

  @Override
  public void disarm() {
    doorbells.disarm();
  }

  @Override
  public Fd fd() {
    return doorbells.fd();
  }

  /** Deletes the drive's queues: when this returns, no command of the process is under way. */
  @Override
  public void close() {
    closing = true;
    QueuePair<Slot> pair = target;
    if (pair != null) {
      pair.close();
    }
    doorbells.close();
  }

  private int take(QueueEngine<Slot> engine) {
    int tail = page.sqTail();
    int cqHead = page.cqHead();
    if (tail < 0 || tail >= entries || cqHead < 0 || cqHead >= entries) {
      fault = "doorbells %d and %d of a queue of %d entries".formatted(tail, cqHead, entries);
      return 1;
    }
    int done = 0;
    while (sqHead != tail && done < BATCH && hasRoom(cqHead) && !engine.slots().isFull()) {
      command.copyFrom(submissions, (long) sqHead * SubmissionEntry.BYTES);
      sqHead = sqHead + 1 == entries ? 0 : sqHead + 1;
      pass(engine);
      done++;
    }
    return done;
  }

  private boolean hasRoom(int cqHead) {
    int unread = cqTail - cqHead + (cqTail < cqHead ? entries : 0);
    int inFlight = entries - 1 - free.size();
    return unread + inFlight < entries - 1;
  }

  private void pass(QueueEngine<Slot> engine) {
    int status = gate.check(command, memory);
    if (status != Status.SUCCESS) {
      post(command.cid(), status);
      return;
    }
    Slot slot = free.removeLast();
    slot.cid = command.cid();
    int cid = engine.begin(command.opcode(), gate.bytes(), slot);
    gate.send(command, engine, cid);
    engine.ring(cid);
  }

  private void completed(Slot slot, int status) {
    free.add(slot);
    if (!closing && status >= 0) {
      post(slot.cid, status);
    }
  }

  private void post(int cid, int status) {
    completion
        .wrap(completions, (long) cqTail * CompletionEntry.BYTES)
        .publish(0, sqHead, id, cid, status, false, phase);
    cqTail++;
    if (cqTail == entries) {
      cqTail = 0;
      phase ^= 1;
    }
    posted = true;
  }

  private void interruptProcess() {
    SharedMemory.fullFence();
    if (page.takesInterrupt()) {
      doorbells.interrupt();
    }
  }
}
