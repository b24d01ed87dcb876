package io.twinspan.systemtests;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A drive of a running shelf as a PCIe drive of a Linux guest: QEMU's vfio-user client speaks to
 * the shelf, and the kernel's own driver, of which nothing was changed, drives it.
 */
@RequiresTool({"apt-get", "dpkg-deb", "xz", "fio", "mkfs.ext4"})
class ShelfInGuestTest {
  private static final String KERNEL = "6.12";
  private static final Duration PATIENCE = Duration.ofMinutes(8);
  private static final int MEMORY_MIB = 768;

  private static final String AWAIT_DRIVE =
      """
      set -eu
      modprobe nvme
      for ((i = 0; i < 300; i++)); do
        [[ -b /dev/nvme0n1 ]] && break
        sleep 0.1
      done
      """;

  private static final String USE =
      AWAIT_DRIVE
          + """
          cat /sys/class/nvme/nvme0/model /sys/class/nvme/nvme0/state
          verify() {
            fio --name=verify --filename=/dev/nvme0n1 --ioengine=io_uring --direct=1 --size=8m \\
              --verify=crc32c "$@" >fio.out || { cat fio.out; exit 1; }
          }
          verify --rw=randwrite --bs=4k --iodepth=32
          verify --rw=randwrite --bsrange=4k-512k --iodepth=8
          echo verified
          mkfs.ext4 -q /dev/nvme0n1
          mount /dev/nvme0n1 /mnt
          dd if=/dev/urandom of=/mnt/file bs=1M count=16 conv=fsync status=none
          sha256sum </mnt/file >before
          umount /mnt
          echo 3 >/proc/sys/vm/drop_caches
          mount -o ro /dev/nvme0n1 /mnt
          sha256sum </mnt/file >after
          umount /mnt
          cmp before after && echo the file is whole
          """;

  @TempDir Path directory;
  private final List<Process> shelves = new ArrayList<>();

  @AfterEach
  void endShelves() throws InterruptedException {
    for (Process shelf : shelves) {
      shelf.destroyForcibly().waitFor();
    }
  }

  @Test
  @Tag("long")
  void anUnmodifiedDriverUsesADriveOfTheShelfAndOutlivesItsDeath() throws Exception {
    Process first = startShelf();
    String untilItFails =
        """
        echo busy
        while dd if=/dev/nvme0n1 of=/dev/null bs=4k count=16 iflag=direct status=none; do
          sleep 0.1
        done
        echo reads fail
        """;
    try (Guest guest = start("first", USE + untilItFails)) {
      guest.awaitOut("busy", PATIENCE);
      first.destroyForcibly().waitFor();
      guest.awaitEnd(PATIENCE);

      System.out.print(guest.out());
      assertThat(guest.out()).contains("live", "verified", "the file is whole", "reads fail");
    }
    Process second = startShelf();
    String read =
        AWAIT_DRIVE
            + """
            mount -o ro /dev/nvme0n1 /mnt
            sha256sum </mnt/file >after
            umount /mnt
            cmp '%s' after && echo the file is whole
            """
                .formatted(directory.resolve("first/before"));
    try (Guest guest = start("second", read)) {
      guest.awaitEnd(PATIENCE);

      assertThat(guest.out()).contains("the file is whole");
    }
    assertThat(second.isAlive()).isTrue();
  }

  private Process startShelf() throws IOException {
    Path shelf = directory.resolve("shelf");
    Path log = directory.resolve("shelf.log");
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                "io.twinspan.cli.Twinspan",
                "shelf",
                "--dir",
                shelf.toString(),
                "--drives",
                "1",
                "--ports",
                "a",
                "--drive-size",
                "128MiB")
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    shelves.add(process);
    long deadlineNs = System.nanoTime() + PATIENCE.toNanos();
    while (!Files.readString(log).contains("vfio-user:")) {
      assertThat(process.isAlive()).as(Files.readString(log)).isTrue();
      assertThat(System.nanoTime()).isLessThan(deadlineNs);
      Thread.onSpinWait();
    }
    return process;
  }

  private Path socket() {
    return directory.resolve("shelf/drive0-a.sock");
  }

  private Guest start(String name, String script) {
    Guest.prepare(KERNEL);
    String device =
        "-device {\"driver\":\"vfio-user-pci\",\"socket\":{\"type\":\"unix\",\"path\":\"%s\"}}"
            .formatted(socket());
    String memory =
        "-object memory-backend-memfd,id=memory,size=%dM,share=on -machine memory-backend=memory"
            .formatted(MEMORY_MIB);
    List<String> options =
        List.of(
            "-Q",
            "-k",
            KERNEL,
            "-m",
            String.valueOf(MEMORY_MIB),
            "-t",
            "480",
            "-a",
            "nvme_core.io_timeout=3 nvme_core.admin_timeout=3",
            "-q",
            memory,
            "-q",
            device);
    return Guest.start(directory.resolve(name), options, script);
  }
}
