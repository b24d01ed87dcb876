package io.twinspan.systemtests;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The driver on an NVMe controller that is not ours: QEMU's, in a guest, behind its IOMMU, lent by
 * the guest's kernel through vfio-pci.
 */
@RequiresTool({"qemu-system-x86_64", "apt-get", "dpkg-deb", "xz"})
@SuppressWarnings("InlineFormatString") // the command lines are better read in one place
class RealControllerTest {
  private static final String KERNEL = "6.1";
  private static final int MIB = 2;
  private static final Duration PATIENCE = Duration.ofMinutes(8);

  /** The function, and what puts it into the hands of our driver or of the kernel's. */
  private static final String TOOLS =
      """
      set -eu
      for function in /sys/bus/pci/devices/*; do
        [[ $(<"$function/class") == 0x010802 ]] && break
      done
      address=$(basename "$function")
      hand_to() {
        if [[ -e $function/driver ]]; then
          echo "$address" >"$function/driver/unbind"
        fi
        echo "$1" >"$function/driver_override"
        echo "$address" >/sys/bus/pci/drivers_probe
        if [[ $1 == nvme ]]; then
          while [[ ! -b /dev/nvme0n1 ]]; do sleep 0.1; done
        fi
      }
      ours() {
        %1$s/bin/java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx192m -XX:-UsePerfData \\
          --enable-native-access=ALL-UNNAMED -cp '%2$s' %3$s "$@"
      }
      """
          .formatted(
              System.getProperty("java.home"),
              System.getProperty("java.class.path"),
              RealDriveMain.class.getName());

  private static final String IOMMU = "-device intel-iommu,intremap=on,caching-mode=on";
  private static final String DRIVE =
      "-drive if=none,id=%1$s,format=raw,file=%2$s -device nvme-ns,bus=nvme,drive=%1$s,nsid=%3$d";

  @TempDir Path directory;
  private Path first;

  @BeforeEach
  void makeMedia() throws IOException {
    Guest.prepare(KERNEL);
    first = medium();
  }

  @AfterEach
  void removeMedia() throws IOException {
    Files.delete(first);
  }

  @Test
  void whatOurDriverWritesTheKernelReadsAndTheOtherWayRound() {
    String out =
        run(
            """
            hand_to vfio-pci
            ours write "$address" 1 image 11
            hand_to nvme
            cmp image /dev/nvme0n1 && echo the kernel agrees
            dd if=/dev/urandom of=/dev/nvme0n1 bs=64k count=%d oflag=direct status=none
            dd if=/dev/nvme0n1 of=image bs=1M status=none
            hand_to vfio-pci
            ours read "$address" 1 image 12
            """
                .formatted(MIB << 4));

    assertThat(out).contains("write done", "the kernel agrees", "read done");
  }

  private String run(String script) {
    List<String> options =
        List.of(
            "-k",
            KERNEL,
            "-m",
            "1024",
            "-t",
            "600",
            "-M",
            "vfio-pci,nvme",
            "-a",
            "intel_iommu=on iommu=pt",
            "-q",
            IOMMU,
            "-q",
            "-device nvme,serial=real,id=nvme",
            "-q",
            DRIVE.formatted("one", first, 1));
    try (Guest guest = Guest.start(directory.resolve("guest"), options, TOOLS + script)) {
      guest.awaitEnd(PATIENCE);
      System.out.print(guest.out());
      return guest.out();
    }
  }

  private static Path medium() throws IOException {
    Path path = Files.createTempFile(Path.of("/dev/shm"), "twinspan-medium", null);
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
      file.setLength((long) MIB << 20);
    }
    return path;
  }
}
