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
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A drive of a running shelf as a PCIe drive of a Linux guest: QEMU's vfio-user client speaks to
 * the shelf, and the kernel's own driver, of which nothing was changed, drives it.
 */
@RequiresTool({"apt-get", "dpkg-deb", "xz", "fio", "mkfs.ext4"})
class ShelfInGuestTest {
  private static final String KERNEL = "6.12";
  private static final Duration PATIENCE = Duration.ofMinutes(10);
  private static final int MEMORY_MIB = 768;

  private static final String SLOT = "-device pcie-root-port,id=bay%1$d,chassis=%1$d,slot=%1$d ";

  /** What both guests do. */
  private static final String FUNCTIONS =
      """
      set -eu
      await_drive() {
        for ((i = 0; i < 1200; i++)); do
          for drive in /dev/nvme?n1; do
            if [[ -b $drive ]]; then
              controller=${drive%n1}
              cat "/sys/class/nvme/${controller#/dev/}/state"
              return
            fi
          done
          sleep 0.1
        done
        echo no drive came
        exit 1
      }
      verify() {
        fio --name=verify --filename="$drive" --ioengine=io_uring --direct=1 --size=8m \
          --verify=crc32c "$@" >fio.out || { cat fio.out; exit 1; }
      }
      """;

  private static final String DEATH_OF_THE_SHELF =
      FUNCTIONS
          + """
          sum() {
            echo 3 >/proc/sys/vm/drop_caches
            mount "$drive" /mnt
            sha256sum </mnt/file
            umount /mnt
          }
          modprobe nvme
          await_drive
          nvme id-ctrl "$controller" | grep -E '^(mn|sn|nn) '
          nvme smart-log "$controller" | grep critical_warning
          verify --rw=randwrite --bs=4k --iodepth=32
          verify --rw=randwrite --bsrange=4k-512k --iodepth=8
          echo verified
          mkfs.ext4 -q "$drive"
          mount "$drive" /mnt
          dd if=/dev/urandom of=/mnt/file bs=1M count=16 conv=fsync status=none
          sha256sum </mnt/file >before
          umount /mnt
          sum >after
          cmp before after && echo the file is whole
          echo busy
          (
            while [[ ! -e pull ]]; do sleep 0.1; done
            echo 1 >"$(readlink -f "/sys/class/nvme/${controller#/dev/}/device")/remove"
            echo pulled
          ) &
          pull=$!
          (
            until dmesg | grep -q 'no usable path - requeuing'; do sleep 0.2; done
            echo a read waits for a path
          ) &
          while dd if="$drive" of=/dev/null bs=4k count=16 iflag=direct status=none; do
            sleep 0.1
          done
          echo reads fail
          wait $pull
          await_drive
          sum >again
          cmp before again && echo the file outlived the shelf
          verify --rw=randwrite --bs=4k --iodepth=32
          echo verified again
          """;

  private static final String DOORBELL_BUFFERS =
      FUNCTIONS
          + """
          modprobe nvme_core
          trace=/sys/kernel/tracing
          mountpoint -q $trace || mount -t tracefs trace $trace
          echo 1 >$trace/events/nvme/nvme_setup_cmd/enable
          modprobe nvme
          await_drive
          grep -o 'qid=0.*nvme_admin_dbbuf' $trace/trace
          echo 0 >$trace/events/nvme/nvme_setup_cmd/enable
          verify --rw=randwrite --bs=4k --iodepth=1
          verify --rw=randwrite --bs=4k --iodepth=32
          verify --rw=randwrite --bsrange=4k-512k --iodepth=8
          echo verified
          echo 1 >"/sys/class/nvme/${controller#/dev/}/reset_controller"
          await_drive
          verify --rw=randwrite --bs=4k --iodepth=32
          echo verified after a reset
          """;

  @TempDir Path directory;
  private final List<Process> shelves = new ArrayList<>();

  @AfterEach
  void endShelves() throws InterruptedException {
    for (Process shelf : shelves) {
      shelf.destroyForcibly().waitFor();
    }
  }

  /**
   * QEMU 11.1 does not connect to a shelf that comes back, and ends by an assertion of its own when
   * it is to unplug the device. So the guest lets the drive go, and gets it again in another slot.
   *
   * @param multipath whether the driver keeps requests for a path that may come back; the drives of
   *     a shelf say that they can have two ports. Then reads fail when the drive is taken out, else
   *     when they time out
   */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  @Tag("long")
  @Timeout(1200)
  void anUnmodifiedDriverUsesADriveOfTheShelfAndFindsItsDataAfterTheShelfsDeath(boolean multipath)
      throws Exception {
    Process first = startShelf("pages");
    Path monitor = directory.resolve("qmp");
    try (Guest guest = startGuest(monitor, multipath, DEATH_OF_THE_SHELF)) {
      guest.awaitOut("busy", PATIENCE);
      first.destroyForcibly().waitFor();
      guest.awaitOut(multipath ? "a read waits for a path" : "reads fail", PATIENCE);
      guest.tell("pull");
      guest.awaitOut("pulled", PATIENCE);
      guest.awaitOut("reads fail", PATIENCE);
      Process second = startShelf("pages");
      try (Qmp qemu = new Qmp(monitor)) {
        qemu.execute("device_add", drive(2));
      }
      guest.awaitEnd(PATIENCE);

      System.out.print(guest.out());
      assertThat(guest.out())
          .contains("mn        : Twinspan emulated NVMe drive", "live", "verified")
          .contains("the file is whole", "the file outlived the shelf", "verified again");
      assertThat(second.isAlive()).isTrue();
    }
  }

  /** Shadow doorbells, which the driver of a guest uses by itself where a drive offers them. */
  @Test
  @Tag("long")
  @Timeout(1200)
  void anUnmodifiedDriverLeavesItsDoorbellsInMemory() throws Exception {
    Process shelf = startShelf("shadowed");
    try (Guest guest = startGuest(directory.resolve("qmp"), false, DOORBELL_BUFFERS)) {
      guest.awaitEnd(PATIENCE);

      System.out.print(guest.out());
      assertThat(guest.out()).contains("nvme_admin_dbbuf", "verified\n", "verified after a reset");
      assertThat(shelf.isAlive()).isTrue();
    }
  }

  private Process startShelf(String doorbells) throws IOException {
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
                "128MiB",
                "--doorbells",
                doorbells)
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

  private String drive(int slot) {
    return """
    {"driver":"vfio-user-pci","id":"drive%d","bus":"bay%d",\
    "socket":{"type":"unix","path":"%s"}}\
    """
        .formatted(slot, slot, directory.resolve("shelf/drive0-a.sock"));
  }

  private Guest startGuest(Path monitor, boolean multipath, String script) {
    Guest.prepare(KERNEL);
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
            "1200",
            "-a",
            "nvme_core.io_timeout=3 nvme_core.admin_timeout=3 nvme_core.multipath="
                + (multipath ? "Y" : "N"),
            "-q",
            memory,
            "-q",
            "-qmp unix:%s,server=on,wait=off".formatted(monitor),
            "-q",
            SLOT.formatted(1) + SLOT.formatted(2) + "-device " + drive(1));
    return Guest.start(directory.resolve("guest"), options, script);
  }
}
