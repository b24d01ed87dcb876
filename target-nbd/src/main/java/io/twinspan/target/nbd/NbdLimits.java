package io.twinspan.target.nbd;

import io.twinspan.array.HostRequest;
import io.twinspan.linux.TwinspanException;
import java.time.Duration;

/**
 * What clients of a server may use up.
 *
 * @param maxConnections connections at a time, over all addresses; more are closed at once
 * @param handshakeDeadline a connection that has not chosen its export by then is closed
 * @param stallDeadline a client that neither sends the rest of a command nor takes its replies for
 *     so long is closed
 * @param maxCommands commands in flight per connection; more are left unread in the socket
 * @param maxDataBytes bytes of I/O buffers per connection, at least {@link HostRequest#MAX_BYTES};
 *     more is left unread
 */
public record NbdLimits(
    int maxConnections,
    Duration handshakeDeadline,
    Duration stallDeadline,
    int maxCommands,
    int maxDataBytes) {
  /** 64 connections, 10 s, 30 s, 128 commands and 4 MiB of data each. */
  public static final NbdLimits DEFAULT =
      new NbdLimits(64, Duration.ofSeconds(10), Duration.ofSeconds(30), 128, 4 << 20);

  /**
   * Refuses limits under which nothing would work.
   *
   * @throws TwinspanException when one is too small
   */
  public NbdLimits {
    if (maxConnections < 1 || maxCommands < 1 || maxDataBytes < HostRequest.MAX_BYTES) {
      throw new TwinspanException(
          "NBD limits too small: %d connections, %d commands, %d bytes of data"
              .formatted(maxConnections, maxCommands, maxDataBytes));
    }
    if (!handshakeDeadline.isPositive() || !stallDeadline.isPositive()) {
      throw new TwinspanException(
          "NBD deadlines must be positive: handshake %s, stall %s"
              .formatted(handshakeDeadline, stallDeadline));
    }
  }
}
