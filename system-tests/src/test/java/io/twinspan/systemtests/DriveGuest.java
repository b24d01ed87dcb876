package io.twinspan.systemtests;

import io.twinspan.concurrent.Clock;
import io.twinspan.linux.Fd;
import io.twinspan.nvme.NvmeController;
import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.Logger;

/**
 * A guest with QEMU's NVMe controller, and for its scripts a shell that hands the controller from
 * driver to driver and runs our programs as any user:
 *
 * <ul>
 *   <li>{@code $function}, {@code $address}: the controller's folder below /sys, its PCI address
 *   <li>{@code hand_to DRIVER}
 *   <li>{@code as USER CLASS ARGUMENT...}: becomes a program of this package; so call it in the
 *       background or in parentheses
 *   <li>{@code twinspan USER ARGUMENT...}: becomes the command of that name; likewise
 *   <li>{@code await_text TEXT FILE}
 *   <li>{@code pull_out}: takes the controller from the slot that {@link #inSlot} gave it, as a
 *       hand does: the kernel hears of it when it has gone
 *   <li>{@code healthy}: fails if the kernel has complained, or keeps memory of processes
 * </ul>
 */
@SuppressWarnings("InlineFormatString") // the command lines are better read in one place
final class DriveGuest {
  /** Options of a machine whose IOMMU translates what a device of the kernel does. */
  static final List<String> TRANSLATED =
      List.of("-a", "intel_iommu=on", "-q", "-device intel-iommu,intremap=on");

  /** Options of a machine whose IOMMU translates for VFIO only. */
  static final List<String> FOR_VFIO =
      List.of(
          "-a", "intel_iommu=on iommu=pt", "-q", "-device intel-iommu,intremap=on,caching-mode=on");

