package io.twinspan.systemtests;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.time.Duration;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The kernel driver in guests with QEMU's NVMe controller behind an IOMMU, used by processes of a
 * user without rights.
 */
@RequiresTool({"qemu-system-x86_64", "apt-get", "dpkg-deb", "xz", "gcc", "make", "setpriv"})
@SuppressWarnings("InlineFormatString") // the command lines are better read in one place
class KernelDriverTest {
  private static final Duration PATIENCE = Duration.ofMinutes(10);
  private static final long DRIVE_BYTES = 64 << 20;

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
      }
      take() {
        insmod twinspan_nvme.ko
        hand_to twinspan-nvme
        chmod 666 /dev/twinspan-nvme0
      }
      give_back() {
        hand_to nvme
        rmmod twinspan_nvme
        modprobe nvme
        while [[ ! -b /dev/nvme0n1 ]]; do sleep 0.1; done
      }
      app() {
        exec setpriv --reuid "${user:-65534}" --regid 65534 --clear-groups %1$s/bin/java \\
          -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx128m -XX:-UsePerfData \\
          --enable-native-access=ALL-UNNAMED -cp '%2$s' %3$s "$1" /dev/twinspan-nvme0 "${@:2}"
      }
      await_text() {
        for ((i = 0; i < 600; i++)); do
          if grep -q "$1" "$2"; then
            return
          fi
          sleep 0.1
        done
        echo "no $1 in $2"
        exit 1
      }
      statistics() {
        cat /sys/kernel/debug/twinspan-nvme/twinspan-nvme0/queues
      }
      pinned() {
        awk '/nr_foll_pin_acquired/ { pinned += $2 } /nr_foll_pin_released/ { pinned -= $2 }
          END { print pinned }' /proc/vmstat
      }
      healthy() {
        [[ $(pinned) == 0 ]] || { echo "$(pinned) pages are still pinned"; exit 1; }
        if dmesg | grep -E 'BUG|WARNING|Oops|Call Trace|refcount|leak|not answered'; then
          exit 1
        fi
      }
      mount -t debugfs debugfs /sys/kernel/debug
      mkdir -p -m 1777 /run/out
      chmod a+x / %4$s
      """;

  private static final List<String> MACHINE =
      List.of(
          "-m",
          "768",
          "-t",
          "1200",
          "-a",
          "intel_iommu=on",
          "-q",
          "-device intel-iommu,intremap=on");

  @TempDir Path directory;

  @ParameterizedTest
  @Tag("long")
  @ValueSource(strings = {"6.1", "6.12"})
  void aUserWithoutRightsHasAQueueAndTheKernelFindsItsDataAfterwards(String series)
      throws IOException {
    String out =
        run(
            series,
            """
            take
            app load 1 >/run/out/load &
            loader=$!
            (app exercise 1 /run/out/image)
            await_text loaded /run/out/load
            kill -9 $loader
            wait $loader || true
            for ((i = 0; i < 100; i++)); do
              statistics | grep -q 'used 0' && break
              sleep 0.1
            done
            statistics
            give_back
            cmp -n $((64 * 4096)) /run/out/image /dev/nvme0n1 && echo the kernel agrees
            healthy
            """);

    assertThat(out)
        .contains("model QEMU NVMe Ctrl", "refused: create a queue", "refused: format")
        .contains("exercise done", "used 0", "the kernel agrees");
  }

  @ParameterizedTest
  @Tag("long")
  @ValueSource(strings = {"6.1", "6.12"})
  void outlivesWhateverProcessesDo(String series) throws IOException {
    String out =
        run(
            series,
            """
            take
            echo 1 >/sys/module/twinspan_nvme/parameters/shared_doorbells
            for round in 1 2 3; do
              app load 1 >/run/out/first &
              first=$!
              app load 2 >/run/out/second &
              second=$!
              await_text loaded /run/out/first
              await_text loaded /run/out/second
              kill -9 $first
              wait $first || true
              (app exercise $round /run/out/image)
              kill -9 $second
              wait $second || true
            done
            (app unmap 7)
            cp '%s' fuzz
            echo 0 >/sys/module/twinspan_nvme/parameters/shared_doorbells
            for seed in 11 12 13; do
              setpriv --reuid 65534 --clear-groups ./fuzz /dev/twinspan-nvme0 $seed 20000
            done
            (app unmap 8)
            (app exercise 9 /run/out/image)
            statistics
            app wait 1 >/run/out/waiter &
            waiter=$!
            await_text waits /run/out/waiter
            give_back
            wait $waiter
            cat /run/out/waiter
            cmp -n $((64 * 4096)) /run/out/image /dev/nvme0n1 && echo the kernel agrees
            healthy
            """
                .formatted(fuzzer()));

    assertThat(out)
        .contains("unmap done", "20000 calls from seed 13", "exercise done")
        .contains("used 0 interrupts", "resets 0", "the drive is GONE", "wait done")
        .contains("the kernel agrees");
  }

  @ParameterizedTest
  @Tag("long")
  @ValueSource(strings = {"6.1", "6.12"})
  void aControllerThatStopsAnsweringIsReset(String series) throws IOException {
    String out =
        run(
            series,
            """
            take
            echo 3 >/sys/module/twinspan_nvme/parameters/admin_timeout
            app wait 1 >/run/out/waiter &
            waiter=$!
            await_text waits /run/out/waiter
            # Without access to memory it can't take a command.
            printf '\\002' | dd of="$function/config" bs=1 seek=4 conv=notrunc status=none
            (app exercise 1 /run/out/image) || echo not answered as it should be
            wait $waiter
            cat /run/out/waiter
            (app exercise 2 /run/out/image)
            statistics
            give_back
            cmp -n $((64 * 4096)) /run/out/image /dev/nvme0n1 && echo the kernel agrees
            """);

    assertThat(out)
        .contains("not answered as it should be", "the drive is GONE", "resets 1")
        .contains("exercise done", "the kernel agrees");
  }

  private String fuzzer() {
    Path program = directory.resolve("fuzz");
    Path source = Path.of("../kernel/tests/fuzz.c").toAbsolutePath().normalize();
    Program.run(directory, "gcc", "-O1", "-Wall", "-o", program.toString(), source.toString()).ok();
    return program.toString();
  }

  private String run(String series, String script) throws IOException {
    Path folder = directory.resolve("guest");
    Path drive = Files.createTempFile(Path.of("/dev/shm"), "twinspan-drive", null);
    KernelModule module = KernelModule.build(series, directory);
    try (RandomAccessFile file = new RandomAccessFile(drive.toFile(), "rw")) {
      file.setLength(DRIVE_BYTES);
    }
    String tools =
        TOOLS.formatted(
            System.getProperty("java.home"),
            System.getProperty("java.class.path"),
            KernelDriveMain.class.getName(),
            closedFolders());
    List<String> options =
        Stream.concat(
                MACHINE.stream(),
                Stream.of(
                    "-k",
                    series,
                    "-q",
                    "-drive if=none,id=medium,format=raw,file=" + drive,
                    "-q",
                    "-device nvme,serial=test,drive=medium"))
            .toList();
    String copy = "cp '%s' /run/twinspan_nvme.ko\ncd /run\n".formatted(module.file());
    try (Guest guest = Guest.start(folder, options, tools + copy + script)) {
      guest.awaitEnd(PATIENCE);
      System.out.print(guest.out());
      return guest.out();
    } finally {
      Files.delete(drive);
    }
  }

  /** Folders on the way to the class path that other users may not pass. */
  private static String closedFolders() {
    return Stream.of(System.getProperty("java.class.path").split(File.pathSeparator, -1))
        .map(Path::of)
        .flatMap(path -> Stream.iterate(path.toAbsolutePath(), p -> p != null, Path::getParent))
        .filter(KernelDriverTest::isClosed)
        .map(Path::toString)
        .distinct()
        .collect(Collectors.joining(" "));
  }

  private static boolean isClosed(Path path) {
    try {
      return Files.isDirectory(path)
          && !Files.getPosixFilePermissions(path).contains(PosixFilePermission.OTHERS_EXECUTE);
    } catch (IOException e) {
      return false;
    }
  }
}
