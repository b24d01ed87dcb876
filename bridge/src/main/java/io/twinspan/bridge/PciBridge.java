package io.twinspan.bridge;

import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.EventFd;
import io.twinspan.linux.Fd;
import java.nio.ByteBuffer;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/**
 * A bridge between two machines that share the memory behind a PCI BAR and nothing else, such as
 * two virtual machines with an {@code ivshmem-plain} device on one file.
 *
 * <p>Everything goes through that memory: sides find each other and prove the array's secret by
 * mail left in it ({@code PciHandshake}), it holds all windows ({@code BarLayout}), and the peer's
 * heartbeat standing still is the only sign of its death, except that a peer which starts anew, or
 * took this side for dead, says so at once. The peer is trusted in nothing it stores.
 *
 * <p><b>Waiting.</b> With {@code ivshmem-plain} nothing wakes this side, so a thread that sleeps
 * looks again after {@value #MIN_POLL_NS} ns, then after twice that, and so on up to {@value
 * #MAX_POLL_NS} ns; a ring of the peer's starts over. So the first message to a sleeping side waits
 * up to {@value #MAX_POLL_NS} ns, and an idle side does some 1700 short rounds a second, about 3 %
 * of a core. With {@code ivshmem-doorbell}, bound to vfio-pci behind an IOMMU at both sides, a ring
 * is an interrupt and an idle side sleeps from heartbeat to heartbeat. Before the link is up it
 * looks every {@value #DOWN_POLL_NS} ns in either case.
 *
 * <p><b>Memory.</b> Both machines map one coherent memory, so release and acquire order accesses as
 * between two processes. Its own windows lie in the BAR too; where that is mapped uncached, loads
 * from them are slow. A real non-transparent bridge orders the stores of one machine but must not
 * be loaded through: the link keeps to that, except for one word in a mailbox which a side looks at
 * again, while the link is down, to notice that somebody else writes as the same side. There
 * "local" memory would be the machine's own, and a write-combining mapping would need a fence
 * before each store with release.
 *
 * <p><b>After a restart.</b> The data window is the same memory again, zeroed. A peer that was
 * stopped in the middle of a copy when this side's process died finishes that copy when it wakes,
 * if this side has not been up again with it: do not rely on what stands in the window before the
 * link is up.
 */
public final class PciBridge implements Bridge {
  private static final Logger LOG = LoggerFactory.getLogger(PciBridge.class);

  private static final long MAIL_CHECK_NS = 50_000;
  private static final long MIN_POLL_NS = 50_000;
  private static final long MAX_POLL_NS = 1_000_000;
  private static final long DOWN_POLL_NS = 10_000_000;
  private static final long SECOND_WRITER_CHECK_NS = 1_000_000_000;

  private final Side side;
  private final String barName;
  private final BarMapping bar;
  private final BarLayout layout;
  private final Window window;
  private final Mailbox inbox;
  private final PciHandshake handshake;
  private final Heartbeat heartbeat;
  private final Complaints complaints = new Complaints(LOG);
  private final @Nullable Doorbell doorbell;
  private final EventFd rung;
  private final WakeSource wakeSource = new Sleep();

  private @Nullable BridgeListener owner;
  private LinkState state = LinkState.DOWN;
  private @Nullable PciEndpoint endpoint;
  private long generation;

  /** The peer's latest word, and whether it was answered since it or the attempt changed. */
  private @Nullable Mail latest;

  private boolean answered = true;
  private long nowNs;
  private long nextLookNs = Long.MIN_VALUE;
  private long nextWriterCheckNs = Long.MIN_VALUE;
  private long pollNs = MIN_POLL_NS;

  /**
   * Maps the BAR, zeroes this side's window, and shows the peer that this side is there.
   *
   * @throws io.twinspan.linux.TwinspanException if the BAR can't be mapped or is too small, or
   *     another process of this machine uses it as the same side
   */
  public PciBridge(PciOptions options) {
    this(options, BarMapping.open(options.bar, options.side));
  }

