package io.twinspan.nvme;

import static io.twinspan.nvme.LittleEndian.ANY_INT;
import static io.twinspan.nvme.LittleEndian.LONG;

import io.twinspan.concurrent.Clock;
import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.EventFd;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Executor;

/**
 * A controller in memory whose misdeeds a test scripts. It is the driver's clock too, and works
 * whenever the driver asks for the time: so a waiting driver sees progress, and no test waits for
 * real.
 */
final class FakeDevice implements PciDevice, Clock {
  static final int BAR_BYTES = 64 << 10;
  static final long BLOCKS = 1000;

  /** What the driver did that matters: register writes and administrative commands. */
  final List<String> log = new ArrayList<>();

  private final List<Integer> eventRequests = new ArrayList<>();

  /** Status that an administrative opcode gets instead of being carried out. */
  final Map<Integer, Integer> adminStatus = new HashMap<>();

  long cap = ControllerRegisters.cap(1024, 2000, DoorbellPage.DSTRD);
  boolean becomesReady = true;
  boolean becomesDisabled = true;
  boolean shutsDown = true;
  boolean resets = true;
  boolean answersAdmin = true;
  int adminCidOffset;
  boolean present = true;
  boolean allOnes;
  boolean fatal;
  boolean closed;
  int cc;
  int grantedQueues = 8;
  int mdts = 5;
  int sgls;
  int boundaryBlocks;
  int optionalAdminCommands;
  boolean offersDoorbellEvents = true;
  int completionQueueFlags;
  long shadowDoorbells;
  long eventIndexes;
  Executor background = Runnable::run;
  long nowNs;
  long stepNs = 1_000_000;

  final EventFd doorbellEvent = EventFd.create();
  final MemorySegment bar = Arena.ofAuto().allocate(BAR_BYTES, 4096);
  private final EventFd interrupt = EventFd.create();
  private final TreeMap<Long, Mapping> dma = new TreeMap<>();
  private final Map<Integer, Queue> queues = new HashMap<>();
  private long nextIova = 1 << 20;
  private int aqa;
  private long asq;
  private long acq;
  private int shutdownStatus;

  /** One queue pair as the device sees it. */
  private static final class Queue {
    long sq;
    long cq;
    int entries;
    int sqHead;
    int cqTail;
    int phase = 1;
  }

  NvmeOptions options() {
    Duration second = Duration.ofSeconds(1);
    return new NvmeOptions(this, second, second, second, 4, true, task -> background.execute(task));
  }

  NvmeController open() {
    NvmeController controller = NvmeController.open(this, options());
    step(); // takes what the driver did not wait for
    return controller;
  }

  /** The commands that the driver has submitted to an I/O queue since the last call. */
  List<SubmissionEntry> submitted(int queueId) {
    return submitted(queueId, DoorbellPage.barOffset(queueId));
  }

  List<SubmissionEntry> submitted(int queueId, long tailDoorbell) {
    List<SubmissionEntry> entries = new ArrayList<>();
    Queue queue = queues.get(queueId);
    int tail = bar.get(ANY_INT, tailDoorbell);
    while (queue.sqHead != tail) {
      entries.add(take(queue));
    }
    return entries;
  }

  void complete(int queueId, int cid, int status) {
    post(queueId, cid, status, queues.get(queueId).sqHead);
  }

  void post(int queueId, int cid, int status, int sqHead) {
    Queue queue = queues.get(queueId);
    CompletionEntry entry = new CompletionEntry();
    long at = queue.cq + (long) queue.cqTail * CompletionEntry.BYTES;
    entry
        .wrap(memory(at, CompletionEntry.BYTES), 0)
        .publish(0, sqHead, queueId, cid, status, false, queue.phase);
    queue.cqTail = (queue.cqTail + 1) % queue.entries;
    queue.phase ^= queue.cqTail == 0 ? 1 : 0;
  }

