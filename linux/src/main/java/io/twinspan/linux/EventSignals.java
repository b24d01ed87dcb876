package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Signals eventfds that another process shares and must not be trusted with: whoever has one may
 * make it blocking and fill its counter, and then a write to it waits. Here the kernel adds to the
 * counter itself, when an asynchronous read of nothing has ended, and it never waits (io_submit(2),
 * IOCB_FLAG_RESFD).
 *
 * <p>One thread. Where the kernel has no asynchronous I/O, or no context to spare, it is a plain
 * write, and {@link #isSafe} says so.
 */
public final class EventSignals implements AutoCloseable {
  private static final int CONTEXT_EVENTS = 64;
  private static final int IOCB_BYTES = 64;
  private static final int OPCODE_OFFSET = 16;
  private static final int FD_OFFSET = 20;
  private static final int BUFFER_OFFSET = 24;
  private static final int FLAGS_OFFSET = 56;
  private static final int RESULT_FD_OFFSET = 60;
  private static final short IOCB_CMD_PREAD = 0;
  private static final int IOCB_FLAG_RESFD = 1;

  // The ring of completions, which the kernel maps at the address that names the context.
  private static final int RING_HEAD_OFFSET = 8;
  private static final int RING_TAIL_OFFSET = 12;
  private static final int RING_HEADER_BYTES = 32;

  private final Arena arena = Arena.ofShared();
  private final Fd nothing = Memfd.create("nothing", 1);
  private final MemorySegment pointer = arena.allocate(JAVA_LONG);
  private final MemorySegment operation = arena.allocate(IOCB_BYTES, Long.BYTES);
  private long context;
  private final MemorySegment ring;

  private EventSignals() {
    MemorySegment created = arena.allocate(JAVA_LONG);
    boolean works =
        SystemCalls.KNOWN
            && Native.syscall(SystemCalls.IO_SETUP, CONTEXT_EVENTS, created.address(), 0) == 0;
    context = works ? created.get(JAVA_LONG, 0) : 0;
    ring =
        works
            ? MemorySegment.ofAddress(context).reinterpret(RING_HEADER_BYTES)
            : MemorySegment.NULL;
    pointer.set(JAVA_LONG, 0, operation.address());
    operation.set(JAVA_SHORT, OPCODE_OFFSET, IOCB_CMD_PREAD);
    operation.set(JAVA_INT, FD_OFFSET, nothing.number());
    operation.set(JAVA_LONG, BUFFER_OFFSET, operation.address()); // of which 0 bytes are used
    operation.set(JAVA_INT, FLAGS_OFFSET, IOCB_FLAG_RESFD);
  }

  /** Asks the kernel for a context. */
  public static EventSignals open() {
    return new EventSignals();
  }

  /** {@return whether a signal never blocks, whatever others do with the eventfd} */
  public boolean isSafe() {
    return context != 0;
  }

  /**
   * Adds 1 to a counter, unless it is full.
   *
   * @param event open
   */
  public void signal(EventFd event) {
    if (context == 0) {
      event.signal();
      return;
    }
    // Whatever has ended is taken: there is room for what begins.
    ring.set(JAVA_INT, RING_HEAD_OFFSET, ring.get(JAVA_INT, RING_TAIL_OFFSET));
    operation.set(JAVA_INT, RESULT_FD_OFFSET, event.fd().number());
    var _ = Native.syscall(SystemCalls.IO_SUBMIT, context, 1, pointer.address());
  }

  /** Gives the context back; not while another thread signals. */
  @Override
  public void close() {
    if (context != 0) {
      var _ = Native.syscall(SystemCalls.IO_DESTROY, context, 0, 0);
      context = 0; // the ring is not there any more
    }
    nothing.close();
    arena.close();
  }
}
