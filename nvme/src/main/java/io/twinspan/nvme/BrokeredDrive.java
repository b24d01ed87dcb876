package io.twinspan.nvme;

import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.UnixSocket;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.concurrent.CopyOnWriteArrayList;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A drive that a {@link Broker} lends to this process, which needs no rights but to open the
 * broker's socket. Queue pairs and memory are used as those of {@link NvmeController}:
 *
 * <pre>{@code
 * try (BrokeredDrive drive = BrokeredDrive.connect(Path.of("/run/drive"));
 *     DmaMemory memory = DmaMemory.allocate("mine", 1 << 20)) {
 *   drive.map(memory);
 *   try (QueuePair<String> queue = drive.createQueuePair(32, MyCode::completed)) {
 *     queue.write(1, 0, 8, memory.segment(), 0, "my first write");
 *     while (queue.inFlight() > 0) {
 *       queue.poll(32);
 *     }
 *   }
 * }
 * }</pre>
 *
 * <p>Control plane: safe for several threads, blocking, each wait with a deadline. If the broker
 * ends or takes the drive back, every command in flight is answered with {@link Status#GONE}. A
 * broker that is killed may leave the drive touching memory that commands named for some moments
 * more, until the kernel or the shelf has noticed.
 */
public final class BrokeredDrive extends QueueOwner {
  private static final Logger LOG = LoggerFactory.getLogger(BrokeredDrive.class);

  /**
   * What this process may have.
   *
   * @param queuePairs most private queue pairs
   * @param depth most commands in flight in one of them
   * @param memoryBytes most memory that the drive can reach; that of queue pairs counts too
   * @param range the blocks that it may use
   * @param administrator whether it may change the drive by administrative commands
   */
  public record Grant(
      int queuePairs, int depth, long memoryBytes, NamespaceRange range, boolean administrator) {}

  private final BrokeredDevice device;
  private final WakeSource removalSource;
  private final CopyOnWriteArrayList<QueuePair<?>> queuePairs = new CopyOnWriteArrayList<>();
  private final Grant grant;
  private final boolean direct;

  private BrokeredDrive(BrokeredDevice device, NvmeOptions options) {
    super(options, ControllerState.READY);
    this.device = device;
    removalSource = WakeSource.readable(device.fd());
    BrokerMessage hello =
        device.exchange(
            BrokerMessage.HELLO,
            8,
            m -> m.u32(0, BrokerMessage.MAGIC).u32(4, BrokerMessage.VERSION),
            BrokerMessage.HELLO_BYTES);
    if (hello.u32(0) != BrokerMessage.MAGIC || hello.u32(4) != BrokerMessage.VERSION) {
      throw new NvmeException(
          "%s speaks version %d, we speak %d"
              .formatted(device.name(), hello.u32(4), BrokerMessage.VERSION));
    }
    if (hello.u32(60) != 0) {
      device.leaveDeathWord();
    }
    limitTransfers(Math.clamp(hello.u32(8), Prp.PAGE_BYTES, Prp.MAX_TRANSFER_BYTES));
    NamespaceRange range =
        new NamespaceRange(hello.u32(32), hello.u64(40), hello.u64(48), hello.u32(36) != 0);
    grant = new Grant(hello.u32(12), hello.u32(16), hello.u64(24), range, hello.u32(20) != 0);
    direct = hello.u32(56) != 0;
    for (int nsid : activeNamespaces()) {
      var _ = identifyNamespace(nsid);
    }
  }

  /**
   * Connects to a broker, trying again while it is starting.
   *
   * @param socket its socket
   * @return the drive
   * @throws NvmeException if it does not let this process in
   */
  public static BrokeredDrive connect(Path socket) {
    return connect(socket, NvmeOptions.DEFAULTS);
  }

  /**
   * Connects to a broker, trying again while it is starting.
   *
   * @param socket its socket
   * @param options clock, time-outs and background threads are used
   * @return the drive
   * @throws NvmeException if it does not let this process in
   */
  public static BrokeredDrive connect(Path socket, NvmeOptions options) {
    return over("broker:" + socket, UnixSocket.connect(socket, options.adminTimeout()), options);
  }

  /** Takes a connection to a broker over. */
  static BrokeredDrive over(String name, UnixSocket connected, NvmeOptions options) {
    BrokeredDevice device = new BrokeredDevice(name, connected, options.adminTimeout());
    try {
      return new BrokeredDrive(device, options);
    } catch (RuntimeException e) {
      device.close();
      throw e;
    }
  }

  @Override
  public String name() {
    return device.name();
  }

  /** {@return what this process may have} */
  public Grant grant() {
    return grant;
  }

  /**
   * {@return whether commands go straight to the drive, which keeps processes apart by itself; else
   * the broker carries and checks them}
   */
  public boolean isDirect() {
    return direct;
  }

  @Override
  public int maxQueuePairs() {
    return grant.queuePairs();
  }

  @Override
  public NamespaceRange range() {
    return grant.range();
  }

  @Override
  public WakeSource removalSource() {
    return removalSource;
  }

  /**
   * Creates a private queue pair in memory of this process.
   *
   * @param depth most commands in flight, 1 to {@link Grant#depth}
   * @param interrupts whether {@link QueuePair#wakeSource} is to work
   * @param handler takes the completions
   * @param <R> what the submitter hands over with a command
   * @return the queue pair, for one thread
   * @throws NvmeException if the broker refuses, such as for a limit
   */
  @Override
  public synchronized <R> QueuePair<R> createQueuePair(
      int depth, boolean interrupts, CompletionHandler<? super R> handler) {
    requireAlive();
    int id = device.reserve(depth);
    QueuePair<R> pair;
    try {
      pair =
          new QueuePair<>(this, device, id, depth, interrupts, DoorbellPage.DSTRD, null, handler);
    } catch (RuntimeException e) {
      giveUp(id);
      throw e;
    }
    try {
      device.create(id, pair.sqIova(), pair.cqIova());
    } catch (RuntimeException e) {
      giveUp(id);
      unmap(pair);
      pair.discard();
      throw e;
    }
    queuePairs.add(pair);
    if (state() == ControllerState.GONE) {
      pair.engine().settle(); // it went just now, and did not find the queue pair in the list
    }
    return pair;
  }

  /**
   * Sends an administrative command; waits for its completion.
   *
   * @param command its CID and data pointers do not matter
   * @param data at most 8192 bytes, of any kind of memory: goes to the drive, and takes what it
   *     wrote
   * @return the drive's own completion; or that of the broker, Operation Denied (0x015), for a
   *     command that this process may not send
   * @throws NvmeException if there is no answer
   */
  @Override
  public Completion admin(SubmissionEntry command, MemorySegment data) {
    int bytes = Math.toIntExact(data.byteSize());
    if (bytes > AdminQueue.DATA_BYTES) {
      throw new IllegalArgumentException(
          "%d bytes of data, an administrative command takes %d"
              .formatted(bytes, AdminQueue.DATA_BYTES));
    }
    synchronized (this) {
      requireAlive();
      BrokerMessage reply =
          device.exchange(
              BrokerMessage.ADMIN,
              SubmissionEntry.BYTES + bytes,
              m -> {
                command.copyTo(m.buffer(), BrokerMessage.HEADER_BYTES);
                m.payload(SubmissionEntry.BYTES, bytes).copyFrom(data);
              },
              BrokerMessage.ADMIN_REPLY_BYTES + bytes);
      Completion completion = new Completion(reply.u32(0), reply.u32(4), reply.u32(8) != 0);
      if (completion.isSuccess() && !data.isReadOnly()) {
        data.copyFrom(reply.payload(BrokerMessage.ADMIN_REPLY_BYTES, bytes));
      }
      return completion;
    }
  }

  /**
   * Gives everything back, and waits until the broker says that the drive touches no memory of this
   * process any more; bounded by the administrative timeout. Close queue pairs first, or stop
   * polling them.
   */
  @Override
  public synchronized void close() {
    if (state() == ControllerState.CLOSED) {
      return;
    }
    boolean free = awaitHangUp();
    for (QueuePair<?> pair : queuePairs) {
      if (free) {
        pair.engine().settle();
      } else {
        pair.engine().unsettle();
      }
    }
    var _ = become(ControllerState.CLOSED);
    device.close();
  }

  @Override
  public boolean checkPresence() {
    ControllerState now = state();
    boolean mayGo = now != ControllerState.GONE && now != ControllerState.CLOSED;
    if (mayGo && !device.isPresent()) {
      fail(ControllerState.GONE, "the broker has ended, or taken the drive back");
    }
    return isLiving();
  }

  BrokeredDevice device() {
    return device;
  }

  /** FAILED: the broker is told to take everything back; it hangs up when it has. */
  @Override
  void afterFailure(ControllerState now) {
    if (now == ControllerState.GONE) {
      queuePairs.forEach(pair -> pair.engine().settle());
    } else {
      options().background().execute(device::disconnect);
    }
  }

  @Override
  DmaRegion grant(DmaMemory memory) {
    return device.map(memory.memfd(), memory.offset(), memory.lengthBytes());
  }

  @Override
  void revoke(DmaRegion region) {
    if (isLiving()) {
      device.unmap(region);
    }
  }

  /** Where the broker's own driver aborts, all that is left to this process is to give up. */
  @Override
  void abort(QueueEngine<?> queue, int cid) {
    if (direct) {
      super.abort(queue, cid);
    } else {
      queue.abortEnded();
    }
  }

  @Override
  void abort(int queueId, int cid) {
    try {
      device.abort(queueId, cid);
    } catch (NvmeException e) {
      LOG.warn("{}: no Abort of queue pair {}, CID {}: {}", name(), queueId, cid, e.getMessage());
    }
  }

  @Override
  synchronized void release(QueuePair<?> pair) {
    if (queuePairs.contains(pair)) {
      if (checkPresence()) {
        delete(pair);
      }
      if (state() == ControllerState.FAILED && awaitHangUp()) {
        fail(ControllerState.GONE, "the broker has taken the drive back");
      }
      queuePairs.remove(pair);
    }
    device.forget(pair.id());
  }

  private void delete(QueuePair<?> pair) {
    try {
      device.delete(pair.id());
      pair.engine().settle();
      device.unmap(pair.region());
    } catch (DeviceGoneException e) {
      fail(ControllerState.GONE, String.valueOf(e.getMessage()));
    } catch (NvmeException e) {
      fail(ControllerState.FAILED, String.valueOf(e.getMessage()));
    }
  }

  private void giveUp(int id) {
    try {
      device.delete(id);
    } catch (NvmeException e) {
      LOG.debug("{}: queue {} is not given back", name(), id, e);
    }
    device.forget(id);
  }

  private void unmap(QueuePair<?> pair) {
    try {
      device.unmap(pair.region());
    } catch (NvmeException e) {
      LOG.debug("{}: memory of queue {} is not given back", name(), pair.id(), e);
    }
  }

  private boolean awaitHangUp() {
    device.disconnect();
    BoundedWait wait = new BoundedWait(options().clock(), options().adminTimeout());
    while (device.isPresent()) {
      if (!wait.pause()) {
        LOG.warn("{} does not let go", name());
        return false;
      }
    }
    return true;
  }

  /** The broker is asked whether it is there, as far as the socket tells. */
  @Override
  void requireAlive() {
    if (!checkPresence()) {
      throw state() == ControllerState.CLOSED
          ? new IllegalStateException(name() + " is closed")
          : new DeviceGoneException(name() + " is lost: " + failure());
    }
  }
}
