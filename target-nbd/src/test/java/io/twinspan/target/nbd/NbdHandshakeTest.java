package io.twinspan.target.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.twinspan.pool.VolumeInfo;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NbdHandshakeTest {
  private static final int OPT_STARTTLS = 5;
  private static final int OPT_STRUCTURED_REPLY = 8;
  private static final int OPT_SET_META_CONTEXT = 10;

  private final List<VolumeInfo> volumes =
      new ArrayList<>(
          List.of(new VolumeInfo(1, "alpha", 4096, 0), new VolumeInfo(2, "beta", 1L << 40, 0)));
  private final NbdHandshake handshake = new NbdHandshake(() -> volumes);
  private final ByteBuf in = Unpooled.buffer();
  private final ByteBuf out = Unpooled.buffer();

  @Test
  void greetsAsFixedNewstyle() {
    handshake.greet(out);
    assertThat(out.readCharSequence(16, UTF_8)).hasToString("NBDMAGICIHAVEOPT");
    assertThat(out.readShort()).isEqualTo((short) 3);
    assertThat(out.isReadable()).isFalse();
  }

  @Test
  void goChoosesAnExport() {
    clientFlags(3);
    named(NbdProtocol.OPT_GO, "beta", 1, 2, 3);
    advance();
    expect(NbdProtocol.OPT_GO, NbdProtocol.REP_INFO, 12);
    assertThat(out.readShort()).isZero();
    assertThat(out.readLong()).isEqualTo(1L << 40);
    assertThat(out.readUnsignedShort()).isEqualTo(NbdProtocol.EXPORT_FLAGS);
    expect(NbdProtocol.OPT_GO, NbdProtocol.REP_INFO, 14);
    assertThat(out.readShort()).isEqualTo((short) 3);
    assertThat(List.of(out.readInt(), out.readInt(), out.readInt()))
        .containsExactly(1, 4096, 32 << 20);
    expect(NbdProtocol.OPT_GO, NbdProtocol.REP_INFO, 6);
    assertThat(out.readShort()).isEqualTo((short) 1);
    assertThat(out.readCharSequence(4, UTF_8)).hasToString("beta");
    expect(NbdProtocol.OPT_GO, NbdProtocol.REP_INFO, 22);
    out.skipBytes(22);
    expect(NbdProtocol.OPT_GO, NbdProtocol.REP_ACK, 0);
    assertThat(out.isReadable()).isFalse();
    assertThat(handshake.state()).isEqualTo(NbdHandshake.State.READY);
    assertThat(handshake.export().id()).isEqualTo(2);
  }

  @Test
  void snapshotIsExportedReadOnly() {
    volumes.add(new VolumeInfo(3, "monday", 4096, 0, 1, true));
    clientFlags(3);
    named(NbdProtocol.OPT_GO, "monday");
    advance();
    expect(NbdProtocol.OPT_GO, NbdProtocol.REP_INFO, 12);
    out.skipBytes(2 + 8);
    assertThat(out.readUnsignedShort()).isEqualTo(NbdProtocol.EXPORT_FLAGS | 2);
  }

  @Test
  void infoTellsAndGoesOn() {
    clientFlags(1);
    named(NbdProtocol.OPT_INFO, "alpha");
    advance();
    assertThat(replies()).containsExactly("6:3", "6:3", "6:1");
    assertThat(handshake.state()).isEqualTo(NbdHandshake.State.OPTION);
  }

  @Test
  void exportNameAnswersWithoutHeader() {
    clientFlags(1);
    option(NbdProtocol.OPT_EXPORT_NAME, "alpha".getBytes(UTF_8));
    advance();
    assertThat(out.readableBytes()).isEqualTo(8 + 2 + 124);
    assertThat(out.readLong()).isEqualTo(4096);
    assertThat(handshake.export().name()).isEqualTo("alpha");
  }

  @Test
  void exportNameWithoutZeroesIsShort() {
    clientFlags(3);
    option(NbdProtocol.OPT_EXPORT_NAME, "alpha".getBytes(UTF_8));
    advance();
    assertThat(out.readableBytes()).isEqualTo(8 + 2);
  }

  @Test
  void exportNameOfNothingEndsTheConnection() {
    clientFlags(3);
    option(NbdProtocol.OPT_EXPORT_NAME, "no\nne".getBytes(UTF_8));
    advance();
    assertThat(handshake.state()).isEqualTo(NbdHandshake.State.REFUSED);
    assertThat(handshake.refusal()).contains("'no?ne'");
  }

  @Test
  void listsExports() {
    clientFlags(3);
    option(NbdProtocol.OPT_LIST);
    option(NbdProtocol.OPT_LIST, (byte) 1);
    advance();
    assertThat(replies()).containsExactly("3:2", "3:2", "3:1", "3:-2147483645");
  }

  @Test
  void staysInStepAfterWhatItDoesNotKnow() {
    clientFlags(3);
    option(OPT_STARTTLS);
    option(OPT_STRUCTURED_REPLY);
    option(OPT_SET_META_CONTEXT, new byte[100_000]);
    option(0x7fff_ffff, new byte[1]);
    option(NbdProtocol.OPT_LIST, new byte[9000]);
    named(NbdProtocol.OPT_GO, "gamma");
    named(NbdProtocol.OPT_GO, "");
    option(NbdProtocol.OPT_GO, new byte[3]);
    option(NbdProtocol.OPT_GO, new byte[] {0, 0, 0, 9, 'x', 0, 0});
    option(NbdProtocol.OPT_GO, new byte[] {-1, -1, -1, -1, 'x', 0, 0});
    option(NbdProtocol.OPT_GO, new byte[] {0, 0, 0, 1, 'x', 0, 2, 0, 0});
    named(NbdProtocol.OPT_GO, "alpha");
    advance();
    assertThat(replies())
        .containsExactly(
            "5:-2147483647",
            "8:-2147483647",
            "10:-2147483647",
            "2147483647:-2147483647",
            "3:-2147483639",
            "7:-2147483642",
            "7:-2147483642",
            "7:-2147483645",
            "7:-2147483645",
            "7:-2147483645",
            "7:-2147483645",
            "7:3",
            "7:3",
            "7:1");
  }

  @Test
  void emptyNameIsTheOnlyVolume() {
    volumes.removeFirst();
    clientFlags(3);
    named(NbdProtocol.OPT_GO, "");
    advance();
    assertThat(handshake.export().name()).isEqualTo("beta");
  }

  @Test
  void abortIsAcknowledged() {
    clientFlags(3);
    option(NbdProtocol.OPT_ABORT);
    named(NbdProtocol.OPT_GO, "alpha");
    advance();
    assertThat(replies()).containsExactly("2:1");
    assertThat(handshake.state()).isEqualTo(NbdHandshake.State.ABORTED);
  }

  @Test
  void refusesUnknownFlagsAndBadMagic() {
    clientFlags(7);
    advance();
    assertThat(handshake.state()).isEqualTo(NbdHandshake.State.REFUSED);

    NbdHandshake other = new NbdHandshake(() -> volumes);
    ByteBuf bytes = Unpooled.buffer().writeInt(3).writeZero(16);
    while (other.advance(bytes, out)) {}
    assertThat(other.state()).isEqualTo(NbdHandshake.State.REFUSED);
    assertThat(other.refusal()).contains("magic");
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void survivesNoiseInAnyPortions(long seed) {
    Random random = new Random(seed);
    for (int round = 0; round < 2000; round++) {
      NbdHandshake noisy = new NbdHandshake(() -> volumes);
      in.clear();
      out.clear();
      clientFlags(random.nextInt(20) == 0 ? random.nextInt() : 3);
      for (int i = random.nextInt(6); i > 0; i--) {
        noise(random);
      }
      for (int flips = random.nextInt(4); flips > 0; flips--) {
        in.setByte(random.nextInt(in.writerIndex()), random.nextInt());
      }
      inPortions(noisy, random);
      assertThat(out.readableBytes()).as("seed %d", seed).isLessThan(4096);
    }
  }

  private void noise(Random random) {
    byte[] data = new byte[random.nextInt(random.nextInt(10) == 0 ? 10_000 : 40)];
    random.nextBytes(data);
    switch (random.nextInt(3)) {
      case 0 -> option(random.nextInt(12), data);
      case 1 -> named(random.nextInt(5, 9), random.nextBoolean() ? "alpha" : "x", 0, 1, 2, 3, 9);
      default -> in.writeBytes(data);
    }
  }

  /** Must take the same bytes to the same end, however they are cut. */
  private void inPortions(NbdHandshake noisy, Random random) {
    ByteBuf whole = in.copy();
    NbdHandshake atOnce = new NbdHandshake(() -> volumes);
    ByteBuf expected = Unpooled.buffer();
    while (atOnce.advance(whole, expected)) {}

    ByteBuf portion = Unpooled.buffer();
    while (in.isReadable()) {
      portion.writeBytes(in, Math.min(in.readableBytes(), 1 + random.nextInt(64)));
      while (noisy.advance(portion, out)) {}
    }
    assertThat(out).isEqualTo(expected);
    assertThat(noisy.state()).isEqualTo(atOnce.state());
  }

  private void advance() {
    while (handshake.advance(in, out)) {}
  }

  private void clientFlags(int flags) {
    in.writeInt(flags);
  }

  private void option(int option, byte... data) {
    in.writeLong(NbdProtocol.IHAVEOPT).writeInt(option).writeInt(data.length).writeBytes(data);
  }

  private void named(int option, String name, int... requests) {
    ByteBuf data = Unpooled.buffer().writeInt(name.length());
    data.writeCharSequence(name, UTF_8);
    data.writeShort(requests.length);
    for (int request : requests) {
      data.writeShort(request);
    }
    byte[] bytes = new byte[data.readableBytes()];
    data.readBytes(bytes);
    option(option, bytes);
  }

  private void expect(int option, int type, int length) {
    assertThat(out.readLong()).isEqualTo(NbdProtocol.OPTION_REPLY_MAGIC);
    assertThat(out.readInt()).isEqualTo(option);
    assertThat(out.readInt()).isEqualTo(type);
    assertThat(out.readInt()).isEqualTo(length);
  }

  /** All replies as "option:type". */
  private List<String> replies() {
    List<String> found = new ArrayList<>();
    while (out.isReadable()) {
      assertThat(out.readLong()).isEqualTo(NbdProtocol.OPTION_REPLY_MAGIC);
      found.add(out.readInt() + ":" + out.readInt());
      out.skipBytes(out.readInt());
    }
    return found;
  }
}
