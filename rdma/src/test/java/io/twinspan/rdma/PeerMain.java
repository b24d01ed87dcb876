package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.twinspan.bridge.LinkDown;
import io.twinspan.bridge.Side;
import io.twinspan.concurrent.Agent;
import io.twinspan.concurrent.AgentRunner;
import io.twinspan.concurrent.Idle;
import io.twinspan.concurrent.SystemClock;
import io.twinspan.rdma.LinkPair.End;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Side B in a process of its own: echoes messages on the management channel, and, as long as there
 * is a region to write to, stamps it with 1, 2, 3… on the mirror channel. When the region is taken
 * back it reports the last stamp that was successful.
 */
final class PeerMain implements Agent, LinkListener {
  static final int LANDING_SLOT = 3;
  static final int STAMP_BYTES = 64 * 1024;
  static final int MESSAGE_BYTES = 64;
  static final int MESSAGES = 8;
  static final long ECHO = 1;
  static final long REPORT = 2;

  private static final long REPORT_ID = 101;

  private final Link link;
  private final End messages;
  private final End stamps;
  private final MemorySegment inbox;
  private final MemorySegment stamp = Arena.ofAuto().allocate(STAMP_BYTES, 64);
  private final MemorySegment report = Arena.ofAuto().allocate(MESSAGE_BYTES, 8);
  private final int stampKey;
  private final WorkRequest request = new WorkRequest();
  private @Nullable MemoryRegion current;
  private long next = 1;
  private long lastSuccess;
  private int lastKey;
  private boolean reportPending;

  private PeerMain(Path socket) {
    link = LinkPair.open(Side.B, socket, ChannelPlan.defaults(), SystemClock.INSTANCE);
    LinkPair.Node node = new LinkPair.Node(link);
    link.listener(this);
    messages = node.end(ChannelPlan.MANAGEMENT);
    stamps = node.end(ChannelPlan.MIRROR);
    inbox = messages.channel().allocate((long) MESSAGES * MESSAGE_BYTES);
    stampKey = link.protectionDomain().register(stamp).lkey();
  }

  public static void main(String[] args) throws InterruptedException {
    PeerMain peer = new PeerMain(Path.of(args[0]));
    AgentRunner runner = new AgentRunner(peer, Idle.DEFAULT, peer.link.wakeSources());
    runner.start().thread().join();
  }

  /** Registers and posts the receives of a management end; the same at both sides. */
  static MemoryRegion prepare(End end, MemorySegment inbox) {
    MemoryRegion region = end.channel().register(0, inbox, Access.LOCAL_WRITE);
    QueuePair qp = end.qp().reset().init();
    for (int i = 0; i < MESSAGES; i++) {
      int _ = qp.postReceive(i, region, (long) i * MESSAGE_BYTES, MESSAGE_BYTES);
    }
    qp.connect();
    return region;
  }

  @Override
  public int doWork() {
    int work = link.doWork();
    while (messages.cq().poll(messages.completion())) {
      work++;
      if (messages.completion().isSuccess() && messages.completion().opcode() == WcOpcode.RECV) {
        echo(messages.completion().wrId());
      } else if (messages.completion().wrId() == REPORT_ID) {
        reportPending |= !messages.completion().isSuccess(); // the link went down under it
      }
    }
    work += stamp();
    if (reportPending && messages.qp().state() == QpState.RTS) {
      report.set(JAVA_LONG, 0, REPORT);
      report.set(JAVA_LONG, 8, lastSuccess);
      int result = messages.qp().postSend(request.send(REPORT_ID).inline(report, 0, MESSAGE_BYTES));
      reportPending = result != QueuePair.OK;
    }
    return work;
  }

  private void echo(long index) {
    long offset = index * MESSAGE_BYTES;
    int _ = messages.qp().postSend(request.send(100).inline(inbox, offset, MESSAGE_BYTES));
    MemoryRegion region = current;
    if (region != null) {
      int _ = messages.qp().postReceive(index, region, offset, MESSAGE_BYTES);
    }
  }

  private int stamp() {
    int work = 0;
    RemoteRegion region = stamps.channel().remoteRegion(LANDING_SLOT);
    int rkey = region.rkey();
    if (rkey != lastKey && lastKey != 0) {
      reportPending = true; // it was taken back between two writes
    }
    lastKey = rkey;
    if (stamps.qp().state() == QpState.RTS && rkey != 0) {
      for (long i = 0; i < STAMP_BYTES; i += Long.BYTES) {
        stamp.set(JAVA_LONG, i, next);
      }
      int _ = stamps.qp().postSend(request.write(next, rkey, 0).sge(stampKey, 0, STAMP_BYTES));
      next++;
      work++;
    }
    while (stamps.cq().poll(stamps.completion())) {
      work++;
      if (stamps.completion().isSuccess()) {
        lastSuccess = stamps.completion().wrId();
      } else {
        reportPending = true;
      }
    }
    if (reportPending && stamps.qp().state() == QpState.ERR && link.isUp()) {
      stamps.qp().reset().init().connect();
    }
    return work;
  }

  @Override
  public void linkUp(long generation) {
    current = prepare(messages, inbox);
    stamps.qp().reset().init().connect();
  }

  @Override
  public void linkDown(LinkDown why) {
    System.out.println("B: down " + why.kind());
  }

  @Override
  public String roleName() {
    return "peer";
  }

  @Override
  public long nextDeadlineNs() {
    return link.nextDeadlineNs();
  }
}
