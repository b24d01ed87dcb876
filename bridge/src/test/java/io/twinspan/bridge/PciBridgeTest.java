package io.twinspan.bridge;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.twinspan.linux.EventFd;
import io.twinspan.linux.Poller;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

/** Both sides in one thread; a file stands for the BAR. */
class PciBridgeTest extends BothSidesTest {
  private static final long US = 1_000;
  private static final long BAR_BYTES = 4 << 20;

  private Path bar;
  private MemorySegment memory;
  private final Logger logger = (Logger) LoggerFactory.getLogger(PciBridge.class);
  private final ListAppender<ILoggingEvent> log = new ListAppender<>();

  @BeforeEach
  void makeBar() throws IOException {
    bar = directory.resolve("bar");
    resize(BAR_BYTES);
    memory = map();
    log.start();
    logger.addAppender(log);
  }

  @AfterEach
  void detachLog() {
    logger.detachAppender(log);
  }

  @Test
  void windowsOfDifferentSizesDoNotOverlap() {
    Node a = node(Side.A, options -> options.windowBytes(1 << 20));
    Node b = node(Side.B, options -> options.windowBytes(1 << 16));
    runUntilUp(a, b);

    a.endpoint().remote().segment().asSlice(Window.HEADER_BYTES).fill((byte) 1);
    b.endpoint().remote().segment().asSlice(Window.HEADER_BYTES).fill((byte) 2);
    a.endpoint().remoteControl().fill((byte) 3);
    b.endpoint().remoteControl().fill((byte) 4);

    assertFilled(b.bridge.local().segment().asSlice(Window.HEADER_BYTES), 1);
    assertFilled(a.bridge.local().segment().asSlice(Window.HEADER_BYTES), 2);
    assertFilled(b.endpoint().localControl(), 3);
    assertFilled(a.endpoint().localControl(), 4);
    assertThat(a.bridge.local().isSound()).isTrue();
    assertThat(b.bridge.local().isSound()).isTrue();
  }

  @Test
  void aKilledPeerIsSeenByItsHeartbeatAndANewOneAtOnce() {
    Node a = node(Side.A);
    Node b = node(Side.B);
    runUntilUp(a, b);
    kill(b);
    beatFor(400);
    assertThat(a.downs).isEmpty();
    beatFor(200);
    assertThat(a.downs.getFirst().kind()).isEqualTo(LinkDown.Kind.HEARTBEAT);

    Node second = node(Side.B);
    runUntilUp(a, second);
    assertThat(a.bridge.generation()).isEqualTo(2);

    kill(second);
    Node third = node(Side.B);
    run(2);
    assertThat(a.downs.getLast().kind()).isEqualTo(LinkDown.Kind.EOF);
    runUntilUp(a, third);
    assertThat(a.bridge.generation()).isEqualTo(3);
  }

  @Test
  void bothSidesMayBeKilledAndStartedAnew() {
    Node a = node(Side.A);
    Node b = node(Side.B);
    runUntilUp(a, b);
    a.endpoint().remote().segment().set(JAVA_LONG, 8192, 42);
    kill(a);
    kill(b);

    Node newA = node(Side.A);
    run(20);
    assertThat(newA.ups).as("the dead peer's mail is of no use").isZero();
    Node newB = node(Side.B);
    assertThat(newB.bridge.local().segment().get(JAVA_LONG, 8192)).isZero();
    runUntilUp(newA, newB);
  }

  @Test
  void aPeerThatWasStoppedFindsItselfGivenUpAndWhatItStillStoresIsSeenByNobody() {
    Node a = node(Side.A);
    Node b = node(Side.B);
    runUntilUp(a, b);
    nodes.remove(b);
    long silentFromNs = nowNs;
    runUntil(() -> !a.downs.isEmpty());
    LinkDown down = a.downs.getFirst();
    assertThat(down.kind()).isEqualTo(LinkDown.Kind.HEARTBEAT);
    assertThat(down.lastSignOfLifeNs()).isBetween(silentFromNs - 50 * MS, silentFromNs + 20 * MS);
    assertThat(down.detectedNs() - down.lastSignOfLifeNs()).isBetween(450 * MS, 470 * MS);

    BridgeEndpoint former = b.endpoint();
    nodes.add(b);
    runUntilUp(a, b);
    former.remoteControl().fill((byte) -1);

    assertThat(b.downs.getFirst().kind()).isEqualTo(LinkDown.Kind.EOF);
    assertThat(b.bridge.generation()).isEqualTo(2);
    assertFilled(a.endpoint().localControl(), 0);
  }

