package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.linux.Errno;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Memfd;
import io.twinspan.linux.TwinspanException;
import io.twinspan.nvme.ControllerRegisters;
import io.twinspan.nvme.VfioUser;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Random;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ShelfTest {
  private static final long DRIVE_BYTES = 16 << 20;

  @TempDir private Path directory;
  private ShelfOptions options;
  private Shelf shelf;

  @BeforeEach
  void start() {
    options =
        new ShelfOptions(directory, directory, 2, DRIVE_BYTES, ShelfOptions.DUAL_PORTED, "TEST");
    shelf = new Shelf(options).start();
  }

  @AfterEach
  void stop() {
    shelf.close();
  }

  @Test
  void imagesAreSparseAndSocketsPrivate() throws IOException {
    assertThat(Files.size(options.image(1, 2))).isEqualTo(DRIVE_BYTES / 2);
    assertThat(Files.getAttribute(options.image(1, 2), "unix:nlink")).isEqualTo(1);
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(options.socket(0, "b"))))
        .isEqualTo("rw-------");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(options.image(0, 1))))
        .isEqualTo("rw-------");
  }

  @Test
  void closingRemovesSocketsAndKeepsImages() {
    shelf.close();
    assertThat(options.socket(0, "a")).doesNotExist();
    assertThat(options.image(0, 1)).exists();
    assertThat(shelf.drives()).isEmpty();
  }

  @Test
  void imageOfAnotherSizeIsRefusedAndNothingStaysBehind() {
    shelf.close();
    ShelfOptions other =
        new ShelfOptions(directory, directory, 3, 2 * DRIVE_BYTES, options.ports(), "TEST");
    assertThatThrownBy(() -> new Shelf(other).start())
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining(options.image(0, 1).toString())
        .hasMessageContaining(String.valueOf(DRIVE_BYTES / 2));
    assertThat(other.socket(0, "a")).doesNotExist();
  }

  @Test
  void secondShelfInTheSameDirectoryIsRefusedAndTheFirstGoesOn() {
    assertThatThrownBy(() -> new Shelf(options).start()).isInstanceOf(TwinspanException.class);
    try (VfioUserClient client = new VfioUserClient(options.socket(0, "a"))) {
      assertThat(client.negotiate().readRegister(ControllerRegisters.VS))
          .isEqualTo(ControllerRegisters.VERSION_1_4);
    }
  }

  @Test
  void statusTellsWhoIsConnected() {
    try (VfioUserClient client = new VfioUserClient(options.socket(1, "b"))) {
      var _ = client.negotiate();
      ShelfStatus status = shelf.status();
      assertThat(status.drives()).hasSize(2);
      ShelfStatus.Drive drive = status.drives().get(1);
      assertThat(drive.state()).isEqualTo("running");
      assertThat(drive.serial()).isEqualTo("TEST001");
      assertThat(drive.ports().get(0).clientPid()).isZero();
      assertThat(drive.ports().get(1).clientPid()).isEqualTo((int) ProcessHandle.current().pid());
      assertThat(drive.ports().get(1).state()).isEqualTo("disabled");
    }
  }

  @Test
  void secondClientIsRefusedUntilTheFirstHasGone() {
    try (VfioUserClient first = new VfioUserClient(options.socket(0, "a")).negotiate()) {
      try (VfioUserClient second = new VfioUserClient(options.socket(0, "a"))) {
        assertThat(second.isClosedByServer()).isTrue();
      }
      assertThat(first.readRegister(ControllerRegisters.CC)).isZero();
      assertThat(first.writeRegister(ControllerRegisters.AQA, 0x1f001f)).isZero();
    }
    try (VfioUserClient next = new VfioUserClient(options.socket(0, "a")).negotiate()) {
      assertThat(next.readRegister(ControllerRegisters.AQA)).isZero();
    }
  }

  @Test
  void regionsAndInterruptsAreDescribed() {
    try (VfioUserClient client = new VfioUserClient(options.socket(0, "a")).negotiate()) {
      client.begin(VfioUser.DEVICE_GET_REGION_INFO, 32).u32(0, 32).u32(8, VfioUser.REGION_BAR0);
      assertThat(client.call()).isZero();
      assertThat(client.received).isEmpty();
      assertThat(client.reply.u32(VfioUser.RegionInfo.ARGSZ)).isEqualTo(64);
      assertThat(client.reply.u32(VfioUser.RegionInfo.CAP_OFFSET)).isEqualTo(32);
      client.begin(VfioUser.DEVICE_GET_REGION_INFO, 32).u32(0, 64).u32(8, VfioUser.REGION_BAR0);
      assertThat(client.call()).isZero();
      assertThat(client.received).hasSize(1);
      assertThat(client.reply.u64(32 + VfioUser.RegionInfo.SPARSE_FIRST)).isEqualTo(0x1000);
      client.begin(VfioUser.DEVICE_GET_IRQ_INFO, 16).u32(0, 16).u32(8, VfioUser.IRQ_MSIX);
      assertThat(client.call()).isZero();
      assertThat(client.reply.u32(VfioUser.IrqInfo.COUNT)).isEqualTo(NvmeController.VECTORS);
      assertThat(client.read(VfioUser.REGION_CONFIG, 0, 64)).isZero();
      assertThat(client.reply.u32(VfioUser.RegionAccess.DATA + 8) >>> 8).isEqualTo(0x010802);
      assertThat(client.read(VfioUser.REGION_CONFIG, 255, 2)).isEqualTo(Errno.EINVAL);
      assertThat(client.read(3, 0, 4)).isEqualTo(Errno.EINVAL);
      assertThat(client.read(VfioUser.REGION_BAR0, -4, 4)).isEqualTo(Errno.EINVAL);
    }
  }

  @Test
  void descriptorsAreNotLeaked() throws IOException {
    try (Fd memfd = Memfd.create("client", 1 << 20)) {
      for (int round = 0; round < 3; round++) {
        useAndLeave(memfd);
      }
      long before = openDescriptors();
      for (int round = 0; round < 20; round++) {
        useAndLeave(memfd);
      }
      assertThat(openDescriptors()).isEqualTo(before);
    }
  }

  @Test
  void garbageEndsOneConnectionOnly() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    try (VfioUserClient bystander = new VfioUserClient(options.socket(0, "b")).negotiate()) {
      for (int round = 0; round < 100; round++) {
        try (VfioUserClient client = new VfioUserClient(options.socket(0, "a"))) {
          byte[] bytes = new byte[1 + random.nextInt(3000)];
          random.nextBytes(bytes);
          client.request.buffer().copyFrom(MemorySegment.ofArray(bytes));
          var _ = client.socket.send(client.request.buffer(), 0, bytes.length);
        }
        assertThat(bystander.readRegister(ControllerRegisters.VS))
            .as("seed %d", seed)
            .isEqualTo(ControllerRegisters.VERSION_1_4);
      }
    }
    try (VfioUserClient client = new VfioUserClient(options.socket(0, "a")).negotiate()) {
      assertThat(client.readRegister(ControllerRegisters.CSTS)).isZero();
    }
  }

  @Test
  void messagesOutOfBoundsCloseTheConnection() {
    try (VfioUserClient client = new VfioUserClient(options.socket(0, "a")).negotiate()) {
      client.begin(VfioUser.REGION_WRITE, VfioUser.MAX_MESSAGE_BYTES);
      client.send(VfioUser.HEADER_BYTES);
      assertThat(client.isClosedByServer()).isTrue();
    }
    try (VfioUserClient client = new VfioUserClient(options.socket(0, "a"))) {
      client.begin(VfioUser.DEVICE_GET_INFO, 16);
      client.send(32);
      assertThat(client.isClosedByServer()).isTrue();
    }
  }

  @Test
  void randomMessagesOfAllCommandsAreSurvived() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    try (Fd memfd = Memfd.create("client", 1 << 20)) {
      for (int round = 0; round < 20; round++) {
        try (VfioUserClient client = new VfioUserClient(options.socket(0, "a")).negotiate()) {
          for (int i = 0; i < 100; i++) {
            boolean ours = random.nextInt(4) == 0;
            int command =
                ours ? VfioUser.DOMAIN_CREATE + random.nextInt(6) : 2 + random.nextInt(15);
            int payload = 4 * random.nextInt(20);
            client.begin(command, payload);
            for (int at = 0; at + 4 <= payload; at += 4) {
              int bound = random.nextInt(3) == 0 ? 4 : 0x2000;
              int value = random.nextInt(4) == 0 ? random.nextInt() : random.nextInt(bound);
              client.request.u32(at, value);
            }
            Fd[] fds = random.nextInt(4) == 0 ? new Fd[] {memfd} : new Fd[0];
            var _ = client.call(fds);
          }
        }
      }
      try (VfioUserClient client = new VfioUserClient(options.socket(0, "a")).negotiate()) {
        assertThat(client.mapDma(0x10000, 1 << 20, memfd)).as("seed %d", seed).isZero();
        assertThat(client.mapDma(0x10000, 1 << 20, memfd)).isEqualTo(Errno.EEXIST);
      }
    }
  }

  @Test
  void clientThatCutsItsMappedFileHarmsOnlyItself() {
    try (VfioUserClient bystander = new VfioUserClient(options.socket(0, "b")).negotiate();
        VfioUserClient client = new VfioUserClient(options.socket(0, "a")).negotiate();
        Fd file = Fd.open(directory.resolve("cut"), Fd.READ_WRITE | Fd.CREATE, 0600)) {
      file.truncate(1 << 20);
      assertThat(client.mapDma(0, 1 << 20, file)).isZero();
      assertThat(client.writeRegister(ControllerRegisters.AQA, 0x1f001f)).isZero();
      assertThat(client.writeRegister(ControllerRegisters.ACQ, 0x1000)).isZero();
      int enable = ControllerRegisters.CC_ENTRY_SIZES | ControllerRegisters.CC_ENABLE;
      assertThat(client.writeRegister(ControllerRegisters.CC, enable)).isZero();
      assertThat(client.readRegister(ControllerRegisters.CSTS)).isEqualTo(1);
      file.truncate(0);
      assertThat(client.writeRegister(ControllerRegisters.DOORBELLS, 4)).isZero();
      assertThat(client.isClosedByServer()).isTrue();
      assertThat(bystander.readRegister(ControllerRegisters.VS))
          .isEqualTo(ControllerRegisters.VERSION_1_4);
    }
  }

  private void useAndLeave(Fd memfd) {
    try (VfioUserClient client = new VfioUserClient(options.socket(0, "a")).negotiate()) {
      assertThat(client.mapDma(0, 1 << 20, memfd)).isZero();
      client.begin(VfioUser.DEVICE_GET_REGION_IO_FDS, 16).u32(0, 4096).u32(8, 0);
      assertThat(client.call()).isZero();
      assertThat(client.received).hasSize(NvmeController.QUEUE_PAIRS);
      client
          .begin(VfioUser.DEVICE_SET_IRQS, VfioUser.IrqSet.BYTES)
          .u32(VfioUser.IrqSet.FLAGS, VfioUser.IrqSet.DATA_EVENTFD | VfioUser.IrqSet.ACTION_TRIGGER)
          .u32(VfioUser.IrqSet.INDEX, VfioUser.IRQ_MSIX)
          .u32(VfioUser.IrqSet.COUNT, 2);
      assertThat(client.call(client.received.get(0), client.received.get(1))).isZero();
    }
    // The next client is only served when the server has let go of this one.
    try (VfioUserClient client = new VfioUserClient(options.socket(0, "a"))) {
      var _ = client.negotiate();
    }
    Awaitility.await()
        .until(() -> shelf.status().drives().getFirst().ports().getFirst().clientPid() == 0);
  }

  private static long openDescriptors() throws IOException {
    try (var list = Files.list(Path.of("/proc/self/fd"))) {
      return list.count();
    }
  }
}
