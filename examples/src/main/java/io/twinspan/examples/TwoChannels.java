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
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Side a floods one channel with writes of 1 MiB, and asks questions on another one, which side b
 * answers: the questions have priority, and don't wait behind the flood.
 */
public final class TwoChannels extends Node {
  private static final int BULK_BYTES = 1 << 20;
  private static final ChannelPlan PLAN =
      new ChannelPlan(
          List.of(
              ChannelSpec.of(0, "questions").withPriority(0, 1),
              ChannelSpec.of(1, "bulk").withSegments(0, BULK_BYTES)));
  private static final int MESSAGE_BYTES = 8;
  private static final int RECEIVES = 4;
  private static final int QUESTIONS = 20_000;

  private final Channel questions = link.channel(0);
  private final Channel bulk = link.channel(1);
  private final CompletionQueue completions = link.createCompletionQueue(2048);
  private final QueuePair asking = questions.createQueuePair(0, completions, completions);
  private final QueuePair flooding = bulk.createQueuePair(0, completions, completions);
  private final MemorySegment inbox = questions.allocate(RECEIVES * MESSAGE_BYTES);
  private final MemorySegment load = Arena.ofAuto().allocate(BULK_BYTES, 4096);
  private final int loadKey = link.protectionDomain().register(load).lkey();
  private final MemorySegment message = Arena.ofAuto().allocate(MESSAGE_BYTES, 8);
  private final WorkRequest request = new WorkRequest();
  private final WorkCompletion completion = new WorkCompletion();
  private final long[] tookNs = new long[QUESTIONS];
  private @Nullable MemoryRegion region;
  private int asked;
  private long askedNs;
  private long begunNs;
  private long bulkBytes;

  private TwoChannels(String[] args) {
    super(args, PLAN);
  }

  /** Usage: a|b SOCKET. */
  public static void main(String[] args) throws InterruptedException {
    new TwoChannels(args).run();
  }

  @Override
  public void linkUp(long generation) {
    region = questions.register(0, inbox, Access.LOCAL_WRITE);
    asking.reset().init();
    for (int i = 0; i < RECEIVES; i++) {
      receive(i);
    }
    asking.connect();
    if (!isA) {
      bulk.register(0, bulk.segment(), Access.REMOTE_WRITE);
    }
    flooding.reset().init().connect();
  }

  @Override
  void connected(QueuePair which) {
    if (isA && which == asking) {
      begunNs = System.nanoTime();
      ask();
    } else if (isA) {
      flood();
    }
  }

  @Override
  int pollCompletions() {
    int work = 0;
    for (; completions.poll(completion); work++) {
      if (completion.isSuccess() && completion.opcode() == WcOpcode.RECV) {
        receive(completion.wrId());
        answered();
      } else if (completion.isSuccess() && completion.opcode() == WcOpcode.RDMA_WRITE) {
        bulkBytes += BULK_BYTES;
        flood();
      }
    }
    return work;
  }

  private void answered() {
    if (!isA) {
      send(0);
      return;
    }
    tookNs[asked] = System.nanoTime() - askedNs;
    asked++;
    if (asked < QUESTIONS) {
      ask();
      return;
    }
    double seconds = (System.nanoTime() - begunNs) / 1e9;
    Arrays.sort(tookNs);
    System.out.printf(
        "%d questions: half took %.1f us or less, 99 of 100 %.1f us; beside %.0f MB/s of bulk%n",
        QUESTIONS,
        tookNs[QUESTIONS / 2] / 1e3,
        tookNs[QUESTIONS / 100 * 99] / 1e3,
        bulkBytes / 1e6 / seconds);
    finish();
  }

  private void ask() {
    askedNs = System.nanoTime();
    send(asked);
  }

  private void send(long content) {
    message.set(JAVA_LONG, 0, content);
    request.send(0).inline(message, 0, MESSAGE_BYTES).signaled(false);
    int _ = asking.postSend(request);
  }

  private void flood() {
    request.write(0, bulk.remoteRegion(0).rkey(), 0).sge(loadKey, 0, BULK_BYTES);
    int _ = flooding.postSend(request);
  }

  private void receive(long slot) {
    MemoryRegion lent = region;
    if (lent != null) {
      int _ = asking.postReceive(slot, lent, slot * MESSAGE_BYTES, MESSAGE_BYTES);
    }
  }
}
