package io.twinspan.array;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/**
 * The conversation of two controllers on the MANAGEMENT lane: hello, each other's part in the
 * pools, and what else is to be told. Single-threaded.
 */
final class Membership {
  /** Where messages go, and what a hello tells. */
  interface Events {
    PoolUnit unit(int pool);

    VolumeService volumes();
  }

  private static final int MAX_UNSENT = 4096;

  private final ArrayConfig config;
  private final PeerLink link;
  private final Events events;
  private final ArrayDeque<byte[]> unsent = new ArrayDeque<>();
  private final MemorySegment out = Arena.ofAuto().allocate(PeerLink.MAX_MESSAGE_BYTES, 64);
  private boolean helloSent;
  private boolean granted;
  private boolean peerKnown;
  private boolean peerLeaving;
  private boolean leaving;

  Membership(ArrayConfig config, PeerLink link, Events events) {
    this.config = config;
    this.link = link;
    this.events = events;
  }

  boolean peerKnown() {
    return peerKnown;
  }

  boolean peerLeaving() {
    return peerLeaving;
  }

  boolean hasUnsent() {
    return link.isUp() && !unsent.isEmpty();
  }

  void leave() {
    leaving = true;
    for (int pool = 0; pool < ArrayNode.POOLS; pool++) {
      tellRole(pool);
    }
  }

  void linkUp() {
    unsent.clear();
    peerKnown = false;
    peerLeaving = false;
    granted = false;
    helloSent = true;
    List<ControlMessage.Part> parts = new ArrayList<>();
    for (int pool = 0; pool < ArrayNode.POOLS; pool++) {
      parts.add(events.unit(pool).ownership().part());
    }
    tell(
        new ControlMessage.Hello(
            config.node(), config.arrayId(), config.bootId(), config.logBytes(), leaving, parts));
  }

  void linkDown() {
    unsent.clear();
    helloSent = false;
    granted = false;
    peerKnown = false;
    peerLeaving = false;
  }

  /**
   * Lets the peer forward requests as soon as it has said hello, and no request of an earlier life
   * of the link uses the memory any more.
   */
  void pump(boolean landingIsFree) {
    if (!granted && landingIsFree && peerKnown) {
      granted = true;
      link.grant(PeerLink.Lane.DATA);
    }
  }

  /** Tells the peer this controller's part in a pool. */
  void tellRole(int pool) {
    if (helloSent) {
      tell(new ControlMessage.Role(pool, leaving, events.unit(pool).ownership().part()));
    }
  }

  void tell(ControlMessage message) {
    if (helloSent) {
      unsent.add(ControlMessage.encode(message));
      send();
      if (unsent.size() > MAX_UNSENT && link.isUp()) {
        link.declareDown("the peer takes no control messages");
      }
    }
  }

  int send() {
    int sent = 0;
    for (byte[] next = unsent.peek(); next != null && send(next); next = unsent.peek()) {
      unsent.remove();
      sent++;
    }
    return sent;
  }

  private boolean send(byte[] message) {
    MemorySegment.copy(message, 0, out, ValueLayout.JAVA_BYTE, 0, message.length);
    return link.send(PeerLink.Lane.MANAGEMENT, out, message.length);
  }

  /** A message came; returns what is wrong with it, or an empty text. */
  String received(MemorySegment message, int lengthBytes) {
    if (lengthBytes > PeerLink.MAX_MESSAGE_BYTES) {
      return "control message of " + lengthBytes + " bytes";
    }
    byte[] bytes = message.asSlice(0, lengthBytes).toArray(ValueLayout.JAVA_BYTE);
    String defect = "";
    try {
      ControlMessage decoded = ControlMessage.decode(bytes);
      if (!peerKnown && !(decoded instanceof ControlMessage.Hello)) {
        return "control message before the hello";
      }
      handle(decoded);
    } catch (IllegalArgumentException e) {
      defect = String.valueOf(e.getMessage());
    }
    return defect;
  }

  private void handle(ControlMessage message) {
    switch (message) {
      case ControlMessage.Hello hello -> hello(hello);
      case ControlMessage.Role role -> {
        peerLeaving = role.leaving();
        events.unit(role.pool()).ownership().peerIs(role.part());
      }
      case ControlMessage.Ready ready -> events.unit(ready.pool()).ownership().peerIsReady();
      case ControlMessage.Handover handover ->
          events.unit(handover.pool()).ownership().handedOver();
      case ControlMessage.Refused refused -> events.unit(refused.pool()).ownership().refused();
      case ControlMessage.Released released -> events.unit(released.pool()).ownership().released();
      case ControlMessage.Volumes volumes -> events.volumes().table(volumes);
      case ControlMessage.VolumeRequest request -> events.volumes().requested(request);
      case ControlMessage.VolumeReply reply -> events.volumes().replied(reply);
    }
  }

  private void hello(ControlMessage.Hello hello) {
    boolean fits =
        !peerKnown
            && hello.node().equals(config.peer())
            && hello.arrayId() == config.arrayId()
            && hello.logBytes() == config.logBytes();
    if (!fits) {
      throw new IllegalArgumentException(
          "hello of controller "
              + hello.node()
              + " of array "
              + Long.toHexString(hello.arrayId())
              + " with a log of "
              + hello.logBytes()
              + " bytes");
    }
    peerKnown = true;
    peerLeaving = hello.leaving();
    // Not before: a peer that has not noticed the end of the last life can't place in this one.
    link.grant(PeerLink.Lane.MIRROR);
    for (int pool = 0; pool < ArrayNode.POOLS; pool++) {
      events.unit(pool).ownership().peerIs(hello.parts().get(pool));
    }
    events.volumes().announce();
  }
}
