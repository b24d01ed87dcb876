package io.twinspan.pool;

import java.util.Arrays;

/**
 * What a {@link MetadataPage} says: changes of the map, in order. The same records make up journal
 * and checkpoint, and a running pool changes its map by applying what it has journaled: a replay
 * does exactly the same.
 *
 * <p>Records are absolute: applying those of a span again, over a state that has some of them
 * already, leads to the same end. Every record starts with a word {@code type << 24 | words}:
 *
 * <pre>
 *   WRITE   volume, block, physical block, CRC32C of each block
 *   ZERO    volume, block, count
 *   CREATE  volume, size in blocks (1), flags (8 bits) and origin (24), name (16: length byte, …)
 *   RESIZE  volume, size in blocks (2)
 *   DELETE  volume
 *   CLONE   volume, source, flags, name (16)
 *   SHARE   volume, other volume, first leaf, leaves
 *   HIDE    volume
 *   MOVE    block, from physical block, to physical block, CRC32C, volumes
 * </pre>
 *
 * <p>CLONE is no absolute record: it takes the source as it is. So it is only written while no
 * checkpoint is under way. SHARE is found in checkpoints only: the leaves of a map are those of
 * another volume, which is there already. A volume that is hidden has been deleted; ZEROs empty it,
 * then a DELETE ends it. MOVE is the cleaner's: it counts for those of the volumes whose block is
 * where it was moved from.
 */
final class Records {
  static final int WRITE = 1;
  static final int ZERO = 2;
  static final int CREATE = 3;
  static final int RESIZE = 4;
  static final int DELETE = 5;
  static final int CLONE = 6;
  static final int SHARE = 7;
  static final int HIDE = 8;
  static final int MOVE = 9;

  /** Words of a MOVE record before its volumes. */
  static final int MOVE_WORDS = 5;

  /** Words of a WRITE record before its checksums. */
  static final int WRITE_WORDS = 4;

  static final int NAME_WORDS = 16;
  static final int MAX_NAME = 63;
  static final int CREATE_WORDS = 4 + NAME_WORDS;
  static final int SHARE_WORDS = 5;
  private static final int ORIGIN_BITS = 24;

  private Records() {}

  static int type(int header) {
    return header >>> 24;
  }

  static int length(int header) {
    return header & 0xff_ffff;
  }

  private static int begin(MetadataPage page, int type, int length, int volume) {
    int at = page.wordCount;
    page.words[at] = type << 24 | length;
    page.words[at + 1] = volume;
    page.wordCount += length;
    return at;
  }

  /** Appends a WRITE and returns where its checksums go to. */
  static int write(MetadataPage page, int volume, long block, int physical, int count) {
    int at = begin(page, WRITE, WRITE_WORDS + count, volume);
    page.words[at + 2] = (int) block;
    page.words[at + 3] = physical;
    return at + WRITE_WORDS;
  }

  static void zero(MetadataPage page, int volume, long block, int count) {
    int at = begin(page, ZERO, 4, volume);
    page.words[at + 2] = (int) block;
    page.words[at + 3] = count;
  }

  static void create(MetadataPage page, int volume, long blocks, String name) {
    create(page, volume, blocks, 0, 0, name);
  }

  static void create(
      MetadataPage page, int volume, long blocks, int flags, int origin, String name) {
    int at = begin(page, CREATE, CREATE_WORDS, volume);
    page.words[at + 2] = (int) blocks;
    page.words[at + 3] = flags << ORIGIN_BITS | origin;
    Arrays.fill(page.words, at + 4, at + CREATE_WORDS, 0);
    Words.putName(page.words, at + 4, name);
  }

  static void resize(MetadataPage page, int volume, long blocks) {
    int at = begin(page, RESIZE, 4, volume);
    Words.putLong(page.words, at + 2, blocks);
  }

  static void delete(MetadataPage page, int volume) {
    begin(page, DELETE, 2, volume);
  }

  static void hide(MetadataPage page, int volume) {
    begin(page, HIDE, 2, volume);
  }

  static void clone(MetadataPage page, int volume, int source, int flags, String name) {
    int at = begin(page, CLONE, CREATE_WORDS, volume);
    page.words[at + 2] = source;
    page.words[at + 3] = flags;
    Arrays.fill(page.words, at + 4, at + CREATE_WORDS, 0);
    Words.putName(page.words, at + 4, name);
  }

  static void share(MetadataPage page, int volume, int other, int firstLeaf, int leaves) {
    int at = begin(page, SHARE, SHARE_WORDS, volume);
    page.words[at + 2] = other;
    page.words[at + 3] = firstLeaf;
    page.words[at + 4] = leaves;
  }

  /** Volumes are ids; {@code count} of them. */
  static void move(
      MetadataPage page, long block, int from, int to, int checksum, int[] volumes, int count) {
    int at = begin(page, MOVE, MOVE_WORDS + count, (int) block);
    page.words[at + 2] = from;
    page.words[at + 3] = to;
    page.words[at + 4] = checksum;
    System.arraycopy(volumes, 0, page.words, at + MOVE_WORDS, count);
  }

