package io.twinspan.nvme;

import io.twinspan.linux.Errno;
import io.twinspan.linux.ErrnoException;
import io.twinspan.linux.EventFd;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.Memfd;
import io.twinspan.linux.Poller;
import io.twinspan.linux.TwinspanException;
import io.twinspan.linux.UnixSocket;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The connection of a process to a {@link Broker}: one request at a time, each answered within a
 * deadline. Safe for several threads. After anything that breaks the protocol it is of no more use.
 */
final class BrokeredDevice implements QueueDevice, AutoCloseable {
  /** As many as a broker gives to one process. */
  private static final int MAX_QUEUES = 64;

  /** What the poller calls the broker's socket; bells are called by their queue pairs, from 1. */
  private static final int SOCKET = 0;

  private record Doorbell(Mapping page, EventFd bell) {}

  private final String name;
  private final BrokerConnection connection;
  private final Poller poller = new Poller();
  private final Map<Integer, Doorbell> doorbells = new HashMap<>();

  /** Bells by queue pair, as long as they have not hung up; under the poller's lock. */
  private final @Nullable Fd[] bells = new @Nullable Fd[MAX_QUEUES + 1];

  private @Nullable ObituaryThread lifeline;
  private int bellCount;
  private boolean brokerGone;
  private boolean broken;
  private volatile boolean hungUp;

  /** Takes a connection to a broker over. */
  BrokeredDevice(String name, UnixSocket connected, Duration timeout) {
    this.name = name;
    // It may be the second in a row that the drive keeps waiting.
    connected.setReceiveTimeout(timeout.multipliedBy(2));
    connection = new BrokerConnection(connected);
    poller.add(connected.fd(), 0, SOCKET); // no event but its end
  }

  @Override
  public String name() {
    return name;
  }

  /** Sends a request and returns the answer, which is valid until the next one. */
  synchronized BrokerMessage exchange(
      int type, int payloadBytes, Consumer<BrokerMessage> fill, int leastBytes, Fd... fds) {
    if (broken) {
      throw new DeviceHungException(name + " is of no use any more");
    }
    try {
      fill.accept(connection.message().begin(type, payloadBytes));
      connection.send(fds);
      BrokerMessage reply = connection.receive();
      if (reply.type() != type || (!reply.isRefused() && reply.payloadBytes() < leastBytes)) {
        throw new BrokerConnection.EndedException("it answers something else");
      }
      if (reply.isRefused()) {
        throw new NvmeException("%s refuses: %s".formatted(name, reply.text()));
      }
      return reply;
    } catch (BrokerConnection.EndedException e) {
      broken = true;
      String message = name + ": " + e.getMessage();
      throw isPresent() ? new DeviceHungException(message) : new DeviceGoneException(message);
    }
  }

  /** Has the broker told of this process's death by the page that came with the last answer. */
  synchronized void leaveDeathWord() {
    try (Fd page = connection.takeFds(1).getFirst()) {
      lifeline = new ObituaryThread(page);
    }
  }

  @Override
  public synchronized DmaRegion map(Fd memory, long offset, long lengthBytes) {
    BrokerMessage reply =
        exchange(BrokerMessage.MAP, 16, m -> m.u64(0, offset).u64(8, lengthBytes), 8, memory);
    return new DmaRegion(reply.u64(0), lengthBytes);
  }

  void unmap(DmaRegion region) {
    var _ = exchange(BrokerMessage.UNMAP, 8, m -> m.u64(0, region.iova()), 0);
  }

