package io.twinspan.cli;

import io.twinspan.linux.TwinspanException;
import io.twinspan.target.nbd.NbdClient;
import io.twinspan.target.nbd.NbdDisconnectedException;
import java.net.SocketAddress;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A host's connection to a volume, moved to the other controller when the one in use goes away or
 * does not answer within two seconds. For one thread.
 */
final class HostConnection implements AutoCloseable {
  private static final Duration ANSWER_DEADLINE = Duration.ofSeconds(2);
  private static final long RETRY_MS = 2;

  /** A request that is sent again until a controller has answered it. */
  interface Request {
    /**
     * Sends it and takes the answer.
     *
     * @throws NbdDisconnectedException if there is none
     */
    void send(NbdClient client);
  }

  private final List<SocketAddress> controllers;
  private final int home;
  private final String volume;
  private final Duration deadline;
  private int controller;
  private @Nullable NbdClient client;

  /**
   * Does not connect yet.
   *
   * @param controllers NBD addresses of a and b, without an export
   * @param home 0 or 1: the controller that it begins with
   * @param deadline for how long a request is tried
   */
  HostConnection(List<SocketAddress> controllers, int home, String volume, Duration deadline) {
    this.controllers = List.copyOf(controllers);
    this.home = home;
    this.volume = volume;
    this.deadline = deadline;
    controller = home;
  }

  /**
   * Sends a request until a controller has answered it.
   *
   * @throws TwinspanException if neither does within the deadline
   */
  void run(Request request) {
    long endNs = System.nanoTime() + deadline.toNanos();
    while (true) {
      try {
        NbdClient current = client;
        if (current == null) {
          current = NbdClient.connect(controllers.get(controller), volume, ANSWER_DEADLINE);
          client = current;
        }
        request.send(current);
        return;
      } catch (NbdDisconnectedException e) {
        if (System.nanoTime() > endNs) {
          throw new TwinspanException(
              "neither controller served volume "
                  + volume
                  + " within "
                  + deadline.toSeconds()
                  + " s: "
                  + e.getMessage(),
              e);
        }
        boolean refused = client == null;
        close();
        controller = 1 - controller;
        if (refused) {
          ArrayProcesses.pause(RETRY_MS);
        }
      }
    }
  }

  /** Goes back to the controller that it began with, if that one serves. */
  void goHome() {
    if (controller == home) {
      return;
    }
    try {
      NbdClient there = NbdClient.connect(controllers.get(home), volume, ANSWER_DEADLINE);
      close();
      client = there;
      controller = home;
    } catch (NbdDisconnectedException e) {
      // not yet: it stays where it is
    }
  }

  @Override
  public void close() {
    NbdClient current = client;
    client = null;
    if (current != null) {
      current.close();
    }
  }
}
