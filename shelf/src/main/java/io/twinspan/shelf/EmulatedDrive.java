package io.twinspan.shelf;

import io.twinspan.concurrent.Agent;
import io.twinspan.concurrent.AgentErrorHandler;
import io.twinspan.concurrent.AgentRunner;
import io.twinspan.concurrent.Idle;
import io.twinspan.concurrent.SystemClock;
import io.twinspan.concurrent.WakeSource;
import io.twinspan.concurrent.WakeableQueue;
import io.twinspan.linux.Credentials;
import io.twinspan.linux.Errno;
import io.twinspan.linux.TwinspanException;
import io.twinspan.linux.UnixListener;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One drive of a shelf: an NVMe subsystem, its ports, the agent thread that owns both, and the
 * thread that flushes.
 *
 * <p>Any thread may call {@link #status()} and {@link #close()}.
 */
public final class EmulatedDrive implements AutoCloseable {
  /** Model number of every drive. */
  public static final String MODEL = "Twinspan emulated NVMe drive";

  private static final Logger LOG = LoggerFactory.getLogger(EmulatedDrive.class);
  private static final Duration STATUS_TIMEOUT = Duration.ofSeconds(2);
  private static final Duration FLUSH_TIMEOUT = Duration.ofMinutes(2);

  /**
   * How soon doorbells are looked at again that nobody wakes the drive for, while they are busy.
   */
  private static final long SHORTEST_NAP_NS = TimeUnit.MICROSECONDS.toNanos(10);

  /** And how soon when they have been quiet for a while. */
  private static final long LONGEST_NAP_NS = TimeUnit.MILLISECONDS.toNanos(1);

  /**
   * How a drive waits that has requests at the disk. It does not give way before it sleeps: whoever
   * had the processor then would keep it until his time is over, milliseconds after the disk.
   */
  private static final Idle AT_THE_DISK =
      new Idle(Idle.DEFAULT.spinNs(), 0, Idle.DEFAULT.maxSleepNs());

  private final int number;
  private final ShelfOptions options;
  private final ExecutorService flusher;
  private final Subsystem subsystem;
  private final List<UnixListener> listeners = new ArrayList<>();
  private final List<VfioUserPort> ports = new ArrayList<>();
  private final WakeableQueue<Runnable> requests = new WakeableQueue<>(64);
  private final AgentRunner runner;
  private volatile boolean closed;
  private volatile boolean powered;

  /**
   * Opens the images and listens on the sockets of a drive, but serves nobody yet.
   *
   * @param options of the shelf
   * @param number of the drive
   * @param mappings clients' memory, for all drives of the shelf
   */
  EmulatedDrive(ShelfOptions options, int number, ClientMappings mappings) {
    this.options = options;
    this.number = number;
    String serial = options.serial(number);
    List<Medium> media = new ArrayList<>();
    RingEngine engine =
        options.medium() == MediumKind.DIRECT_FILE ? RingEngine.open("drive" + number) : null;
    try {
      for (int nsid = 1; nsid <= ShelfOptions.NAMESPACES; nsid++) {
        media.add(options.medium().open(options, number, nsid, engine));
      }
      for (String port : options.ports()) {
        UnixListener listener = UnixListener.bind(options.socket(number, port), 0600);
        listeners.add(listener);
        listener.setNonBlocking(true);
      }
    } catch (RuntimeException e) {
      listeners.forEach(UnixListener::close);
      media.forEach(Medium::close);
      if (engine != null) {
        engine.close();
      }
      throw e;
    }
    flusher =
        Executors.newSingleThreadExecutor(
            Thread.ofPlatform().name("drive" + number + "-flush").daemon(true).factory());
    Loop loop = new Loop();
    runner =
        new AgentRunner(
            loop,
            engine == null ? Idle.DEFAULT : AT_THE_DISK,
            engine == null
                ? List.of(requests)
                : List.of(requests, WakeSource.readable(engine.fd())),
            SystemClock.INSTANCE,
            loop::failed,
            AgentRunner.DEFAULT_CLOSE_TIMEOUT);
    StateFile state = options.medium().isFile() ? new StateFile(options.state(number)) : null;
    subsystem = new Subsystem(MODEL, serial, media, engine, state, mappings, flusher, runner::wake);
    subsystem.faults().wakes(runner::wake);
    for (int i = 0; i < listeners.size(); i++) {
      String name = "drive" + number + " port " + options.ports().get(i);
      ports.add(
          new VfioUserPort(
              name,
              listeners.get(i),
              subsystem.addController(options.doorbells()),
              subsystem.faults(),
              new Sources()));
    }
  }

  /** Begins to serve. */
  void start() {
    subsystem.powerOn();
    powered = true;
    var _ = runner.start();
  }

  /** The number of the drive in its shelf. */
  public int number() {
    return number;
  }

  /** What is to go wrong with the drive. */
  public FaultPlan faults() {
    return subsystem.faults();
  }

  /** What the drive is doing; answers within two seconds even if the drive does not. */
  public ShelfStatus.Drive status() {
    if (closed) {
      return withoutDetails("stopped");
    }
    CompletableFuture<ShelfStatus.Drive> answer = new CompletableFuture<>();
    if (!requests.offer(() -> answer.complete(snapshot()))) {
      return withoutDetails("busy");
    }
    try {
      return answer.get(STATUS_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      return withoutDetails("busy");
    } catch (ExecutionException e) {
      throw new TwinspanException("status of drive " + number + ": " + e.getCause(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return withoutDetails("busy");
    }
  }

  /**
   * Disconnects the clients, removes the sockets, makes the data stable and closes the images.
   *
   * @throws TwinspanException if the data could not be made stable
   */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    try {
      runner.close();
    } finally {
      listeners.forEach(UnixListener::close); // of a drive that was never started, too
      requests.close();
      closeMedia();
    }
  }

  private void closeMedia() {
    flusher.shutdown();
    try {
      if (!flusher.awaitTermination(FLUSH_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS)) {
        throw new TwinspanException(
            "drive %d is still flushing after %s".formatted(number, FLUSH_TIMEOUT));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new TwinspanException("interrupted while drive " + number + " flushes", e);
    }
    int result = 0;
    for (Namespace namespace : subsystem.namespaces()) {
      result = Math.min(result, namespace.medium().flush());
    }
    subsystem.close();
    if (powered) {
      subsystem.powerOff();
    }
    if (result < 0) {
      throw new TwinspanException("flush of drive %d: %s".formatted(number, Errno.name(-result)));
    }
  }

  private ShelfStatus.Drive withoutDetails(String state) {
    return status(state, List.of(), List.of());
  }

  private ShelfStatus.Drive status(
      String state, List<ShelfStatus.Reservation> reservations, List<ShelfStatus.Port> portStates) {
    List<ShelfStatus.NamespaceSize> namespaces = new ArrayList<>();
    for (Namespace namespace : subsystem.namespaces()) {
      namespaces.add(
          new ShelfStatus.NamespaceSize(
              namespace.nsid(), options.namespaceBytes(), Namespace.BLOCK_BYTES));
    }
    return new ShelfStatus.Drive(
        number,
        state,
        subsystem.model(),
        subsystem.serial(),
        IdentifyPages.FIRMWARE,
        options.namespaceBytes() * ShelfOptions.NAMESPACES,
        namespaces,
        reservations,
        portStates);
  }

  /** On the agent's thread. */
  private ShelfStatus.Drive snapshot() {
    List<ShelfStatus.Reservation> reservations = new ArrayList<>();
    for (Namespace namespace : subsystem.namespaces()) {
      Reservations held = namespace.reservations();
      reservations.add(
          new ShelfStatus.Reservation(
              namespace.nsid(), held.type().code(), held.registrants().size(), held.generation()));
    }
    List<ShelfStatus.Port> portStates = new ArrayList<>();
    for (int i = 0; i < ports.size(); i++) {
      String name = options.ports().get(i);
      VfioUserPort port = ports.get(i);
      portStates.add(
          new ShelfStatus.Port(
              name,
              options.socket(number, name).toString(),
              port.client().map(Credentials::pid).orElse(0),
              port.controller().state().name().toLowerCase(Locale.ROOT),
              queues(port.controller())));
    }
    return status("running", reservations, portStates);
  }

  private static List<ShelfStatus.Queue> queues(NvmeController controller) {
    List<ShelfStatus.Queue> queues = new ArrayList<>();
    for (int id = 0; id < NvmeController.QUEUE_PAIRS; id++) {
      SubmissionQueue queue = controller.submissionQueue(id);
      if (queue != null) {
        queues.add(
            new ShelfStatus.Queue(
                id, queue.entries(), queue.commands(), queue.bytes(), queue.errors()));
      }
    }
    return queues;
  }

  private final class Sources implements VfioUserPort.WakeSources {
    @Override
    public void add(WakeSource source) {
      runner.add(source);
    }

    @Override
    public void remove(WakeSource source) {
      runner.remove(source);
    }
  }

  /** The drive's duty cycle. */
  private final class Loop implements Agent {
    private long napNs = SHORTEST_NAP_NS;

    @Override
    public String roleName() {
      return "drive" + number;
    }

    @Override
    public void onStart() {
      ports.forEach(VfioUserPort::start);
    }

    @Override
    public int doWork() {
      int work = subsystem.poll();
      for (int i = 0; i < ports.size(); i++) {
        work += ports.get(i).poll();
      }
      Runnable request = requests.poll();
      if (request != null) {
        request.run();
        work++;
      }
      if (work > 0) {
        napNs = SHORTEST_NAP_NS;
      }
      return work;
    }

    @Override
    public long nextDeadlineNs() {
      return Math.min(nextPollNs(), subsystem.late().nextDeadlineNs());
    }

    private long nextPollNs() {
      for (int i = 0; i < ports.size(); i++) {
        if (ports.get(i).needsPolling()) {
          long deadlineNs = SystemClock.INSTANCE.nanoTime() + napNs;
          napNs = Math.min(2 * napNs, LONGEST_NAP_NS);
          return deadlineNs;
        }
      }
      return NO_DEADLINE;
    }

    @Override
    public void onClose() {
      for (VfioUserPort port : ports) {
        port.close();
      }
    }

    /** A fault that no port could be blamed for: it is told, and the drive goes on. */
    private AgentErrorHandler.Decision failed(Agent agent, Throwable error) {
      LOG.error("drive {}", number, error);
      return error instanceof VirtualMachineError && !(error instanceof InternalError)
          ? AgentErrorHandler.Decision.STOP
          : AgentErrorHandler.Decision.GO_ON;
    }
  }
}
