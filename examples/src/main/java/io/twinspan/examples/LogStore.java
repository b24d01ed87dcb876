package io.twinspan.examples;

import io.twinspan.nvme.CompletionHandler;
import io.twinspan.nvme.DmaMemory;
import io.twinspan.nvme.IdentifyNamespace;
import io.twinspan.nvme.NvmeOptions;
import io.twinspan.nvme.NvmeTarget;
import io.twinspan.nvme.QueueOwner;
import io.twinspan.nvme.QueuePair;
import io.twinspan.nvme.Status;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * A log on a private queue: what was appended is there again after any crash of this process.
 *
 * <p>Records lie one after the other from block 0 of namespace 1, each in whole blocks:
 *
 * <pre>
 *   +0   sequence  u64  1, 2, 3 …
 *   +8   length    u32  of the text, in bytes
 *   +12  CRC-32C   u32  of sequence, length and text
 *   +16  text
 * </pre>
 *
 * <p>The log ends where a record has not the next number or a wrong sum: an append that was cut
 * off. It was never acknowledged, and the next one overwrites it. One thread.
 */
public final class LogStore implements AutoCloseable {
  private static final int NAMESPACE = 1;
  private static final int HEADER_BYTES = 16;
  private static final int MAX_RECORD_BYTES = 64 << 10;
  private static final int PENDING = -1;

  private final QueueOwner drive;
  private final DmaMemory memory = DmaMemory.allocate("log-store", MAX_RECORD_BYTES);
  private final MemorySegment data = memory.segment();
  private final QueuePair<LogStore> queue;
  private final int blockBytes;
  private final long blocks;
  private long nextBlock;
  private long nextSequence = 1;
  private int status;

  /** Opens the log of a drive, and gives what it holds to a list. */
  LogStore(QueueOwner drive, List<String> recovered) {
    this.drive = drive;
    IdentifyNamespace namespace = drive.identifyNamespace(NAMESPACE);
    blockBytes = namespace.blockBytes();
    blocks = namespace.sizeBlocks();
    drive.map(memory);
    CompletionHandler<LogStore> handler = LogStore::completed;
    queue = drive.createQueuePair(1, handler);
    for (String text = next(); text != null; text = next()) {
      recovered.add(text);
    }
  }

  /**
   * Appends a record; when this returns it survives the loss of power too.
   *
   * @return its number
   */
  long append(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    int needed = blocksOf(bytes.length);
    if ((long) needed * blockBytes > MAX_RECORD_BYTES || needed > blocks - nextBlock) {
      throw new IllegalStateException("no room for " + bytes.length + " bytes");
    }
    data.fill((byte) 0);
    data.set(ValueLayout.JAVA_LONG, 0, nextSequence);
    data.set(ValueLayout.JAVA_INT, 8, bytes.length);
    MemorySegment.copy(bytes, 0, data, ValueLayout.JAVA_BYTE, HEADER_BYTES, bytes.length);
    data.set(ValueLayout.JAVA_INT, 12, checksum(bytes.length));
    begin();
    await(queue.write(NAMESPACE, nextBlock, needed, data, 0, this));
    begin();
    await(queue.flush(NAMESPACE, this));
    nextBlock += needed;
    return nextSequence++;
  }

  /** The record at the end of what is known, or null if there is none. */
  private @Nullable String next() {
    if (nextBlock == blocks) {
      return null;
    }
    read(1);
    int length = data.get(ValueLayout.JAVA_INT, 8);
    if (data.get(ValueLayout.JAVA_LONG, 0) != nextSequence
        || length < 0
        || length > MAX_RECORD_BYTES - HEADER_BYTES
        || blocksOf(length) > blocks - nextBlock) {
      return null;
    }
    read(blocksOf(length));
    if (data.get(ValueLayout.JAVA_INT, 12) != checksum(length)) {
      return null;
    }
    nextBlock += blocksOf(length);
    nextSequence++;
    byte[] text = data.asSlice(HEADER_BYTES, length).toArray(ValueLayout.JAVA_BYTE);
    return new String(text, StandardCharsets.UTF_8);
  }

  private void read(int count) {
    begin();
    await(queue.read(NAMESPACE, nextBlock, count, data, 0, this));
  }

  private int blocksOf(int length) {
    return Math.ceilDiv(HEADER_BYTES + length, blockBytes);
  }

  private int checksum(int length) {
    CRC32C crc = new CRC32C();
    crc.update(data.asSlice(0, 12).asByteBuffer());
    crc.update(data.asSlice(HEADER_BYTES, length).asByteBuffer());
    return (int) crc.getValue();
  }

  private void begin() {
    status = PENDING;
  }

  private void await(int submitted) {
    while (submitted == Status.SUCCESS && status == PENDING) {
      int _ = queue.poll(1);
    }
    int ended = submitted == Status.SUCCESS ? status : submitted;
    if (ended != Status.SUCCESS) {
      throw new IllegalStateException("the drive says " + Status.name(ended));
    }
  }

  private void completed(int ended) {
    status = ended;
  }

  @Override
  public void close() {
    queue.close();
    drive.unmap(memory);
    memory.close();
  }

  /** Usage: a drive as {@link NvmeTarget} names it; each line of input becomes a record. */
  public static void main(String[] args) throws IOException {
    List<String> recovered = new ArrayList<>();
    try (QueueOwner drive = NvmeTarget.open(args[0], NvmeOptions.DEFAULTS);
        LogStore log = new LogStore(drive, recovered)) {
      System.out.println("recovered " + recovered.size() + ": " + String.join(" ", recovered));
      BufferedReader lines =
          new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        System.out.println("durable " + log.append(line));
      }
    }
  }
}
