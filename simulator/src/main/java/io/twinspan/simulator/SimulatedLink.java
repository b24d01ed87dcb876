package io.twinspan.simulator;

import io.twinspan.array.ArrayNode;
import io.twinspan.array.PeerLink;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.EnumMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/**
 * A link between two controllers in memory: placements and messages take some ticks, lanes overtake
 * each other, the link can be cut, and each side finds out at its own time. All on one thread.
 */
final class SimulatedLink {
  private static final int MAX_CONNECT_TICKS = 40;

  private final Random random;
  final End a;
  final End b;
  int maxDelayTicks = 4;
  int maxDetectionTicks = 40;
  private long tick;
  private long connectTick;
  private long generation;
  private boolean connected;

  SimulatedLink(long seed, long logBytes, SimulatedMemory memory) {
    random = new Random(seed);
    a = new End(logBytes, memory);
    b = new End(logBytes, memory);
    a.peer = b;
    b.peer = a;
  }

  /** Lets time pass, and the link come up when both sides are there. */
  void tick() {
    tick++;
    if (!connected && linkAllowed && a.isOver() && b.isOver() && a.attached && b.attached) {
      connect();
    }
    a.carry();
    b.carry();
  }

  private void connect() {
    if (connectTick < tick) {
      connectTick = tick + random.nextInt(MAX_CONNECT_TICKS);
    }
    if (connectTick == tick) {
      connected = true;
      generation++;
      a.comeUp();
      b.comeUp();
    }
  }

  /** Ticks until something that is under way arrives, or an end finds out, at least 1. */
  long idleTicks() {
    long idle = Math.min(a.carryIdleTicks(), b.carryIdleTicks());
    if (!connected && linkAllowed && a.isOver() && b.isOver() && a.attached && b.attached) {
      idle = connectTick <= tick ? 1 : Math.min(idle, connectTick - tick);
    }
    return Math.max(idle, 1);
  }

  /** Lets ticks pass in which nothing is due: fewer than {@link #idleTicks}. */
  void skip(long ticks) {
    tick += ticks;
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

  private static long ticksTo(@Nullable Due due, long tick) {
    return due == null ? Long.MAX_VALUE : due.tick - tick;
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
    private final Lane[] lanes = Lane.values();
    private final List<ArrayDeque<Placement>> placementsByLane;
    private final List<ArrayDeque<Due>> messagesByLane;
    private final ArrayDeque<Due> events = new ArrayDeque<>();
    private boolean mute;

    /** False only while nothing of this side is under way. */
    private boolean busy;

    private boolean refused;
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

    /** Messages of this side stay under way, and are lost when it dies. */
    boolean holdsMessages;

    /** After a cut this side goes on to see the rights of before. */
    boolean seesOldGrants;

    private final Map<Lane, Boolean> oldGrants = new EnumMap<>(Lane.class);

    End(long logBytes, SimulatedMemory memory) {
      landings.put(Lane.DATA, memory.take(ArrayNode.DATA_LANDING_BYTES));
      landings.put(Lane.MIRROR, memory.take(ArrayNode.mirrorLandingBytes(logBytes)));
      for (Lane lane : lanes) {
        placements.put(lane, new ArrayDeque<>());
        messages.put(lane, new ArrayDeque<>());
      }
      placementsByLane = List.copyOf(placements.values());
      messagesByLane = List.copyOf(messages.values());
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
        int some = lane.isEmpty() || holdsMessages ? 0 : random.nextInt(lane.size() + 1);
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
      mute = false;
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
      boolean passes = connected && !mute && busy;
      busy &= !passes;
      for (int i = 0; i < lanes.length && passes; i++) {
        ArrayDeque<Placement> placing = placementsByLane.get(i);
        while (!holds && !placing.isEmpty() && placing.peek().tick <= tick) {
          Placement placement = placing.remove();
          boolean success = execute(placement);
          answer(placement, success);
        }
        ArrayDeque<Due> sending = messagesByLane.get(i);
        while (!holdsMessages && !sending.isEmpty() && sending.peek().tick <= tick) {
          peer.events.add(sending.remove());
        }
        busy |= !placing.isEmpty() || !sending.isEmpty();
      }
      if (state == Life.DYING && tick >= detectTick) {
        goDown("silence");
      }
    }

    private long carryIdleTicks() {
      long idle = state == Life.DYING ? detectTick - tick : Long.MAX_VALUE;
      boolean passes = connected && !mute && busy;
      for (int i = 0; i < lanes.length && passes; i++) {
        Placement placing = placementsByLane.get(i).peek();
        if (placing != null && !holds) {
          idle = Math.min(idle, placing.tick - tick);
        }
        if (!holdsMessages) {
          idle = Math.min(idle, ticksTo(messagesByLane.get(i).peek(), tick));
        }
      }
      return idle;
    }

    /** Ticks until the process at this end has something to poll. */
    long pollIdleTicks() {
      return ticksTo(events.peek(), tick);
    }

    /** Whether this end has said since the last call that there was no room: to be tried again. */
    boolean takeRefused() {
      boolean was = refused;
      refused = false;
      return was;
    }

    /**
     * What this side sends and places stays under way; what its peer sends arrives. The peer finds
     * out, and ends the link.
     */
    void mute() {
      if (connected) {
        mute = true;
        peer.detectLater();
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
      if (connected) {
        // Found out alone: the other one hears nothing from now on, and finds out too.
        connected = false;
        peer.detectLater();
      }
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
        refused |= open;
        return false;
      }
      busy = true;
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
        refused |= open;
        return false;
      }
      if (sourceOffset + lengthBytes > source.byteSize()
          || remoteOffset + lengthBytes > in(landings, lane).byteSize()) {
        throw new IllegalArgumentException("placement out of bounds");
      }
      busy = true;
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
