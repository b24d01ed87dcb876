package io.twinspan.concurrent;

import io.twinspan.linux.EventFd;
import io.twinspan.linux.Fd;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * Lets threads of this process wake a sleeping agent; costs a fence while the agent is awake.
 *
 * <p>Any thread may {@link #raise()}; the agent's thread alone arms and disarms.
 */
public final class WakeSignal implements WakeSource, AutoCloseable {
  private static final VarHandle ARMED;

  static {
    try {
      ARMED = MethodHandles.lookup().findVarHandle(WakeSignal.class, "armed", boolean.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private static final long CLOSE_SPINS = 1 << 20;

  private final EventFd eventFd = EventFd.create();

  /** The agent sets it, and whoever takes it back to false, agent or producer, does so by CAS. */
  private volatile boolean armed;

  /** Whether {@link #arm()} was not yet followed by {@link #disarm()}; the agent's thread only. */
  private boolean waiting;

  /** How many signals producers have sent, or are about to send; the agent's thread only. */
  private long undrained;

  /** A signal that is not armed. */
  public WakeSignal() {}

  /** Wakes the agent if it sleeps or is about to; call after what it shall see is published. */
  public void raise() {
    VarHandle.fullFence(); // publish before reading armed
    if (armed && ARMED.compareAndSet(this, true, false)) {
      eventFd.signal();
    }
  }

  @Override
  public void arm() {
    disarm();
    waiting = true;
    armed = true;
    VarHandle.fullFence(); // set armed before looking for work
  }

  @Override
  public void disarm() {
    if (!waiting) {
      return;
    }
    waiting = false;
    if (!ARMED.compareAndSet(this, true, false)) {
      undrained++;
    }
    // The producer's signal may come after this call. It is counted, so that a later call drains
    // it: otherwise the descriptor would stay readable, and no sleep would last.
    if (undrained > 0) {
      undrained -= eventFd.take();
    }
  }

  @Override
  public Fd fd() {
    return eventFd.fd();
  }

  /**
   * Closes the descriptor; a later {@link #raise()} does nothing. Call it on the agent's thread or
   * after that has ended.
   */
  @Override
  public void close() {
    disarm();
    for (long i = 0; undrained > 0 && i < CLOSE_SPINS; i++) {
      Thread.onSpinWait();
      undrained -= eventFd.take();
    }
    // A producer that was stopped just before its signal would write to whatever file got the same
    // number next: rather leak the descriptor than write into a stranger's file.
    if (undrained == 0) {
      eventFd.close();
    }
  }
}
