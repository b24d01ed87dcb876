package io.twinspan.rdma;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.rdma.ChannelSpec.Direction;
import io.twinspan.rdma.LinkPair.End;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ScatterGatherTest {
  private static final long BEYOND_4_GIB = 5L << 30;
  private static final ChannelPlan PLAN =
      new ChannelPlan(
          List.of(
              new ChannelSpec(0, "both", Direction.BOTH, 1 << 20, 1 << 20, 1, 16, 16, 256),
              new ChannelSpec(1, "large", Direction.A_TO_B, 0, 6L << 30, 1, 8, 8, 64)));

  @TempDir Path directory;
  private LinkPair pair;
  private End a;
  private End b;
  private MemoryRegion source;
  private MemoryRegion inbox;
  private final WorkRequest request = new WorkRequest();
  private final ReceiveRequest receive = new ReceiveRequest();

  @BeforeEach
  void connect() {
    pair = new LinkPair(directory, PLAN);
    a = pair.a.end(0);
    b = pair.b.end(0);
    MemorySegment memory = Arena.ofAuto().allocate(64 * 1024, 64);
    byte[] bytes = new byte[64 * 1024];
    new Random(3).nextBytes(bytes);
    MemorySegment.copy(bytes, 0, memory, JAVA_BYTE, 0, bytes.length);
    source = pair.a.link.protectionDomain().register(memory);
    inbox = b.channel().register(0, b.channel().allocate(64 * 1024), Access.LOCAL_WRITE);
    a.qp().init().connect();
    b.qp().init().connect();
    pair.runUntil(() -> a.qp().state() == QpState.RTS && b.qp().state() == QpState.RTS);
  }

  @AfterEach
  void close() {
    pair.close();
  }

  @Test
  void anyListOfSourcesFillsAnyListOfReceiveBuffers() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    for (int round = 0; round < 300; round++) {
      inbox.segment().fill((byte) 0);
      int room = 0;
      receive.receive(round);
      int buffers = random.nextInt(5);
      int[] lengths = new int[buffers];
      for (int i = 0; i < buffers; i++) {
        lengths[i] = random.nextInt(4) == 0 ? 0 : random.nextInt(3000);
        receive.sge(inbox, i * 10_000L, lengths[i]);
        room += lengths[i];
      }
      assertThat(b.qp().postReceive(receive)).isEqualTo(QueuePair.OK);
      byte[] sent = send(random, round, room);
      pair.run(2);

      assertThat(a.next().status()).as("seed %d", seed).isEqualTo(WcStatus.SUCCESS);
      assertThat(b.next().wrId()).isEqualTo(round);
      assertThat(b.completion().byteLength()).as("seed %d", seed).isEqualTo(sent.length);
      int at = 0;
      for (int i = 0; i < buffers && at < sent.length; i++) {
        int part = Math.min(lengths[i], sent.length - at);
        MemorySegment arrived = inbox.segment().asSlice(i * 10_000L, part);
        assertThat(arrived.mismatch(MemorySegment.ofArray(sent).asSlice(at, part)))
            .as("seed %d", seed)
            .isEqualTo(-1);
        at += part;
      }
    }
  }

  /** Sends up to so many bytes, from a list or inline; returns them. */
  private byte[] send(Random random, int id, int room) {
    request.send(id);
    byte[] sent = new byte[room == 0 ? 0 : random.nextInt(room + 1)];
    if (sent.length <= 256 && random.nextBoolean()) {
      random.nextBytes(sent);
      request.inline(MemorySegment.ofArray(sent), 0, sent.length);
    } else {
      int left = sent.length;
      int at = 0;
      for (int i = 0; i < 4; i++) {
        int part = i == 3 ? left : random.nextInt(left + 1);
        int offset = random.nextInt(1000);
        request.sge(source.lkey(), offset, part);
        MemorySegment.copy(source.segment(), JAVA_BYTE, offset, sent, at, part);
        at += part;
        left -= part;
      }
    }
    assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.OK);
    return sent;
  }

  @Test
  void listsThatAreTooLongAreRefused() {
    request.send(1);
    receive.receive(1);
    for (int i = 0; i < 5; i++) {
      request.sge(source.lkey(), 0, 1);
      receive.sge(inbox, 0, 1);
    }
    assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.INVALID);
    assertThat(b.qp().postReceive(receive)).isEqualTo(QueuePair.INVALID);
    request.send(1).sge(source.lkey(), 0, Integer.MAX_VALUE).sge(source.lkey(), 0, 1);
    assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.INVALID);
    assertThat(a.qp().postSend(request.send(1).sge(source.lkey(), 0, -1)))
        .isEqualTo(QueuePair.INVALID);
  }

  @Test
  void immediateDataAndTheSolicitedFlagComeWithAMessage() {
    assertThat(b.qp().postReceive(receive.receive(1))).isEqualTo(QueuePair.OK);
    assertThat(b.qp().postReceive(2, inbox, 0, 5000)).isEqualTo(QueuePair.OK);
    assertThat(a.qp().postSend(request.sendWithImmediate(1, 0xBEEF))).isEqualTo(QueuePair.OK);
    request.sendWithImmediate(2, -1).sge(source.lkey(), 0, 5000).solicited(true);
    assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.OK);
    pair.run(2);

    assertThat(b.next().immediate()).isEqualTo(0xBEEF);
    assertThat(b.completion().withImmediate()).isTrue();
    assertThat(b.completion().isSolicited()).isFalse();
    assertThat(b.completion().byteLength()).isZero();
    assertThat(b.next().immediate()).isEqualTo(-1);
    assertThat(b.completion().isSolicited()).isTrue();
    assertThat(a.next().opcode()).isEqualTo(WcOpcode.SEND);
  }

  @Test
  void aSendWithInvalidateClosesThePeersRegionBeforeThePeerHearsOfIt() {
    MemoryRegion lent = b.channel().register(5, b.channel().allocate(4096), Access.REMOTE_WRITE);
    assertThat(b.qp().postReceive(1, inbox, 0, 64)).isEqualTo(QueuePair.OK);
    MemorySegment text = MemorySegment.ofArray(new byte[] {1, 2, 3});
    request.sendWithInvalidate(1, lent.rkey()).inline(text, 0, 3);
    assertThat(a.qp().postSend(request)).isEqualTo(QueuePair.OK);
    pair.run(1);

    assertThat(lent.isValid()).isFalse();
    assertThat(a.channel().remoteRegion(5).isValid()).isFalse();
    assertThat(b.next().withInvalidate()).isTrue();
    assertThat(b.completion().invalidatedKey()).isEqualTo(lent.rkey());
    assertThat(b.completion().byteLength()).isEqualTo(3);

    assertThat(b.qp().postReceive(2, inbox, 0, 64)).isEqualTo(QueuePair.OK);
    assertThat(a.qp().postSend(request)).as("it is not valid any more").isEqualTo(QueuePair.OK);
    pair.run(2);
    assertThat(b.next().status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
    assertThat(b.qp().state()).isEqualTo(QpState.ERR);
    assertThat(a.qp().state()).isEqualTo(QpState.ERR);
  }

  @Test
  void whatArrivedBeforeItsRegionWasDeregisteredIsDelivered() {
    assertThat(b.qp().postReceive(1, inbox, 0, 64)).isEqualTo(QueuePair.OK);
    assertThat(b.qp().postReceive(2, inbox, 64, 64)).isEqualTo(QueuePair.OK);
    MemorySegment text = MemorySegment.ofArray(new byte[] {1, 2, 3});
    assertThat(a.qp().postSend(request.send(1).inline(text, 0, 3))).isEqualTo(QueuePair.OK);
    inbox.close();
    assertThat(a.qp().postSend(request.send(2).inline(text, 0, 3))).isEqualTo(QueuePair.OK);
    pair.run(2);

    assertThat(b.next().isSuccess()).isTrue();
    assertThat(inbox.segment().get(JAVA_BYTE, 2)).isEqualTo((byte) 3);
    assertThat(b.next().isSuccess()).isFalse();
    assertThat(a.next().isSuccess()).isTrue();
    assertThat(a.next().status()).isEqualTo(WcStatus.REM_OP_ERR);
  }

  @Test
  void whatThePeerSawBeforeItEndedTheConnectionWasSent() {
    for (int i = 0; i < 3; i++) {
      assertThat(b.qp().postReceive(i, inbox, 0, 64)).isEqualTo(QueuePair.OK);
    }
    for (int i = 0; i < 2; i++) {
      assertThat(a.qp().postSend(request.send(i))).isEqualTo(QueuePair.OK);
    }
    b.qp().disconnect();
    assertThat(a.qp().postSend(request.send(2))).isEqualTo(QueuePair.OK);
    pair.run(2);

    assertThat(a.next().isSuccess()).isTrue();
    assertThat(a.next().isSuccess()).isTrue();
    assertThat(a.next().status()).isEqualTo(WcStatus.RETRY_EXC_ERR);
    assertThat(b.next().isSuccess()).isTrue();
    assertThat(b.next().isSuccess()).isTrue();
    assertThat(b.next().status()).isEqualTo(WcStatus.WR_FLUSH_ERR);
  }

  @Test
  void regionsMayBeLargerThan4GiB() {
    End one = pair.a.end(1);
    End two = pair.b.end(1);
    one.qp().init().connect();
    two.qp().init().connect();
    pair.runUntil(() -> one.qp().state() == QpState.RTS && two.qp().state() == QpState.RTS);
    MemorySegment large = two.channel().allocate(6L << 30);
    MemoryRegion region = two.channel().register(0, large, Access.REMOTE_WRITE);
    MemorySegment text = MemorySegment.ofArray(new byte[] {1, 2, 3});
    request.write(1, region.rkey(), BEYOND_4_GIB).inline(text, 0, 3);
    assertThat(one.qp().postSend(request)).isEqualTo(QueuePair.OK);
    request.write(2, region.rkey(), BEYOND_4_GIB + 100).sge(source.lkey(), 0, 5000);
    assertThat(one.qp().postSend(request)).isEqualTo(QueuePair.OK);
    pair.run(2);

    assertThat(one.next().isSuccess()).isTrue();
    assertThat(one.next().isSuccess()).isTrue();
    assertThat(large.get(JAVA_BYTE, BEYOND_4_GIB + 2)).isEqualTo((byte) 3);
    assertThat(large.asSlice(BEYOND_4_GIB + 100, 5000).mismatch(source.segment().asSlice(0, 5000)))
        .isEqualTo(-1);
  }
}
