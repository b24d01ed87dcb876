package io.twinspan.examples;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.twinspan.rdma.Access;
import io.twinspan.rdma.Channel;
import io.twinspan.rdma.ChannelPlan;
import io.twinspan.rdma.ChannelSpec;
import io.twinspan.rdma.CompletionQueue;
import io.twinspan.rdma.MemoryRegion;
import io.twinspan.rdma.QueuePair;
import io.twinspan.rdma.WorkCompletion;
import io.twinspan.rdma.WorkRequest;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Side b holds a table; side a looks words up in it by RDMA READ: no message, no receive, and b's
 * program takes no part.
 *
 * <p>A word's slot is found by its hash; a slot that is taken by another word sends the reader on
 * to the next one.
 */
public final class RemoteKeyValue extends Node {
  private static final ChannelPlan PLAN = new ChannelPlan(List.of(ChannelSpec.of(0, "table")));
  private static final int REGION = 0;
  private static final int SLOTS = 64;
  private static final int TEXT_BYTES = 32;
  private static final int SLOT_BYTES = 2 * TEXT_BYTES;
  private static final List<String> WANTED = List.of("red", "mauve", "blue");

  private final Channel channel = link.channel(0);
  private final CompletionQueue completions = link.createCompletionQueue(512);
  private final QueuePair queuePair = channel.createQueuePair(0, completions, completions);

  /** At b the table, at a the place for one slot of it. */
  private final MemorySegment memory = channel.allocate(SLOTS * SLOT_BYTES);

  private final WorkRequest request = new WorkRequest();
  private final WorkCompletion completion = new WorkCompletion();
  private @Nullable MemoryRegion region;
  private int wanted;

  private RemoteKeyValue(String[] args) {
    super(args, PLAN);
    if (!isA) {
      put("red", "#ff0000");
      put("green", "#00ff00");
      put("blue", "#0000ff");
    }
  }

  /** Usage: a|b SOCKET. */
  public static void main(String[] args) throws InterruptedException {
    new RemoteKeyValue(args).run();
  }

  @Override
  public void linkUp(long generation) {
    region = channel.register(REGION, memory, isA ? Access.LOCAL_WRITE : Access.REMOTE_READ);
    queuePair.reset().init().connect();
  }

  @Override
  void connected(QueuePair which) {
    if (isA) {
      look(slotOf(WANTED.get(wanted)));
    }
  }

  @Override
  int pollCompletions() {
    int work = 0;
    for (; completions.poll(completion); work++) {
      if (!completion.isSuccess()) {
        System.out.println("the read failed: " + completion.status());
        finish();
      } else if (hasAnswer((int) completion.wrId())) {
        wanted++;
        if (wanted == WANTED.size()) {
          finish();
        } else {
          look(slotOf(WANTED.get(wanted)));
        }
      }
    }
    return work;
  }

  /** Reads a slot of the peer's table. */
  private void look(int slot) {
    MemoryRegion answer = region;
    if (answer != null) {
      int rkey = channel.remoteRegion(REGION).rkey();
      request.read(slot, rkey, (long) slot * SLOT_BYTES).sge(answer.lkey(), 0, SLOT_BYTES);
      int _ = queuePair.postSend(request);
    }
  }

  private boolean hasAnswer(int slot) {
    String word = memory.getString(0);
    if (!word.isEmpty() && !word.equals(WANTED.get(wanted))) {
      look((slot + 1) % SLOTS);
      return false;
    }
    String value = word.isEmpty() ? "not there" : memory.getString(TEXT_BYTES);
    System.out.println(WANTED.get(wanted) + ": " + value);
    return true;
  }

  private void put(String word, String value) {
    int slot = slotOf(word);
    while (memory.get(JAVA_BYTE, (long) slot * SLOT_BYTES) != 0) {
      slot = (slot + 1) % SLOTS;
    }
    memory.setString((long) slot * SLOT_BYTES, word);
    memory.setString((long) slot * SLOT_BYTES + TEXT_BYTES, value);
  }

  private static int slotOf(String word) {
    return Math.floorMod(word.hashCode(), SLOTS);
  }
}
