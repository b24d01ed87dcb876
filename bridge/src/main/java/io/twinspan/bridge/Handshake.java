package io.twinspan.bridge;

import io.twinspan.linux.EventFd;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Memfd;
import io.twinspan.linux.TwinspanException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Examines whoever is at the other end of a connection, and exchanges windows with the peer.
 *
 * <pre>
 * state          receives  checks                                    sends     next
 * (start)        -         -                                         HELLO     HELLO_SENT
 * HELLO_SENT     HELLO     array, side, sizes, contract; link free   PROOF     PROOF_SENT
 * PROOF_SENT     PROOF     HMAC with the array's secret              WINDOWS   WINDOWS_SENT
 * WINDOWS_SENT   WINDOWS   generation, seals and sizes of memfds     -         DONE
 * any            REFUSE, end, anything else, or too late             (REFUSE)  closed
 * </pre>
 *
 * <p>Both sides do the same. Nothing is mapped or handed out before the proof.
 */
final class Handshake implements AutoCloseable {
  private enum State {
    HELLO_SENT,
    PROOF_SENT,
    WINDOWS_SENT,
    DONE
  }

  /** What the bridge knows and the examination needs. */
  interface Host {
    Hello newHello();

    /** Why what is in this hello does not fit this side, if it does not. */
    void examine(Hello peer) throws Refusal;

    Fd window();
  }

  private final Connection connection;
  private final Host host;
  private final Proof proof;
  private final Hello own;
  private final long deadlineNs;
  private State state = State.HELLO_SENT;
  private @Nullable Hello peer;
  private @Nullable Fd ownControl;
  private @Nullable EventFd ownDoorbell;
  private List<Fd> received = List.of();

  Handshake(Connection connection, Host host, Proof proof, long deadlineNs) {
    this.connection = connection;
    this.host = host;
    this.proof = proof;
    this.deadlineNs = deadlineNs;
    own = host.newHello();
  }

  boolean begin() {
    return connection.send(Connection.Type.HELLO, own.encoded());
  }

  Connection connection() {
    return connection;
  }

  long deadlineNs() {
    return deadlineNs;
  }

  boolean isDone() {
    return state == State.DONE;
  }

  /** The agreed number of the life that begins when this is done. */
  long generation() {
    return Math.max(own.generation(), peer().generation()) + 1;
  }

  Hello peer() {
    if (peer == null) {
      throw new IllegalStateException("no hello has come");
    }
    return peer;
  }

  /** Maps what was exchanged; from then on the endpoint owns it, and the connection's memory. */
  ShmEndpoint endpoint(Window local) throws Refusal {
    Fd control = ownControl;
    EventFd doorbell = ownDoorbell;
    if (!isDone() || control == null || doorbell == null) {
      throw new IllegalStateException("handshake is " + state);
    }
    List<Fd> fds = received;
    try {
      ShmEndpoint endpoint = ShmEndpoint.map(generation(), peer(), local, control, doorbell, fds);
      ownControl = null;
      ownDoorbell = null;
      received = List.of();
      return endpoint;
    } catch (TwinspanException e) {
      throw new Refusal("its windows can't be used: " + e.getMessage());
    }
  }

  Connection.Outcome receive() throws Refusal {
    return connection.receive(this::frame);
  }

  private void frame(Connection.Type type, ByteBuffer payload) throws Refusal {
    switch (type) {
      case HELLO -> hello(payload);
      case PROOF -> proof(payload);
      case WINDOWS -> windows(payload);
      case REFUSE -> {
        Refusal theirs = Connection.decodeRefusal(payload);
        throw new Refusal("the other side refuses: " + theirs.reason(), theirs.passing());
      }
      case GOODBYE -> throw new Refusal("it said goodbye", true);
    }
  }

  private void hello(ByteBuffer payload) throws Refusal {
    require(State.HELLO_SENT);
    Hello hello = Hello.decode(payload);
    host.examine(hello);
    peer = hello;
    state = State.PROOF_SENT;
    send(Connection.Type.PROOF, ByteBuffer.wrap(proof.of(own, hello)));
  }

  private void proof(ByteBuffer payload) throws Refusal {
    require(State.PROOF_SENT);
    byte[] bytes = new byte[payload.remaining()];
    payload.get(bytes);
    if (!proof.isValid(bytes, peer(), own)) {
      throw new Refusal("it does not know the array's secret");
    }
    Fd control = Memfd.create("twinspan-control", own.controlBytes());
    ownControl = control;
    EventFd doorbell = EventFd.create();
    ownDoorbell = doorbell;
    state = State.WINDOWS_SENT;
    ByteBuffer agreed = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    agreed.putLong(generation()).flip();
    send(Connection.Type.WINDOWS, agreed, host.window(), control, doorbell.fd());
  }

  private void windows(ByteBuffer payload) throws Refusal {
    require(State.WINDOWS_SENT);
    received = connection.takeDescriptors();
    if (payload.remaining() != Long.BYTES || received.size() != Connection.WINDOW_FDS) {
      throw new Refusal("it sent " + received.size() + " descriptors for its windows");
    }
    long generation = payload.getLong();
    if (generation != generation()) {
      throw new Refusal("it means generation %d, not %d".formatted(generation, generation()), true);
    }
    state = State.DONE;
  }

  private void send(Connection.Type type, ByteBuffer payload, Fd... fds) throws Refusal {
    if (!connection.send(type, payload, fds)) {
      throw new Refusal("it does not take what it is sent", true);
    }
  }

  private void require(State expected) throws Refusal {
    if (state != expected) {
      throw new Refusal("its frames come in the wrong order");
    }
  }

  @Override
  public void close() {
    connection.close();
    received.forEach(Fd::close);
    received = List.of();
    if (ownControl != null) {
      ownControl.close();
    }
    if (ownDoorbell != null) {
      ownDoorbell.close();
    }
  }
}
