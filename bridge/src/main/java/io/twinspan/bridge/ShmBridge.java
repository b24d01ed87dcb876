package io.twinspan.bridge;

import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.Errno;
import io.twinspan.linux.ErrnoException;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.Memfd;
import io.twinspan.linux.Obituary;
import io.twinspan.linux.Poller;
import io.twinspan.linux.TwinspanException;
import io.twinspan.linux.UnixListener;
import io.twinspan.linux.UnixSocket;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * A bridge between two processes of one machine: windows are memfds, doorbells are eventfds, and
 * both travel over a Unix socket.
 *
 * <p>A peer's death shows in three ways. The kernel writes into shared memory that a process is
 * dying, in the first moments of its death ({@link LinkDown.Kind#DEATH}; one more thread, which
 * sleeps, serves for that). The socket ends once the process's memory has been given back. And a
 * peer that only hangs has no heartbeat; before one is taken for dead for that, the kernel is asked
 * whether it is only starved ({@link ShmOptions#silence}).
 *
 * <p>Side A listens and side B connects, again and again, in whichever order they start. Strangers,
 * garbage, and connections that say nothing are refused with a line in the log and never hold up an
 * established link. The socket is looked at at the beginning of {@link #doWork}, at most every
 * {@value #SOCKET_CHECK_NS} ns: whoever was paused notices there that the peer has given it up.
 */
public final class ShmBridge extends PairedBridge<ShmEndpoint> {
  private static final long SOCKET_CHECK_NS = 200_000;
  private static final long REFUSED_RETRY_NS = 1_000_000_000;
  private static final int MAX_CANDIDATES = 8;
  private static final int TOKEN_LISTENER = 0;
  private static final int TOKEN_DOORBELL = 1;
  private static final int TOKEN_CONNECTION = 2;
  private static final int TOKEN_LIFELINE = 3;

  private final Path path;
  private final Identity identity;
  private final Proof proof;
  private final IntFunction<Witness> witnesses;
  private final long retryNs;
  private final long helloNs;

  private final Fd windowFd;
  private final Mapping windowMapping;
  private final Window window;
  private final Poller poller = new Poller();
  private final Lifeline lifeline = new Lifeline();
  private final @Nullable UnixListener listener;
  private final Complaints complaints = new Complaints(log());
  private final List<Handshake> candidates = new ArrayList<>();
  private final Handshake.Host host = new HandshakeHost();
  private final WakeSource wakeSource = new BridgeWakeSource();

  private @Nullable Connection connection;
  private boolean lookAtSockets = true;
  private long lastLookNs;
  private long nextAttemptNs = Long.MIN_VALUE;

  /**
   * Makes the window, and on side A the socket.
   *
   * @throws io.twinspan.linux.TwinspanException if the path is too long, somebody alive listens
   *     there, or there is no memory
   */
  public ShmBridge(ShmOptions options) {
    super(options);
    witnesses = options.witnesses;
    path = options.socket;
    identity = options.identity();
    proof = new Proof(options.secret);
    retryNs = options.retry.toNanos();
    helloNs = options.hello.toNanos();
    listener = side() == Side.A ? UnixListener.bind(path, 0600) : null;
    windowFd = windowMemory(options);
    windowMapping = Mapping.shared(windowFd, 0, windowFd.size(), Mapping.Protection.READ_WRITE);
    window = new Window(windowMapping.segment());
    window.initialise();
    poller.add(lifeline.fd(), TOKEN_LIFELINE);
    if (listener != null) {
      listener.setNonBlocking(true);
      poller.add(listener.fd(), TOKEN_LISTENER);
    }
  }

  private Fd windowMemory(ShmOptions options) {
    String name = "twinspan-window";
    if (options.hugePages) {
      long hugePages = Math.ceilDiv(options.windowBytes, Memfd.HUGE_PAGE_BYTES);
      try {
        return Memfd.createHuge(name, hugePages * Memfd.HUGE_PAGE_BYTES);
      } catch (ErrnoException e) {
        log()
            .info(
                "link: the window has pages of 4 KiB, for want of {} huge ones: {}",
                hugePages,
                e.getMessage());
      }
    }
    return Memfd.create(name, options.windowBytes);
  }

  @Override
  public Window local() {
    return window;
  }

  /** The memfd behind {@link #local()}, for whoever maps it for a device; owned by the bridge. */
  public Fd windowFd() {
    return windowFd;
  }

  @Override
  public WakeSource wakeSource() {
    return wakeSource;
  }

  @Override
  int look(boolean paused) {
    int work = 0;
    ShmEndpoint alive = endpoint();
    if (alive != null && Obituary.tellsOfDeath(alive.deathWord())) {
      down(LinkDown.Kind.DEATH, "the peer's process has died");
      work++;
    }
    if (lookAtSockets || paused || nowNs() - lastLookNs >= SOCKET_CHECK_NS) {
      work += lookAtSockets();
    }
    if (endpoint() == null && mayConnect() && nowNs() >= nextAttemptNs) {
      work += connect();
    }
    expireCandidates();
    return work;
  }

  private boolean mayConnect() {
    return side() == Side.B && candidates.isEmpty();
  }

  @Override
  public long nextDeadlineNs() {
    long deadline = Long.MAX_VALUE;
    for (Handshake candidate : candidates) {
      deadline = Math.min(deadline, candidate.deadlineNs());
    }
    if (endpoint() != null) {
      return Math.min(deadline, heartbeatDeadlineNs());
    }
    return mayConnect() ? Math.min(deadline, nextAttemptNs) : deadline;
  }

  @Override
  public void close() {
    if (state() == LinkState.CLOSED) {
      return;
    }
    if (connection != null) {
      boolean _ = connection.send(Connection.Type.GOODBYE, ByteBuffer.allocate(0));
      down(LinkDown.Kind.GOODBYE, "this side has closed the link");
    }
    become(LinkState.CLOSED);
    candidates.forEach(Handshake::close);
    candidates.clear();
    if (listener != null) {
      listener.close();
    }
    lifeline.close();
    poller.close();
    windowMapping.close();
    windowFd.close();
  }

  // --- sockets

  private int lookAtSockets() {
    lookAtSockets = false;
    lastLookNs = nowNs();
    int events = poller.await(0);
    boolean knock = false;
    boolean connectionReady = false;
    int work = 0;
    for (int i = 0; i < events; i++) {
      switch (poller.token(i)) {
        case TOKEN_LISTENER -> knock = true;
        case TOKEN_DOORBELL -> work += drainDoorbell();
        case TOKEN_LIFELINE -> work += drainLifeline();
        default -> connectionReady = true;
      }
    }
    // The peer's death comes before everything else.
    if (connectionReady) {
      work += receiveFromPeer() + receiveFromCandidates();
    }
    return knock ? work + accept() : work;
  }

  private int drainDoorbell() {
    ShmEndpoint alive = endpoint();
    return alive != null && alive.doorbell().drain() ? 1 : 0;
  }

  private int drainLifeline() {
    if (lifeline.isRestless()) {
      down(LinkDown.Kind.PROTOCOL, "the peer plays with its death word");
    }
    return lifeline.drain() ? 1 : 0;
  }

  private int receiveFromPeer() {
    if (connection == null) {
      return 0;
    }
    try {
      Connection.Outcome outcome = connection.receive(ShmBridge::frameFromPeer);
      if (outcome == Connection.Outcome.ENDED) {
        down(LinkDown.Kind.EOF, "the peer's process has ended or closed the link");
      }
      return outcome == Connection.Outcome.NOTHING ? 0 : 1;
    } catch (Refusal e) {
      down(e.passing() ? LinkDown.Kind.GOODBYE : LinkDown.Kind.PROTOCOL, e.reason());
      return 1;
    }
  }

  private static void frameFromPeer(Connection.Type type, ByteBuffer payload) throws Refusal {
    switch (type) {
      case GOODBYE -> throw new Refusal("the peer has closed the link", true);
      case REFUSE -> throw Connection.decodeRefusal(payload);
      case HELLO, PROOF, WINDOWS ->
          throw new Refusal("the peer sent a " + type + " in the middle of the link's life");
    }
  }

  private int receiveFromCandidates() {
    int work = 0;
    for (Handshake candidate : List.copyOf(candidates)) {
      try {
        Connection.Outcome outcome = candidate.receive();
        if (outcome == Connection.Outcome.ENDED) {
          throw new Refusal("it closed the connection", true);
        }
        if (candidate.isDone()) {
          up(candidate);
        }
        work += outcome == Connection.Outcome.NOTHING ? 0 : 1;
      } catch (Refusal refusal) {
        refuse(candidate, refusal);
        work++;
      } catch (TwinspanException e) { // no descriptor or no memory left
        refuse(candidate, new Refusal("this side can't: " + e.getMessage(), true));
        work++;
      }
    }
    return work;
  }

  private int accept() {
    if (listener == null) {
      return 0;
    }
    try {
      Optional<UnixSocket> accepted = listener.accept();
      if (accepted.isEmpty()) {
        return 0;
      }
      if (candidates.size() >= MAX_CANDIDATES) {
        complaints.warn(nowNs(), "link: too many connections at once; the last ones are closed");
        accepted.get().close();
      } else {
        begin(new Connection(accepted.get()));
      }
      return 1;
    } catch (ErrnoException e) {
      complaints.warn(nowNs(), "link: can't take a connection: " + e.getMessage());
      return 0;
    }
  }

  private int connect() {
    nextAttemptNs = nowNs() + retryNs;
    try {
      begin(new Connection(UnixSocket.connect(path, Duration.ZERO)));
      return 1;
    } catch (ErrnoException e) {
      if (e.errno() != Errno.ENOENT && e.errno() != Errno.ECONNREFUSED) {
        complaints.warn(nowNs(), "link: " + e.getMessage());
      }
      return 0; // nobody listens yet
    }
  }

  private void begin(Connection newcomer) {
    if (state() == LinkState.DOWN) {
      become(LinkState.CONNECTING);
    }
    Handshake candidate = new Handshake(newcomer, host, proof, nowNs() + helloNs);
    candidates.add(candidate);
    poller.add(newcomer.fd(), TOKEN_CONNECTION);
    if (!candidate.begin()) {
      refuse(candidate, new Refusal("it closed the connection at once", true));
    }
  }

  private void expireCandidates() {
    for (int i = candidates.size() - 1; i >= 0; i--) {
      Handshake candidate = candidates.get(i);
      if (nowNs() >= candidate.deadlineNs()) {
        refuse(candidate, new Refusal("it did not introduce itself in time", true));
      }
    }
  }

  private void refuse(Handshake candidate, Refusal refusal) {
    boolean _ = candidate.connection().sendRefusal(refusal);
    complaints.warn(
        nowNs(),
        refusal.reason(),
        "link: gave up a connection %s pid %d, %s: %s"
            .formatted(
                side() == Side.A ? "from" : "to",
                candidate.connection().peer().pid(),
                path,
                refusal.reason()));
    if (!refusal.passing()) {
      nextAttemptNs = nowNs() + REFUSED_RETRY_NS;
    }
    drop(candidate);
    candidate.close();
    if (candidates.isEmpty() && state() == LinkState.CONNECTING) {
      become(LinkState.DOWN);
    }
  }

  private void drop(Handshake candidate) {
    candidates.remove(candidate);
    poller.remove(candidate.connection().fd());
  }

  // --- lives

  private void up(Handshake candidate) throws Refusal {
    if (endpoint() != null) {
      throw busy();
    }
    ShmEndpoint newborn = candidate.endpoint(window);
    candidates.remove(candidate);
    connection = candidate.connection();
    poller.add(newborn.doorbell().fd(), TOKEN_DOORBELL);
    lifeline.begin(newborn.life());
    Witness witness = witnesses.apply(connection.peer().pid());
    begin(newborn, witness, "%s (pid %d)".formatted(newborn.peerName(), newborn.peerPid()));
  }

  @Override
  void down(LinkDown.Kind kind, String detail) {
    ShmEndpoint dead = endpoint();
    Connection ended = connection;
    if (dead == null || ended == null) {
      return;
    }
    connection = null;
    nextAttemptNs = nowNs() + retryNs;
    // The socket stays open until all rights are taken back: a peer that wakes finds it ended.
    end(kind, detail);
    lifeline.end(dead.controlPage());
    poller.remove(ended.fd());
    poller.remove(dead.doorbell().fd());
    ended.close();
    dead.close();
    if (!candidates.isEmpty()) {
      become(LinkState.CONNECTING);
    }
  }

  private Refusal busy() {
    ShmEndpoint alive = endpoint();
    int pid = alive == null ? 0 : alive.peerPid();
    return new Refusal("the link is up with pid " + pid, true);
  }

  /** This side, as far as a handshake needs it. */
  private final class HandshakeHost implements Handshake.Host {
    @Override
    public Hello newHello() {
      return identity.newHello(generation());
    }

    @Override
    public void examine(Hello peer) throws Refusal {
      identity.examine(peer);
      if (endpoint() != null) {
        throw busy();
      }
    }

    @Override
    public Fd window() {
      return windowFd;
    }
  }

  /** All descriptors of the bridge behind one, and the doorbell's armed word. */
  private final class BridgeWakeSource implements WakeSource {
    @Override
    public void arm() {
      ShmEndpoint alive = endpoint();
      if (alive != null) {
        alive.arm();
      }
    }

    @Override
    public void disarm() {
      ShmEndpoint alive = endpoint();
      if (alive != null) {
        alive.disarm();
      }
      lookAtSockets = true; // something may have ended the sleep
    }

    @Override
    public Fd fd() {
      return poller.fd();
    }
  }
}