  @Test
  void aWrongSecretIsRefusedAtBothSidesAndTheRightOneStillGetsIn() {
    Node a = node(Side.A);
    Node stranger = add(new PciBridge(new PciOptions(Side.B, bar, ARRAY, WRONG_SECRET)));
    run(50);
    assertThat(a.ups + stranger.ups).isZero();
    assertThat(warnings()).hasSize(2).allMatch(line -> line.contains("does not know the array's"));

    kill(stranger);
    Node b = node(Side.B);
    runUntilUp(a, b);
  }

  @Test
  void whoBelongsToAnotherArrayOrIsPlannedDifferentlyIsRefusedWithTheReason() {
    Node a = node(Side.A);
    Node foreign = add(new PciBridge(new PciOptions(Side.B, bar, new UUID(9, 9), SECRET)));
    run(50);
    assertThat(warnings()).anyMatch(line -> line.contains("it belongs to array 00000000-"));
    kill(foreign);

    Node planned =
        node(
            Side.B,
            options ->
                options.contract(Contract.equal("other".getBytes(StandardCharsets.US_ASCII))));
    run(50);
    assertThat(warnings()).anyMatch(line -> line.contains("configured differently"));
    kill(planned);

    Node sized = node(Side.B, options -> options.controlBytes(1 << 17));
    run(50);
    assertThat(warnings()).anyMatch(line -> line.contains("its windows have"));
    kill(sized);

    assertThat(a.ups).isZero();
    runUntilUp(a, node(Side.B));
  }

  @Test
  void aRefusalIsToldToASideThatHasNoObjectionItself() {
    Contract strict = new Contract(new byte[1], peers -> Optional.of("not on Sundays"));
    Node a = node(Side.A, options -> options.contract(strict));
    Contract lax = new Contract(new byte[1], peers -> Optional.empty());
    Node b = node(Side.B, options -> options.contract(lax));
    run(50);
    assertThat(a.ups + b.ups).isZero();
    assertThat(warnings())
        .hasSize(2)
        .anyMatch(line -> line.endsWith(": not on Sundays"))
        .anyMatch(line -> line.endsWith("the other side refuses: not on Sundays"));
  }

  @Test
  void barsOfDifferentSizesAreRefusedWithTheReason() throws IOException {
    Node a = node(Side.A);
    resize(2 * BAR_BYTES);
    Node b = node(Side.B);
    run(50);
    assertThat(a.ups + b.ups).isZero();
    assertThat(warnings()).anyMatch(line -> line.contains("its BAR has 8388608 bytes"));
    assertThat(warnings()).anyMatch(line -> line.contains("the other side refuses: its BAR has"));
  }

  @Test
  void aBarThatIsTooSmallIsRefusedWithTheSizeThatIsNeeded() {
    assertThatThrownBy(() -> node(Side.A, options -> options.windowBytes(3 << 20)))
        .hasMessageContaining("has 4194304 bytes")
        .hasMessageContaining("next power of two is 8388608");
    Node _ = node(Side.A); // the failed one holds nothing
  }

  @Test
  void aSecondProcessOfAMachineDoesNotGetTheSameSide() {
    Node _ = node(Side.A);
    assertThatThrownBy(() -> node(Side.A)).hasMessageContaining("as side A");
  }

  @Test
  void aSecondMachineOfTheSameSideIsComplainedOf() {
    Node a = node(Side.A);
    run(1);
    new Mailbox(memory.asSlice(Mailbox.BYTES, Mailbox.BYTES)).write(ByteBuffer.allocate(10));
    beatFor(2000);
    assertThat(warnings()).anyMatch(line -> line.contains("writes as side A too"));
    runUntilUp(a, node(Side.B));
  }

