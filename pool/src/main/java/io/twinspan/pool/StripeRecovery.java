package io.twinspan.pool;

import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;

/**
 * Makes single cells again from the rest of their stripes, some at a time; who asks for more waits
 * in line. Goes on from drive completions alone.
 */
final class StripeRecovery {
  /** Waits for a cell. */
  interface Client {
    /**
     * It ended.
     *
     * @param tag as given
     * @param right whether the cell is in memory now
     */
    void recovered(int tag, boolean right);
  }

  private static final int JOBS = PoolMemory.STRIPE_READ_BYTES / PoolMemory.STRIPE_BYTES;

  private final DriveSet drives;
  private final MemorySegment memory;
  private final Layout layout;
  private final StripeKnowledge knowledge;
  private final StripeSolver solver;
  private final ArrayDeque<Job> idle = new ArrayDeque<>();
  private final ArrayDeque<Job> waiting = new ArrayDeque<>();

  /** A cell that is wanted. */
  private static final class Job {
    int cell;
    int checksum;
    int tag;
    MemorySegment to = MemorySegment.NULL;
    long offset;
    Client client = (_, _) -> {};
  }

  /** Memory for a stripe, and the reads into it. */
  private final class Slot implements DriveIo.Listener {
    final long base;
    Job job = new Job();
    int present;
    int doubtful;
    int pendingIos;

    Slot(long base) {
      this.base = base;
    }

    void start(Job wanted) {
      job = wanted;
      int stripe = layout.stripe(job.cell);
      int own = layout.column(job.cell);
      present = 0;
      doubtful = 0;
      for (int column = 0; column < layout.driveCount(); column++) {
        int drive = layout.stripeDrive(stripe, column);
        if (column != own && drives.isLive(drive)) {
          present |= 1 << column;
          doubtful |= knowledge.isDoubtful(drive) ? 1 << column : 0;
          pendingIos++;
        }
      }
      if (present == 0) {
        end();
        return;
      }
      int issued = present;
      for (int rest = issued; rest != 0; rest &= rest - 1) {
        int column = Integer.numberOfTrailingZeros(rest);
        long at = base + (long) column * Drive.BLOCK_BYTES;
        int drive = layout.stripeDrive(stripe, column);
        var _ = drives.read(drive, layout.stripeBlock(stripe), 1, memory, at, this, column);
      }
    }

    @Override
    public void ioDone(DriveIo io, int status) {
      present &= status == Drive.OK ? -1 : ~(1 << io.tag);
      if (--pendingIos == 0) {
        end();
      }
    }

    private void end() {
      int stripe = layout.stripe(job.cell);
      int own = layout.column(job.cell);
      for (int column = 0; column < layout.dataColumns(); column++) {
        solver.known[column] =
            column == own
                ? job.checksum & 0xffff_ffffL
                : knowledge.checksumOf(layout.cell(stripe, column));
      }
      solver.solve(memory, base, Drive.BLOCK_BYTES, present, doubtful, false);
      boolean right = solver.lost() == 0;
      Job done = job;
      if (right) {
        long from = base + (long) own * Drive.BLOCK_BYTES;
        MemorySegment.copy(memory, from, done.to, done.offset, Drive.BLOCK_BYTES);
      }
      if (waiting.isEmpty()) {
        slots.add(this);
      } else {
        start(waiting.remove());
      }
      Client client = done.client;
      done.to = MemorySegment.NULL;
      idle.add(done);
      client.recovered(done.tag, right);
    }
  }

  private final ArrayDeque<Slot> slots = new ArrayDeque<>();

  StripeRecovery(
      DriveSet drives,
      MemorySegment memory,
      Layout layout,
      Checksums checksums,
      StripeKnowledge knowledge) {
    this.drives = drives;
    this.memory = memory;
    this.layout = layout;
    this.knowledge = knowledge;
    this.solver = new StripeSolver(layout, checksums);
    for (int i = 0; i < JOBS; i++) {
      slots.add(new Slot(PoolMemory.STRIPE_READ_OFFSET + (long) i * PoolMemory.STRIPE_BYTES));
    }
  }

  /** Asks for a cell; more than two drives are live. */
  void request(int cell, int checksum, MemorySegment to, long offset, Client client, int tag) {
    Job job = idle.isEmpty() ? new Job() : idle.remove();
    job.cell = cell;
    job.checksum = checksum;
    job.to = to;
    job.offset = offset;
    job.client = client;
    job.tag = tag;
    if (slots.isEmpty()) {
      waiting.add(job);
    } else {
      slots.remove().start(job);
    }
  }
}
