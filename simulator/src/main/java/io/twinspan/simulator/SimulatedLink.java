package io.twinspan.simulator;

import io.twinspan.array.ArrayNode;
import io.twinspan.array.PeerLink;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.EnumMap;
import java.util.Iterator;
import java.util.Map;
import java.util.Objects;
import java.util.Random;

/**
 * A link between two controllers in memory: placements and messages take some ticks, lanes overtake
 * each other, the link can be cut, and each side finds out at its own time. All on one thread.
 */
final class SimulatedLink {
  private final Random random;
  final End a;
  final End b;
  int maxDelayTicks = 4;
  int maxDetectionTicks = 40;
  private long tick;
  private long generation;
  private boolean connected;

  SimulatedLink(long seed, long logBytes) {
    random = new Random(seed);
    a = new End(logBytes);
    b = new End(logBytes);
    a.peer = b;
    b.peer = a;
  }

  /** Lets time pass, and the link come up when both sides are there. */
  void tick() {
    tick++;
    boolean idle = a.isOver() && b.isOver();
    if (!connected && linkAllowed && idle && a.attached && b.attached && random.nextInt(20) == 0) {
      connected = true;
      generation++;
      a.comeUp();
      b.comeUp();
    }
    a.carry();
    b.carry();
  }

  boolean linkAllowed = true;

  /** The cable is pulled: each side finds out later. */
  void cut() {
    if (connected) {
      connected = false;
      a.detectLater();
      b.detectLater();
    }
  }

  /** As {@link #cut}, but one side finds out at once. */
  void cutFor(End end) {
    cut();
    end.detectTick = 0;
  }

  boolean isConnected() {
    return connected;
  }

  private enum Life {
    DOWN,
    UP,
    /** The link is gone, the owner of this end does not know yet. */
    DYING
  }

  private interface Event {
    void deliver(PeerLink.Handler handler);
  }

  private record Due(long tick, Event event) {}

  private record Placement(
      PeerLink.Lane lane,
      MemorySegment source,
      long sourceOffset,
      long remoteOffset,
      int lengthBytes,
      long token,
      long tick) {}

  /** One side's view. */
  final class End implements PeerLink {
    private End peer = this;
    private final Map<Lane, MemorySegment> landings = new EnumMap<>(Lane.class);
    private final Map<Lane, Boolean> grants = new EnumMap<>(Lane.class);
    private final Map<Lane, ArrayDeque<Placement>> placements = new EnumMap<>(Lane.class);
    private final Map<Lane, ArrayDeque<Due>> messages = new EnumMap<>(Lane.class);
    private final ArrayDeque<Due> events = new ArrayDeque<>();
    private Life state = Life.DOWN;
    private boolean attached;
    private boolean open;
    private boolean downDelivered = true;
    private long detectTick;
    private long lastEventTick;
    private long seenGeneration;
    long placed;

    /** Placements of this side stay under way. */
    boolean holds;

    /** After a cut this side goes on to see the rights of before. */
    boolean seesOldGrants;

    private final Map<Lane, Boolean> oldGrants = new EnumMap<>(Lane.class);

    End(long logBytes) {
      landings.put(Lane.DATA, Arena.ofAuto().allocate(ArrayNode.DATA_LANDING_BYTES, 4096));
      landings.put(
          Lane.MIRROR, Arena.ofAuto().allocate(ArrayNode.mirrorLandingBytes(logBytes), 4096));
      for (Lane lane : Lane.values()) {
        placements.put(lane, new ArrayDeque<>());
        messages.put(lane, new ArrayDeque<>());
      }
    }

    /** A process begins to use this end. */
    void attach() {
      attached = true;
      downDelivered = true;
      open = false;
      state = Life.DOWN;
      events.clear();
      grants.clear();
      in(landings, Lane.MIRROR).fill((byte) 0xA5);
    }

    /** The process ends in good order: what it said arrives. */
    void detach() {
      for (ArrayDeque<Due> lane : messages.values()) {
        while (connected && !lane.isEmpty()) {
          peer.events.add(lane.remove());
        }
      }
      die();
    }

    /**
     * The process is killed: what it was placing arrives in part, what it said may still arrive.
     */
    void die() {
      for (ArrayDeque<Placement> lane : placements.values()) {
        int whole = lane.isEmpty() ? 0 : random.nextInt(lane.size() + 1);
        for (int i = 0; i < whole; i++) {
          execute(lane.remove());
        }
        if (!lane.isEmpty()) {
          Placement torn = lane.remove();
          int some = random.nextInt(torn.lengthBytes + 1);
          execute(
              new Placement(
                  torn.lane,
                  torn.source,
                  torn.sourceOffset,
                  torn.remoteOffset,
                  some,
                  torn.token,
                  tick));
        }
        lane.clear();
      }
      for (ArrayDeque<Due> lane : messages.values()) {
        int some = lane.isEmpty() ? 0 : random.nextInt(lane.size() + 1);
        for (int i = 0; i < some; i++) {
          Due message = lane.remove();
          if (connected && peer.state == Life.UP) {
            peer.events.add(new Due(tick, message.event));
          }
        }
        lane.clear();
      }
      attached = false;
      open = false;
      state = Life.DOWN;
      grants.clear();
      events.clear();
      if (connected) {
        connected = false;
        peer.detectLater();
      }
    }

