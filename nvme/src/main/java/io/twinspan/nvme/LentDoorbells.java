package io.twinspan.nvme;

import io.twinspan.linux.Fd;

/**
 * The doorbells of a queue pair that was lent, to be sent to whoever gets it.
 *
 * @param page a memfd of one page, laid out as {@link DoorbellPage} says
 * @param bell a stream socket: eight bytes wake the sleeping device, eight bytes that come are an
 *     interrupt. It hangs up when the device touches no memory for the queue pair any more
 */
public record LentDoorbells(Fd page, Fd bell) implements AutoCloseable {
  /** Closes both. */
  @Override
  public void close() {
    page.close();
    bell.close();
  }
}
