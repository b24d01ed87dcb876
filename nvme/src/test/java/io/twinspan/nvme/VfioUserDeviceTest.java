package io.twinspan.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.twinspan.linux.EventFd;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Memfd;
import io.twinspan.linux.TwinspanException;
import io.twinspan.linux.UnixListener;
import io.twinspan.linux.UnixSocket;
import io.twinspan.nvme.VfioUser.RegionInfo;
import io.twinspan.nvme.VfioUser.RegionIoFds;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The client against a server that answers what the test wants. */
class VfioUserDeviceTest {
  private static final Duration TIMEOUT = Duration.ofMillis(500);
  private static final int BAR_BYTES = 16 << 10;

  /** Answers one command in place, and names the descriptors that go with the answer. */
  interface Answer {
    List<Fd> to(VfioUserMessage message);
  }

  @TempDir Path directory;

  private final ConcurrentHashMap<Integer, Answer> answers = new ConcurrentHashMap<>();
  private final Fd bar = Memfd.create("bar", BAR_BYTES);
  private final EventFd event = EventFd.create();
  private UnixListener listener;
  private Thread server;
  private volatile int config;

  @BeforeEach
  void start() {
    listener = UnixListener.bind(directory.resolve("s"), 0600);
    server = Thread.ofVirtual().start(this::serve);
    answers.put(
        VfioUser.VERSION,
        m -> {
          VfioUserVersion ours = VfioUserVersion.OURS;
          ours.writeTo(m.reply(m.id(), VfioUser.VERSION, ours.payloadBytes()));
          return List.of();
        });
    answers.put(
        VfioUser.DEVICE_GET_INFO,
        m -> {
          m.reply(m.id(), m.command(), 16).u32(0, 16).u32(4, 3).u32(8, 9).u32(12, 5);
          return List.of();
        });
    answers.put(VfioUser.DEVICE_GET_REGION_INFO, m -> region(m, 0x1000, BAR_BYTES - 0x1000));
    answers.put(
        VfioUser.DEVICE_GET_IRQ_INFO,
        m -> {
          m.reply(m.id(), m.command(), 16).u32(0, 16).u32(4, 9).u32(8, 2).u32(12, 4);
          return List.of();
        });
    answers.put(VfioUser.DEVICE_GET_REGION_IO_FDS, m -> ioFds(m, 0));
    answers.put(VfioUser.REGION_READ, this::read);
    answers.put(
        VfioUser.REGION_WRITE,
        m -> {
          if (m.u32(8) == VfioUser.REGION_CONFIG) {
            config = m.u16(16);
          }
          m.reply(m.id(), m.command(), 16);
          return List.of();
        });
    for (int command : new int[] {VfioUser.DMA_MAP, VfioUser.DEVICE_SET_IRQS}) {
      answers.put(
          command,
          m -> {
            m.reply(m.id(), m.command(), 0);
            return List.of();
          });
    }
  }

  @AfterEach
  void stop() throws InterruptedException {
    listener.close();
    server.join(Duration.ofSeconds(5));
    bar.close();
    event.close();
  }

