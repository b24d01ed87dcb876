package io.twinspan.target.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.twinspan.array.HostOperation;
import io.twinspan.array.HostStatus;
import io.twinspan.target.nbd.NbdTransmission.Progress;
import io.twinspan.target.nbd.NbdTransmission.State;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class NbdTransmissionTest {
  private static final int KIB = 1024;
  private static final int PIECE = 128 * KIB;
  private static final int SIZE = 2 << 20;
  private static final NbdLimits LIMITS =
      new NbdLimits(
          1,
          NbdLimits.DEFAULT.handshakeDeadline(),
          NbdLimits.DEFAULT.stallDeadline(),
          4,
          4 * PIECE);

  private final MemoryArray array = new MemoryArray(8, 100, 1).volume("v", SIZE);
  private final Line line = new Line();
  private NbdTransmission transmission = transmission(array);

  @AfterEach
  void givesEverythingBack() {
    transmission.closed();
    line.releaseData();
    line.answerAll(array);
    assertThat(array.takenBuffers()).isZero();
    assertThat(transmission.heldBytes()).isZero();
    array.close();
  }

  @Test
  void cutsAtMultiplesOfTheLargestPiece() {
    line.request(NbdProtocol.CMD_WRITE, 0, 7, 100 * KIB, 200 * KIB).writeZero(200 * KIB);
    goOn();
    assertThat(array.queued()).isEqualTo(3);
    assertThat(line.replies()).isEmpty();
    line.answerAll(array);
    goOn();
    assertThat(array.journal())
        .containsExactlyInAnyOrder(
            "WRITE 102400+28672", "WRITE 131072+131072", "WRITE 262144+45056");
    assertThat(line.replies()).containsExactly("7:0");
  }

  @Test
  void repliesInTheOrderOfCompletion() {
    line.request(NbdProtocol.CMD_READ, 0, 1, 0, 3 * PIECE);
    line.request(NbdProtocol.CMD_READ, 0, 2, 0, 10);
    goOn();
    assertThat(array.answer(request -> request.length == 10)).isTrue();
    line.runTasks();
    assertThat(line.replies()).containsExactly("2:0");
    line.answerAll(array);
    assertThat(line.replies()).containsExactly("2:0", "1:0");
  }

  @Test
  void aSinglePieceCarriesForceUnitAccessAndSeveralAreFollowedByOneFlush() {
    line.request(NbdProtocol.CMD_WRITE, 1, 1, 0, 10).writeZero(10);
    goOn();
    line.answerAll(array);
    goOn();
    line.request(NbdProtocol.CMD_WRITE, 1, 2, PIECE - 5, 10).writeZero(10);
    goOn();
    line.answerAll(array);
    assertThat(line.replies()).containsExactly("1:0");
    line.answerAll(array);
    assertThat(line.replies()).containsExactly("1:0", "2:0");
    assertThat(array.journal().getFirst()).isEqualTo("WRITE 0+10 FUA");
    assertThat(array.journal().subList(1, 4))
        .containsExactlyInAnyOrder("WRITE 131067+5", "WRITE 131072+5", "FLUSH 0+0");
    assertThat(array.journal().getLast()).isEqualTo("FLUSH 0+0");
  }

  @Test
  void trimsWholeBlocksAndZeroesEveryByte() {
    line.request(NbdProtocol.CMD_TRIM, 0, 1, 1, 8191 + 4096);
    line.request(NbdProtocol.CMD_TRIM, 1, 2, 1, 4096);
    goOn();
    assertThat(line.replies()).containsExactly("2:0"); // no whole block in it
    line.request(NbdProtocol.CMD_WRITE_ZEROES, 0b10011, 3, 1, SIZE - 1);
    goOn();
    line.answerAll(array);
    assertThat(array.journal())
        .containsExactlyInAnyOrder("ZERO 4096+8192", "ZERO 1+" + (SIZE - 1) + " FUA");
  }

  @Test
  void refusesWhatIsNotPossibleAndStaysInStep() {
    int big = NbdProtocol.MAX_PAYLOAD_BYTES + 1;
    line.request(NbdProtocol.CMD_READ, 0, 1, SIZE - 1, 2);
    line.request(NbdProtocol.CMD_READ, 0, 2, -1, 1);
    line.request(NbdProtocol.CMD_READ, 0, 3, Long.MAX_VALUE, 1);
    line.request(NbdProtocol.CMD_READ, 4, 4, 0, 1);
    line.request(NbdProtocol.CMD_READ, 0, 5, 0, big);
    line.request(NbdProtocol.CMD_WRITE, 2, 6, 0, 9).writeZero(9);
    line.request(NbdProtocol.CMD_WRITE, 0, 7, SIZE, 1).writeZero(1);
    line.request(NbdProtocol.CMD_FLUSH, 0, 8, 1, 0);
    line.request(NbdProtocol.CMD_TRIM, 0, 9, 1, SIZE);
    line.request(NbdProtocol.CMD_WRITE_ZEROES, 4, 10, 0, 1);
    line.request(NbdProtocol.CMD_WRITE_ZEROES, 0, 11, 1, -1);
    line.request(5, 0, 12, 0, 512);
    line.request(77, 0, 13, 0, 512);
    line.request(NbdProtocol.CMD_WRITE, 0, 14, 0, big).writeZero(big);
    line.request(NbdProtocol.CMD_READ, 0, 15, SIZE, 0);
    goOn();
    assertThat(line.replies())
        .containsExactly(
            "1:22", "2:22", "3:22", "4:22", "5:22", "6:22", "7:28", "8:22", "9:22", "10:22",
            "11:28", "12:22", "13:22", "14:22", "15:0");
    assertThat(array.queued()).isZero();
  }

  @Test
  void reportsTheFirstErrorOfACommandOnce() {
    array.fate(request -> request.offset == PIECE ? HostStatus.NO_SPACE : HostStatus.OK);
    line.request(NbdProtocol.CMD_WRITE, 1, 1, 0, 3 * PIECE).writeZero(3 * PIECE);
    goOn();
    line.answerAll(array);
    line.request(NbdProtocol.CMD_READ, 0, 2, 0, 3 * PIECE);
    goOn();
    line.answerAll(array);
    assertThat(line.replies()).containsExactly("1:28", "2:28");
    assertThat(line.dataBytes).isZero();
    assertThat(array.journal()).doesNotContain("FLUSH 0+0");
  }

  @Test
  void stopsReadingAtTheLimitOfCommands() {
    for (int i = 0; i < 6; i++) {
      line.request(NbdProtocol.CMD_FLUSH, 0, i, 0, 0);
    }
    assertThat(goOn()).isEqualTo(Progress.WAIT);
    assertThat(transmission.inFlight()).isEqualTo(4);
    assertThat(array.queued()).isEqualTo(4);
    line.answerAll(array);
    assertThat(goOn()).isEqualTo(Progress.READ_MORE);
    line.answerAll(array);
    assertThat(line.replies()).hasSize(6);
  }

  @Test
  void stopsReadingWhenTheArrayIsFullAndGoesOnLater() {
    MemoryArray narrow = new MemoryArray(8, 1, 1).volume("v", SIZE);
    transmission = transmission(narrow);
    line.request(NbdProtocol.CMD_WRITE, 1, 1, 0, 2 * PIECE).writeZero(2 * PIECE);
    assertThat(goOn()).isEqualTo(Progress.RETRY);
    assertThat(narrow.queued()).isEqualTo(1);
    while (narrow.answerOne()) {
      line.runTasks();
      goOn();
    }
    assertThat(narrow.journal())
        .containsExactly("WRITE 0+131072", "WRITE 131072+131072", "FLUSH 0+0");
    assertThat(line.replies()).containsExactly("1:0");
    assertThat(narrow.takenBuffers()).isZero();
    narrow.close();
  }

  @Test
  void answersALongReadPieceByPieceOnceItIsAlone() {
    line.request(NbdProtocol.CMD_READ, 0, 1, 0, 10);
    line.request(NbdProtocol.CMD_READ, 0, 2, 0, SIZE);
    line.request(NbdProtocol.CMD_READ, 0, 3, 0, 10);
    assertThat(goOn()).isEqualTo(Progress.WAIT);
    assertThat(transmission.heldBytes()).isLessThanOrEqualTo(4 * PIECE);
    assertThat(line.replies()).isEmpty();
    for (int i = 0; i < 100; i++) {
      line.answerAll(array);
      line.releaseData();
      goOn();
      assertThat(transmission.heldBytes()).isLessThanOrEqualTo(4 * PIECE);
    }
    assertThat(line.replies()).containsExactly("1:0", "2:0", "3:0");
    assertThat(line.dataBytes).isEqualTo(SIZE + 20);
  }

  @Test
  void disconnectsWhenALongReadFailsInTheMiddle() {
    array.fate(request -> request.offset < SIZE / 2 ? HostStatus.OK : HostStatus.IO_ERROR);
    line.request(NbdProtocol.CMD_READ, 0, 2, 0, SIZE);
    for (int i = 0; i < 100; i++) {
      goOn();
      line.answerAll(array);
      line.releaseData();
    }
    assertThat(line.replies()).containsExactly("2:0");
    assertThat(line.disconnected).contains("after its reply had begun");
    assertThat(transmission.state()).isEqualTo(State.CLOSED);
  }

  @Test
  void neverAnswersWhatTheControllerCouldNotServe() {
    array.fate(
        request -> request.operation == HostOperation.READ ? HostStatus.SHUTDOWN : HostStatus.OK);
    line.request(NbdProtocol.CMD_READ, 0, 1, 0, 2 * PIECE);
    line.request(NbdProtocol.CMD_READ, 0, 2, 0, 2 * PIECE);
    goOn();
    line.answerAll(array);
    assertThat(line.replies()).isEmpty();
    assertThat(line.disconnected).contains("does not serve");
  }

  @Test
  void disconnectsOnBadMagic() {
    line.in.writeZero(28);
    goOn();
    assertThat(line.disconnected).contains("magic");
  }

  @Test
  void finishesAfterEverythingIsAnswered() {
    line.request(NbdProtocol.CMD_WRITE, 0, 1, 0, 10).writeZero(10);
    line.request(NbdProtocol.CMD_DISC, 0, 2, 0, 0);
    line.request(NbdProtocol.CMD_READ, 0, 3, 0, 10);
    goOn();
    assertThat(line.finished).isFalse();
    line.answerAll(array);
    goOn();
    assertThat(line.finished).isTrue();
    assertThat(line.replies()).containsExactly("1:0");
  }

  @ParameterizedTest
  @ValueSource(longs = {11, 12, 13, 14, 15, 16})
  void keepsEveryPromiseUnderSeededChaos(long seed) {
    Random random = new Random(seed);
    for (int round = 0; round < 60; round++) {
      chaos(random, "seed " + seed + " round " + round);
    }
  }

  /**
   * Random commands and noise in random portions, few buffers, random answers, and an end at any
   * moment.
   */
  private void chaos(Random random, String what) {
    MemoryArray few =
        new MemoryArray(1 + random.nextInt(5), 1 + random.nextInt(4), random.nextLong())
            .volume("v", SIZE);
    boolean noisy = random.nextInt(4) == 0;
    int failures = random.nextInt(3) == 0 ? 10 : 0;
    few.fate(r -> random.nextInt(100) < failures ? HostStatus.IO_ERROR : HostStatus.OK);
    Line wild = new Line();
    NbdTransmission running = transmission(few, wild);
    ByteBuf script = script(random, noisy);
    int commands = (int) script.getLong(script.writerIndex() - 8);
    script.writerIndex(script.writerIndex() - 8);
    int patience = noisy && random.nextBoolean() ? random.nextInt(200) : 20_000;
    for (int step = 0; step < patience && running.state() != State.CLOSED; step++) {
      Progress progress = running.advance(wild.in);
      if (progress == Progress.READ_MORE && script.isReadable()) {
        wild.in.discardReadBytes();
        wild.in.writeBytes(script, Math.min(script.readableBytes(), 1 + random.nextInt(50_000)));
      }
      if (random.nextBoolean()) {
        few.answerOne();
        wild.runTasks();
      }
      if (random.nextBoolean()) {
        wild.releaseData();
      }
      assertThat(running.heldBytes()).as(what).isLessThanOrEqualTo(4 * PIECE);
      assertThat(running.inFlight()).as(what).isLessThanOrEqualTo(4);
    }
    if (!noisy && failures == 0) {
      assertThat(wild.finished).as(what).isTrue();
      assertThat(wild.replies()).as(what).hasSize(commands).doesNotHaveDuplicates();
    }
    running.closed();
    wild.releaseData();
    wild.answerAll(few);
    assertThat(few.takenBuffers()).as(what).isZero();
    assertThat(running.heldBytes()).as(what).isZero();
    few.close();
  }

  private ByteBuf script(Random random, boolean noisy) {
    Line made = new Line();
    int commands = 1 + random.nextInt(30);
    for (int i = 0; i < commands; i++) {
      int type = random.nextInt(5);
      boolean flush = type == NbdProtocol.CMD_FLUSH || type == NbdProtocol.CMD_DISC;
      int length = flush ? 0 : random.nextInt(random.nextBoolean() ? 5000 : SIZE);
      long offset = flush ? 0 : random.nextInt(SIZE);
      type = flush ? NbdProtocol.CMD_FLUSH : type;
      made.request(type, random.nextInt(noisy ? 4 : 2), i, offset, length);
      if (type == NbdProtocol.CMD_WRITE) {
        made.in.writeZero(length);
      }
    }
    made.request(NbdProtocol.CMD_DISC, 0, 99, 0, 0);
    for (int i = noisy ? 1 + random.nextInt(20) : 0; i > 0; i--) {
      made.in.setByte(random.nextInt(made.in.writerIndex()), random.nextInt());
    }
    return made.in.writeLong(commands);
  }

  private Progress goOn() {
    return transmission.advance(line.in);
  }

  private NbdTransmission transmission(MemoryArray array) {
    return transmission(array, line);
  }

  private static NbdTransmission transmission(MemoryArray array, Line line) {
    return new NbdTransmission(
        array, array.find("v"), LIMITS, line.loop, new ExportCounters(), line);
  }

  /** Plays socket and event loop. */
  private static final class Line implements NbdTransmission.Output {
    final ByteBuf in = Unpooled.buffer();
    final ArrayDeque<Runnable> tasks = new ArrayDeque<>();
    final NbdLoop loop = new NbdLoop(tasks::add);
    final List<String> sent = new ArrayList<>();
    final List<DataView> data = new ArrayList<>();
    long dataBytes;
    String disconnected = "";
    boolean finished;

    ByteBuf request(int type, int flags, long cookie, long offset, int length) {
      in.writeInt(NbdProtocol.REQUEST_MAGIC).writeShort(flags).writeShort(type);
      return in.writeLong(cookie).writeLong(offset).writeInt(length);
    }

    List<String> replies() {
      return sent;
    }

    void answerAll(MemoryArray array) {
      while (array.answerOne()) {}
      runTasks();
    }

    void runTasks() {
      for (Runnable task = tasks.poll(); task != null; task = tasks.poll()) {
        task.run();
      }
    }

    void releaseData() {
      data.forEach(DataView::release);
      data.clear();
    }

    @Override
    public void reply(long cookie, int error) {
      sent.add(cookie + ":" + error);
    }

    @Override
    public void data(NbdPiece piece) {
      dataBytes += piece.length;
      data.add(piece.dataView());
    }

    @Override
    public void finish() {
      finished = true;
    }

    @Override
    public void disconnect(String reason) {
      disconnected = reason;
    }

    @Override
    public void settle() {}

    @Override
    public void resume() {}
  }
}
