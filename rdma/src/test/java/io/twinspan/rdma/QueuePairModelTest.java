package io.twinspan.rdma;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.twinspan.bridge.LinkDown;
import io.twinspan.rdma.ChannelSpec.Direction;
import io.twinspan.rdma.LinkPair.End;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Random operations on a queue pair and its partner, one at a time, against a model that knows what
 * verbs promise: states, refusals, connection events, and every completion in its order.
 */
class QueuePairModelTest {
  private static final int DEPTH = 4;
  private static final int ROUNDS = 5;
  private static final int STEPS = 1500;
  private static final long CONNECT_TIMEOUT_MS = 6L * ROUNDS;
  private static final ChannelPlan PLAN =
      new ChannelPlan(
          List.of(
              new ChannelSpec(0, "both", Direction.BOTH, 1 << 16, 1 << 16, 1, DEPTH, DEPTH, 64)));

  @TempDir Path directory;

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4})
  void doesWhatTheModelDoes(long seed) {
    walk(seed);
  }

  @Test
  void doesWhatTheModelDoesOnAWalkThatNobodyHasSeen() {
    walk(System.nanoTime());
  }

  private void walk(long seed) {
    Random random = new Random(seed);
    try (LinkPair pair = new LinkPair(directory, PLAN)) {
      Walk walk = new Walk(pair, random);
      for (int step = 0; step < STEPS; step++) {
        walk.step("seed %d, step %d".formatted(seed, step));
      }
      assertThat(walk.connections).as("seed %d", seed).isGreaterThan(10);
    }
  }

  /** One side: the real queue pair, and the model of it. */
  private static final class Actor {
    final LinkPair.Node node;
    final End end;
    final MemorySegment memory;
    MemoryRegion region;

    QpState state = QpState.RESET;
    boolean asks;
    long deadlineNs = Long.MAX_VALUE;
    final ArrayDeque<Long> sends = new ArrayDeque<>();
    final ArrayDeque<Long> receives = new ArrayDeque<>();
    final List<String> sent = new ArrayList<>();
    final List<String> received = new ArrayList<>();
    final List<CmEvent> events = new ArrayList<>();

    Actor(LinkPair.Node node) {
      this.node = node;
      end = node.end(0);
      memory = end.channel().allocate(4096);
      region = end.channel().register(0, memory, Access.LOCAL_WRITE);
    }

    void fails() {
      state = QpState.ERR;
      asks = false;
      deadlineNs = Long.MAX_VALUE;
      flush();
    }

    void flush() {
      sends.forEach(id -> sent.add(id + " WR_FLUSH_ERR"));
      sends.clear();
      receives.forEach(id -> received.add(id + " WR_FLUSH_ERR"));
      receives.clear();
    }
  }

  private static final class Walk {
    private final LinkPair pair;
    private final Random random;
    private final Actor[] actors;
    private final WorkRequest request = new WorkRequest();
    private final MemorySegment word = Arena.ofAuto().allocate(8);
    private long nextId = 1;
    private int connections;

    Walk(LinkPair pair, Random random) {
      this.pair = pair;
      this.random = random;
      actors = new Actor[] {new Actor(pair.a), new Actor(pair.b)};
    }

    void step(String where) {
      int who = random.nextInt(2);
      Actor self = actors[who];
      Actor peer = actors[1 - who];
      String what = act(self, peer);
      pair.run(ROUNDS);
      settle(self, peer);
      for (Actor actor : actors) {
        check(actor, where + ", " + (actor == self ? "self" : "peer") + " of " + what);
      }
    }

    private String act(Actor self, Actor peer) {
      boolean forward = !self.state.isConnected() && random.nextInt(3) == 0;
      if (forward) {
        return switch (self.state) {
          case RESET -> init(self);
          case INIT -> peer.asks ? answer(self, peer) : connect(self, peer);
          default -> reset(self, peer);
        };
      }
      return switch (random.nextInt(200)) {
        case 0 -> failLink();
        case 1, 2, 3, 4 -> end(self, peer);
        case 5, 6, 7, 8 -> reset(self, peer);
        case 9, 10, 11, 12, 13, 14, 15, 16, 17, 18 -> drainOrResume(self);
        case 19, 20, 21, 22, 23 -> init(self);
        case 24, 25, 26, 27, 28 -> connect(self, peer);
        case 29, 30, 31, 32, 33 -> answer(self, peer);
        default -> random.nextBoolean() ? send(self) : receive(self);
      };
    }

    private String send(Actor self) {
      long id = nextId++;
      int result = self.end.qp().postSend(request.send(id).inline(word, 0, 8));
      int expected =
          switch (self.state) {
            case RESET, INIT, RTR, SQE -> QueuePair.BAD_STATE;
            case RTS, SQD -> self.sends.size() == DEPTH ? QueuePair.FULL : QueuePair.OK;
            case ERR -> QueuePair.OK;
          };
      assertThat(result).as("send in %s", self.state).isEqualTo(expected);
      if (result == QueuePair.OK) {
        self.sends.add(id);
        if (self.state == QpState.ERR) {
          self.flush();
        }
      }
      return "send " + id;
    }

    private String receive(Actor self) {
      long id = nextId++;
      int result = self.end.qp().postReceive(id, self.region, 0, 64);
      int expected =
          switch (self.state) {
            case RESET -> QueuePair.BAD_STATE;
            case ERR -> QueuePair.OK;
            default -> self.receives.size() == DEPTH ? QueuePair.FULL : QueuePair.OK;
          };
      assertThat(result).as("receive in %s", self.state).isEqualTo(expected);
      if (result == QueuePair.OK) {
        self.receives.add(id);
        if (self.state == QpState.ERR) {
          self.flush();
        }
      }
      return "receive " + id;
    }

    private String init(Actor self) {
      if (self.state == QpState.RESET || self.state == QpState.INIT) {
        self.end.qp().init();
        self.state = QpState.INIT;
      } else {
        refuses(() -> self.end.qp().init());
      }
      return "init";
    }

    private String connect(Actor self, Actor peer) {
      if (self.state != QpState.INIT) {
        refuses(() -> self.end.qp().connect());
        return "connect refused";
      }
      boolean limited = random.nextBoolean();
      if (limited) {
        self.end.qp().connect(Duration.ofMillis(CONNECT_TIMEOUT_MS));
        self.deadlineNs = pair.clock.nanoTime() + CONNECT_TIMEOUT_MS * LinkPair.MS;
      } else {
        self.end.qp().connect();
        self.deadlineNs = Long.MAX_VALUE;
      }
      self.asks = true;
      if (!peer.asks) {
        peer.events.add(CmEvent.CONNECT_REQUEST);
      } else {
        connected(self, peer);
      }
      return "connect";
    }

    private String answer(Actor self, Actor peer) {
      boolean accepts = random.nextInt(3) > 0;
      boolean asked = peer.asks && !self.asks;
      if (accepts && self.state == QpState.INIT && asked) {
        self.end.qp().accept((byte) 1);
        connected(self, peer);
      } else if (accepts) {
        refuses(() -> self.end.qp().accept((byte) 1));
      } else if (asked) {
        self.end.qp().reject((byte) 2);
        peer.asks = false;
        peer.deadlineNs = Long.MAX_VALUE;
        peer.events.add(CmEvent.REJECTED);
      } else {
        refuses(() -> self.end.qp().reject((byte) 2));
      }
      return "answer " + accepts;
    }

    private String end(Actor self, Actor peer) {
      boolean wasConnected = self.state.isConnected();
      boolean wasUsed = self.state != QpState.RESET && self.state != QpState.ERR;
      self.end.qp().disconnect();
      if (wasUsed) {
        self.fails();
      }
      if (wasConnected) {
        self.events.add(CmEvent.DISCONNECTED);
        peer.fails();
        peer.events.add(CmEvent.DISCONNECTED);
      }
      return "disconnect";
    }

    private String reset(Actor self, Actor peer) {
      boolean wasConnected = self.state.isConnected();
      self.end.qp().reset();
      self.fails();
      self.state = QpState.RESET;
      if (wasConnected) {
        peer.fails();
        peer.events.add(CmEvent.DISCONNECTED);
      }
      return "reset";
    }

    private String drainOrResume(Actor self) {
      QpState next = random.nextBoolean() ? QpState.SQD : QpState.RTS;
      if (self.state.isConnected()) {
        self.end.qp().modify(next);
        self.state = next;
      } else {
        refuses(() -> self.end.qp().modify(next));
      }
      return "to " + next;
    }

    private String failLink() {
      pair.a.link.fail(LinkDown.Kind.PROTOCOL, "the test says so");
      pair.runUntil(() -> pair.a.downs.size() == 1 && pair.b.downs.size() == 1);
      pair.runUntil(() -> pair.a.link.isUp() && pair.b.link.isUp());
      for (Actor actor : actors) {
        if (actor.state != QpState.RESET) {
          actor.events.add(CmEvent.DEVICE_REMOVAL);
          actor.fails();
        }
        actor.node.downs.clear();
        actor.region = actor.end.channel().register(0, actor.memory, Access.LOCAL_WRITE);
      }
      return "link down";
    }

    private void connected(Actor one, Actor other) {
      connections++;
      for (Actor actor : List.of(one, other)) {
        actor.state = QpState.RTS;
        actor.asks = false;
        actor.deadlineNs = Long.MAX_VALUE;
        actor.events.add(CmEvent.ESTABLISHED);
      }
    }

    /** What the rounds after an operation bring about. */
    private void settle(Actor self, Actor peer) {
      deliver(self, peer);
      deliver(peer, self);
      for (Actor actor : actors) {
        if (actor.asks && pair.clock.nanoTime() >= actor.deadlineNs) {
          actor.asks = false;
          actor.deadlineNs = Long.MAX_VALUE;
          actor.events.add(CmEvent.UNREACHABLE);
        }
      }
    }

    private static void deliver(Actor from, Actor to) {
      while (from.state == QpState.RTS && !from.sends.isEmpty() && !to.receives.isEmpty()) {
        from.sent.add(from.sends.remove() + " SUCCESS");
        to.received.add(to.receives.remove() + " SUCCESS");
      }
    }

    private void check(Actor actor, String where) {
      List<String> sent = new ArrayList<>();
      List<String> received = new ArrayList<>();
      WorkCompletion completion = actor.end.completion();
      while (actor.end.cq().poll(completion)) {
        boolean isReceive = completion.opcode() == WcOpcode.RECV;
        (isReceive ? received : sent).add(completion.wrId() + " " + completion.status());
      }
      assertThat(actor.end.qp().state()).as(where).isEqualTo(actor.state);
      assertThat(sent).as("sends, %s", where).isEqualTo(actor.sent);
      assertThat(received).as("receives, %s", where).isEqualTo(actor.received);
      assertThat(actor.node.events).as("events, %s", where).isEqualTo(actor.events);
      actor.sent.clear();
      actor.received.clear();
      actor.events.clear();
      actor.node.events.clear();
    }

    private static void refuses(Runnable call) {
      assertThatThrownBy(call::run).isInstanceOf(IllegalStateException.class);
    }
  }
}
