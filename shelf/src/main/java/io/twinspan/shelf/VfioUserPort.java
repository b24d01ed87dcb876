package io.twinspan.shelf;

import io.twinspan.concurrent.SystemClock;
import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.Credentials;
import io.twinspan.linux.EventSignals;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Poller;
import io.twinspan.linux.TwinspanException;
import io.twinspan.linux.UnixListener;
import io.twinspan.linux.UnixSocket;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One port of a drive: a vfio-user socket, one client at a time, the controller behind it.
 *
 * <p>When the client goes, or says something that makes no sense, its queues and mappings go, and
 * the next one finds a reset controller; other ports do not notice. The drive's agent thread owns
 * it.
 */
final class VfioUserPort implements AutoCloseable {
  /** Where sources that end the drive's sleep are added and removed. */
  interface WakeSources {
    /** Adds one. */
    void add(WakeSource source);

    /** Removes one, before it is closed. */
    void remove(WakeSource source);
  }

  private static final Logger LOG = LoggerFactory.getLogger(VfioUserPort.class);

  /** The JVM's answer to SIGBUS: the client has cut a file that it had mapped here. */
  private static final String MEMORY_GONE =
      "{}: the client is disconnected, memory that it had mapped has gone: {}";

  /**
   * While the drive is busy, sockets are looked at that often: a look is a system call, which costs
   * as much as some commands do.
   */
  private static final long LOOK_NS = 500_000;

  /** And the clock once in that many rounds. */
  private static final int ROUNDS_BETWEEN_TIMES = 16;

  /** A socket that, after every sleep, is due to be looked at. */
  private final class Source implements WakeSource {
    private final Fd fd;

    private Source(Fd fd) {
      this.fd = fd;
    }

    @Override
    public void arm() {}

    @Override
    public void disarm() {
      due = true;
    }

    @Override
    public Fd fd() {
      return fd;
    }
  }

  private final String name;
  private final UnixListener listener;
  private final NvmeController controller;
  private final FaultPlan faults;
  private final WakeSources wakeSources;

  /** The sockets, so that a look at them that finds nothing is one system call. */
  private @Nullable Poller sockets;

  /** For all clients: the kernel takes many milliseconds to give one back. */
  private @Nullable EventSignals signals;

  private @Nullable VfioUserConnection connection;
  private @Nullable Source connectionSource;
  private boolean due = true;
  private boolean acceptFailed;
  private int rounds;
  private long lookedNs;

  /**
   * A port that listens already.
   *
   * @param name for the log
   * @param listener non-blocking; closed with the port
   * @param controller what clients get
   * @param faults of the drive
   * @param wakeSources of the drive's agent
   */
  VfioUserPort(
      String name,
      UnixListener listener,
      NvmeController controller,
      FaultPlan faults,
      WakeSources wakeSources) {
    this.name = name;
    this.listener = listener;
    this.controller = controller;
    this.faults = faults;
    this.wakeSources = wakeSources;
    controller.domains().wakes(wakeSources);
  }

  /** Begins to serve; on the agent's thread. */
  void start() {
    watch(new Source(listener.fd()));
  }

  NvmeController controller() {
    return controller;
  }

  /** The process that is connected. */
  Optional<Credentials> client() {
    VfioUserConnection current = connection;
    return current == null ? Optional.empty() : Optional.of(current.socket().peer());
  }

  /** Whether the doorbells must be looked at in time, as nobody will wake the drive for them. */
  boolean needsPolling() {
    return controller.state() == NvmeController.State.READY
        && (!controller.clientWakes() || controller.stalled());
  }

  /** Serves the socket when it is due, and the controller; returns how much was done. */
  int poll() {
    int work = 0;
    if (due || isTimeToLook()) {
      due = false;
      if (sockets().await(0) > 0) {
        work += accept();
        work += serve();
      }
    }
    goDownIfFaulty();
    try {
      work += controller.poll();
    } catch (InternalError e) {
      LOG.warn(MEMORY_GONE, name, e.getMessage());
      disconnect();
    } catch (RuntimeException e) {
      LOG.error("{}: commands can't be carried out, the client is disconnected", name, e);
      disconnect();
    }
    return work;
  }

