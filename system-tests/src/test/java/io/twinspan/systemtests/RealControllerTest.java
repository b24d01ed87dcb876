package io.twinspan.systemtests;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The driver on an NVMe controller that is not ours: QEMU's, in a guest, behind its IOMMU, lent by
 * the guest's kernel through vfio-pci.
 */
@RequiresTool({"qemu-system-x86_64", "apt-get", "dpkg-deb", "xz", "setpriv"})
class RealControllerTest {
  private static final String KERNEL = "6.1";
  private static final int MIB = 2;

  private static final String TOOLS =
      """
      ours() {
        (as "${user:-0}" RealDriveMain "$1" "$address" "${@:2}")
      }
      borrow() {
        as "$1" BorrowedDriveMain borrow /run/drive "$2" "$3"
      }
      group() {
        echo "/dev/vfio/$(basename "$(readlink "$function/iommu_group")")"
      }
      """;

  @TempDir Path directory;

  @Test
  void whatOurDriverWritesTheKernelReadsAndTheOtherWayRound() throws IOException {
    String out =
        run(
            """
            hand_to vfio-pci
            ours write 1 image 11
            hand_to nvme
            cmp image /dev/nvme0n1 && echo the kernel agrees
            dd if=/dev/urandom of=/dev/nvme0n1 bs=64k count=%d oflag=direct status=none
            dd if=/dev/nvme0n1 of=image bs=1M status=none
            hand_to vfio-pci
            ours read 1 image 12
            """
                .formatted(MIB << 4),
            DriveGuest.FOR_VFIO);

    assertThat(out).contains("write done", "the kernel agrees", "read done");
  }

  @Test
  @Tag("long")
  void queuesNamespacesInterruptsAndResetsWork() throws IOException {
    String out =
        run(
            """
            hand_to vfio-pci
            ours exercise
            ours write 2 image2 13
            ours read 2 image2 14
            hand_to nvme
            cmp image2 /dev/nvme0n2 && echo the kernel agrees
            """,
            DriveGuest.FOR_VFIO);

    assertThat(out)
        .contains("model QEMU NVMe Ctrl", "namespaces 2", "queue pairs 100", "resets 3")
        .contains("exercise done", "write done", "read done", "the kernel agrees");
  }

  @Test
  @Tag("long")
  void processesOfOtherUsersHavePrivateQueues() throws IOException {
    String out =
        run(
            """
            hand_to vfio-pci
            as 0 BorrowedDriveMain lend "$address" /run/drive &
            broker=$!
            while [[ ! -S /run/drive ]]; do sleep 0.1; done
            borrow 65532 2048 1000000 >/run/out/killed &
            killed=$!
            borrow 65534 0 40 &
            first=$!
            borrow 65533 1024 40 &
            second=$!
            await_text 'busy at 2048' /run/out/killed
            kill -9 $killed
            wait $first
            wait $second
            touch done
            wait $broker
            cat /run/out/killed
            hand_to nvme
            cmp <(head -c 262144 /dev/nvme0n1) <(tail -c +524289 /dev/nvme0n1 | head -c 262144) \\
              && echo the kernel sees the same twice
            """,
            DriveGuest.FOR_VFIO);

    assertThat(out)
        .contains("busy at 2048", "sound at 0", "sound at 1024", "at the end 0[]")
        .contains("the kernel sees the same twice")
        .doesNotContain("sound at 2048");
  }

  @Test
  @Tag("long")
  void saysWhatIsInTheWay() throws IOException {
    String out =
        run(
            """
            hand_to nvme
            ours open
            (address=0000:00:00.0; ours open)
            hand_to vfio-pci
            user=65534
            ours open
            chown 65534 "$(group)" /dev/vfio/vfio
            (ulimit -l 64; ours open)
            (ulimit -l 65536; ours open)
            user=0
            exec 9<>"$(group)"
            ours open
            """,
            DriveGuest.FOR_VFIO);

    assertThat(out.lines().filter(line -> line.startsWith("refused")).toList())
        .satisfiesExactly(
            line -> assertThat(line).contains("the kernel's driver nvme", "driver_override"),
            line -> assertThat(line).contains("to take it"),
            line -> assertThat(line).contains("this user may not open /dev/vfio/"),
            line -> assertThat(line).contains("this process may lock 65536 bytes", "ulimit -l"),
            line -> assertThat(line).contains("another process has"));
    assertThat(out).containsOnlyOnce("open done");
  }

  @Test
  @Tag("long")
  void withoutAnIommuItSaysSo() throws IOException {
    assertThat(run("ours open", List.of())).contains("is behind no IOMMU");
  }

  private String run(String script, List<String> machine) throws IOException {
    return new DriveGuest(directory, KERNEL, machine).run(TOOLS + script, MIB, MIB);
  }
}
