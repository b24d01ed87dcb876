package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.bridge.Bridge;
import io.twinspan.bridge.LinkDown;
import io.twinspan.bridge.PciBridge;
import io.twinspan.bridge.PciOptions;
import io.twinspan.bridge.Side;
import io.twinspan.rdma.ChannelSpec.Direction;
import io.twinspan.rdma.LinkPair.End;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The link over a BAR, for which a file stands: both sides map the same memory and no other. */
class PciLinkTest {
  private static final ChannelPlan PLAN =
      new ChannelPlan(
          List.of(
              new ChannelSpec(0, "both", Direction.BOTH, 1 << 20, 1 << 20, 1, 8, 8, 64),
              new ChannelSpec(1, "a to b", Direction.A_TO_B, 0, 1 << 20, 1, 8, 8, 64)));
  private static final byte[] SECRET = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);
  private static final long BAR_BYTES = 16 << 20;
  private static final int LANDING = 5;
  private static final int RECEIVES = 6;
  private static final int BYTES = 300_000;

  @TempDir Path directory;
  private LinkPair pair;
  private End a;
  private End b;
  private final MemorySegment data = Arena.ofAuto().allocate(BYTES, 64);
  private MemoryRegion source;
  private MemoryRegion landing;
  private MemoryRegion receives;
  private final WorkRequest request = new WorkRequest();

  @BeforeEach
  void connect() throws IOException {
    try (RandomAccessFile bar = new RandomAccessFile(directory.resolve("bar").toFile(), "rw")) {
      bar.setLength(BAR_BYTES);
    }
    pair = new LinkPair(PLAN, this::bridge, LinkOptions.DEFAULT);
    byte[] bytes = new byte[BYTES];
    new Random(11).nextBytes(bytes);
    MemorySegment.copy(bytes, 0, data, JAVA_BYTE, 0, bytes.length);
    a = pair.a.end(0);
    source = pair.a.link.protectionDomain().register(data);
    b = pair.b.end(0);
    connectQueuePairs();
  }

  @AfterEach
  void close() {
    pair.close();
  }

  @Test
  void sendsAndWritesArrive() {
    exchange();
  }

  @Test
  void aPeerThatStartsAnewFindsNothingOfTheFormerLife() {
    post(request.write(1, a.channel().remoteRegion(LANDING).rkey(), 0).sge(source.lkey(), 0, 100));
    pair.run(2);
    assertThat(a.next().isSuccess()).isTrue();

    pair.restartB();
    assertThat(pair.a.link.generation()).isEqualTo(2);
    assertThat(a.channel().remoteRegion(LANDING).rkey()).isZero();
    b = pair.b.end(0);
    a.qp().reset();
    connectQueuePairs();
    assertThat(landing.segment().get(JAVA_LONG, 0)).isZero();

    exchange();
  }

  @Test
  void aSideThatWasStoppedLosesItsRights() {
    int formerKey = a.channel().remoteRegion(LANDING).rkey();
    pair.bRuns(false);
    pair.runUntil(() -> !pair.a.downs.isEmpty());
    assertThat(pair.a.downs.getFirst().kind()).isEqualTo(LinkDown.Kind.HEARTBEAT);
    pair.bRuns(true);
    pair.runUntil(() -> pair.a.link.isUp() && pair.b.link.isUp());

    assertThat(pair.b.downs.getFirst().kind()).isEqualTo(LinkDown.Kind.EOF);
    assertThat(pair.b.link.generation()).isEqualTo(2);
    assertThat(landing.isValid()).isFalse();
    a.qp().reset();
    b.qp().reset();
    connectQueuePairs();
    post(request.write(1, formerKey, 0).sge(source.lkey(), 0, 100));
    pair.run(2);
    assertThat(a.next().status()).isEqualTo(WcStatus.REM_ACCESS_ERR);
  }

  private void exchange() {
    assertThat(b.qp().postReceive(1, receives, 0, 4096)).isEqualTo(QueuePair.OK);
    assertThat(b.qp().postReceive(2, receives, 4096, 4096)).isEqualTo(QueuePair.OK);
    pair.run(1);

    post(request.send(10).inline(data, 0, 64));
    post(
        request
            .write(11, a.channel().remoteRegion(LANDING).rkey(), 8)
            .sge(source.lkey(), 0, BYTES));
    post(
        request
            .writeWithImmediate(12, a.channel().remoteRegion(LANDING).rkey(), 400_000, 99)
            .sge(source.lkey(), 64, 1000));
    pair.run(3);

    for (long id = 10; id <= 12; id++) {
      assertThat(a.next().isSuccess()).as("%s", a.completion()).isTrue();
      assertThat(a.completion().wrId()).isEqualTo(id);
    }
    assertThat(b.next().wrId()).isEqualTo(1);
    assertThat(b.next().immediate()).isEqualTo(99);
    assertArrived(receives, 0, 0, 64);
    assertArrived(landing, 8, 0, BYTES);
    assertArrived(landing, 400_000, 64, 1000);
  }

  private Bridge bridge(Side side) {
    return new PciBridge(
        PLAN.fit(new PciOptions(side, directory.resolve("bar"), new UUID(1, 2), SECRET)));
  }

  private void connectQueuePairs() {
    landing = b.channel().register(LANDING, slice(b, 0, 512 << 10), Access.REMOTE_WRITE);
    receives = b.channel().register(RECEIVES, slice(b, 512 << 10, 8192), Access.LOCAL_WRITE);
    a.qp().init().connect();
    b.qp().init().connect();
    pair.runUntil(() -> a.qp().state() == QpState.RTS && b.qp().state() == QpState.RTS);
  }

  private static MemorySegment slice(End end, long offset, long length) {
    return end.channel().segment().asSlice(offset, length);
  }

  private void post(WorkRequest wr) {
    assertThat(a.qp().postSend(wr)).isEqualTo(QueuePair.OK);
  }

  private void assertArrived(MemoryRegion region, long offset, long from, long length) {
    MemorySegment arrived = region.segment().asSlice(offset, length);
    assertThat(arrived.mismatch(data.asSlice(from, length))).isEqualTo(-1);
  }
}
