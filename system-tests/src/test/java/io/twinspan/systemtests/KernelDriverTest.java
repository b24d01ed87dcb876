package io.twinspan.systemtests;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The kernel driver in guests, used by processes of a user without rights. */
@RequiresTool({"qemu-system-x86_64", "apt-get", "dpkg-deb", "xz", "gcc", "make", "setpriv"})
@SuppressWarnings("InlineFormatString") // the command lines are better read in one place
class KernelDriverTest {
  private static final int DRIVE_MIB = 64;

  private static final String TOOLS =
      """
      cp '%s' /run/twinspan_nvme.ko
      cd /run
      take() {
        insmod twinspan_nvme.ko
        hand_to twinspan-nvme
        chmod 666 /dev/twinspan-nvme0
      }
      give_back() {
        hand_to nvme
        rmmod twinspan_nvme
      }
      app() {
        as 65534 KernelDriveMain "$1" /dev/twinspan-nvme0 "${@:2}"
      }
      parameter() {
        echo "$2" >"/sys/module/twinspan_nvme/parameters/$1"
      }
      statistics() {
        cat /sys/kernel/debug/twinspan-nvme0
      }
      await_no_queues() {
        for ((i = 0; i < 600; i++)); do
          if ! statistics | grep -q ' queue '; then
            statistics
            return
          fi
          sleep 0.1
        done
        echo queues are left
        statistics
        exit 1
      }
      same_data() {
        cmp -n $((64 * 4096)) /run/out/image /dev/nvme0n1 && echo the kernel agrees
      }
      mount -t debugfs debugfs /sys/kernel/debug
      """;

  /** A control group whose processes' memory the kernel counts, to find what is left of them. */
  private static final String COUNTED =
      """
      mkdir /run/groups
      mount -t cgroup2 none /run/groups
      echo +memory >/run/groups/cgroup.subtree_control
      mkdir /run/groups/fuzz
      fuzz() {
        (echo $BASHPID >/run/groups/fuzz/cgroup.procs
          exec setpriv --reuid 65534 --clear-groups '%s' /dev/twinspan-nvme0 "$1" "$2")
        echo 3 >/proc/sys/vm/drop_caches
        kept=$(awk '$1 == "kernel" { print $2 }' /run/groups/fuzz/memory.stat)
      }
      """;

  @TempDir Path directory;

  @Test
  void aUserWithoutRightsHasAQueueAndTheKernelFindsItsDataAfterwards() throws IOException {
    sharesTheDrive("6.12");
  }

  @Test
  @Tag("long")
  void aUserWithoutRightsHasAQueueOnAnOlderKernelToo() throws IOException {
    sharesTheDrive("6.1");
  }

  private void sharesTheDrive(String series) throws IOException {
    String out =
        run(
            series,
            """
            take
            app load 1 >/run/out/load &
            loader=$!
            (app exercise 1 /run/out/image)
            await_text loaded /run/out/load
            statistics
            kill -9 $loader
            wait $loader || true
            await_no_queues
            give_back
            same_data
            healthy
            """);

    assertThat(out)
        .contains("model QEMU NVMe Ctrl", "refused: create a queue", "refused: format")
        .contains(" queue ", "exercise done", "the kernel agrees");
  }

  @ParameterizedTest
  @Tag("long")
  @ValueSource(strings = {"6.1", "6.12"})
  void outlivesTheDeathOfProcessesInMidAir(String series) throws IOException {
    String out =
        run(
            series,
            """
            take
            parameter shared_doorbells 1
            for round in 1 2; do
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
              parameter shared_doorbells 0
            done
            (app unmap 7)
            (app exercise 9 /run/out/image)
            await_no_queues
            give_back
            same_data
            healthy
            """);

    assertThat(out).contains("resets 0", "unmap done", "exercise done", "the kernel agrees");
  }

  @ParameterizedTest
  @Tag("long")
  @ValueSource(strings = {"6.1", "6.12"})
  void outlivesWrongCallsByTheThousandAndKeepsNothingOfThem(String series) throws IOException {
    String out =
        run(
            series,
            COUNTED.formatted(fuzzer())
                + """
                take
                fuzz 11 20000
                before=$kept
                for seed in 12 13; do
                  fuzz $seed 20000
                done
                parameter shared_doorbells 1
                fuzz 14 20000
                echo "bytes kept after the first seed $before, after all $kept"
                ((kept - before < 262144)) || exit 1
                (app exercise 9 /run/out/image)
                await_no_queues
                give_back
                same_data
                healthy
                """);

    assertThat(out)
        .contains("20000 calls from seed 13", "20000 calls from seed 14")
        .contains("exercise done", "the kernel agrees");
  }

  @ParameterizedTest
  @Tag("long")
  @ValueSource(strings = {"6.1", "6.12"})
  void aDriveThatIsTakenAwayLeavesItsProcessesInOrder(String series) throws IOException {
    String out =
        run(
            series,
            """
            take
            app wait 1 >/run/out/waiter &
            waiter=$!
            app load 1 >/run/out/loader &
            loader=$!
            await_text waits /run/out/waiter
            await_text loaded /run/out/loader
            hand_to nvme
            wait $waiter $loader
            cat /run/out/waiter /run/out/loader
            hand_to twinspan-nvme
            chmod 666 /dev/twinspan-nvme*
            mv /dev/twinspan-nvme? /dev/twinspan-nvme0
            app load 1 >/run/out/loader &
            loader=$!
            await_text loaded /run/out/loader
            echo 1 >"$function/remove"
            wait $loader
            cat /run/out/loader
            echo 1 >/sys/bus/pci/rescan
            modprobe nvme
            while [[ ! -b /dev/nvme0n1 ]]; do sleep 0.1; done
            rmmod twinspan_nvme
            echo the drive is back
            healthy
            """);

    assertThat(out).contains("wait done", "load done", "the drive is GONE", "the drive is back");
  }

