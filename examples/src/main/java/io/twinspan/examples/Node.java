package io.twinspan.examples;

import io.twinspan.bridge.LinkDown;
import io.twinspan.bridge.ShmOptions;
import io.twinspan.bridge.Side;
import io.twinspan.concurrent.Agent;
import io.twinspan.concurrent.AgentRunner;
import io.twinspan.concurrent.Idle;
import io.twinspan.rdma.ChannelPlan;
import io.twinspan.rdma.CmEvent;
import io.twinspan.rdma.Link;
import io.twinspan.rdma.LinkListener;
import io.twinspan.rdma.QueuePair;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.UUID;

/**
 * What the examples have in common: a link, and one thread for it and everything on it. The thread
 * sleeps when there is nothing to do.
 */
abstract class Node implements Agent, LinkListener {
  /** Both sides must show that they know it. A real one comes from a file nobody else can read. */
  private static final byte[] SECRET = "only an example!".getBytes(StandardCharsets.US_ASCII);

  final boolean isA;
  final Link link;
  private boolean over;

  Node(String[] args, ChannelPlan plan) {
    if (args.length != 2 || !(args[0].equals("a") || args[0].equals("b"))) {
      throw new IllegalArgumentException("usage: a|b SOCKET");
    }
    Side side = args[0].equals("a") ? Side.A : Side.B;
    isA = side == Side.A;
    link = Link.open(new ShmOptions(side, Path.of(args[1]), new UUID(0, 1), SECRET), plan);
    link.listener(this);
  }

  /** Runs until {@link #finish} was called or the peer is gone. */
  final void run() throws InterruptedException {
    try (AgentRunner runner = new AgentRunner(this, Idle.DEFAULT, link.wakeSources())) {
      runner.start();
      synchronized (this) {
        while (!over) {
          wait();
        }
      }
    } finally {
      link.close();
    }
  }

  final synchronized void finish() {
    over = true;
    notifyAll();
  }

  @Override
  public final int doWork() {
    return link.doWork() + pollCompletions();
  }

  /** Handles what has completed; returns how much that was. */
  abstract int pollCompletions();

  /** The queue pair's partner is connected. */
  void connected(QueuePair queuePair) {}

  @Override
  public void connectionEvent(QueuePair queuePair, CmEvent event) {
    if (event == CmEvent.ESTABLISHED) {
      connected(queuePair);
    }
  }

  @Override
  public void linkDown(LinkDown why) {
    finish();
  }

  @Override
  public final long nextDeadlineNs() {
    return link.nextDeadlineNs();
  }

  @Override
  public final String roleName() {
    return "example";
  }
}
