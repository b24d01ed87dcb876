package io.twinspan.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.controller.ArrayDirectory;
import io.twinspan.controller.ArrayIdentity;
import io.twinspan.controller.ProcessLock;
import io.twinspan.controller.Settings;
import io.twinspan.pool.Drive;
import io.twinspan.pool.DriveOperation;
import io.twinspan.pool.DrivePool;
import io.twinspan.pool.DriveRequest;
import io.twinspan.pool.PoolCompletion;
import io.twinspan.pool.PoolOptions;
import io.twinspan.pool.PoolStatus;
import io.twinspan.shelf.ShelfOptions;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code twinspan fsck} on images that a pool was written to, without any process. */
class FsckCommandTest {
  private static final long BLOCKS = 64 << 10;

  private final ByteArrayOutputStream out = new ByteArrayOutputStream();
  private final ByteArrayOutputStream err = new ByteArrayOutputStream();
  private final PrintStream realOut = System.out;
  private final PrintStream realErr = System.err;
  @TempDir private Path folder;
  private ArrayDirectory directory;
  private ShelfOptions shelf;

  @BeforeEach
  void makeArray() {
    System.setOut(new PrintStream(out, true, UTF_8));
    System.setErr(new PrintStream(err, true, UTF_8));
    directory = ArrayDirectory.at(folder.resolve("array"));
    directory.create();
    ArrayIdentity identity = ArrayIdentity.readOrCreate(directory);
    Settings settings = Settings.defaults();
    settings.write(directory.settingsFile());
    shelf = ShelfProcess.options(directory, settings, identity);
    for (int pool = 0; pool < 2; pool++) {
      makePool(pool, identity.arrayId());
    }
  }

  @AfterEach
  void letGo() {
    System.setOut(realOut);
    System.setErr(realErr);
  }

  private void makePool(int index, long arrayId) {
    List<ImageDrive> drives = new ArrayList<>();
    for (int i = 0; i < shelf.driveCount(); i++) {
      drives.add(new ImageDrive(shelf.image(i, index + 1)));
    }
    MemorySegment memory = Arena.ofAuto().allocate(DrivePool.MEMORY_BYTES, Drive.BLOCK_BYTES);
    DrivePool pool = new DrivePool(index, drives, memory, PoolOptions.DEFAULTS);
    run(pool, drives, done -> pool.format(arrayId, done));
    run(pool, drives, done -> pool.open(arrayId, 1, true, done));
    run(pool, drives, done -> pool.createVolume("disk" + index, 1 << 20, done));
    run(pool, drives, pool::close);
    drives.forEach(ImageDrive::close);
  }

  private static void run(
      DrivePool pool, List<ImageDrive> drives, Consumer<PoolCompletion> operation) {
    List<PoolStatus> ended = new ArrayList<>();
    operation.accept(ended::add);
    while (ended.isEmpty()) {
      int work = pool.doWork();
      for (ImageDrive drive : drives) {
        work += drive.work();
      }
      assertThat(work + ended.size()).isPositive();
    }
    assertThat(ended).containsExactly(PoolStatus.OK);
  }

  private int fsck(String... options) {
    List<String> words = new ArrayList<>(List.of("fsck", "--dir", directory.root().toString()));
    words.addAll(List.of(options));
    out.reset();
    return Twinspan.run(words.toArray(String[]::new));
  }

  private void flip(Path image, long position) throws IOException {
    try (FileChannel file =
        FileChannel.open(image, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      ByteBuffer one = ByteBuffer.allocate(1);
      file.read(one, position);
      one.put(0, (byte) (one.get(0) ^ 1)).rewind();
      file.write(one, position);
    }
  }

  @Test
  void saysThatCleanPoolsAreClean() {
    assertThat(fsck("--data")).isZero();
    assertThat(out.toString(UTF_8)).contains("pool A: clean; 1 volumes").contains("pool B: clean");
  }

  @Test
  void saysWhatIsDamagedAndEndsWith4() throws IOException {
    flip(shelf.image(1, 2), 40);
    flip(shelf.image(1, 2), Drive.BLOCK_BYTES + 40);
    assertThat(fsck()).isEqualTo(4);
    assertThat(out.toString(UTF_8))
        .contains("pool A: clean", "degraded superblock 0 of drive1", "pool B: damaged");
    assertThat(fsck("--pool", "A")).isZero();
    assertThat(fsck("--json")).isEqualTo(4);
    JsonNode report = new JsonMapper().readTree(out.toString(UTF_8));
    assertThat(report.path("clean").asBoolean()).isFalse();
    assertThat(report.path("pools").get(1).path("opens").asBoolean()).isTrue();
    assertThat(report.path("pools").get(1).path("findings").get(0).path("kind").asString())
        .isEqualTo("SUPERBLOCK");
  }

  @Test
  void endsWith8WhenItCannotCheckAnd16WhenAskedForNonsense() {
    try (var _ = ProcessLock.take(directory.lockFile("controller-b"))) {
      assertThat(fsck()).isEqualTo(8);
      assertThat(err.toString(UTF_8)).contains("controller-b is running");
    }
    assertThat(fsck("--pool", "C")).isEqualTo(16);
    assertThat(fsck("--nonsense")).isEqualTo(16);
  }

  /** A drive in a file. */
  private static final class ImageDrive implements Drive, AutoCloseable {
    private final FileChannel file;
    private final ArrayDeque<DriveRequest> submitted = new ArrayDeque<>();

    ImageDrive(Path image) {
      try {
        file =
            FileChannel.open(
                image,
                StandardOpenOption.CREATE,
                StandardOpenOption.READ,
                StandardOpenOption.WRITE);
        file.write(ByteBuffer.allocate(1), BLOCKS * BLOCK_BYTES - 1);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public String name() {
      return "image";
    }

    @Override
    public long blockCount() {
      return BLOCKS;
    }

    @Override
    public int maxTransferBlocks() {
      return 256;
    }

    @Override
    public boolean isPresent() {
      return true;
    }

    @Override
    public boolean submit(DriveRequest request) {
      submitted.add(request);
      return true;
    }

    int work() {
      int work = submitted.size();
      for (int i = 0; i < work; i++) {
        DriveRequest request = submitted.remove();
        try {
          transfer(request);
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
        request.completed(OK);
      }
      return work;
    }

    private void transfer(DriveRequest request) throws IOException {
      long bytes = (long) request.blockCount * BLOCK_BYTES;
      long position = request.block * BLOCK_BYTES;
      if (request.operation == DriveOperation.READ) {
        file.read(request.data.asSlice(request.dataOffset, bytes).asByteBuffer(), position);
      } else if (request.operation == DriveOperation.WRITE) {
        file.write(request.data.asSlice(request.dataOffset, bytes).asByteBuffer(), position);
      }
    }

    @Override
    public void close() {
      try {
        file.close();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
