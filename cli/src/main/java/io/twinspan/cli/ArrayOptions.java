package io.twinspan.cli;

import io.twinspan.controller.ArrayDirectory;
import io.twinspan.linux.TwinspanException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The option that says which array is meant. */
final class ArrayOptions {
  @Option(
      names = "--dir",
      paramLabel = "DIR",
      description =
          "The array's directory. Default: twinspan in the user's state directory"
              + " ($XDG_STATE_HOME, else ~/.local/state).")
  private @Nullable Path dir;

  ArrayOptions() {}

  /** The directory, whether there is an array in it or not. */
  ArrayDirectory directory() {
    return ArrayDirectory.at(dir == null ? ArrayDirectory.defaultPath() : dir);
  }

  /**
   * The processes of an array that exists.
   *
   * @throws TwinspanException when there is none
   */
  ArrayProcesses existing() {
    ArrayDirectory directory = directory();
    if (!directory.exists()) {
      throw new TwinspanException(
          "there is no array in "
              + directory.root()
              + ": make one with twinspan up"
              + (dir == null ? "" : " --dir " + dir));
    }
    return new ArrayProcesses(directory);
  }
}
