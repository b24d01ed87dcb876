package io.twinspan.target.nbd;

import java.util.List;

/**
 * What an {@link NbdServer} has done so far.
 *
 * @param connections connections now, those still negotiating included
 * @param refusedConnections connections turned away because there were too many
 * @param exports the volumes, sorted by name
 */
public record NbdStatus(int connections, long refusedConnections, List<Export> exports) {
  /** Keeps the list from changing. */
  public NbdStatus {
    exports = List.copyOf(exports);
  }

  /**
   * What one export has done since the server was started.
   *
   * @param name the volume's name
   * @param connections connections that use it now
   * @param requests commands received, refused ones included
   * @param readBytes bytes asked for by accepted READs
   * @param writtenBytes bytes of payload handed to the array
   * @param errors commands answered with an error
   */
  public record Export(
      String name,
      int connections,
      long requests,
      long readBytes,
      long writtenBytes,
      long errors) {}
}
