package io.twinspan.nvme;

import io.twinspan.linux.Fd;
import io.twinspan.linux.Poller;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Lends queue pairs of a drive that keeps them apart by itself: each process has a {@link
 * QueueDomain}, writes its commands into its own queues and rings its own doorbells. The broker
 * creates and deletes queues, and sees no command.
 */
final class DirectLending implements Lending {
  private static final Logger LOG = LoggerFactory.getLogger(DirectLending.class);

  /** What the poller calls the socket; queue pairs are called by their numbers, from 1. */
  private static final int SOCKET = 0;

  private static final class Lent {
    private final int queueId;
    private final int depth;
    private final LentDoorbells doorbells;
    private boolean created;

    private Lent(int queueId, int depth, LentDoorbells doorbells) {
      this.queueId = queueId;
      this.depth = depth;
      this.doorbells = doorbells;
    }
  }

  private final NvmeController drive;
  private final NamespaceRange range;
  private final Poller poller = new Poller();
  private final Map<Integer, Lent> queues = new TreeMap<>();
  private boolean watchesSocket;
  private String fault = "";

  /** Made when it is needed: a process that only asks costs the drive nothing. */
  private @Nullable QueueDomain domain;

  /** Nothing is lent yet. */
  DirectLending(NvmeController drive, NamespaceRange range) {
    this.drive = drive;
    this.range = range;
  }

  @Override
  public void awaitRequest(Fd socket) {
    if (!watchesSocket) {
      poller.add(socket, SOCKET);
      watchesSocket = true;
    }
    while (true) {
      int count = poller.await(-1);
      for (int i = 0; i < count; i++) {
        if (poller.token(i) != SOCKET) {
          fault = "the drive took queue %d away".formatted(poller.token(i));
          throw new BrokerConnection.EndedException(fault);
        }
      }
      if (count > 0) {
        return;
      }
    }
  }

  @Override
  public DmaRegion map(Fd memory, long offset, long lengthBytes) {
    return domain().map(memory, offset, lengthBytes);
  }

  @Override
  public void unmap(DmaRegion region) {
    domain().unmap(region);
  }

  @Override
  public List<Fd> reserve(int id, int depth) {
    QueueDomain mine = domain();
    int queueId = drive.takeQueueId();
    try {
      LentDoorbells doorbells = mine.lend(queueId);
      poller.add(doorbells.bell(), 0, id); // no event but its end
      queues.put(id, new Lent(queueId, depth, doorbells));
      return List.of(doorbells.page(), doorbells.bell());
    } catch (RuntimeException e) {
      drive.giveBackQueueId(queueId);
      throw e;
    }
  }

  @Override
  public void create(int id, long sqIova, long cqIova) {
    Lent queue = queue(id);
    if (queue.created) {
      throw new NvmeException("queue %d is there already".formatted(id));
    }
    IoQueueCommands.create(drive, queue.queueId, queue.depth + 1, sqIova, cqIova, true);
    queue.created = true;
  }

  @Override
  public void delete(int id) {
    Lent queue = queue(id);
    if (queue.created) {
      IoQueueCommands.deleteSubmissionQueue(drive, queue.queueId);
      IoQueueCommands.deleteCompletionQueue(drive, queue.queueId);
      queue.created = false;
    }
    poller.remove(queue.doorbells.bell());
    domain().takeBack(queue.queueId);
    queue.doorbells.close();
    queues.remove(id);
    drive.giveBackQueueId(queue.queueId);
  }

  @Override
  public void abort(int id, int cid) {
    drive.abort(queue(id).queueId, cid);
  }

  @Override
  public String fault() {
    return fault;
  }

  @Override
  public void close() {
    try {
      QueueDomain mine = domain;
      if (mine != null) {
        mine.close();
      }
      queues.values().forEach(queue -> drive.giveBackQueueId(queue.queueId));
    } catch (NvmeException e) {
      // Its queue pairs stay taken: nobody knows whether the drive has let go of them.
      LOG.warn("{}: a domain is not given back: {}", drive.name(), e.getMessage());
    }
    queues.values().forEach(queue -> queue.doorbells.close());
    queues.clear();
    poller.close();
  }

  private QueueDomain domain() {
    QueueDomain mine = domain;
    if (mine == null) {
      drive.requireAlive();
      mine = drive.device().createDomain(range);
      domain = mine;
    }
    return mine;
  }

  private Lent queue(int id) {
    Lent queue = queues.get(id);
    if (queue == null) {
      throw new IllegalArgumentException("queue " + id);
    }
    return queue;
  }
}
