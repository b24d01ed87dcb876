package io.twinspan.concurrent;

/** The time of this machine. Any thread may ask. */
public final class SystemClock implements Clock {
  /** The only one. */
  public static final SystemClock INSTANCE = new SystemClock();

  private SystemClock() {}

  @Override
  public long nanoTime() {
    return System.nanoTime();
  }

  @Override
  public long epochMillis() {
    return System.currentTimeMillis();
  }
}
