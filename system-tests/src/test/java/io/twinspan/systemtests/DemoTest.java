package io.twinspan.systemtests;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** The command that shows it all. */
class DemoTest {
  private static final int FILES = 12;
  private static final int FILE_BYTES = 2_000_003;

  @TempDir private Path input;

  @Test
  @Timeout(180)
  void everyByteIsThereAfterTwoKillsAndNothingIsLeft() throws IOException {
    for (int i = 0; i < FILES; i++) {
      byte[] content = new byte[FILE_BYTES];
      new Random(i).nextBytes(content);
      Files.write(input.resolve("file" + i), content);
    }
    Path temporary = Files.createTempDirectory(Path.of("/tmp"), "tw-");
    try {
      List<String> command =
          new ArrayList<>(
              TestArray.command(List.of("demo", "--json", "--input", input.toString())));
      command.add(1, "-Djava.io.tmpdir=" + temporary);
      JsonNode report = Program.run(input, command).json();

      System.out.println("DemoTest: " + report);
      long written = report.path("bytesWritten").asLong();
      // A small input is written several times over, and all of it once for each kill.
      assertThat(written).isPositive();
      assertThat(written % (2L * FILES * FILE_BYTES)).isZero();
      assertThat(report.path("bytesVerified").asLong()).isEqualTo(written);
      assertThat(report.path("mismatches").asLong(-1)).isZero();
      assertThat(report.path("forwardedRequests").asLong()).isPositive();
      assertThat(report.path("kills")).hasSize(2);
      assertThat(report.path("kills").path(0).path("controller").asString()).isEqualTo("a");
      assertThat(report.path("kills").path(1).path("controller").asString()).isEqualTo("b");
      for (JsonNode kill : report.path("kills")) {
        assertThat(kill.path("longestStallMs").isNumber()).isTrue();
        assertThat(kill.path("givebackMs").asLong()).isPositive();
      }
      assertThat(report.path("channels")).isNotEmpty();
      assertThat(report.path("privateQueues")).isNotEmpty();
      assertThat(Os.processesWith(temporary.toString())).as("processes left").isEmpty();
      try (Stream<Path> left = Files.list(temporary)) {
        assertThat(left).as("files left").isEmpty();
      }
    } finally {
      TestArray.removeAll(temporary);
    }
  }
}