  /** The memory behind a DMA address. */
  MemorySegment memory(long iova, long length) {
    var window = dma.floorEntry(iova);
    return window.getValue().segment().asSlice(iova - window.getKey(), length);
  }

  int dmaWindows() {
    return dma.size();
  }

  int cqHeadDoorbell(int queueId) {
    return bar.get(ANY_INT, DoorbellPage.barOffset(queueId) + DoorbellPage.CQ_HEAD_OFFSET);
  }

  @Override
  public long nanoTime() {
    step();
    return nowNs += stepNs;
  }

  @Override
  public long epochMillis() {
    return 0;
  }

  @Override
  public String name() {
    return "fake";
  }

  @Override
  public int read32(long offset) {
    nowNs += stepNs;
    if (allOnes) {
      return -1;
    }
    if (offset == ControllerRegisters.CC) {
      return cc;
    }
    if (offset != ControllerRegisters.CSTS) {
      throw new AssertionError("read of register " + offset);
    }
    boolean enabled = (cc & ControllerRegisters.CC_ENABLE) != 0;
    boolean ready = enabled ? becomesReady : !becomesDisabled;
    return (ready ? 1 : 0) | (fatal ? ControllerRegisters.CSTS_FATAL : 0) | shutdownStatus;
  }

  @Override
  public long read64(long offset) {
    return allOnes ? -1 : cap;
  }

  @Override
  public void write32(long offset, int value) {
    if (offset == ControllerRegisters.AQA) {
      log.add("AQA=%x".formatted(value));
      aqa = value;
      return;
    }
    log.add("CC=%x".formatted(value));
    boolean starts = (value & ~cc & ControllerRegisters.CC_ENABLE) != 0;
    cc = value;
    if (starts) {
      queues.clear();
      shadowDoorbells = 0;
      eventIndexes = 0;
      eventRequests.clear();
      queues.put(0, queue(asq, acq, ControllerRegisters.adminSqEntries(aqa)));
      bar.fill((byte) 0);
      shutdownStatus = 0;
    }
    if ((value & ControllerRegisters.CC_SHUTDOWN_MASK) != 0 && shutsDown) {
      shutdownStatus = ControllerRegisters.CSTS_SHUTDOWN_COMPLETE;
    }
  }

  @Override
  public void write64(long offset, long value) {
    log.add(offset == ControllerRegisters.ASQ ? "ASQ" : "ACQ");
    if (offset == ControllerRegisters.ASQ) {
      asq = value;
    } else {
      acq = value;
    }
  }

  @Override
  public MemorySegment mapBar(long offset, long lengthBytes) {
    return bar.asSlice(offset, lengthBytes);
  }

  @Override
  public DmaRegion map(Fd memory, long offset, long lengthBytes) {
    DmaRegion region = new DmaRegion(nextIova, lengthBytes);
    dma.put(nextIova, Mapping.shared(memory, offset, lengthBytes, Mapping.Protection.READ_WRITE));
    nextIova += lengthBytes + 4096;
    return region;
  }

  @Override
  public void unmap(DmaRegion region) {
    dma.remove(region.iova());
  }

  @Override
  public int interruptCount() {
    return 9;
  }

  @Override
  public EventFd interrupt(int vector) {
    return interrupt;
  }

  @Override
  public Optional<EventFd> doorbellEvent(long barOffset) {
    return offersDoorbellEvents ? Optional.of(doorbellEvent) : Optional.empty();
  }

  @Override
  public boolean isPresent() {
    return present;
  }

  @Override
  public WakeSource removalSource() {
    return WakeSource.readable(interrupt.fd());
  }

  @Override
  public void reset() {
    log.add("reset");
    if (resets) {
      becomesDisabled = true;
    }
  }

  @Override
  public void disconnect() {
    log.add("disconnect");
  }

  @Override
  public void close() {
    closed = true;
  }

  private static Queue queue(long sq, long cq, int entries) {
    Queue queue = new Queue();
    queue.sq = sq;
    queue.cq = cq;
    queue.entries = entries;
    return queue;
  }

