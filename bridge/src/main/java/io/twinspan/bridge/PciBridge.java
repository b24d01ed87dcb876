package io.twinspan.bridge;

import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.EventFd;
import io.twinspan.linux.Fd;
import java.nio.ByteBuffer;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

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
 * looks again after a {@value #POLL_SHARE}th of the time in which nothing happened, at least
 * {@value #MIN_POLL_NS} ns, at most {@value #MAX_POLL_NS} ns. So the first message after a silence
 * is seen later by an eighth of that silence at most, and an idle side sleeps 250 times a second,
 * which is less than half a percent of a core. With {@code ivshmem-doorbell}, bound to vfio-pci
 * behind an IOMMU at both sides, a ring is an interrupt and an idle side sleeps from heartbeat to
 * heartbeat. Before the link is up it looks every {@value #DOWN_POLL_NS} ns in either case.
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
public final class PciBridge extends PairedBridge<PciEndpoint> {
  private static final long MAIL_CHECK_NS = 50_000;
  private static final long MIN_POLL_NS = 50_000;
  private static final long MAX_POLL_NS = 4_000_000;
  private static final int POLL_SHARE = 8;
  private static final long DOWN_POLL_NS = 10_000_000;
  private static final long SECOND_WRITER_CHECK_NS = 1_000_000_000;

  private final String barName;
  private final BarMapping bar;
  private final BarLayout layout;
  private final Window window;
  private final Mailbox inbox;
  private final PciHandshake handshake;
  private final Complaints complaints = new Complaints(log());
  private final @Nullable Doorbell doorbell;
  private final EventFd rung;
  private final WakeSource wakeSource = new Sleep();

  /** The peer's latest word, and whether it was answered since it or the attempt changed. */
  private @Nullable Mail latest;

  private boolean answered = true;
  private long nextLookNs = Long.MIN_VALUE;
  private long nextWriterCheckNs = Long.MIN_VALUE;

  /** Whether it has slept since it last looked, when it woke, and when anything last happened. */
  private boolean slept;

  private long wokeNs;
  private long activeNs;

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
    super(options);
    barName = options.bar.toString();
    this.bar = bar;
    doorbell = bar.doorbell().orElse(null);
    try {
      layout = new BarLayout(bar.segment(), side(), options.windowBytes, options.controlBytes);
    } catch (RuntimeException e) {
      bar.close();
      throw e;
    }
    window = layout.window(side(), options.windowBytes);
    window.segment().fill((byte) 0);
    window.initialise();
    inbox = layout.inbox();
    int bell = doorbell == null ? 0 : doorbell.number() + 1;
    handshake = new PciHandshake(options.identity(), new Proof(options.secret), layout, bell);
    rung = doorbell == null ? EventFd.create() : doorbell.rung();
  }

  @Override
  public Window local() {
    return window;
  }

  @Override
  public WakeSource wakeSource() {
    return wakeSource;
  }

  @Override
  int look(boolean paused) {
    int work = 0;
    if (slept) {
      slept = false;
      wokeNs = nowNs();
    }
    if (paused || nowNs() >= nextLookNs) {
      nextLookNs = nowNs() + MAIL_CHECK_NS;
      work += lookAtMail();
    }
    PciEndpoint alive = endpoint();
    if (alive != null && alive.takeRing()) {
      activeNs = nowNs();
      work++;
    }
    return work;
  }

  @Override
  public long nextDeadlineNs() {
    PciEndpoint alive = endpoint();
    if (alive == null) {
      return nowNs() + DOWN_POLL_NS;
    }
    long beatNs = heartbeatDeadlineNs();
    return alive.wakes() ? beatNs : Math.min(beatNs, nowNs() + pollNs());
  }

  private long pollNs() {
    return Math.clamp((nowNs() - activeNs) / POLL_SHARE, MIN_POLL_NS, MAX_POLL_NS);
  }

  @Override
  public void close() {
    if (state() == LinkState.CLOSED) {
      return;
    }
    if (endpoint() != null) {
      end(LinkDown.Kind.GOODBYE, "this side has closed the link");
    }
    become(LinkState.CLOSED);
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
    PciEndpoint alive = endpoint();
    if (mail != null && !answered && alive != null) {
      overhear(alive, mail);
    }
    if (mail != null && !answered && looksForPeer()) {
      answered = true;
      answer(mail);
    }
    if (looksForPeer() && nowNs() >= nextWriterCheckNs) {
      checkForSecondWriter();
    }
    return work;
  }

  private boolean looksForPeer() {
    return endpoint() == null && state() != LinkState.CLOSED;
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
      if (state() == LinkState.DOWN && handshake.isAnswered(mail)) {
        become(LinkState.CONNECTING);
      }
      if (agreed.isPresent()) {
        up(agreed.get());
      }
    } catch (Refusal e) {
      complain(e.reason());
      if (!e.passing()) {
        handshake.refuse(mail, e);
      }
      if (state() == LinkState.CONNECTING) {
        become(LinkState.DOWN);
      }
    }
  }

  private void checkForSecondWriter() {
    nextWriterCheckNs = nowNs() + SECOND_WRITER_CHECK_NS;
    if (handshake.restore()) {
      complain("another machine or process writes as side " + side() + " too");
    }
  }

  private void complain(String reason) {
    complaints.warn(nowNs(), reason, "link: not made through %s: %s".formatted(barName, reason));
  }

  // --- lives

  private void up(PciHandshake.Agreement agreed) {
    PciEndpoint newborn = new PciEndpoint(agreed, side(), layout, window, doorbell);
    activeNs = nowNs();
    begin(newborn, Witness.NOBODY, newborn.peerName() + " through " + barName);
  }

  /** Ends this life, and shows the peer that it is over once all rights are taken back. */
  @Override
  void down(LinkDown.Kind kind, String detail) {
    end(kind, detail);
    if (state() != LinkState.CLOSED) { // by the listener
      handshake.begin(generation());
      answered = false;
    }
  }

  /** Without a doorbell only time ends a sleep, and it grows while nothing happens. */
  private final class Sleep implements WakeSource {
    @Override
    public void arm() {
      if (nowNs() - wokeNs > MIN_POLL_NS) {
        activeNs = nowNs(); // it had work: more may come
      }
      PciEndpoint alive = endpoint();
      if (alive != null) {
        alive.arm();
      }
    }

    @Override
    public void disarm() {
      slept = true;
      PciEndpoint alive = endpoint();
      if (alive != null) {
        alive.disarm();
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