  /** Gets doorbells for a queue pair, and returns its identifier. */
  synchronized int reserve(int depth) {
    int id = exchange(BrokerMessage.RESERVE, 4, m -> m.u32(0, depth), 4).u32(0);
    List<Fd> fds = connection.takeFds(2);
    try (Fd page = fds.getFirst()) {
      if (id < 1 || id > MAX_QUEUES || doorbells.containsKey(id)) {
        throw new NvmeException("%s gives out queue %d".formatted(name, id));
      }
      var _ = Memfd.requireSealed(page, DoorbellPage.BYTES);
      Mapping mapping = Mapping.shared(page, 0, DoorbellPage.BYTES, Mapping.Protection.READ_WRITE);
      EventFd bell = EventFd.adopt(fds.getLast());
      synchronized (poller) {
        poller.add(bell.fd(), 0, id);
        bells[id] = bell.fd();
        bellCount++;
      }
      doorbells.put(id, new Doorbell(mapping, bell));
      return id;
    } catch (RuntimeException e) {
      fds.getLast().close();
      throw e;
    }
  }

  void create(int id, long sqIova, long cqIova) {
    var _ = exchange(BrokerMessage.CREATE, 24, m -> m.u32(0, id).u64(8, sqIova).u64(16, cqIova), 0);
  }

  /** When this returns, the drive has no command of the queue pair any more. */
  void delete(int id) {
    var _ = exchange(BrokerMessage.DELETE, 4, m -> m.u32(0, id), 0);
  }

  void abort(int id, int cid) {
    var _ = exchange(BrokerMessage.ABORT, 8, m -> m.u32(0, id).u32(4, cid), 0);
  }

  /** Frees the doorbells of a queue pair, which nobody uses any more. */
  synchronized void forget(int id) {
    Doorbell gone = doorbells.remove(id);
    if (gone != null) {
      synchronized (poller) {
        forgetBell(id);
      }
      gone.page.close();
      gone.bell.close();
    }
  }

  @Override
  public synchronized MemorySegment mapBar(long offset, long lengthBytes) {
    return doorbell((int) ((offset - ControllerRegisters.DOORBELLS) / DoorbellPage.BYTES))
        .page
        .segment();
  }

  @Override
  public int interruptCount() {
    return MAX_QUEUES + 1;
  }

  @Override
  public synchronized EventFd interrupt(int vector) {
    return doorbell(vector).bell;
  }

  @Override
  public synchronized Optional<EventFd> doorbellEvent(long barOffset) {
    int id = (int) ((barOffset - ControllerRegisters.DOORBELLS) / DoorbellPage.BYTES);
    return Optional.of(doorbell(id).bell);
  }

  Fd fd() {
    return connection.socket().fd();
  }

  /**
   * Whether the drive may still touch memory of this process: until the broker has closed its end,
   * and whoever looks at the queue pairs has closed theirs. Each lets go of the memory before, but
   * for one that is killed: then it is the other's end that tells.
   */
  boolean isPresent() {
    synchronized (poller) {
      int count = hungUp ? 0 : poller.await(0);
      for (int i = 0; i < count; i++) {
        if (poller.token(i) == SOCKET) {
          brokerGone = true;
        } else {
          forgetBell(poller.token(i));
        }
      }
      hungUp |= brokerGone && bellCount == 0;
      return !hungUp;
    }
  }

  private void forgetBell(int id) {
    Fd bell = bells[id];
    if (bell != null) {
      poller.remove(bell);
      bells[id] = null;
      bellCount--;
    }
  }

  /** Tells the broker that this was all; it takes everything back and hangs up. */
  void disconnect() {
    synchronized (poller) {
      if (hungUp) {
        return;
      }
      try {
        connection.socket().endOutput();
      } catch (TwinspanException e) {
        hungUp |= e instanceof ErrnoException f && f.errno() == Errno.ENOTCONN;
      }
    }
  }

  @Override
  public synchronized void close() {
    broken = true;
    List.copyOf(doorbells.keySet()).forEach(this::forget);
    synchronized (poller) {
      hungUp = true;
      poller.close();
    }
    connection.close();
    ObituaryThread left = lifeline;
    if (left != null) {
      lifeline = null;
      left.close();
    }
  }

  private Doorbell doorbell(int id) {
    Doorbell doorbell = doorbells.get(id);
    if (doorbell == null) {
      throw new IllegalArgumentException("queue " + id);
    }
    return doorbell;
  }
}
