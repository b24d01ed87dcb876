package io.twinspan.bridge;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/**
 * The lives of a bridge, whatever it goes through: who is told of them, and the peer's heartbeat. A
 * provider finds the peer, and knows the other signs of its death.
 *
 * @param <E> a life, as the provider sees it
 */
abstract class PairedBridge<E extends PagedEndpoint> implements Bridge {
  private final Logger log = LoggerFactory.getLogger(getClass());
  private final Side side;
  private final Heartbeat heartbeat;

  private @Nullable BridgeListener listener;
  private @Nullable E endpoint;
  private LinkState state = LinkState.DOWN;
  private long generation;
  private long nowNs;

  PairedBridge(BridgeOptions<?> options) {
    side = options.side;
    heartbeat = new Heartbeat(options.heartbeat.toNanos(), options.silence.toNanos());
  }

  /**
   * Looks at everything but the heartbeat: first for the peer's death, then for its birth.
   *
   * @param paused whether this side was paused before
   * @return how much was done
   */
  abstract int look(boolean paused);

  /** Ends the present life with {@link #end}, and gives back what belonged to it. */
  abstract void down(LinkDown.Kind kind, String detail);

  @Override
  public final Side side() {
    return side;
  }

  @Override
  public final LinkState state() {
    return state;
  }

  @Override
  public final long generation() {
    return generation;
  }

  @Override
  public final void listener(BridgeListener told) {
    if (listener != null) {
      throw new IllegalStateException("the bridge has a listener");
    }
    listener = told;
  }

  @Override
  public final int doWork(long now) {
    if (state == LinkState.CLOSED) {
      return 0;
    }
    boolean paused = heartbeat.wasPaused(nowNs, now);
    nowNs = now;
    int work = look(paused);
    if (endpoint != null) {
      checkHeartbeat(endpoint, paused);
    }
    return work;
  }

  @Override
  public final void fail(LinkDown.Kind kind, String detail) {
    if (endpoint != null) {
      down(kind, detail);
    }
  }

  // --- for the provider

  /** The present life; null while the link is not up. */
  final @Nullable E endpoint() {
    return endpoint;
  }

  /** The time of the last {@link #doWork}. */
  final long nowNs() {
    return nowNs;
  }

  final Logger log() {
    return log;
  }

  /** When the heartbeat wants the next {@link #doWork} while the link is up. */
  final long heartbeatDeadlineNs() {
    return heartbeat.nextDeadlineNs();
  }

  final void become(LinkState next) {
    state = state.transition(next);
  }

  /**
   * A life begins; all that belongs to it is there.
   *
   * @param witness knows what keeps the peer
   * @param peer what people call it
   */
  final void begin(E newborn, Witness witness, String peer) {
    become(LinkState.UP);
    endpoint = newborn;
    generation = newborn.generation();
    newborn.local().generation(generation);
    heartbeat.begin(nowNs, newborn.peerHeartbeat(), witness);
    log.info("link: up with {}, generation {}", peer, generation);
    listener().linkUp(newborn);
  }

  /** The present life is over. When this returns, the owner has taken all rights back. */
  final void end(LinkDown.Kind kind, String detail) {
    endpoint = null; // so that a failure reported from the callback does not come here again
    become(LinkState.DOWN);
    Level level = kind == LinkDown.Kind.GOODBYE ? Level.INFO : Level.WARN;
    log.atLevel(level).log("link: down, generation {}: {} ({})", generation, detail, kind);
    listener().linkDown(new LinkDown(generation, kind, detail, heartbeat.lastSignNs(), nowNs));
  }

  private void checkHeartbeat(E alive, boolean paused) {
    if (heartbeat.takeBeat(nowNs)) {
      alive.beat();
    }
    heartbeat.look(nowNs, alive.peerHeartbeat(), paused);
    if (heartbeat.isSilent(nowNs)) {
      long silentMs = (nowNs - heartbeat.lastSignNs()) / 1_000_000;
      long excusedMs = heartbeat.excusedNs() / 1_000_000;
      String starved = excusedMs == 0 ? "" : ", of which the peer was starved for " + excusedMs;
      down(LinkDown.Kind.HEARTBEAT, "no heartbeat for " + silentMs + " ms" + starved);
    }
  }

  private BridgeListener listener() {
    if (listener == null) {
      throw new IllegalStateException("the bridge has no listener");
    }
    return listener;
  }
}