  /** With a BAR that is open; it is closed by {@link #close()}, and if this fails. */
  PciBridge(PciOptions options, BarMapping bar) {
    side = options.side;
    barName = options.bar.toString();
    heartbeat = new Heartbeat(options.heartbeat.toNanos(), options.silence.toNanos());
    this.bar = bar;
    doorbell = bar.doorbell().orElse(null);
    try {
      layout = new BarLayout(bar.segment(), side, options.windowBytes, options.controlBytes);
    } catch (RuntimeException e) {
      bar.close();
      throw e;
    }
    window = layout.window(side, options.windowBytes);
    window.segment().fill((byte) 0);
    window.initialise();
    inbox = layout.inbox();
    Identity identity =
        new Identity(
            side,
            options.arrayId,
            options.nodeName,
            options.contract,
            options.windowBytes,
            options.controlBytes);
    int bell = doorbell == null ? 0 : doorbell.number() + 1;
    handshake = new PciHandshake(identity, new Proof(options.secret), layout, bell);
    rung = doorbell == null ? EventFd.create() : doorbell.rung();
  }

  @Override
  public Side side() {
    return side;
  }

  @Override
  public Window local() {
    return window;
  }

  @Override
  public LinkState state() {
    return state;
  }

  @Override
  public long generation() {
    return generation;
  }

  @Override
  public void listener(BridgeListener listener) {
    if (owner != null) {
      throw new IllegalStateException("the bridge has a listener");
    }
    owner = listener;
  }

  @Override
  public WakeSource wakeSource() {
    return wakeSource;
  }

  @Override
  public int doWork(long now) {
    if (state == LinkState.CLOSED) {
      return 0;
    }
    boolean paused = heartbeat.wasPaused(nowNs, now);
    nowNs = now;
    int work = 0;
    if (paused || now >= nextLookNs) {
      nextLookNs = now + MAIL_CHECK_NS;
      work += lookAtMail();
    }
    PciEndpoint alive = endpoint;
    if (alive != null) {
      if (alive.takeRing()) {
        pollNs = MIN_POLL_NS;
        work++;
      }
      checkHeartbeat(alive, paused);
    }
    return work;
  }

  @Override
  public long nextDeadlineNs() {
    if (endpoint == null) {
      return nowNs + DOWN_POLL_NS;
    }
    long beatNs = heartbeat.nextDeadlineNs();
    return endpoint.wakes() ? beatNs : Math.min(beatNs, nowNs + pollNs);
  }

  @Override
  public void fail(LinkDown.Kind kind, String detail) {
    if (endpoint != null) {
      down(kind, detail);
    }
  }

  @Override
  public void close() {
    if (state == LinkState.CLOSED) {
      return;
    }
    if (endpoint != null) {
      end(LinkDown.Kind.GOODBYE, "this side has closed the link");
    }
    state = state.transition(LinkState.CLOSED);
    handshake.goodbye();
    bar.close();
    rung.close();
  }

  // --- mail

  private int lookAtMail() {
    int work = 0;
    try {
      ByteBuffer word = inbox.read();
      if (word != null) {
        work++;
        latest = null;
        latest = Mail.decode(word);
        answered = false;
      }
    } catch (Refusal e) {
      complain(e.reason());
      return 1;
    }
    Mail mail = latest;
    if (mail != null && !answered && endpoint != null) {
      overhear(endpoint, mail);
    }
    if (mail != null && !answered && endpoint == null && state != LinkState.CLOSED) {
      answered = true;
      answer(mail);
    }
    if (endpoint == null && nowNs >= nextWriterCheckNs && state != LinkState.CLOSED) {
      checkForSecondWriter();
    }
    return work;
  }

