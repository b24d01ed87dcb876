package io.twinspan.cli;

import io.twinspan.linux.TwinspanException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;

/**
 * The files that the demo copies, laid end to end and cut into chunks. Immutable; {@link #read} may
 * be called by several threads.
 */
final class DemoInput {
  /** Less would be written before a controller can be killed in the middle of it. */
  static final long MIN_BYTES = 1 << 20;

  /** What is less is written several times over, so that the kill comes while it is. */
  private static final long ENOUGH_BYTES = 64 << 20;

  /** Size of a chunk in bytes; the last one may be shorter. */
  static final int CHUNK_BYTES = 256 * 1024;

  private record Piece(Path file, long start, long length) {}

  private final List<Piece> pieces = new ArrayList<>();
  private final int fileCount;
  private final long bytes;

  private DemoInput(DemoInput once, int times) {
    for (int round = 0; round < times; round++) {
      for (Piece piece : once.pieces) {
        pieces.add(new Piece(piece.file, round * once.bytes + piece.start, piece.length));
      }
    }
    fileCount = once.fileCount;
    bytes = once.bytes * times;
  }

  private DemoInput(Path root) throws IOException {
    long[] end = {0};
    Files.walkFileTree(
        root,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            if (attributes.isRegularFile() && attributes.size() > 0 && Files.isReadable(file)) {
              pieces.add(new Piece(file, end[0], attributes.size()));
              end[0] += attributes.size();
            }
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException e) {
            return FileVisitResult.CONTINUE; // not readable: not part of the input
          }
        });
    fileCount = pieces.size();
    bytes = end[0];
  }

  /**
   * The input at a path.
   *
   * @param path a file or a directory
   */
  static DemoInput of(Path path) {
    try {
      if (!Files.exists(path)) {
        throw new TwinspanException("there is no " + path);
      }
      DemoInput input = new DemoInput(path.toRealPath());
      if (input.bytes == 0) {
        throw new TwinspanException("there is nothing to read in " + path);
      }
      return input;
    } catch (IOException e) {
      throw new TwinspanException("can't read " + path + ": " + e.getMessage(), e);
    }
  }

  /**
   * This input, as often in a row as it takes to be written while a controller is killed.
   *
   * @throws TwinspanException when it has less than {@link #MIN_BYTES}
   */
  DemoInput enoughToKill() {
    if (bytes < MIN_BYTES) {
      throw new TwinspanException(
          "the input has %d bytes, too few to kill a controller while they are written: at least %d"
              .formatted(bytes, MIN_BYTES));
    }
    return new DemoInput(this, Math.toIntExact(Math.max(1, Math.ceilDiv(ENOUGH_BYTES, bytes))));
  }

  long bytes() {
    return bytes;
  }

  int files() {
    return fileCount;
  }

  int chunks() {
    return Math.toIntExact((bytes + CHUNK_BYTES - 1) / CHUNK_BYTES);
  }

  int length(int chunk) {
    return (int) Math.min(CHUNK_BYTES, bytes - (long) chunk * CHUNK_BYTES);
  }

  /** Fills a buffer, from its start, with a chunk, ready to be read. */
  void read(int chunk, ByteBuffer into) {
    into.clear().limit(length(chunk));
    long position = (long) chunk * CHUNK_BYTES;
    int piece = pieceAt(position);
    while (into.hasRemaining()) {
      Piece p = pieces.get(piece);
      readPiece(p, position - p.start, into);
      position = p.start + p.length;
      piece++;
    }
    into.flip();
  }

  private static void readPiece(Piece piece, long from, ByteBuffer into) {
    int wanted = (int) Math.min(into.remaining(), piece.length - from);
    int limit = into.limit();
    into.limit(into.position() + wanted);
    try (FileChannel channel = FileChannel.open(piece.file)) {
      while (into.hasRemaining()) {
        int n = channel.read(into, from);
        if (n < 0) {
          throw new TwinspanException(piece.file + " became shorter while it was read");
        }
        from += n;
      }
    } catch (IOException e) {
      throw new TwinspanException("can't read " + piece.file + ": " + e.getMessage(), e);
    }
    into.limit(limit);
  }

  private int pieceAt(long position) {
    int low = 0;
    int high = pieces.size() - 1;
    while (low < high) {
      int middle = (low + high + 1) >>> 1;
      if (pieces.get(middle).start <= position) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }
}