  @Test
  void learnsWhatTheServerOffers() {
    try (VfioUserDevice device = connect();
        DmaMemory memory = DmaMemory.allocate("test", 4096)) {
      assertThat(config).isEqualTo(6);
      assertThat(device.interruptCount()).isEqualTo(4);
      assertThat(device.read32(0x14)).isEqualTo(0x14);
      assertThat(device.read64(0x28)).isEqualTo(0x2800000028L);
      assertThat(device.mapBar(0x1000, 0x1000).byteSize()).isEqualTo(0x1000);
      assertThat(device.doorbellEvent(0x2000)).isPresent();
      assertThat(device.doorbellEvent(0x3000)).isEmpty();
      device.doorbellEvent(0x2000).orElseThrow().signal();
      assertThat(event.drain()).isTrue();
      DmaRegion first = device.map(memory.memfd(), 0, 4096);
      DmaRegion second = device.map(memory.memfd(), 0, 4096);
      assertThat(second.iova()).isGreaterThanOrEqualTo(first.iova() + 4096);
      assertThat(device.interrupt(1)).isSameAs(device.interrupt(1));
      assertThatThrownBy(() -> device.interrupt(4)).isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void givesNoMemoryThatTheServerDoesNotShare() {
    try (VfioUserDevice device = connect()) {
      assertThatThrownBy(() -> device.mapBar(0, 4096)).isInstanceOf(NvmeException.class);
      assertThatThrownBy(() -> device.mapBar(BAR_BYTES - 4096, 8192))
          .isInstanceOf(NvmeException.class);
    }
  }

  @Test
  void doesWithoutDoorbellEvents() {
    refuse(VfioUser.DEVICE_GET_REGION_IO_FDS, 95);
    try (VfioUserDevice device = connect()) {
      assertThat(device.doorbellEvent(0x2000)).isEmpty();
    }
  }

  @Test
  void tellsWhatTheServerRefuses() {
    try (VfioUserDevice device = connect();
        DmaMemory memory = DmaMemory.allocate("test", 4096)) {
      refuse(VfioUser.DMA_MAP, 17);
      assertThatThrownBy(() -> device.map(memory.memfd(), 0, 4096))
          .isInstanceOf(NvmeException.class)
          .hasMessageContaining("EEXIST");
      assertThat(device.read32(0x14)).isEqualTo(0x14);
    }
  }

  @Test
  void aServerThatClosesIsGone() {
    VfioUserDevice device = connect();
    answers.remove(VfioUser.REGION_READ);
    assertThatThrownBy(() -> device.read32(0)).isInstanceOf(DeviceGoneException.class);
    assertThat(device.isPresent()).isFalse();
    assertThatThrownBy(() -> device.read32(0)).isInstanceOf(DeviceGoneException.class);
    device.close();
  }

  @Test
  void aServerThatDoesNotAnswerHangsUntilItClosesItsEnd() {
    VfioUserDevice device = connect();
    answers.put(VfioUser.REGION_READ, m -> null);
    assertThatThrownBy(() -> device.read32(0))
        .isInstanceOf(DeviceHungException.class)
        .hasMessageContaining("has not answered");
    assertThatThrownBy(() -> device.write32(0, 0)).isInstanceOf(DeviceHungException.class);
    assertThat(device.isPresent()).isTrue();

    device.disconnect(); // this server notices the end of the stream, and closes
    await().untilAsserted(() -> assertThat(device.isPresent()).isFalse());
    assertThatThrownBy(() -> device.read32(0)).isInstanceOf(DeviceGoneException.class);
    device.close();
  }

  @Test
  void refusesAnswersThatBreakTheProtocol() {
    for (Answer wrong :
        List.<Answer>of(
            m -> answer(m.reply(m.id() + 1, m.command(), 20)),
            m -> answer(m.reply(m.id(), VfioUser.REGION_WRITE, 20)),
            m -> answer(m.reply(m.id(), m.command(), 16)),
            m -> oversized(m, -1),
            m -> oversized(m, 15),
            m -> oversized(m, VfioUser.MAX_MESSAGE_BYTES + 1))) {
      VfioUserDevice device = connect();
      answers.put(VfioUser.REGION_READ, wrong);
      assertThatThrownBy(() -> device.read32(0)).isInstanceOf(DeviceHungException.class);
      assertThat(device.isPresent()).isTrue();
      device.close();
      answers.put(VfioUser.REGION_READ, this::read);
    }
  }

  @Test
  void refusesAreasOutsideOfTheRegionAndOfTheMemory() {
    long[][] areas = {{0x1000, BAR_BYTES}, {-4096, 4096}, {1L << 40, 4096}, {4096, -1}, {4096, 0}};
    for (long[] area : areas) {
      answers.put(VfioUser.DEVICE_GET_REGION_INFO, m -> region(m, area[0], area[1]));
      assertThatThrownBy(this::connect).isInstanceOf(NvmeException.class);
    }
  }

  @Test
  void refusesMemoryThatTheServerCouldCutShort() throws IOException {
    Path file = directory.resolve("file");
    try (Fd plain = Fd.open(file, Fd.READ_WRITE | Fd.CREATE, 0600)) {
      plain.truncate(BAR_BYTES);
      answers.put(
          VfioUser.DEVICE_GET_REGION_INFO,
          m -> {
            List<Fd> unused = region(m, 0x1000, 0x1000);
            assertThat(unused).hasSize(1);
            return List.of(plain);
          });
      assertThatThrownBy(this::connect).hasMessageContaining("not a memfd sealed");
    }
  }

  @Test
  void refusesADoorbellEventThatDidNotCome() {
    answers.put(VfioUser.DEVICE_GET_REGION_IO_FDS, m -> ioFds(m, 3));
    assertThatThrownBy(this::connect).hasMessageContaining("names descriptor 3 of 1");
  }

  @Test
  void survivesAnyRegionInfo() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    for (int i = 0; i < 200; i++) {
      answers.put(
          VfioUser.DEVICE_GET_REGION_INFO,
          m -> {
            List<Fd> fds = region(m, 0x1000, 0x1000);
            for (int flips = 0; flips < 3; flips++) {
              int at = random.nextInt(m.payloadBytes() / 4) * 4;
              m.u32(at, random.nextBoolean() ? random.nextInt(64) : random.nextInt());
            }
            return fds;
          });
      try {
        connect().close();
      } catch (TwinspanException e) {
        // the server has kept to the protocol
        assertThat(e).hasMessageNotContaining("is of no use any more");
      } catch (RuntimeException e) {
        throw new AssertionError("seed " + seed, e);
      }
    }
  }

  private VfioUserDevice connect() {
    return VfioUserDevice.connect(directory.resolve("s"), TIMEOUT);
  }

  private void refuse(int command, int errno) {
    answers.put(command, m -> answer(m.error(m.id(), m.command(), errno)));
  }

  private static List<Fd> answer(VfioUserMessage message) {
    assertThat(message.isReply()).isTrue();
    return List.of();
  }

  private static List<Fd> oversized(VfioUserMessage m, int size) {
    m.reply(m.id(), m.command(), 20).buffer().set(LittleEndian.INT, 4, size);
    return List.of();
  }

  private List<Fd> read(VfioUserMessage m) {
    long offset = m.u64(0);
    int region = m.u32(8);
    int count = m.u32(12);
    m.reply(m.id(), m.command(), 16 + count).u64(0, offset).u32(8, region).u32(12, count);
    for (int at = 0; at + 4 <= count; at += 4) {
      m.u32(16 + at, (int) offset);
    }
    return List.of();
  }

  private List<Fd> region(VfioUserMessage m, long offset, long size) {
    m.reply(m.id(), m.command(), RegionInfo.BYTES + 32)
        .u32(RegionInfo.ARGSZ, RegionInfo.BYTES + 32)
        .u32(RegionInfo.FLAGS, 0xf)
        .u32(RegionInfo.CAP_OFFSET, RegionInfo.BYTES)
        .u64(RegionInfo.SIZE, BAR_BYTES)
        .u16(RegionInfo.BYTES, RegionInfo.CAP_SPARSE_MMAP)
        .u32(RegionInfo.BYTES + RegionInfo.SPARSE_AREAS, 1)
        .u64(RegionInfo.BYTES + RegionInfo.SPARSE_FIRST, offset)
        .u64(RegionInfo.BYTES + RegionInfo.SPARSE_FIRST + 8, size);
    return List.of(bar);
  }

  private List<Fd> ioFds(VfioUserMessage m, int index) {
    m.reply(m.id(), m.command(), RegionIoFds.BYTES + RegionIoFds.SUB_REGION_BYTES)
        .u32(RegionIoFds.COUNT, 1)
        .u64(RegionIoFds.BYTES + RegionIoFds.SUB_OFFSET, 0x2000)
        .u32(RegionIoFds.BYTES + RegionIoFds.SUB_FD_INDEX, index);
    return List.of(event.fd());
  }

  private void serve() {
    while (true) {
      Optional<UnixSocket> client = listener.accept();
      if (client.isEmpty()) {
        return; // the test is over
      }
      try (UnixSocket socket = client.get()) {
        serve(socket);
      }
    }
  }

  private void serve(UnixSocket client) {
    VfioUserMessage message = new VfioUserMessage(Arena.ofAuto().allocate(8192, 8));
    while (receive(client, message, 0, 16)
        && receive(client, message, 16, message.payloadBytes())) {
      Answer answer = answers.get(message.command());
      if (answer == null) {
        return;
      }
      List<Fd> fds = answer.to(message);
      if (fds != null) {
        long length = Math.clamp(message.size(), 16, 8192);
        int sent = client.send(message.buffer(), 0, (int) length, fds.toArray(new Fd[0]));
        assertThat(sent).isPositive();
      }
    }
  }

  private static boolean receive(UnixSocket client, VfioUserMessage m, int offset, int length) {
    List<Fd> fds = new ArrayList<>();
    int done = 0;
    while (done < length) {
      int count = client.receive(m.buffer(), offset + done, length - done, fds);
      fds.forEach(Fd::close);
      fds.clear();
      if (count <= 0) {
        return false;
      }
      done += count;
    }
    return true;
  }
}