  /**
   * Carries out the records.
   *
   * @throws IllegalStateException when a record can't have been written by this pool
   */
  static void apply(
      int[] words, int from, int to, VolumeTable volumes, int physicalBlocks, Volume.Freed freed) {
    int at = from;
    while (at < to) {
      int length = length(words[at]);
      if (length < 2 || length > to - at) {
        throw new IllegalStateException("record of " + length + " words at " + at + " of " + to);
      }
      applyOne(words, at, length, volumes, physicalBlocks, freed);
      at += length;
    }
  }

  private static void applyOne(
      int[] words,
      int at,
      int length,
      VolumeTable volumes,
      int physicalBlocks,
      Volume.Freed freed) {
    int type = type(words[at]);
    if (type == CREATE || type == CLONE) {
      require(length == CREATE_WORDS, words[at]);
      String name = Words.getName(words, at + 4, MAX_NAME);
      if (type == CREATE) {
        applyCreate(words, at, name, volumes);
      } else {
        applyClone(words, at, name, volumes);
      }
      return;
    }
    if (type == MOVE) {
      applyMove(words, at, length, volumes, physicalBlocks, freed);
      return;
    }
    Volume volume = volumes.find(words[at + 1]);
    if (volume == null) {
      return; // deleted later: a checkpoint may be ahead of the records that follow it
    }
    long mappedBefore = volume.mappedBlocks();
    switch (type) {
      case WRITE -> applyWrite(words, at, length, volume, physicalBlocks, freed);
      case ZERO -> {
        require(length == 4 && words[at + 2] >= 0 && words[at + 3] >= 0, words[at]);
        volume.unmap(words[at + 2], words[at + 3], freed);
      }
      case RESIZE -> {
        require(length == 4 && isSize(Words.getLong(words, at + 2)), words[at]);
        volume.resize(Words.getLong(words, at + 2), freed);
      }
      case SHARE -> {
        Volume other = volumes.find(words[at + 2]);
        require(length == SHARE_WORDS && words[at + 3] >= 0 && words[at + 4] > 0, words[at]);
        if (other == null) {
          throw new IllegalStateException("leaves of a volume that is not there");
        }
        volume.share(other, words[at + 3], words[at + 4]);
      }
      case HIDE -> volume.flags |= Volume.DYING;
      case DELETE -> {
        volume.resize(0, freed);
        volumes.remove(volume);
      }
      default -> throw new IllegalStateException("record of type " + type);
    }
    volumes.mappedChanged(volume.mappedBlocks() - mappedBefore);
  }

  private static void applyCreate(int[] words, int at, String name, VolumeTable volumes) {
    require(words[at + 2] >= 0, words[at]);
    Volume volume = new Volume(words[at + 1], name, words[at + 2]);
    volume.flags = words[at + 3] >>> ORIGIN_BITS;
    volume.origin = words[at + 3] & VolumeTable.MAX_NUMBER;
    volumes.add(volume);
  }

  private static void applyClone(int[] words, int at, String name, VolumeTable volumes) {
    Volume source = volumes.find(words[at + 2]);
    if (source == null || volumes.find(words[at + 1]) != null) {
      return; // deleted later: a checkpoint may be ahead of the records that follow it
    }
    Volume volume = new Volume(words[at + 1], name, source.sizeBlocks());
    volume.flags = words[at + 3] & Volume.READ_ONLY;
    volume.origin = source.id & VolumeTable.MAX_NUMBER;
    volume.share(source, 0, Integer.MAX_VALUE);
    volumes.add(volume);
    volumes.mappedChanged(volume.mappedBlocks());
  }

  private static void applyWrite(
      int[] words, int at, int length, Volume volume, int physicalBlocks, Volume.Freed freed) {
    long block = words[at + 2];
    int physical = words[at + 3];
    int count = length - WRITE_WORDS;
    require(
        block >= 0 && physical >= 0 && count > 0 && physical <= physicalBlocks - count, words[at]);
    // A checkpoint may know of a later shrinking already: what lies beyond the end is cut off.
    int inside = (int) Math.min(count, volume.sizeBlocks() - block);
    if (inside > 0) {
      volume.map(block, physical, words, at + WRITE_WORDS, inside, freed);
    }
  }

  private static void applyMove(
      int[] words,
      int at,
      int length,
      VolumeTable volumes,
      int physicalBlocks,
      Volume.Freed freed) {
    int block = words[at + 1];
    int from = words[at + 2];
    int to = words[at + 3];
    require(
        length > MOVE_WORDS
            && block >= 0
            && from >= 0
            && from < physicalBlocks
            && to >= 0
            && to < physicalBlocks,
        words[at]);
    boolean moved = false;
    for (int i = at + MOVE_WORDS; i < at + length; i++) {
      Volume volume = volumes.find(words[i]);
      if (volume != null && volume.move(block, from, to)) {
        freed.freed(from);
        if (moved) {
          freed.shared(to);
        } else {
          freed.mapped(block, to, 1);
        }
        moved = true;
      }
    }
  }

  private static boolean isSize(long blocks) {
    return blocks >= 0 && blocks <= Volume.MAX_BLOCKS;
  }

  private static void require(boolean valid, int header) {
    if (!valid) {
      throw new IllegalStateException("damaged record " + Integer.toHexString(header));
    }
  }
}
