package io.twinspan.systemtests;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whether the kernel driver builds against the kernels that are supported. */
@RequiresTool({"qemu-system-x86_64", "apt-get", "dpkg-deb", "xz", "gcc", "make"})
class KernelModuleTest {
  @TempDir Path directory;

  @ParameterizedTest
  @ValueSource(strings = {"6.1", "6.12"})
  void buildsWithoutAWarningForTheKernelThatGuestsRun(String series) throws IOException {
    KernelModule module = KernelModule.build(series, directory);

    assertThat(module.version())
        .startsWith(series + ".")
        .isEqualTo(Files.readString(Guest.cache(series).resolve("version")).strip());
  }
}
