package io.twinspan.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is missing before a function can be taken; taking one is tested in virtual machines. */
class VfioDeviceTest {
  private static final String ADDRESS = "0000:00:04.0";

  @TempDir Path sys;
  private Path function;

  @BeforeEach
  void makeFunction() throws IOException {
    function = Files.createDirectories(sys.resolve("devices").resolve(ADDRESS));
  }

  @Test
  void anAddressWithoutAFunctionIsNamed() {
    assertThatThrownBy(() -> new VfioDevice(sys.resolve("0000:00:05.0")))
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining("no PCI function")
        .hasMessageContaining("0000:00:05.0");
  }

  @Test
  void aMachineWithoutAnIommuIsToldToSwitchItOn() {
    assertThatThrownBy(() -> new VfioDevice(function))
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining("behind no IOMMU")
        .hasMessageContaining("intel_iommu=on");
  }

  @Test
  void aFunctionThatTheKernelDrivesComesWithTheCommandsThatBindIt() throws IOException {
    group("no-such-group");
    driver("nvme");

    assertThat(VfioDevice.isAt(function)).isFalse();
    assertThatThrownBy(() -> new VfioDevice(function))
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining("the kernel's driver nvme")
        .hasMessageContaining("echo vfio-pci > " + function + "/driver_override")
        .hasMessageContaining("echo " + ADDRESS + " > " + function + "/driver/unbind")
        .hasMessageContaining("drivers_probe");
  }

  @Test
  void aFunctionWithoutADriverNeedsNoUnbinding() throws IOException {
    group("no-such-group");

    assertThatThrownBy(() -> new VfioDevice(function))
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining("has no driver")
        .hasMessageContaining("drivers_probe")
        .hasMessageNotContaining("unbind");
  }

  @Test
  void aFunctionThatIsBoundNeedsTheModulesDeviceFiles() throws IOException {
    group("no-such-group");
    driver("vfio-pci");

    assertThat(VfioDevice.isAt(function)).isTrue();
    assertThatThrownBy(() -> new VfioDevice(function))
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining("/dev/vfio/");
  }

  private void group(String name) throws IOException {
    Path group = Files.createDirectories(sys.resolve("groups").resolve(name));
    Files.createSymbolicLink(function.resolve("iommu_group"), group);
  }

  private void driver(String name) throws IOException {
    Path driver = Files.createDirectories(sys.resolve("drivers").resolve(name));
    Files.createSymbolicLink(function.resolve("driver"), driver);
  }
}