  @Test
  @Tag("long")
  void aDriveThatIsPulledOutLeavesItsProcessesInOrder() throws IOException {
    KernelModule module = KernelModule.build("6.1", directory);
    String out =
        DriveGuest.inSlot(directory, "6.1", DriveGuest.TRANSLATED)
            .run(
                TOOLS.formatted(module.file())
                    + """
                    take
                    parameter shared_doorbells 1
                    app wait 1 >/run/out/waiter &
                    waiter=$!
                    app load 1 >/run/out/loader &
                    loader=$!
                    await_text waits /run/out/waiter
                    await_text loaded /run/out/loader
                    kill -STOP $loader # QEMU may die if doorbells are rung meanwhile
                    pull_out
                    kill -CONT $loader
                    wait $waiter $loader
                    cat /run/out/waiter /run/out/loader
                    for ((i = 0; i < 600; i++)); do
                      [[ -e /dev/twinspan-nvme0 || -e $function ]] || break
                      sleep 0.1
                    done
                    ((i < 600)) && echo nothing is left of it
                    rmmod twinspan_nvme
                    dmesg | grep -i slot
                    healthy
                    """,
                DRIVE_MIB);

    assertThat(out)
        .contains("wait done", "load done", "the drive is GONE", "Card not present")
        .contains("nothing is left of it");
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
            parameter admin_timeout 3
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
            same_data
            healthy
            """);

    assertThat(out)
        .contains("not answered as it should be", "the drive is GONE", "resets 1")
        .contains("exercise done", "the kernel agrees");
  }

  /** By an unprivileged user through the kernel driver, and by root through VFIO. */
  @Test
  @Tag("long")
  void theCommandLineShowsAndMeasuresARealController() throws IOException {
    String out =
        new DriveGuest(directory, "6.12", DriveGuest.FOR_VFIO)
            .run(
                TOOLS.formatted(KernelModule.build("6.12", directory).file())
                    + """
                    all_commands() {
                      (twinspan "$1" nvme list --target "$2")
                      (twinspan "$1" nvme id-ctrl --target "$2")
                      (twinspan "$1" nvme perf --target "$2" --iodepth 8 --runtime 1)
                    }
                    echo DMA >"$function/iommu_group/type"
                    take
                    all_commands 65534 kernel:/dev/twinspan-nvme0
                    await_no_queues
                    hand_to vfio-pci
                    all_commands 0 "vfio:$address"
                    give_back
                    healthy
                    """,
                DRIVE_MIB);

    for (String target : List.of("kernel:/dev/twinspan-nvme0", "vfio:0000:")) {
      assertThat(out).contains("depth 8, " + target);
    }
    assertThat(out.split("QEMU NVMe Ctrl", -1)).hasSize(1 + 2 * 2);
  }

  /** Figures for docs/benchmarks.md, all of one run; on a busy machine they mean nothing. */
  @ParameterizedTest
  @Tag("long")
  @ValueSource(strings = {"6.1", "6.12"})
  @RequiresTool("fio")
  void isMeasuredBesideTheKernelsOwnDriverAndVfio(String series) throws IOException {
    KernelModule module = KernelModule.build(series, directory);
    String out =
        new DriveGuest(directory, series, DriveGuest.FOR_VFIO)
            .withNullNamespace()
            .run(
                TOOLS.formatted(module.file())
                    + """
                    reads() {
                      fio --name=reads --filename=/dev/nvme0n1 --rw=randread --bs=4k --direct=1 \\
                        --ioengine=io_uring --iodepth="$1" --time_based --ramp_time=1 --runtime=3 \\
                        --output-format=json | awk -v depth="$1" '/"iops" :/ && !done {
                        done = 1
                        printf "depth %d: %.1f us per read, %d/s\\n", depth, 1e6 / $3, $3 }'
                    }
                    hand_to nvme
                    echo "fio io_uring, the kernel's driver"
                    reads 1
                    reads 32
                    echo "$address" >"$function/driver/unbind"
                    echo DMA >"$function/iommu_group/type"
                    take
                    parameter shared_doorbells 1
                    echo private queue, mapped doorbell
                    (app measure 1 2000)
                    parameter shared_doorbells 0
                    echo private queue, doorbell by ioctl
                    (app measure 1 2000)
                    hand_to vfio-pci
                    echo VFIO
                    (as 0 RealDriveMain measure "$address" 2000)
                    """);

    assertThat(out).contains("fio io_uring").contains("measure done");
  }

  private String fuzzer() {
    Path program = directory.resolve("fuzz");
    Path source = Path.of("../kernel/tests/fuzz.c").toAbsolutePath().normalize();
    Program.run(directory, "gcc", "-O1", "-Wall", "-o", program.toString(), source.toString()).ok();
    return program.toString();
  }

  private String run(String series, String script) throws IOException {
    KernelModule module = KernelModule.build(series, directory);
    List<String> machine = DriveGuest.TRANSLATED;
    String tools = TOOLS.formatted(module.file());
    return new DriveGuest(directory, series, machine).run(tools + script, DRIVE_MIB);
  }
}
