package io.twinspan.systemtests;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;

/**
 * Random faults on real processes, by the command that users have for it. {@code -Dtwinspan.seed=N}
 * takes the same decisions again; their moments are the machine's.
 */
class ChaosTest {
  private static final String SEED =
      Long.toString(Long.getLong("twinspan.seed", System.nanoTime()));

  @Test
  @Timeout(400)
  void nothingThatWasAcknowledgedIsLostAndNothingOldIsRead() throws IOException {
    Path temporary = Files.createTempDirectory(Path.of("/tmp"), "tw-");
    boolean well = false;
    try {
      List<String> command =
          new ArrayList<>(
              TestArray.command(
                  List.of("chaos", "--json", "--seed", SEED, "--minutes", "3", "--count", "8")));
      command.add(1, "-Djava.io.tmpdir=" + temporary);
      Program chaos = Program.run(temporary, command);
      System.out.print(chaos.err());
      JsonNode report = chaos.json();
      System.out.println("ChaosTest: " + report);

      assertThat(report.path("violation").asString("")).isEmpty();
      assertThat(report.path("faults").asInt()).isPositive();
      assertThat(report.path("reads").asLong()).isPositive();
      assertThat(report.path("writes").asLong()).isPositive();
      assertThat(Os.processesWith(temporary.toString())).as("processes left").isEmpty();
      try (Stream<Path> left = Files.list(temporary)) {
        assertThat(left).as("files left").isEmpty();
      }
      well = true;
    } finally {
      if (well) {
        TestArray.removeAll(temporary);
      }
    }
  }
}
