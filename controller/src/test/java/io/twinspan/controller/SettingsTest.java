package io.twinspan.controller;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.linux.TwinspanException;
import io.twinspan.pool.Redundancy;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class SettingsTest {
  @TempDir private Path folder;

  @Test
  void anEmptyFileMeansTheDefaults() {
    Settings settings = Settings.parse("f", "\n  # nothing\n\n");

    assertThat(settings.count(Settings.Key.SHELF_DRIVES)).isEqualTo(4);
    assertThat(settings.number(Settings.Key.SHELF_DRIVE_SIZE)).isEqualTo(2L << 30);
    assertThat(settings.duration(Settings.Key.LINK_HEARTBEAT_TIMEOUT))
        .isEqualTo(Duration.ofMillis(300));
    assertThat(settings.text(Settings.Key.NBD_HOST)).isEqualTo("127.0.0.1");
  }

  @Test
  void readsLinesWithAndWithoutBlanks() {
    Settings settings =
        Settings.parse(
            "f",
            """
            shelf.drives=3
              shelf.drive-size   =  1 GiB
            controller.giveback-delay = 200ms
            controller.startup-wait = 2 min
            nbd.host = ::1
            """);

    assertThat(settings.count(Settings.Key.SHELF_DRIVES)).isEqualTo(3);
    assertThat(settings.number(Settings.Key.SHELF_DRIVE_SIZE)).isEqualTo(1L << 30);
    assertThat(settings.delayNs(Settings.Key.GIVEBACK_DELAY)).isEqualTo(200_000_000);
    assertThat(settings.duration(Settings.Key.STARTUP_WAIT)).isEqualTo(Duration.ofMinutes(2));
    assertThat(settings.text(Settings.Key.NBD_HOST)).isEqualTo("::1");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "shelf.drives = 1 | from 2 to 16",
        "shelf.drives = 17 | from 2 to 16",
        "shelf.drives = two | can't be read",
        "shelf.drives = 4MiB | can't be read",
        "shelf.drives = 99999999999999999999 | can't be read",
        "shelf.drive-size = 255MiB | from 256MiB to 4TiB",
        "shelf.drive-size = 9999999TiB | can't be read",
        "shelf.drive-size = 2PiB | can't be read",
        "link.heartbeat-timeout = 500 | can't be read",
        "link.heartbeat-timeout = 99ms | from 100ms to 60s",
        "nbd.port-a = 65536 | from 0 to 65535",
        "nbd.host = | 1 to 255 characters",
        "pool.redundancy = raid5 | must be mirror or parity",
        "shelf.drivez = 4 | no setting \"shelf.drivez\"",
        "Shelf.drives = 4 | no setting \"Shelf.drives\"",
        "shelf.drives | expected \"key = value\"",
      })
  void aMistakeIsToldWithFileLineAndLimit(String line, String told) {
    assertThatThrownBy(() -> Settings.parse("x.conf", "# first\n" + line + "\n"))
        .isInstanceOf(TwinspanException.class)
        .hasMessageStartingWith("x.conf, line 2: ")
        .hasMessageContaining(told);
  }

  @ParameterizedTest
  @EnumSource(Settings.Key.class)
  void whatIsWrittenDocumentsEveryKeyAndReadsAsTheSame(Settings.Key key) throws IOException {
    Path file = folder.resolve("twinspan.conf");
    Settings.defaults()
        .with(Settings.Key.SHELF_DRIVES, "7")
        .with(Settings.Key.IO_BUFFERS, "5000KiB")
        .write(file);

    String text = Files.readString(file);
    Settings again = Settings.read(file);

    assertThat(text).containsPattern("(?m)^#?" + key.key() + " = \\S+$");
    assertThat(again.count(Settings.Key.SHELF_DRIVES)).isEqualTo(7);
    assertThat(again.number(Settings.Key.IO_BUFFERS)).isEqualTo(5000L << 10);
    if (key != Settings.Key.SHELF_DRIVES && key != Settings.Key.IO_BUFFERS) {
      assertThat(text).containsPattern("(?m)^#" + key.key() + " = ");
    }
  }

  /** The value in a comment must be the very default: people uncomment and change it. */
  @Test
  void everyCommentedLineIsReadWhenItIsMadeActive() throws IOException {
    Path file = folder.resolve("twinspan.conf");
    Settings.defaults().write(file);

    String active = Files.readString(file).replaceAll("(?m)^#(\\S+ = )", "$1");

    for (Settings.Key key : Settings.Key.values()) {
      Settings read = Settings.parse("f", active);
      Settings defaults = Settings.defaults();
      if (key == Settings.Key.NBD_HOST) {
        assertThat(read.text(key)).isEqualTo(defaults.text(key));
      } else if (key == Settings.Key.POOL_REDUNDANCY) {
        assertThat(read.redundancy()).isEqualTo(defaults.redundancy());
      } else {
        assertThat(read.number(key)).as(key.key()).isEqualTo(defaults.number(key));
      }
    }
  }

  @Test
  void withChangesOnlyTheCopy() {
    Settings defaults = Settings.defaults();

    Settings changed = defaults.with(Settings.Key.SHELF_DRIVES, "2");

    assertThat(changed.count(Settings.Key.SHELF_DRIVES)).isEqualTo(2);
    assertThat(defaults.count(Settings.Key.SHELF_DRIVES)).isEqualTo(4);
  }

  @Test
  void aFileThatCanOnlyBeAMistakeIsRefusedBeforeItIsRead() throws IOException {
    Path file = folder.resolve("twinspan.conf");
    Files.write(file, new byte[65 * 1024]);

    assertThatThrownBy(() -> Settings.read(file))
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining("longer than 65536 bytes");
  }

  @ParameterizedTest
  @ValueSource(ints = {0x80, 0xff})
  void bytesThatAreNoTextAreToldWithTheFile(int first) throws IOException {
    Path file = folder.resolve("twinspan.conf");
    Files.write(file, new byte[] {(byte) first, '\n'});

    assertThatThrownBy(() -> Settings.read(file)).hasMessageContaining(file.toString());
  }

  @Test
  void aSizeThatIsNoWholeNumberOfPagesIsRefused() {
    assertThatThrownBy(() -> Settings.parse("x.conf", "pool.log-size = 1048577"))
        .isInstanceOf(TwinspanException.class)
        .hasMessage("x.conf, line 1: pool.log-size = 1048577 must be a multiple of 4KiB");
  }

  @Test
  void parityNeedsFiveDrives() {
    Settings parity = Settings.defaults().with(Settings.Key.POOL_REDUNDANCY, "Parity");
    assertThat(parity.redundancy()).isEqualTo(Redundancy.PARITY);
    assertThatThrownBy(parity::refuseTooFewDrives)
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining("shelf.drives");
    parity.with(Settings.Key.SHELF_DRIVES, "5").refuseTooFewDrives();
    Settings.defaults().with(Settings.Key.SHELF_DRIVES, "2").refuseTooFewDrives();
  }
}
