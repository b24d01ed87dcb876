package io.twinspan.target.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The server as clients see it that have nothing in common with it. */
@Timeout(120)
class OtherClientsTest {
  private static final int MIB = 1 << 20;
  private static final int SIZE = 48 * MIB;

  // Fewer buffers and queue places than the clients would like, answers in random order.
  private final MemoryArray array =
      new MemoryArray(24, 12, 42).volume("disk", SIZE).volume("small", MIB).start();

  @TempDir Path directory;
  private NbdServer server;
  private String unix;
  private String tcp;

  @BeforeEach
  void start() {
    Path socket = directory.resolve("nbd.sock");
    server =
        NbdServer.builder(array)
            .listen(UnixDomainSocketAddress.of(socket))
            .listen(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
            .build();
    server.start();
    unix = "nbd+unix:///disk?socket=" + socket;
    tcp = "nbd://127.0.0.1:" + ((InetSocketAddress) server.addresses().get(1)).getPort() + "/disk";
  }

  @AfterEach
  void stop() {
    server.close();
    await().untilAsserted(() -> assertThat(array.takenBuffers()).isZero());
    array.close();
  }

  @Test
  void nbdinfoListsExportsAndWhatTheyCanDo() throws Exception {
    Tool nbdinfo = Tool.require("nbdinfo", "libnbd-bin");
    String list = nbdinfo.run("--json", "--list", tcp.replace("/disk", ""));
    assertThat(list)
        .contains("\"export-name\": \"disk\"", "\"export-name\": \"small\"")
        .contains("\"export-size\": " + SIZE, "\"export-size\": " + MIB)
        .contains("\"can_multi_conn\": true", "\"can_fua\": true", "\"can_flush\": true")
        .contains("\"can_trim\": true", "\"can_zero\": true", "\"can_fast_zero\": true")
        .contains("\"is_read_only\": false")
        .contains("\"block_size_preferred\": 4096", "\"block_size_maximum\": 33554432");
    assertThat(nbdinfo.run("--json", tcp)).contains("\"Twinspan volume disk\"");
    assertThat(nbdinfo.run("--size", unix)).isEqualTo(SIZE + "\n");
  }

  @Test
  void nbdcopyBringsAFileSystemInAndOut() throws Exception {
    Tool nbdcopy = Tool.require("nbdcopy", "libnbd-bin");
    Tool mkfs = Tool.require("mkfs.ext4", "e2fsprogs");
    Path files = Files.createDirectory(directory.resolve("files"));
    for (int i = 0; i < 8; i++) {
      Files.write(files.resolve("file" + i), random(3 * MIB + i, i));
    }
    Path image = directory.resolve("image");
    mkfs.run("-q", "-d", files.toString(), image.toString(), SIZE / 1024 + "k");
    Path back = directory.resolve("back");
    nbdcopy.run("--flush", image.toString(), unix);
    nbdcopy.run("--connections=4", "--requests=64", tcp, back.toString());
    assertThat(Files.mismatch(image, back)).isEqualTo(-1);
    new Tool("e2fsck").run("-fn", back.toString());
    nbdcopy.run("--request-size=33554432", "--synchronous", tcp, back.toString());
    assertThat(Files.mismatch(image, back)).isEqualTo(-1);
  }

  @Test
  void qemuImgConvertsAndCompares() throws Exception {
    Tool qemuImg = Tool.require("qemu-img", "qemu-utils");
    Path image = sparse();
    qemuImg.run("convert", "-n", "-W", "-m", "16", "-f", "raw", "-O", "raw", image.toString(), tcp);
    assertThat(qemuImg.run("compare", "-f", "raw", "-F", "raw", image.toString(), unix))
        .contains("Images are identical");
    Path back = directory.resolve("back");
    qemuImg.run("convert", "-f", "raw", "-O", "raw", unix, back.toString());
    assertThat(Files.mismatch(image, back)).isEqualTo(-1);
  }

  @Test
  void fioVerifiesWhatItWrote() throws Exception {
    Tool fio = Tool.require("fio", "fio");
    fio.run(
        "--name=verify",
        "--ioengine=nbd",
        "--uri=" + tcp,
        "--rw=randrw",
        "--bssplit=4k/60:64k/20:1000k/10:512/10",
        "--bs_unaligned",
        "--iodepth=32",
        "--numjobs=4",
        "--size=8m",
        "--offset_increment=8m",
        "--fsync=50",
        "--verify=crc32c",
        "--verify_state_save=0",
        "--verify_fatal=1",
        "--group_reporting");
    assertThat(server.status().exports().getFirst().errors()).isZero();
  }

  @Test
  void libnbdSeesErrorsWhereTheSpecificationWantsThem() throws Exception {
    Tool nbdsh = Tool.require("nbdsh", "python3-libnbd");
    nbdsh.run(
        "-c",
        """
        import errno
        h.set_strict_mode(0)
        h.connect_uri("%s")
        size = h.get_size()
        def refused(number, call):
            try:
                call()
            except nbd.Error as e:
                assert e.errnum == number, e
            else:
                raise AssertionError("not refused")
        for _ in range(3):
            refused(errno.EINVAL, lambda: h.pread(2, size - 1))
            refused(errno.ENOSPC, lambda: h.pwrite(b"xx", size - 1))
            refused(errno.EINVAL, lambda: h.trim(2, size - 1))
            refused(errno.ENOSPC, lambda: h.zero(2, size - 1))
            refused(errno.EINVAL, lambda: h.pwrite(b"xx", 0, nbd.CMD_FLAG_DF))
            refused(errno.EINVAL, lambda: h.pread(33 << 20, 0))
            refused(errno.EINVAL, lambda: h.cache(512, 0))
        h.pwrite(b"x" * 300000, 1000, nbd.CMD_FLAG_FUA)
        h.zero(100, 2000, nbd.CMD_FLAG_NO_HOLE | nbd.CMD_FLAG_FAST_ZERO | nbd.CMD_FLAG_FUA)
        h.trim(100000, 100000)
        h.flush()
        data = h.pread(300000, 1000)
        assert data[1000:1100] == bytes(100) and data[:1000] == b"x" * 1000
        buffers = [nbd.Buffer(10000 + i) for i in range(100)]
        cookies = [h.aio_pread(b, i) for i, b in enumerate(buffers)]
        while h.aio_in_flight() > 0:
            h.poll(-1)
        assert all(h.aio_command_completed(c) for c in cookies)
        assert all(b.to_bytearray() == h.pread(10000 + i, i) for i, b in enumerate(buffers))
        h.shutdown()
        """
            .formatted(unix));
  }

  /** A file with data, holes and zeros. */
  private Path sparse() throws IOException {
    byte[] content = new byte[SIZE];
    for (int i = 0; i < SIZE / MIB; i += 3) {
      System.arraycopy(random(MIB - 500, i), 0, content, i * MIB + 100, MIB - 500);
    }
    return Files.write(directory.resolve("image"), content);
  }

  private static byte[] random(int length, long seed) {
    byte[] data = new byte[length];
    new Random(seed).nextBytes(data);
    return data;
  }
}
