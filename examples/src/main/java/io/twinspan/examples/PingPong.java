package io.twinspan.examples;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.twinspan.rdma.Access;
import io.twinspan.rdma.Channel;
import io.twinspan.rdma.ChannelPlan;
import io.twinspan.rdma.ChannelSpec;
import io.twinspan.rdma.CompletionQueue;
import io.twinspan.rdma.MemoryRegion;
import io.twinspan.rdma.QueuePair;
import io.twinspan.rdma.WcOpcode;
import io.twinspan.rdma.WorkCompletion;
import io.twinspan.rdma.WorkRequest;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Side b sends back what side a sends: SEND and RECV. */
public final class PingPong extends Node {
  private static final ChannelPlan PLAN = new ChannelPlan(List.of(ChannelSpec.of(0, "talk")));
  private static final int BYTES = 64;
  private static final int RECEIVES = 16;
  private static final int ROUNDS = 100_000;

  private final Channel channel = link.channel(0);
  private final CompletionQueue completions = link.createCompletionQueue(512);
  private final QueuePair queuePair = channel.createQueuePair(0, completions, completions);
  private final MemorySegment inbox = channel.allocate(RECEIVES * BYTES);
  private final MemorySegment ball = Arena.ofAuto().allocate(BYTES, 8);
  private final WorkRequest request = new WorkRequest();
  private final WorkCompletion completion = new WorkCompletion();
  private @Nullable MemoryRegion region;
  private long begunNs;

  private PingPong(String[] args) {
    super(args, PLAN);
  }

  /** Usage: a|b SOCKET. */
  public static void main(String[] args) throws InterruptedException {
    new PingPong(args).run();
  }

  /** The peer is there: lend it buffers to send into, and connect. */
  @Override
  public void linkUp(long generation) {
    region = channel.register(0, inbox, Access.LOCAL_WRITE);
    queuePair.reset().init();
    for (int i = 0; i < RECEIVES; i++) {
      receive(i);
    }
    queuePair.connect();
  }

  @Override
  void connected(QueuePair which) {
    if (isA) {
      begunNs = System.nanoTime();
      send(1);
    }
  }

  @Override
  int pollCompletions() {
    int work = 0;
    for (; completions.poll(completion); work++) {
      if (completion.opcode() == WcOpcode.RECV && completion.isSuccess()) {
        long round = inbox.get(JAVA_LONG, completion.wrId() * BYTES);
        receive(completion.wrId());
        received(round);
      }
    }
    return work;
  }

  private void received(long round) {
    if (isA && round == ROUNDS) {
      double us = (System.nanoTime() - begunNs) / 1e3 / ROUNDS;
      System.out.printf("%d round trips of %d bytes, %.2f us each%n", ROUNDS, BYTES, us);
      finish();
    } else {
      send(isA ? round + 1 : round);
    }
  }

  private void send(long round) {
    ball.set(JAVA_LONG, 0, round);
    int _ = queuePair.postSend(request.send(round).inline(ball, 0, BYTES).signaled(false));
  }

  private void receive(long slot) {
    MemoryRegion lent = region;
    if (lent != null) {
      int _ = queuePair.postReceive(slot, lent, slot * BYTES, BYTES);
    }
  }
}