  private static final Duration PATIENCE = Duration.ofMinutes(20);
  private static final String NAMESPACE =
      "-drive if=none,id=medium%1$d,format=raw,file=%2$s"
          + " -device nvme-ns,bus=nvme,drive=medium%1$d,nsid=%1$d";

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
        if [[ $1 != twinspan-nvme ]]; then
          modprobe "$1"
        fi
        echo "$address" >/sys/bus/pci/drivers_probe
        if [[ $1 == nvme ]]; then
          while [[ ! -b /dev/nvme0n1 ]]; do sleep 0.1; done
        fi
      }
      java_as() {
        exec setpriv --reuid "$1" --regid "$1" --clear-groups %s/bin/java -XX:+UseSerialGC \\
          -XX:TieredStopAtLevel=1 -Xmx192m -XX:-UsePerfData --enable-native-access=ALL-UNNAMED \\
          "${@:2}"
      }
      as() {
        java_as "$1" -cp '%s' "%s.$2" "${@:3}"
      }
      twinspan() {
        java_as "$1" -cp '%s' io.twinspan.cli.Twinspan "${@:2}"
      }
      await_text() {
        for ((i = 0; i < 3000; i++)); do
          if grep -q "$1" "$2"; then
            return
          fi
          sleep 0.1
        done
        echo "no $1 in $2"
        cat "$2"
        exit 1
      }
      pinned() {
        awk '/nr_foll_pin_acquired/ { pinned += $2 } /nr_foll_pin_released/ { pinned -= $2 }
          END { print pinned }' /proc/vmstat
      }
      byte() {
        od -An -tu1 -j "$2" -N1 "$1" | tr -d ' '
      }
      put_word() {
        printf "$(printf '\\\\x%%x\\\\x%%x' $(($3 & 255)) $(($3 >> 8)))" |
          dd of="$1" bs=2 count=1 seek="$2" oflag=seek_bytes conv=notrunc status=none
      }
      pull_out() {
        local config capability control before
        config=$(dirname "$(readlink -f "$function")")/config # the slot's
        capability=$(byte "$config" 52)
        while (($(byte "$config" "$capability") != 16)); do # PCI Express
          capability=$(byte "$config" $((capability + 1)))
        done
        control=$((capability + 24)) # of the slot
        before=$(($(byte "$config" "$control") | $(byte "$config" $((control + 1))) << 8))
        # No power, no light and no interrupts: QEMU takes the card out, and nobody is told. Then as
        # it was, and the kernel hears that a slot that has power is empty.
        put_word "$config" "$control" $(((before & ~32) | 7 << 8))
        put_word "$config" "$control" "$before"
      }
      healthy() {
        for ((i = 0; i < 600; i++)); do # the counters of the processors are summed up now and then
          [[ $(pinned) == 0 ]] && break
          sleep 0.1
        done
        ((i < 600)) || { echo "$(pinned) pages are still pinned"; exit 1; }
        if dmesg | grep -E 'BUG|WARNING|Oops|Call Trace|refcount|leak'; then
          exit 1
        fi
      }
      mkdir -p -m 1777 /run/out
      chmod a+x / %s
      """;

  private static final List<String> SLOT =
      List.of(
          "-q",
          "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"
              + " -device pcie-root-port,id=bay,chassis=1,slot=1");

  private final Path directory;
  private final List<String> options = new ArrayList<>();

  /**
   * A guest that is not booted yet.
   *
   * @param directory an empty one, of the test
   * @param series kernel
   * @param machine further options for {@code vm/run}
   */
  DriveGuest(Path directory, String series, List<String> machine) {
    this(directory, series, machine, "pcie.0");
  }

  private DriveGuest(Path directory, String series, List<String> machine, String bus) {
    Guest.prepare(series);
    this.directory = directory;
    options.addAll(List.of("-k", series, "-m", "1024", "-t", "1200"));
    options.addAll(machine);
    options.addAll(List.of("-q", "-device nvme,serial=test,id=nvme,bus=" + bus));
  }

  /** A guest whose controller is in a slot that it can be pulled out of. */
  static DriveGuest inSlot(Path directory, String series, List<String> machine) {
    return new DriveGuest(
        directory, series, Stream.concat(machine.stream(), SLOT.stream()).toList(), "bay");
  }

  /** Adds a namespace, the only one, of 64 MiB zeroes that cost QEMU nothing to read. */
  DriveGuest withNullNamespace() {
    options.addAll(
        List.of(
            "-q",
            "-drive if=none,id=null,driver=null-co,size=67108864,read-zeroes=on"
                + " -device nvme-ns,bus=nvme,drive=null,nsid=1"));
    return this;
  }

  /**
   * Boots, runs a script and asserts that it ends well.
   *
   * @param mebibytes size of the medium of each namespace, all zeroes
   * @return what it printed
   */
  String run(String script, int... mebibytes) throws IOException {
    List<Path> media = new ArrayList<>();
    try {
      for (int size : mebibytes) {
        media.add(medium(size));
        options.addAll(List.of("-q", NAMESPACE.formatted(media.size(), media.getLast())));
      }
      String tools =
          TOOLS.formatted(
              System.getProperty("java.home"),
              classPath().collect(Collectors.joining(":")),
              DriveGuest.class.getPackageName(),
              System.getProperty("java.class.path"),
              closedFolders());
      try (Guest guest = Guest.start(directory.resolve("guest"), options, tools + script)) {
        guest.awaitEnd(PATIENCE);
        System.out.print(guest.out());
        return guest.out();
      }
    } finally {
      for (Path medium : media) {
        Files.delete(medium);
      }
    }
  }

  private static Path medium(int mebibytes) throws IOException {
    Path path = Files.createTempFile(Path.of("/dev/shm"), "twinspan-medium", null);
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
      file.setLength((long) mebibytes << 20);
    }
    return path;
  }

  /**
   * What drivers need, each thing by a class of it: of the tests' own class path most would only be
   * opened and read, file by file through the emulator.
   */
  private static Stream<String> classPath() {
    return Stream.of(Fd.class, Clock.class, NvmeController.class, DriveGuest.class, Logger.class)
        .map(type -> type.getProtectionDomain().getCodeSource().getLocation().getPath());
  }

  /** Folders on the way to the class path that other users may not pass. */
  private static String closedFolders() {
    return Pattern.compile(File.pathSeparator)
        .splitAsStream(System.getProperty("java.class.path"))
        .map(Path::of)
        .flatMap(path -> Stream.iterate(path.toAbsolutePath(), p -> p != null, Path::getParent))
        .filter(DriveGuest::isClosed)
        .map(Path::toString)
        .distinct()
        .collect(Collectors.joining(" "));
  }

  private static boolean isClosed(Path path) {
    try {
      return Files.isDirectory(path)
          && !Files.getPosixFilePermissions(path).contains(PosixFilePermission.OTHERS_EXECUTE);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
