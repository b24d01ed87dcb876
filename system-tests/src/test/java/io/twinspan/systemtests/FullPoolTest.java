package io.twinspan.systemtests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.twinspan.target.nbd.NbdClient;
import io.twinspan.target.nbd.NbdException;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Thin volumes promise more than a small pool has. */
class FullPoolTest {
  @RegisterExtension
  static final TestArray ARRAY = TestArray.with("shelf.drives = 2", "shelf.drive-size = 256MiB");

  private static final int ENOSPC = 28;
  private static final int CHUNK_BLOCKS = 64;
  private static final int CHUNK = CHUNK_BLOCKS * StampedBlock.BYTES;
  private static final long VOLUME_BYTES = 1L << 30;

  private static ByteBuffer chunk(long number, long version) {
    ByteBuffer data = ByteBuffer.allocate(CHUNK);
    for (int i = 0; i < CHUNK_BLOCKS; i++) {
      StampedBlock.put(data, 1, 1, number * CHUNK_BLOCKS + i, version);
    }
    return data.flip();
  }

  private static void assertHolds(NbdClient client, long from, long to, long version) {
    ByteBuffer data = ByteBuffer.allocate(CHUNK);
    for (long number = from; number < to; number++) {
      client.read(number * CHUNK, data.clear());
      data.flip();
      for (int i = 0; i < CHUNK_BLOCKS; i++) {
        long block = number * CHUNK_BLOCKS + i;
        assertThat(StampedBlock.version(data, 1, 1, block))
            .as("block %d", block)
            .isEqualTo(version);
      }
    }
  }

  /** Writes chunks until one is refused; returns its number. */
  private static long fill(NbdClient client, long from, long version) {
    for (long number = from; number < VOLUME_BYTES / CHUNK; number++) {
      long chunk = number;
      NbdException refused =
          catchThrowableOfType(
              NbdException.class, () -> client.write(chunk * CHUNK, chunk(chunk, version), false));
      if (refused != null) {
        assertThat(refused.error()).as(refused.getMessage()).isEqualTo(ENOSPC);
        return number;
      }
    }
    throw new AssertionError("a pool of less than 128 MiB took 1 GiB");
  }

  @Test
  @Timeout(240)
  void aFullPoolRefusesWritesKeepsWhatItHasAndTakesMoreWhenThereIsRoom() {
    ARRAY.createVolume("thin", "A", "1GiB");
    ARRAY.createVolume("other", "A", "1GiB");
    ARRAY.createVolume("elsewhere", "B", "64MiB");
    ARRAY.awaitInStep();
    long full;
    try (NbdClient client = ARRAY.open("a", "thin");
        NbdClient other = ARRAY.open("b", "other");
        NbdClient elsewhere = ARRAY.open("a", "elsewhere")) {
      other.write(0, ByteBuffer.allocate(16 << 20).put(0, (byte) 1), false);
      full = fill(client, 0, 1);
      System.out.println("FullPoolTest: full after " + ((full * CHUNK) >> 20) + " MiB more");
      assertThat(full).as("chunks written").isGreaterThan(64);
      assertHolds(client, 0, full, 1);
      elsewhere.write(0, chunk(0, 9), true); // the other pool has nothing to do with it
      client.write(0, chunk(0, 2), true); // and what has room may change
      client.write(0, chunk(0, 1), true);
      client.flush();
    }
    ARRAY.down();
    ARRAY.up();
    try (NbdClient client = ARRAY.open("b", "thin")) {
      assertHolds(client, 0, full, 1);
    }
    ARRAY.awaitInStep();
    ARRAY.cli("volume", "delete", "other").ok();
    try (NbdClient client = ARRAY.open("b", "thin")) {
      TestArray.await("room after a volume is gone", () -> canWrite(client, full, 3));
      long again = fill(client, full + 1, 3);
      assertThat(again - full).as("16 MiB are free again").isGreaterThan((12 << 20) / CHUNK);
      assertHolds(client, 0, full, 1);
      assertHolds(client, full, again, 3);
      client.trim(0, full / 2 * CHUNK);
      client.flush();
      TestArray.await("room after a trim", () -> canWrite(client, again, 4));
      assertHolds(client, full / 2, full, 1);
    }
    ARRAY.kill("controller-a");
    try (NbdClient client = ARRAY.open("b", "thin")) {
      assertHolds(client, full / 2, full, 1);
    }
    ARRAY.cli("controller", "start", "a").ok();
    ARRAY.awaitInStep();
  }

  private static boolean canWrite(NbdClient client, long number, long version) {
    try {
      client.write(number * CHUNK, chunk(number, version), false);
      return true;
    } catch (NbdException e) {
      assertThat(e.error()).as(e.getMessage()).isEqualTo(ENOSPC);
      return false;
    }
  }
}