  /** The peer says something in the middle of the link's life: it ends it. */
  private void overhear(PciEndpoint alive, Mail mail) {
    if (mail.attempt() != alive.peerAttempt()) {
      down(LinkDown.Kind.EOF, "the peer's process has started anew or took this side for dead");
    } else if (mail.kind() == Mail.Kind.GOODBYE) {
      down(LinkDown.Kind.GOODBYE, "the peer has closed the link");
    }
  }

  private void answer(Mail mail) {
    try {
      Optional<PciHandshake.Agreement> agreed = handshake.step(mail);
      if (state == LinkState.DOWN && handshake.isAnswered(mail)) {
        state = state.transition(LinkState.CONNECTING);
      }
      if (agreed.isPresent()) {
        up(agreed.get());
      }
    } catch (Refusal e) {
      complain(e.reason());
      if (!e.passing()) {
        handshake.refuse(mail, e);
      }
      if (state == LinkState.CONNECTING) {
        state = state.transition(LinkState.DOWN);
      }
    }
  }

  private void checkForSecondWriter() {
    nextWriterCheckNs = nowNs + SECOND_WRITER_CHECK_NS;
    if (handshake.restore()) {
      complain("another machine or process writes as side " + side + " too");
    }
  }

  private void complain(String reason) {
    complaints.warn(nowNs, reason, "link: not made through %s: %s".formatted(barName, reason));
  }

  // --- lives

  private void up(PciHandshake.Agreement agreed) {
    PciEndpoint newborn = new PciEndpoint(agreed, side, layout, window, doorbell);
    state = state.transition(LinkState.UP);
    endpoint = newborn;
    generation = newborn.generation();
    window.generation(generation);
    heartbeat.begin(nowNs, newborn.peerHeartbeat(), Witness.NOBODY);
    pollNs = MIN_POLL_NS;
    LOG.info("link: up with {} through {}, generation {}", newborn.peerName(), barName, generation);
    owner().linkUp(newborn);
  }

  /** Ends this life, and shows the peer that it is over once all rights are taken back. */
  private void down(LinkDown.Kind kind, String detail) {
    end(kind, detail);
    if (state != LinkState.CLOSED) { // by the listener
      handshake.begin(generation);
      answered = false;
    }
  }

  private void end(LinkDown.Kind kind, String detail) {
    endpoint = null; // so that a failure reported from the callback does not come here again
    state = state.transition(LinkState.DOWN);
    Level level = kind == LinkDown.Kind.GOODBYE ? Level.INFO : Level.WARN;
    LOG.atLevel(level).log("link: down, generation {}: {} ({})", generation, detail, kind);
    owner().linkDown(new LinkDown(generation, kind, detail, heartbeat.lastSignNs(), nowNs));
  }

  private void checkHeartbeat(PciEndpoint alive, boolean paused) {
    if (heartbeat.takeBeat(nowNs)) {
      alive.beat();
    }
    heartbeat.look(nowNs, alive.peerHeartbeat(), paused);
    if (heartbeat.isSilent(nowNs)) {
      long silentMs = (nowNs - heartbeat.lastSignNs()) / 1_000_000;
      down(LinkDown.Kind.HEARTBEAT, "no heartbeat for " + silentMs + " ms");
    }
  }

  private BridgeListener owner() {
    if (owner == null) {
      throw new IllegalStateException("the bridge has no listener");
    }
    return owner;
  }

  /** Without a doorbell only time ends a sleep, and it grows while the peer does not ring. */
  private final class Sleep implements WakeSource {
    @Override
    public void arm() {
      if (endpoint != null) {
        endpoint.arm();
      }
    }

    @Override
    public void disarm() {
      pollNs = Math.min(2 * pollNs, MAX_POLL_NS);
      if (endpoint != null) {
        endpoint.disarm();
      }
      if (doorbell != null) {
        boolean _ = rung.drain();
      }
    }

    @Override
    public Fd fd() {
      return rung.fd();
    }
  }
}
