package io.twinspan.nvme;

import io.twinspan.linux.TwinspanException;
import io.twinspan.linux.UnixListener;
import io.twinspan.linux.UnixSocket;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Lends a drive that this process drives to other processes of the machine, which may run under
 * other user ids and need no rights but to open a socket: {@link BrokeredDrive} is their side.
 *
 * <p>Each gets private queue pairs in memory of its own: it can name no memory but its own, no
 * blocks but those that it was granted, and no other's queue, for it has no other's doorbell. A
 * drive that can hold domains ({@link PciDevice#maxDomains}) sees to that itself, and takes
 * commands straight from the process. To any other the broker carries them, and checks each one
 * before. Administrative commands pass a policy. A process that dies or does not keep to the rules
 * loses its queues, then its memory is unmapped; nobody else notices.
 *
 * <p>Starts a thread that takes connections, one for each process, and if it carries commands one
 * for that.
 */
public final class Broker implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Broker.class);

  private final NvmeController drive;
  private final BrokerOptions options;
  private final UnixListener listener;

  /** Carries commands where the drive can't keep processes apart. */
  private final @Nullable BrokerAgent agent;

  private final Thread acceptor;
  private final Set<BrokerSession> sessions = ConcurrentHashMap.newKeySet();
  private final Set<Thread> threads = ConcurrentHashMap.newKeySet();

  private Broker(NvmeController drive, Path socket, BrokerOptions options) {
    this.drive = drive;
    this.options = options;
    listener = UnixListener.bind(socket, options.socketMode());
    open(socket, options.socketMode());
    agent = drive.device().maxDomains() > 0 ? null : new BrokerAgent("nvme-broker");
    rehearse();
    acceptor = Thread.ofPlatform().name("nvme-broker-accept").daemon(true).start(this::accept);
  }

  /**
   * Lends this process a queue pair and takes it back, before anybody else is let in. Code that
   * runs for the first time beside a load takes tenths of a second, which the first death that
   * counts shall not.
   */
  private void rehearse() {
    try {
      List<UnixSocket> ends = UnixSocket.pair();
      Thread session =
          Thread.ofPlatform()
              .name("nvme-broker-rehearsal")
              .daemon(true)
              .start(new BrokerSession(drive, agent, options, ends.get(0), () -> {}));
      try (BrokeredDrive lent =
              BrokeredDrive.over("rehearsal of " + drive.name(), ends.get(1), drive.options());
          QueuePair<String> _ = lent.createQueuePair(1, (request, status) -> {})) {
        LOG.debug("{}: rehearsed", drive.name());
      } finally {
        join(session);
      }
    } catch (TwinspanException e) {
      LOG.debug("{}: no rehearsal: {}", drive.name(), e.getMessage());
    }
  }

  /**
   * Begins to lend a drive.
   *
   * @param drive READY, with as many queue pairs to give as all processes together shall have; used
   *     by this process too if it likes, and closed by it after the broker
   * @param socket path of the Unix socket
   * @param options limits and policy
   * @return the broker
   */
  public static Broker start(NvmeController drive, Path socket, BrokerOptions options) {
    return new Broker(drive, socket, options);
  }

  /**
   * {@return whether processes reach the drive past this one, as {@link BrokeredDrive#isDirect}
   * says}
   */
  public boolean isDirect() {
    return agent == null;
  }

  /** {@return how many processes are connected} */
  public int processes() {
    return sessions.size();
  }

  /** Takes all queues and memory back and lets nobody in any more; waits until that is done. */
  @Override
  public void close() {
    listener.close();
    join(acceptor);
    sessions.forEach(BrokerSession::end);
    threads.forEach(Broker::join);
    if (agent != null) {
      agent.close();
    }
  }

  /** The umask, which is for files in general, may have taken away what was asked for here. */
  private void open(Path socket, int mode) {
    try {
      Files.setAttribute(socket, "unix:mode", mode);
    } catch (IOException e) {
      listener.close();
      throw new NvmeException("can't set the permissions of %s: %s".formatted(socket, e), e);
    }
  }

  private void accept() {
    while (true) {
      Optional<UnixSocket> accepted;
      try {
        accepted = listener.accept();
      } catch (TwinspanException e) {
        LOG.error("{}: nobody can be let in: {}", drive.name(), e.getMessage());
        pause();
        continue;
      }
      if (accepted.isPresent()) {
        admit(accepted.get());
      } else if (listener.fd().isClosed()) {
        return;
      }
    }
  }

  private void admit(UnixSocket socket) {
    if (sessions.size() >= options.processes()) {
      LOG.warn("{}: {} is one process too many", drive.name(), socket.peer());
      socket.close();
      return;
    }
    try {
      BrokerSession[] self = new BrokerSession[1];
      self[0] =
          new BrokerSession(
              drive,
              agent,
              options,
              socket,
              () -> {
                sessions.remove(self[0]);
                threads.remove(Thread.currentThread());
              });
      sessions.add(self[0]);
      Thread thread =
          Thread.ofPlatform().name("nvme-broker-session").daemon(true).unstarted(self[0]);
      threads.add(thread);
      thread.start();
    } catch (TwinspanException e) {
      LOG.warn("{}: a process was not let in: {}", drive.name(), e.getMessage());
      socket.close();
    }
  }

  private static void pause() {
    try {
      Thread.sleep(100);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void join(Thread thread) {
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
