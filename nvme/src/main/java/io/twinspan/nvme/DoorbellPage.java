package io.twinspan.nvme;

import static io.twinspan.nvme.LittleEndian.INT;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;

/**
 * The doorbell page of one queue pair when the doorbell stride is {@value #DSTRD}: 4 KiB of BAR0,
 * mapped by drive and client, at {@code 0x1000 + 4096 * qid}.
 *
 * <pre>
 *   +0x000  SQ tail doorbell   u32   writer client, reader drive    (NVM Express 1.4, section 3.1.24)
 *   +0x040  sleeping           u32   writer drive,  reader client   (ours: reserved by the standard)
 *   +0x080  interrupt armed    u32   writer client, reader drive    (ours: reserved by the standard)
 *   +0x800  CQ head doorbell   u32   writer client, reader drive    (NVM Express 1.4, section 3.1.25)
 * </pre>
 *
 * <p>The two words of ours spare system calls, and are used only with a client that has fetched the
 * page's eventfd by DEVICE_GET_REGION_IO_FDS. <b>Sleeping</b>: the drive sets it, fences fully,
 * looks at the tail once more and only then sleeps; the client stores the tail with release, fences
 * fully, and signals the eventfd if it reads non-zero. The drive clears it when it wakes.
 * <b>Interrupt armed</b>: the client sets it, fences fully, looks at the completion queue once more
 * and only then sleeps on the MSI-X eventfd; the drive publishes completions, fences fully, and
 * signals only if it reads non-zero. For clients that never fetched the eventfds (Linux under QEMU)
 * the drive polls the tails with backoff and always signals.
 *
 * <p>What is set is another number for each sleep, so that the other side signals once for it
 * however much there is to tell before the sleeper has got a processor: it clears the word before
 * it takes signals back and looks, so it sees all that came before. Who does not count sets {@value
 * #UNCOUNTED}, and is signalled each time.
 *
 * <p>An object is one side's view of the page, for one thread at a time.
 */
public final class DoorbellPage {
  /**
   * CAP.DSTRD with which every pair of doorbells has a page of its own: 4 {@code <<} 9 = 2 KiB per
   * doorbell.
   */
  public static final int DSTRD = 9;

  /** Size of a page. */
  public static final int BYTES = 4096;

  /** Offset of the submission queue's tail doorbell. */
  public static final int SQ_TAIL_OFFSET = 0;

  /** Offset of the word that says that the drive sleeps. */
  public static final int SLEEPING_OFFSET = 0x40;

  /** Offset of the word that says that the client sleeps or is about to. */
  public static final int INTERRUPT_ARMED_OFFSET = 0x80;

  /** Offset of the completion queue's head doorbell. */
  public static final int CQ_HEAD_OFFSET = 0x800;

  /** What is set by who does not count sleeps; numbers begin behind it. */
  public static final int UNCOUNTED = 1;

  private static final VarHandle WORD = INT.varHandle().withInvokeExactBehavior();

  private final MemorySegment segment;

  /** Of this side's last sleep. */
  private int number = UNCOUNTED;

  /** Of the other side's sleep that was ended by a signal last. */
  private int ended;

  /**
   * The page of one queue pair.
   *
   * @param memory where the page is mapped
   * @param pageOffset offset of the page in it, a multiple of 4
   */
  public DoorbellPage(MemorySegment memory, long pageOffset) {
    segment = memory.asSlice(pageOffset, BYTES);
  }

  /**
   * {@return the offset of a queue pair's page in BAR0}
   *
   * @param queueId 0 for the admin queues
   */
  public static long barOffset(int queueId) {
    return ControllerRegisters.DOORBELLS + (long) BYTES * queueId;
  }

  /** {@return the submission queue's tail, read with acquire; untrusted} */
  public int sqTail() {
    return (int) WORD.getAcquire(segment, (long) SQ_TAIL_OFFSET);
  }

  /**
   * Rings the submission queue's tail doorbell, with release.
   *
   * @param tail new tail
   */
  public void sqTail(int tail) {
    WORD.setRelease(segment, (long) SQ_TAIL_OFFSET, tail);
  }

  /** {@return the completion queue's head, read with acquire; untrusted} */
  public int cqHead() {
    return (int) WORD.getAcquire(segment, (long) CQ_HEAD_OFFSET);
  }

  /**
   * Rings the completion queue's head doorbell, with release.
   *
   * @param head new head
   */
  public void cqHead(int head) {
    WORD.setRelease(segment, (long) CQ_HEAD_OFFSET, head);
  }

  /**
   * {@return whether the drive sleeps and this is the first call that says so; it is to be
   * signalled then. Meaningful after a full fence that follows the ringing}
   */
  public boolean endsSleep() {
    return isNew((int) WORD.getAcquire(segment, (long) SLEEPING_OFFSET));
  }

  /**
   * Says that the drive is about to sleep, or is awake. A full fence follows.
   *
   * @param sleeping whether it is about to sleep
   */
  public void sleeping(boolean sleeping) {
    WORD.setVolatile(segment, (long) SLEEPING_OFFSET, sleeping ? nextNumber() : 0);
    VarHandle.fullFence();
  }

  /**
   * {@return whether the client wants an interrupt; meaningful after a full fence that follows the
   * completion}
   */
  public boolean interruptArmed() {
    return (int) WORD.getAcquire(segment, (long) INTERRUPT_ARMED_OFFSET) != 0;
  }

  /**
   * {@return whether the client wants an interrupt and this is the first call that says so; it is
   * to be interrupted then. Meaningful after a full fence that follows the completion}
   */
  public boolean takesInterrupt() {
    return isNew((int) WORD.getAcquire(segment, (long) INTERRUPT_ARMED_OFFSET));
  }

  /** The queue has a new client, who counts from the beginning. */
  public void forgetSleeps() {
    ended = 0;
  }

  /**
   * Says whether the client wants an interrupt. A full fence follows.
   *
   * @param armed whether it does
   */
  public void interruptArmed(boolean armed) {
    WORD.setVolatile(segment, (long) INTERRUPT_ARMED_OFFSET, armed ? nextNumber() : 0);
    VarHandle.fullFence();
  }

  /** Zeroes the four words: what a reset does. */
  public void clear() {
    WORD.setVolatile(segment, (long) SQ_TAIL_OFFSET, 0);
    WORD.setVolatile(segment, (long) SLEEPING_OFFSET, 0);
    WORD.setVolatile(segment, (long) INTERRUPT_ARMED_OFFSET, 0);
    WORD.setVolatile(segment, (long) CQ_HEAD_OFFSET, 0);
    forgetSleeps();
  }

  private int nextNumber() {
    number++;
    if (number >= 0 && number <= UNCOUNTED) {
      number = UNCOUNTED + 1; // once round
    }
    return number;
  }

  private boolean isNew(int sleep) {
    if (sleep == 0 || (sleep == ended && sleep != UNCOUNTED)) {
      return false;
    }
    ended = sleep;
    return true;
  }
}
