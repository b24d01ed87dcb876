package io.twinspan.systemtests;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.bridge.Bridge;
import io.twinspan.concurrent.Clock;
import io.twinspan.dma.DmaWorker;
import io.twinspan.linux.Fd;
import io.twinspan.rdma.Link;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.HdrHistogram.Histogram;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.Logger;

/** The link between two virtual machines that share the memory of an ivshmem device, no more. */
@RequiresTool({"qemu-system-x86_64", "apt-get", "dpkg-deb", "xz"})
@SuppressWarnings("InlineFormatString") // the command lines are better read in one place
class TwoMachinesTest {
  private static final String KERNEL = "6.1";
  private static final int BAR_MIB = 8;
  private static final Duration PATIENCE = Duration.ofMinutes(5);

  /** Finds the device, then runs {@link BarPeerMain} as the side that is named. */
  private static final String PEER =
      """
      device=$(dirname "$(grep -l 0x1110 /sys/bus/pci/devices/*/device)")
      peer() {
        exec %s/bin/java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx128m -XX:-UsePerfData \\
          --enable-native-access=ALL-UNNAMED -cp '%s' %s "$1" "$device/resource2"
      }
      """
          .formatted(System.getProperty("java.home"), classPath(), BarPeerMain.class.getName());

  private static final String BIND =
      """
      echo vfio-pci >"$device/driver_override"
      basename "$device" >/sys/bus/pci/drivers_probe
      """;

  private static final String MEMORY =
      "-object memory-backend-file,id=bar,share=on,size=%dM,mem-path=%s";
  private static final String PLAIN = "-device ivshmem-plain,memdev=bar";
  private static final String DOORBELL =
      "-device intel-iommu,intremap=on,caching-mode=on"
          + " -chardev socket,id=bar,path=%s -device ivshmem-doorbell,vectors=1,chardev=bar";
  private static final String IOMMU = "intel_iommu=on iommu=pt";

  @TempDir Path directory;
  private Path memory;

  /**
   * What the link needs, each thing by a class of it. Of the tests' own class path most would only
   * be opened and read, file by file through the emulator, before a side comes up.
   */
  private static String classPath() {
    return Stream.of(
            Fd.class,
            Clock.class,
            Bridge.class,
            DmaWorker.class,
            Link.class,
            BarPeerMain.class,
            Logger.class,
            Histogram.class)
        .map(type -> type.getProtectionDomain().getCodeSource().getLocation().getPath())
        .collect(Collectors.joining(":"));
  }

  @BeforeEach
  void makeMemory() throws IOException {
    Guest.prepare(KERNEL);
    memory = Files.createTempFile(Path.of("/dev/shm"), "twinspan-bar", null);
    try (RandomAccessFile file = new RandomAccessFile(memory.toFile(), "rw")) {
      file.setLength((long) BAR_MIB << 20);
    }
  }

  @AfterEach
  void removeMemory() throws IOException {
    Files.delete(memory);
  }

  @Test
  void everyByteArrivesInBothMachinesAlsoAfterOnePeerWasKilledAndStartedAnew() {
    List<String> options = List.of("-q", MEMORY.formatted(BAR_MIB, memory), "-q", PLAIN);
    exchange(options, PEER);
  }

  @Test
  @Tag("long")
  void withDoorbellsAnInterruptWakesThePeer() {
    Path socket = directory.resolve("server");
    try (Fd file = Fd.open(memory, Fd.READ_WRITE, 0);
        IvshmemServer _ = new IvshmemServer(socket, file)) {
      List<String> options =
          List.of("-M", "vfio-pci", "-a", IOMMU, "-q", DOORBELL.formatted(socket));
      exchange(options, PEER + BIND);
    }
  }

  private void exchange(List<String> devices, String setUp) {
    List<String> options = new ArrayList<>(List.of("-k", KERNEL, "-m", "768", "-t", "600"));
    options.addAll(devices);
    String killed =
        """
        peer B & first=$!
        while [[ ! -e kill ]]; do sleep 0.1; done
        kill -9 $first
        wait $first
        peer B
        """;
    try (Guest a = Guest.start(directory.resolve("a"), options, setUp + "peer A");
        Guest b = Guest.start(directory.resolve("b"), options, setUp + killed)) {
      a.awaitOut("life 1: ", PATIENCE);
      b.tell("kill");
      a.awaitEnd(PATIENCE);
      b.awaitEnd(PATIENCE);
      System.out.print(a.out());

      assertThat(a.out().lines().filter(line -> line.startsWith("life")).count()).isEqualTo(2);
      assertThat(a.out()).contains("up: generation 1", "down: ", "up: generation 2");
      assertThat(b.out()).contains("up: generation 1", "up: generation 2", "down: GOODBYE");
    }
  }
}