  private SubmissionEntry take(Queue queue) {
    MemorySegment copy = Arena.ofAuto().allocate(SubmissionEntry.BYTES, 8);
    MemorySegment.copy(
        memory(queue.sq + (long) queue.sqHead * SubmissionEntry.BYTES, SubmissionEntry.BYTES),
        0,
        copy,
        0,
        SubmissionEntry.BYTES);
    queue.sqHead = (queue.sqHead + 1) % queue.entries;
    return new SubmissionEntry().wrap(copy, 0);
  }

  private void step() {
    Queue admin = queues.get(0);
    if (admin == null || !answersAdmin) {
      return;
    }
    int tail = bar.get(ANY_INT, ControllerRegisters.DOORBELLS);
    while (admin.sqHead != tail) {
      SubmissionEntry command = take(admin);
      int result = 0;
      Integer status = adminStatus.get(command.opcode());
      log.add("%s %x".formatted(AdminOpcode.name(command.opcode()), command.cdw(10)));
      if (status == null && command.opcode() == AdminOpcode.ASYNC_EVENT_REQUEST) {
        eventRequests.add(command.cid());
        continue;
      }
      if (status == null) {
        status = Status.SUCCESS;
        result = carryOut(command);
      }
      postAdmin(command.cid() + adminCidOffset, status, result);
    }
  }

  /** Completes an Asynchronous Event Request. */
  void report(int event) {
    step();
    postAdmin(eventRequests.removeFirst(), Status.SUCCESS, event);
  }

  private void postAdmin(int cid, int status, int result) {
    Queue admin = queues.get(0);
    long at = admin.cq + (long) admin.cqTail * CompletionEntry.BYTES;
    new CompletionEntry()
        .wrap(memory(at, CompletionEntry.BYTES), 0)
        .publish(result, admin.sqHead, 0, cid, status, false, admin.phase);
    admin.cqTail = (admin.cqTail + 1) % admin.entries;
    admin.phase ^= admin.cqTail == 0 ? 1 : 0;
  }

  private int carryOut(SubmissionEntry command) {
    int id = command.cdw(10) & 0xffff;
    switch (command.opcode()) {
      case AdminOpcode.IDENTIFY -> identify(command, memory(command.prp1(), 4096));
      case AdminOpcode.SET_FEATURES -> {
        return (grantedQueues - 1) | (grantedQueues - 1) << 16;
      }
      case AdminOpcode.GET_LOG_PAGE -> memory(command.prp1(), 4).set(ANY_INT, 0, 1);
      case AdminOpcode.CREATE_IO_CQ -> {
        completionQueueFlags = command.cdw(11);
        queues.put(id, queue(0, command.prp1(), (command.cdw(10) >>> 16) + 1));
      }
      case AdminOpcode.DOORBELL_BUFFER_CONFIG -> {
        shadowDoorbells = command.prp1();
        eventIndexes = command.prp2();
      }
      case AdminOpcode.CREATE_IO_SQ -> queues.get(id).sq = command.prp1();
      default -> {}
    }
    return 0;
  }

  private void identify(SubmissionEntry command, MemorySegment data) {
    data.fill((byte) 0);
    switch (command.cdw(10)) {
      case IdentifyCns.CONTROLLER ->
          new IdentifyController()
              .wrap(data, 0)
              .serialNumber("S1")
              .maxDataTransferSize(mdts)
              .sglSupport(sgls)
              .adminCommands(optionalAdminCommands);
      case IdentifyCns.ACTIVE_NAMESPACES -> data.set(ANY_INT, 0, 1);
      case IdentifyCns.NAMESPACE -> {
        new IdentifyNamespace()
            .wrap(data, 0)
            .sizeBlocks(BLOCKS)
            .optimalBoundaryBlocks(boundaryBlocks)
            .format(0, 12);
        data.set(LONG, 8, BLOCKS);
      }
      default -> throw new AssertionError("CNS " + command.cdw(10));
    }
  }
}
