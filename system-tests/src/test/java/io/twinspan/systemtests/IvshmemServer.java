package io.twinspan.systemtests;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.twinspan.linux.EventFd;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Poller;
import io.twinspan.linux.UnixListener;
import io.twinspan.linux.UnixSocket;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Tells QEMU's ivshmem-doorbell devices of the memory they share and of each other's eventfds, one
 * for each; what QEMU's own ivshmem-server does, which Debian does not pack. A message is 8 bytes,
 * little endian, some with a descriptor.
 */
final class IvshmemServer implements AutoCloseable {
  private static final long PROTOCOL_VERSION = 0;
  private static final long SHARED_MEMORY = -1;
  private static final long LOOK_NS = 50_000_000;

  private record Client(UnixSocket socket, EventFd bell) {}

  private final UnixListener listener;
  private final Fd memory;
  private final List<Client> clients = new ArrayList<>();
  private final Thread thread;
  private volatile boolean closed;

  /**
   * Listens, and serves whoever comes.
   *
   * @param memory what the devices share; must stay open
   */
  IvshmemServer(Path socket, Fd memory) {
    this.memory = memory;
    listener = UnixListener.bind(socket, 0600);
    listener.setNonBlocking(true);
    thread = Thread.ofPlatform().daemon().name("ivshmem-server").start(this::serve);
  }

  private void serve() {
    try (Poller poller = new Poller()) {
      poller.add(listener.fd(), 0);
      while (!closed) {
        int _ = poller.await(LOOK_NS);
        listener.accept().ifPresent(this::welcome);
      }
    }
    clients.forEach(client -> client.socket.close());
    clients.forEach(client -> client.bell.close());
    listener.close();
  }

  private void welcome(UnixSocket socket) {
    Client newcomer = new Client(socket, EventFd.create());
    long id = clients.size();
    send(socket, PROTOCOL_VERSION);
    send(socket, id);
    send(socket, SHARED_MEMORY, memory);
    for (int i = 0; i < clients.size(); i++) {
      send(clients.get(i).socket, id, newcomer.bell.fd());
      send(socket, i, clients.get(i).bell.fd());
    }
    send(socket, id, newcomer.bell.fd());
    clients.add(newcomer);
  }

  private static void send(UnixSocket socket, long value, Fd... fds) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment message = arena.allocateFrom(JAVA_LONG, value);
      int _ = socket.send(message, 0, Long.BYTES, fds);
    }
  }

  @Override
  public void close() {
    closed = true;
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
