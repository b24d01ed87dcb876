package io.twinspan.benchmarks;

import io.twinspan.dma.AddressSpace;
import io.twinspan.dma.Descriptor;
import io.twinspan.dma.DescriptorRing;
import io.twinspan.dma.DmaAddress;
import io.twinspan.dma.DmaStatus;
import io.twinspan.dma.Opcode;
import io.twinspan.dma.SoftwareEngine;
import io.twinspan.dma.Translation;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32C;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** The software engine beside what it does by hand: a copy, a CRC-32C. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
    value = 1,
    jvmArgsAppend = {"-XX:+UseSerialGC", "-Xmx256m", "--enable-native-access=ALL-UNNAMED"})
public class DmaBenchmark {
  private static final int SOURCE = 1;
  private static final int DESTINATION = 2;
  private static final int FLAGS =
      Descriptor.FLAG_COMPLETION_ADDRESS_VALID | Descriptor.FLAG_REQUEST_COMPLETION;

  /** How many bytes. */
  @Param({"64", "4096", "65536", "1048576"})
  public int size;

  private final DescriptorRing ring = new DescriptorRing(4);
  private final CRC32C crc = new CRC32C();
  private MemorySegment source = MemorySegment.NULL;
  private MemorySegment destination = MemorySegment.NULL;
  private ByteBuffer bytes = ByteBuffer.allocate(0);
  private SoftwareEngine engine = new SoftwareEngine(ring, new Buffers());

  /** For JMH. */
  public DmaBenchmark() {}

  /** Makes the buffers. */
  @Setup
  public void setUp() {
    source = Arena.ofAuto().allocate(size, 4096).fill((byte) 1);
    destination = Arena.ofAuto().allocate(size, 4096).fill((byte) 2);
    bytes = source.asByteBuffer();
    engine = new SoftwareEngine(ring, new Buffers());
  }

  /** What the machine can do. */
  @Benchmark
  public void segmentCopy() {
    MemorySegment.copy(source, 0, destination, 0, size);
  }

  /** A descriptor that copies. */
  @Benchmark
  public void memmove() {
    run(Opcode.MEMMOVE);
  }

  /** A descriptor that copies and computes the CRC-32C. */
  @Benchmark
  public void copyCrc() {
    run(Opcode.COPY_CRC);
  }

  /** A CRC-32C alone. */
  @Benchmark
  public long crc32c() {
    crc.reset();
    crc.update(bytes.rewind());
    return crc.getValue();
  }

  private void run(int opcode) {
    int slot = ring.claim();
    ring.descriptor(slot)
        .set(
            opcode,
            FLAGS,
            ring.completionAddress(slot),
            DmaAddress.of(SOURCE, 0),
            DmaAddress.of(DESTINATION, 0),
            size);
    ring.publish();
    while (engine.doWork() > 0) {}
    if (ring.record(ring.next()).status() != DmaStatus.SUCCESS) {
      throw new IllegalStateException("the engine failed");
    }
    ring.release();
  }

  /** Two buffers, of which everything is allowed. */
  private final class Buffers implements AddressSpace {
    Buffers() {}

    @Override
    public boolean resolveSource(long address, int lengthBytes, Translation into) {
      into.set(source, DmaAddress.offset(address), 0, 0);
      return true;
    }

    @Override
    public boolean resolveDestination(long address, int lengthBytes, Translation into) {
      into.set(destination, DmaAddress.offset(address), 0, 0);
      return true;
    }

    @Override
    public boolean stillGranted(long slot, long witness) {
      return true;
    }
  }
}
