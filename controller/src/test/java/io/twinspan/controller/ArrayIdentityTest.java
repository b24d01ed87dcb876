package io.twinspan.controller;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.linux.TwinspanException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HexFormat;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ArrayIdentityTest {
  @TempDir private Path folder;
  private ArrayDirectory directory;

  @BeforeEach
  void makeDirectory() {
    directory = ArrayDirectory.at(folder);
    directory.create();
  }

  @Test
  void isMadeOnceAndReadFromThenOn() throws IOException {
    ArrayIdentity made = ArrayIdentity.readOrCreate(directory);
    ArrayIdentity again = ArrayIdentity.readOrCreate(directory);

    assertThat(again.arrayId()).isEqualTo(made.arrayId()).isNotZero();
    assertThat(again.secret()).isEqualTo(made.secret()).hasSize(32);
    assertThat(
            PosixFilePermissions.toString(Files.getPosixFilePermissions(directory.identityFile())))
        .isEqualTo("rw-------");
  }

  @Test
  void partsOfACrashWhileItIsMadeAreNoHindrance() throws IOException {
    Files.writeString(folder.resolve("identity.part"), "half");

    assertThat(ArrayIdentity.readOrCreate(directory).secret()).hasSize(32);
    assertThat(folder.resolve("identity.part")).doesNotExist();
  }

  @Test
  void noTwoArraysAndNoTwoControllersShareAKeyOrHost() {
    ArrayIdentity one = ArrayIdentity.readOrCreate(directory);
    ArrayIdentity other = new ArrayIdentity(one.arrayId() + 4, one.secret());

    assertThat(one.reservationKey("a")).isNotZero().isNotEqualTo(one.reservationKey("b"));
    assertThat(one.reservationKey("a"))
        .isNotEqualTo(other.reservationKey("a"))
        .isNotEqualTo(other.reservationKey("b"));
    assertThat(one.hostIdentifier("a"))
        .hasSize(16)
        .isNotEqualTo(one.hostIdentifier("b"))
        .isNotEqualTo(other.hostIdentifier("a"));
  }

  @Test
  void thereAreOnlyTwoControllers() {
    ArrayIdentity identity = ArrayIdentity.readOrCreate(directory);

    assertThatThrownBy(() -> identity.reservationKey("c"))
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining("\"c\"");
  }

  @Test
  void neverShowsTheSecret() {
    ArrayIdentity identity = ArrayIdentity.readOrCreate(directory);

    assertThat(identity.toString())
        .doesNotContain(HexFormat.of().formatHex(identity.secret()).substring(0, 8))
        .contains(Long.toHexString(identity.arrayId()));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "twinspan-identity 2\n1\n",
        "twinspan-identity 1\n",
        "twinspan-identity 1\n10\nabcd\n",
        "twinspan-identity 1\n10\nzz\n",
        "twinspan-identity 1\nx\n0000000000000000000000000000000000000000000000000000000000000000\n"
      })
  void refusesWhatIsNoIdentityAndNamesTheFile(String content) throws IOException {
    Files.writeString(directory.identityFile(), content);

    assertThatThrownBy(() -> ArrayIdentity.readOrCreate(directory))
        .isInstanceOf(TwinspanException.class)
        .hasMessageContaining(directory.identityFile().toString());
  }
}