  @Test
  void garbageInTheBarDisturbsNobody() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    byte[] garbage = new byte[(int) BAR_BYTES];
    random.nextBytes(garbage);
    MemorySegment.copy(MemorySegment.ofArray(garbage), 0, memory, 0, garbage.length);
    Node a = node(Side.A);
    run(10);
    Node b = node(Side.B);
    runUntilUp(a, b);
    assertFilled(a.endpoint().localControl(), 0);
    for (int i = 0; i < 200; i++) {
      random.nextBytes(garbage);
      MemorySegment.copy(MemorySegment.ofArray(garbage), 0, memory, 0, 2L * Mailbox.BYTES);
      run(1);
    }
    assertThat(a.downs).as("seed %d", seed).isEmpty();
    a.bridge.fail(LinkDown.Kind.PROTOCOL, "enough");
    runUntil(() -> !b.downs.isEmpty());
    runUntilUp(a, b);
  }

  @Test
  void mutilatedMailIsRefusedWithoutHarm() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    Node a = node(Side.A);
    Hello hello =
        Hello.of(ARRAY, ARRAY, new byte[32], 0, 1 << 20, 1 << 16, 1, Side.B, "b", new byte[0]);
    List<Mail.Kind> kinds = List.of(Mail.Kind.values());
    Mailbox forA = new Mailbox(memory.asSlice(0, Mailbox.BYTES));
    for (int i = 0; i < 2000; i++) {
      Mail.Kind kind = kinds.get(random.nextInt(kinds.size()));
      long to = toOf(a);
      ByteBuffer proof = ByteBuffer.allocate(random.nextInt(3) * 16);
      Mail mail =
          new Mail(kind, 1 + i, to, BAR_BYTES, random.nextInt(3), 0, hello.encoded(), proof, "no");
      byte[] bytes = mail.encode().array();
      for (int j = random.nextInt(4); j > 0; j--) {
        bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
      }
      int length = random.nextInt(8) == 0 ? random.nextInt(bytes.length) : bytes.length;
      forA.write(ByteBuffer.wrap(bytes, 0, length));
      run(1);
      assertThat(a.ups).as("seed %d", seed).isZero();
    }
    runUntilUp(a, node(Side.B));
  }

  @Test
  void sleepsLongerAndLongerWhileNothingHappens() {
    Node a = node(Side.A);
    Node b = node(Side.B);
    a.bridge.doWork(nowNs);
    assertThat(sleepNs(a)).isEqualTo(10 * MS);
    runUntilUp(a, b);
    assertThat(sleepNs(a)).isLessThanOrEqualTo(2 * MS);

    a.bridge.wakeSource().arm();
    b.endpoint().ring();
    b.endpoint().ring();
    assertThat(a.bridge.doWork(nowNs)).isEqualTo(1);
    assertThat(a.bridge.doWork(nowNs)).isZero();
    a.bridge.wakeSource().disarm();
    assertThat(sleepNs(a)).isEqualTo(50 * US);

    long[] idleMs = {1, 8, 16, 32, 40};
    long[] sleepsUs = {125, 1000, 2000, 4000, 4000};
    long rungNs = nowNs;
    for (int i = 0; i < idleMs.length; i++) {
      nowNs = rungNs + idleMs[i] * MS;
      sleepOnce(a);
      assertThat(sleepNs(a)).as("after %d ms", idleMs[i]).isEqualTo(sleepsUs[i] * US);
    }
    b.endpoint().ring();
    assertThat(a.bridge.doWork(nowNs)).as("awake: not rung").isZero();
  }

  @Test
  void whoHadWorkBeforeItSleepsLooksSoonAgain() {
    Node a = node(Side.A);
    Node b = node(Side.B);
    runUntilUp(a, b);
    nowNs += 40 * MS;
    sleepOnce(a);
    assertThat(sleepNs(a)).isEqualTo(4 * MS);

    nowNs += 100 * US; // of work, though nobody rang
    a.bridge.doWork(nowNs);
    a.bridge.wakeSource().arm();
    assertThat(sleepNs(a)).isEqualTo(50 * US);
  }

  /** A sleep that only time ends. */
  private void sleepOnce(Node node) {
    node.bridge.wakeSource().arm();
    node.bridge.wakeSource().disarm();
    node.bridge.doWork(nowNs);
  }

  private long sleepNs(Node node) {
    return node.bridge.nextDeadlineNs() - nowNs;
  }

  @Test
  void whereThereIsADoorbellItEndsASleepOnce() {
    List<EventFd> bells = List.of(EventFd.create(), EventFd.create());
    Node a = nodeWithDoorbell(Side.A, bells, 0);
    Node b = nodeWithDoorbell(Side.B, bells, 1);
    runUntilUp(a, b);
    run(1);
    assertThat(a.bridge.nextDeadlineNs() - nowNs).isBetween(10 * MS, 50 * MS);
    try (Poller sleeper = new Poller()) {
      sleeper.add(b.bridge.wakeSource().fd(), 0);

      a.endpoint().ring();
      assertThat(sleeper.await(0)).as("awake").isZero();

      b.bridge.wakeSource().arm();
      a.endpoint().ring();
      assertThat(sleeper.await(0)).as("asleep").isEqualTo(1);
      b.bridge.wakeSource().disarm();
      assertThat(sleeper.await(0)).as("drained").isZero();
      a.endpoint().ring();
      assertThat(sleeper.await(0)).as("awake again").isZero();
    }
  }

  @Test
  void aDoorbellAtOneSideOnlyIsOfNoUse() {
    Node a = nodeWithDoorbell(Side.A, List.of(EventFd.create()), 0);
    Node b = node(Side.B);
    runUntilUp(a, b);
    run(1);
    assertThat(sleepNs(a)).isLessThanOrEqualTo(2 * MS);
    b.bridge.wakeSource().arm();
    a.endpoint().ring();
    assertThat(b.bridge.doWork(nowNs)).isEqualTo(1);
  }

  // --- two sides in one thread

  @Override
  Node node(Side side) {
    return node(side, options -> options);
  }

  private Node node(Side side, UnaryOperator<PciOptions> more) {
    return add(new PciBridge(more.apply(new PciOptions(side, bar, ARRAY, SECRET))));
  }

  private Node nodeWithDoorbell(Side side, List<EventFd> bells, int number) {
    BarMapping mapping = BarMapping.open(bar, side);
    Doorbell doorbell = new FakeDoorbell(bells, number);
    BarMapping rung = new BarMapping(mapping.segment(), Optional.of(doorbell), mapping.closes());
    return add(new PciBridge(new PciOptions(side, bar, ARRAY, SECRET), rung));
  }

  /** Ends a side without a goodbye: its last words are put back. */
  private void kill(Node node) {
    long offset = node.bridge.side() == Side.A ? Mailbox.BYTES : 0;
    byte[] said = memory.asSlice(offset, Mailbox.BYTES).toArray(JAVA_BYTE);
    nodes.remove(node);
    node.bridge.close();
    MemorySegment.copy(MemorySegment.ofArray(said), 0, memory, offset, said.length);
  }

  /** The attempt that a side shows. */
  private long toOf(Node node) {
    long offset = node.bridge.side() == Side.A ? Mailbox.BYTES : 0;
    return memory.get(JAVA_LONG, offset + 16 + 8);
  }

  private List<String> warnings() {
    return log.list.stream()
        .map(ILoggingEvent::getFormattedMessage)
        .filter(line -> line.startsWith("link: not made"))
        .toList();
  }

  private void resize(long bytes) throws IOException {
    try (RandomAccessFile file = new RandomAccessFile(bar.toFile(), "rw")) {
      file.setLength(bytes);
    }
  }

  private MemorySegment map() {
    try (FileChannel file =
        FileChannel.open(bar, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      return file.map(MapMode.READ_WRITE, 0, BAR_BYTES, Arena.ofAuto());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private record FakeDoorbell(List<EventFd> bells, int number) implements Doorbell {
    @Override
    public void ring(int peer) {
      bells.get(peer).signal();
    }

    @Override
    public EventFd rung() {
      return bells.get(number);
    }

    @Override
    public void close() {
      rung().close();
    }
  }
}