    private boolean isOver() {
      return state == Life.DOWN && downDelivered;
    }

    private void comeUp() {
      state = Life.UP;
      long now = generation;
      seenGeneration = now;
      grants.clear();
      downDelivered = false;
      events.add(
          new Due(
              tick,
              handler -> {
                open = state != Life.DOWN;
                handler.linkUp(now);
              }));
    }

    private void detectLater() {
      if (state == Life.UP) {
        state = Life.DYING;
        oldGrants.putAll(peer.grants);
        detectTick = tick + random.nextInt(maxDetectionTicks + 1);
      }
    }

    /** Moves what is under way. */
    private void carry() {
      for (ArrayDeque<Placement> lane : placements.values()) {
        while (connected && !holds && !lane.isEmpty() && lane.peek().tick <= tick) {
          Placement placement = lane.remove();
          boolean success = execute(placement);
          answer(placement, success);
        }
      }
      for (ArrayDeque<Due> lane : messages.values()) {
        while (connected && !lane.isEmpty() && lane.peek().tick <= tick) {
          peer.events.add(lane.remove());
        }
      }
      if (state == Life.DYING && tick >= detectTick) {
        goDown("silence");
      }
    }

    private static <T> T in(Map<Lane, T> lanes, Lane lane) {
      return Objects.requireNonNull(lanes.get(lane));
    }

    private void goDown(String reason) {
      for (ArrayDeque<Placement> lane : placements.values()) {
        for (Iterator<Placement> left = lane.iterator(); left.hasNext(); ) {
          answer(left.next(), false);
          left.remove();
        }
      }
      messages.values().forEach(ArrayDeque::clear);
      state = Life.DOWN;
      open = false;
      events.add(
          new Due(
              0,
              handler -> {
                downDelivered = true;
                handler.linkDown(reason);
              }));
    }

    private void answer(Placement placement, boolean success) {
      lastEventTick = Math.max(lastEventTick, tick + random.nextInt(maxDelayTicks + 1));
      events.add(
          new Due(
              lastEventTick, handler -> handler.placed(placement.lane, placement.token, success)));
    }

    private boolean execute(Placement placement) {
      boolean success =
          connected && peer.attached && peer.grants.getOrDefault(placement.lane, false);
      if (success) {
        MemorySegment.copy(
            placement.source,
            placement.sourceOffset,
            in(peer.landings, placement.lane),
            placement.remoteOffset,
            placement.lengthBytes);
        placed++;
      }
      return success;
    }

    @Override
    public boolean isUp() {
      return open;
    }

    @Override
    public long generation() {
      return seenGeneration;
    }

    @Override
    public MemorySegment landing(Lane lane) {
      return in(landings, lane);
    }

    @Override
    public void grant(Lane lane) {
      grants.put(lane, true);
    }

    @Override
    public void revoke(Lane lane) {
      grants.put(lane, false);
    }

    boolean isGrantedToPeer(Lane lane) {
      return grants.getOrDefault(lane, false);
    }

    @Override
    public boolean isGranted(Lane lane) {
      if (seesOldGrants && state == Life.DYING) {
        return oldGrants.getOrDefault(lane, false);
      }
      return state != Life.DOWN
          && peer.attached
          && peer.seenGeneration == seenGeneration
          && peer.grants.getOrDefault(lane, false);
    }

    @Override
    public boolean send(Lane lane, MemorySegment message, int lengthBytes) {
      if (!open || random.nextInt(16) == 0) {
        return false;
      }
      byte[] copy = message.asSlice(0, lengthBytes).toArray(ValueLayout.JAVA_BYTE);
      in(messages, lane)
          .add(
              new Due(
                  tick + random.nextInt(maxDelayTicks + 1),
                  handler -> handler.message(lane, MemorySegment.ofArray(copy), copy.length)));
      return true;
    }

    @Override
    public boolean place(
        Lane lane,
        MemorySegment source,
        long sourceOffset,
        long remoteOffset,
        int lengthBytes,
        long token) {
      if (!open || random.nextInt(16) == 0 || in(placements, lane).size() > 16) {
        return false;
      }
      if (sourceOffset + lengthBytes > source.byteSize()
          || remoteOffset + lengthBytes > in(landings, lane).byteSize()) {
        throw new IllegalArgumentException("placement out of bounds");
      }
      in(placements, lane)
          .add(
              new Placement(
                  lane,
                  source,
                  sourceOffset,
                  remoteOffset,
                  lengthBytes,
                  token,
                  tick + random.nextInt(maxDelayTicks + 1)));
      return true;
    }

    @Override
    public void declareDown(String reason) {
      if (open) {
        goDown(reason);
        if (connected) {
          connected = false;
          peer.detectLater();
        }
      }
    }

    @Override
    public boolean isPeerGone() {
      return !peer.attached;
    }

    @Override
    public int poll(Handler handler) {
      int work = 0;
      // In order, but nothing before its time; the link's end comes after everything else.
      while (!events.isEmpty() && events.peek().tick <= tick) {
        events.remove().event.deliver(handler);
        work++;
      }
      return work;
    }
  }
}