  private boolean isTimeToLook() {
    rounds++;
    if (rounds < ROUNDS_BETWEEN_TIMES) {
      return false;
    }
    rounds = 0;
    long nowNs = SystemClock.INSTANCE.nanoTime();
    if (nowNs - lookedNs < LOOK_NS) {
      return false;
    }
    lookedNs = nowNs;
    return true;
  }

  @Override
  public void close() {
    disconnect();
    listener.close();
    if (sockets != null) {
      sockets.close();
    }
    if (signals != null) {
      signals.close();
    }
  }

  private void watch(Source source) {
    sockets().add(source.fd(), 0);
    wakeSources.add(source);
  }

  private Poller sockets() {
    Poller opened = sockets == null ? new Poller() : sockets;
    sockets = opened;
    return opened;
  }

  private EventSignals signals() {
    EventSignals opened = signals == null ? EventSignals.open() : signals;
    signals = opened;
    return opened;
  }

  private void goDownIfFaulty() {
    boolean powerLost = controller.takePowerLoss();
    if (connection != null && (powerLost || faults.isRemoved())) {
      LOG.warn("{}: the client is disconnected by a fault of the drive", name);
      disconnect();
    } else if (powerLost) {
      controller.reset();
    }
  }

  private int accept() {
    Optional<UnixSocket> accepted;
    try {
      accepted = listener.accept();
    } catch (TwinspanException e) {
      if (!acceptFailed) { // once: out of descriptors, it fails until there are some again
        LOG.error("{}: {}", name, e.getMessage());
        acceptFailed = true;
      }
      return 0;
    }
    acceptFailed = false;
    if (accepted.isEmpty()) {
      return 0;
    }
    UnixSocket socket = accepted.get();
    if (faults.isRemoved()) {
      socket.close();
      return 1;
    }
    VfioUserConnection current = connection;
    if (current != null && !hasGone(current)) {
      LOG.warn(
          "{}: process {} refused, process {} is connected",
          name,
          socket.peer().pid(),
          current.socket().peer().pid());
      socket.close();
      due = true;
      return 1;
    }
    connect(socket);
    return 1;
  }

  /** A client that died just before the new one came must not be in its way. */
  private boolean hasGone(VfioUserConnection current) {
    var _ = serve();
    return connection != current;
  }

  private void connect(UnixSocket socket) {
    socket.setNonBlocking(true);
    NvmeFunction function;
    try {
      function = new NvmeFunction(controller, signals());
    } catch (TwinspanException e) {
      LOG.error("{}: process {} refused: {}", name, socket.peer().pid(), e.getMessage());
      socket.close();
      return;
    }
    connection = new VfioUserConnection(socket, function);
    Source source = new Source(socket.fd());
    connectionSource = source;
    watch(source);
    wakeSources.add(function);
    due = true;
    LOG.info("{}: process {} connected", name, socket.peer().pid());
  }

  private int serve() {
    VfioUserConnection current = connection;
    if (current == null) {
      return 0;
    }
    try {
      int served = current.poll();
      if (served >= 0) {
        due |= served > 0;
        return served;
      }
      LOG.info("{}: the client has gone", name);
    } catch (VfioUserConnection.ProtocolException e) {
      LOG.warn("{}: the client is disconnected: {}", name, e.getMessage());
    } catch (InternalError e) {
      LOG.warn(MEMORY_GONE, name, e.getMessage());
    } catch (RuntimeException e) {
      LOG.error("{}: the client is disconnected", name, e);
    }
    disconnect();
    return 1;
  }

  private void disconnect() {
    VfioUserConnection current = connection;
    Source source = connectionSource;
    if (current == null || source == null) {
      return;
    }
    connection = null;
    connectionSource = null;
    sockets().remove(source.fd());
    wakeSources.remove(source);
    wakeSources.remove(current.function());
    // Memory before the socket, whose end tells the client that the drive touches nothing any more.
    current.function().close();
    current.close();
    due = true;
  }

  /** The name for the log. */
  @Override
  public String toString() {
    return name;
  }
}
