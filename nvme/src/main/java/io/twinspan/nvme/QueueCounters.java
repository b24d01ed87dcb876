package io.twinspan.nvme;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * What a queue pair has done since it was created. One thread counts, any thread reads; each number
 * by itself is exact.
 */
public final class QueueCounters {
  private static final int READS = 0;
  private static final int WRITES = 1;
  private static final int FLUSHES = 2;
  private static final int OTHERS = 3;
  private static final int BYTES_READ = 4;
  private static final int BYTES_WRITTEN = 5;
  private static final int ERRORS = 6;
  private static final int COMPLETIONS = 7;
  private static final VarHandle CELL =
      MethodHandles.arrayElementVarHandle(long[].class).withInvokeExactBehavior();

  private final long[] cells = new long[COMPLETIONS + 1];

  QueueCounters() {}

  /** {@return Read commands submitted} */
  public long reads() {
    return get(READS);
  }

  /** {@return Write and Write Zeroes commands submitted} */
  public long writes() {
    return get(WRITES);
  }

  /** {@return Flush commands submitted} */
  public long flushes() {
    return get(FLUSHES);
  }

  /** {@return all commands submitted} */
  public long commands() {
    return reads() + writes() + flushes() + get(OTHERS);
  }

  /** {@return data of successful Read commands, in bytes} */
  public long bytesRead() {
    return get(BYTES_READ);
  }

  /** {@return data of successful Write commands, in bytes} */
  public long bytesWritten() {
    return get(BYTES_WRITTEN);
  }

  /** {@return commands that ended with another status than success} */
  public long errors() {
    return get(ERRORS);
  }

  /** {@return commands answered} */
  public long completions() {
    return get(COMPLETIONS);
  }

  void submitted(int opcode) {
    switch (opcode) {
      case NvmOpcode.READ -> add(READS, 1);
      case NvmOpcode.WRITE, NvmOpcode.WRITE_ZEROES -> add(WRITES, 1);
      case NvmOpcode.FLUSH -> add(FLUSHES, 1);
      default -> add(OTHERS, 1);
    }
  }

  void completed(int opcode, int bytes, int status) {
    add(COMPLETIONS, 1);
    if (status != Status.SUCCESS) {
      add(ERRORS, 1);
    } else if (opcode == NvmOpcode.READ) {
      add(BYTES_READ, bytes);
    } else if (opcode == NvmOpcode.WRITE) {
      add(BYTES_WRITTEN, bytes);
    }
  }

  private long get(int cell) {
    return (long) CELL.getOpaque(cells, cell);
  }

  private void add(int cell, long delta) {
    CELL.setOpaque(cells, cell, cells[cell] + delta);
  }
}
