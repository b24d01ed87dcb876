package io.twinspan.simulator;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * What hosts know of a volume's sectors of {@value #SECTOR_BYTES} bytes, and the judge of what they
 * read: what was acknowledged is there, nothing older comes after something newer was read, nothing
 * that nobody wrote. Writes to a sector follow each other; the n-th carries version n. Each eight
 * bytes of a sector hold volume, sector and version, so a torn sector is known as such.
 *
 * <p>The simulator's hosts use it, and {@code twinspan chaos} with real ones. Thread-safe.
 */
public final class VolumeHistory {
  /** Bytes of a sector, the smallest thing that is judged. */
  public static final int SECTOR_BYTES = 512;

  /** Volumes that can be told apart. */
  public static final int MAX_VOLUMES = 128;

  private static final int MAX_SECTORS = 1 << 24;
  private static final int VOLUME_SHIFT = 56;

  private final int volume;
  private final int[] newest;
  private final int[] floor;
  private final int[] flushed;
  private final boolean[] writing;
  private final List<List<Integer>> zeros = new ArrayList<>();

  /**
   * A volume whose sectors are all zero, as nobody has written to it.
   *
   * @param volume its number among those of the same hosts, 0 to {@value #MAX_VOLUMES} - 1
   * @param sectors how many are used, 1 to 16,777,216
   */
  public VolumeHistory(int volume, int sectors) {
    if (volume < 0 || volume >= MAX_VOLUMES || sectors < 1 || sectors > MAX_SECTORS) {
      throw new IllegalArgumentException("volume %d of %d sectors".formatted(volume, sectors));
    }
    this.volume = volume;
    newest = new int[sectors];
    floor = new int[sectors];
    flushed = new int[sectors];
    writing = new boolean[sectors];
    for (int i = 0; i < sectors; i++) {
      zeros.add(new ArrayList<>(List.of(0)));
    }
  }

  /** {@return how many sectors are used} */
  public int sectors() {
    return newest.length;
  }

  /**
   * Begins to write sectors.
   *
   * @param zero whether zeros are written, which carry no version
   * @param versions takes the version of each
   * @return false if one of them is being written: then nothing has begun
   */
  public synchronized boolean beginWrite(int sector, boolean zero, int[] versions) {
    for (int i = 0; i < versions.length; i++) {
      if (writing[sector + i]) {
        return false;
      }
    }
    for (int i = 0; i < versions.length; i++) {
      writing[sector + i] = true;
      versions[i] = ++newest[sector + i];
      if (zero) {
        zeros.get(sector + i).add(versions[i]);
      }
    }
    return true;
  }

  /** Makes the bytes of sectors of these versions. */
  public void stamp(int sector, int[] versions, MemorySegment data) {
    for (int i = 0; i < versions.length; i++) {
      long stamp = place(sector + i) | versions[i];
      for (int at = 0; at < SECTOR_BYTES; at += Long.BYTES) {
        data.set(ValueLayout.JAVA_LONG_UNALIGNED, (long) i * SECTOR_BYTES + at, stamp);
      }
    }
  }

  /**
   * A write was acknowledged.
   *
   * @param forced whether it was a forced unit access, which outlives everything
   */
  public synchronized void acknowledge(int sector, int[] versions, boolean forced) {
    raise(floor, sector, versions);
    if (forced) {
      raise(flushed, sector, versions);
    }
  }

  /** A write has ended, well or not: the sectors may be written again. */
  public synchronized void endWrite(int sector, int count) {
    Arrays.fill(writing, sector, sector + count, false);
  }

  /**
   * Begins to read sectors.
   *
   * @param least takes the oldest version that each may have
   */
  public synchronized void beginRead(int sector, int[] least) {
    System.arraycopy(floor, sector, least, 0, least.length);
  }

  /**
   * Judges what a read has brought.
   *
   * @param least what {@link #beginRead} gave
   * @throws AssertionError if it may not be, with the sector and what was expected
   */
  public synchronized void check(int sector, int[] least, MemorySegment data) {
    for (int i = 0; i < least.length; i++) {
      long at = (long) i * SECTOR_BYTES;
      int version = version(sector + i, least[i], data, at);
      floor[sector + i] = Math.max(floor[sector + i], version);
    }
  }

  /** {@return what a flush that begins now makes safe, for {@link #endFlush}} */
  public synchronized int[] beginFlush() {
    return floor.clone();
  }

  /** A flush was acknowledged. */
  public synchronized void endFlush(int[] begun) {
    raise(floor, 0, begun);
    raise(flushed, 0, begun);
  }

  /**
   * The last memory with the newest writes is gone: what was flushed must be there, of the versions
   * since then any may be; a later read tells.
   */
  public synchronized void memoryIsLost() {
    System.arraycopy(flushed, 0, floor, 0, floor.length);
  }

  /**
   * Forgives a read or a flush what was lost while it was under way: call it after {@link
   * #memoryIsLost}.
   *
   * @param known what {@link #beginRead} or {@link #beginFlush} gave
   */
  public synchronized void forgive(int sector, int[] known) {
    for (int i = 0; i < known.length; i++) {
      known[i] = Math.min(known[i], floor[sector + i]);
    }
  }

  private int version(int sector, int least, MemorySegment data, long offset) {
    long stamp = data.get(ValueLayout.JAVA_LONG_UNALIGNED, offset);
    // Each eight bytes are as the eight before.
    long end = offset + SECTOR_BYTES;
    long torn =
        MemorySegment.mismatch(data, offset + Long.BYTES, end, data, offset, end - Long.BYTES);
    if (torn >= 0) {
      throw wrong(sector, "it is torn at byte %d".formatted((torn & -Long.BYTES) + Long.BYTES));
    }
    int version = (int) stamp;
    if (stamp == 0) {
      version = zeros.get(sector).stream().filter(zero -> zero >= least).findFirst().orElse(-1);
    } else if (stamp - version != place(sector) || zeros.get(sector).contains(version)) {
      throw wrong(sector, "nobody wrote 0x%x".formatted(stamp));
    }
    if (version < least || version > newest[sector]) {
      throw wrong(
          sector,
          "version %s after %d was acknowledged or read, %d was sent"
              .formatted(stamp == 0 ? "zero" : version, least, newest[sector]));
    }
    return version;
  }

  private AssertionError wrong(int sector, String what) {
    return new AssertionError(
        String.format(Locale.ROOT, "volume %d, sector %d: %s", volume, sector, what));
  }

  /** Versions are positive, and so are volume and sector: no stamp is zero. */
  private long place(int sector) {
    return (long) volume << VOLUME_SHIFT | (long) sector << Integer.SIZE;
  }

  private static void raise(int[] marks, int sector, int[] versions) {
    for (int i = 0; i < versions.length; i++) {
      marks[sector + i] = Math.max(marks[sector + i], versions[i]);
    }
  }
}
