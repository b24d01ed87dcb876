package io.twinspan.shelf;

import org.jspecify.annotations.Nullable;

/** Where the namespaces of a shelf's drives keep their bytes. */
public enum MediumKind {
  /** In sparse files, which outlive the shelf. */
  FILE,
  /** In the same files, but past the host's page cache where blocks are aligned (O_DIRECT). */
  DIRECT_FILE,
  /** In the shelf's memory. */
  MEMORY,
  /** Nowhere: writes are forgotten, reads leave the client's memory as it is. */
  NULL;

  /** Whether it outlives the shelf. */
  boolean isFile() {
    return this == FILE || this == DIRECT_FILE;
  }

  /** Opens the medium of one namespace; {@code engine} is for those past the page cache. */
  Medium open(ShelfOptions options, int drive, int nsid, @Nullable TransferEngine engine) {
    return switch (this) {
      case FILE, DIRECT_FILE ->
          FileMedium.open(
              options.image(drive, nsid), options.namespaceBytes(), this == DIRECT_FILE, engine);
      case MEMORY -> new RamMedium(options.namespaceBytes());
      case NULL -> new NullMedium(options.namespaceBytes());
    };
  }
}
