package io.twinspan.shelf;

/** Where the namespaces of a shelf's drives keep their bytes. */
public enum MediumKind {
  /** In sparse files, which outlive the shelf. */
  FILE,
  /** In the shelf's memory. */
  MEMORY,
  /** Nowhere: writes are forgotten, reads leave the client's memory as it is. */
  NULL;

  /** Opens the medium of one namespace. */
  Medium open(ShelfOptions options, int drive, int nsid) {
    return switch (this) {
      case FILE -> FileMedium.open(options.image(drive, nsid), options.namespaceBytes());
      case MEMORY -> new RamMedium(options.namespaceBytes());
      case NULL -> new NullMedium(options.namespaceBytes());
    };
  }
}
