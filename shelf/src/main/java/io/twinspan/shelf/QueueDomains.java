package io.twinspan.shelf;

import io.twinspan.concurrent.WakeSource;
import io.twinspan.linux.Errno;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Memfd;
import io.twinspan.linux.TwinspanException;
import io.twinspan.nvme.LendableDoorbells;
import io.twinspan.nvme.NamespaceRange;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The domains of one controller, and the queue pairs that were lent to them. A domain that breaks
 * the rules loses its queue pairs and its memory at once; the client learns of it by the bells,
 * which hang up, and destroys it. The drive's agent thread owns it.
 */
final class QueueDomains implements AutoCloseable {
  /** Most domains of a client; told to it in the version message. */
  static final int MAX = 64;

  private static final Logger LOG = LoggerFactory.getLogger(QueueDomains.class);

  private static final VfioUserPort.WakeSources NOWHERE =
      new VfioUserPort.WakeSources() {
        @Override
        public void add(WakeSource source) {}

        @Override
        public void remove(WakeSource source) {}
      };

  private final NvmeController controller;
  private final Subsystem subsystem;
  private final QueueDomain own;
  private final Map<Integer, QueueDomain> domains = new TreeMap<>();
  private final @Nullable LentQueue[] lent = new @Nullable LentQueue[NvmeController.QUEUE_PAIRS];
  private VfioUserPort.WakeSources wakeSources = NOWHERE;
  private int lentCount;

  QueueDomains(NvmeController controller, Subsystem subsystem, DmaMap dma) {
    this.controller = controller;
    this.subsystem = subsystem;
    own = new QueueDomain(QueueDomain.OWN, dma, NamespaceRange.EVERYTHING);
  }

  /** Where bells go that end the drive's sleep. */
  void wakes(VfioUserPort.WakeSources sources) {
    wakeSources = sources;
  }

  /** The domain that a queue pair belongs to, or would, if it were created now. */
  QueueDomain of(int queueId) {
    LentQueue queue = lent[queueId];
    return queue == null ? own : queue.domain();
  }

  /** The doorbells of a queue pair that was lent, else null. */
  @Nullable LendableDoorbells lent(int queueId) {
    LentQueue queue = lent[queueId];
    return queue == null ? null : queue.doorbells();
  }

  /** Makes a domain; returns its identifier, or a negative {@link Errno}. */
  int create(NamespaceRange range) {
    if (domains.size() == MAX) {
      return -Errno.ENOSPC;
    }
    int id = 1;
    while (domains.containsKey(id)) {
      id++;
    }
    domains.put(
        id,
        new QueueDomain(
            id, new DmaMap(subsystem.mappings(), subsystem.transfers()::settle), range));
    return id;
  }

  /** Takes queue pairs, then memory, and forgets a domain; returns 0 or a negative errno. */
  int destroy(int id) {
    QueueDomain domain = domains.remove(id);
    if (domain == null) {
      return -Errno.ENOENT;
    }
    empty(domain);
    return 0;
  }

  /**
   * Gives a domain memory, which must be sealed: whoever it belongs to shall not be able to cut it.
   *
   * @return 0 or a negative {@link Errno}
   */
  int map(int id, long address, long lengthBytes, Fd memory, long offset) {
    QueueDomain domain = domains.get(id);
    if (domain == null) {
      return -Errno.ENOENT;
    }
    if (!Memfd.isSealed(memory)) {
      return -Errno.EPERM;
    }
    return domain.dma().add(address, lengthBytes, memory, offset, true, true);
  }

  /** Takes memory of a domain, in which no queue may lie; returns 0 or a negative errno. */
  int unmap(int id, long address, long lengthBytes) {
    QueueDomain domain = domains.get(id);
    if (domain == null) {
      return -Errno.ENOENT;
    }
    for (int queueId = 1; queueId < lent.length; queueId++) {
      if (of(queueId) == domain && controller.hasQueueIn(queueId, address, lengthBytes)) {
        return -Errno.EBUSY;
      }
    }
    return domain.dma().remove(address, lengthBytes);
  }

  /**
   * Lends a queue pair that is to be created; or takes it back, for the client's own domain.
   *
   * @return 0 or a negative {@link Errno}
   */
  int bind(int id, int queueId) {
    QueueDomain domain = id == QueueDomain.OWN ? own : domains.get(id);
    if (domain == null) {
      return -Errno.ENOENT;
    }
    if (queueId < 1
        || queueId >= NvmeController.QUEUE_PAIRS
        || controller.state() != NvmeController.State.READY) {
      return -Errno.EINVAL;
    }
    if (controller.hasQueue(queueId) || (domain != own && lent[queueId] != null)) {
      return -Errno.EBUSY;
    }
    if (domain == own) {
      takeBack(queueId);
      return 0;
    }
    try {
      LentQueue queue = new LentQueue(domain, LendableDoorbells.create());
      lent[queueId] = queue;
      lentCount++;
      wakeSources.add(queue.doorbells());
      return 0;
    } catch (TwinspanException e) {
      LOG.warn("a queue pair can't be lent: {}", e.getMessage());
      return -Errno.ENOMEM;
    }
  }

  /** Ends domains whose bells were let go. */
  void endHungUp() {
    if (lentCount == 0) {
      return;
    }
    for (int queueId = 1; queueId < lent.length; queueId++) {
      LentQueue queue = lent[queueId];
      if (queue != null && queue.doorbells().hungUp()) {
        end(queueId, "its bell has hung up");
      }
    }
  }

  /** Ends the domain of a queue pair: it has nothing any more, but is there to be destroyed. */
  void end(int queueId, String reason) {
    QueueDomain domain = of(queueId);
    if (!domain.isConfined()) {
      return; // it has lost all already
    }
    LOG.warn("domain {} loses queue pair {} and all it has: {}", domain.id(), queueId, reason);
    empty(domain);
  }

  /** Takes all queue pairs that were lent: the controller forgets all queues. */
  void takeBack() {
    for (int queueId = 1; queueId < lent.length; queueId++) {
      takeBack(queueId);
    }
  }

  /** Forgets all domains; queues are gone. */
  @Override
  public void close() {
    domains.values().forEach(this::empty);
    domains.clear();
  }

  /** How many domains there are, the client's own not counted. */
  int size() {
    return domains.size();
  }

  /** Memory before the bells, whose end says that the drive touches nothing any more. */
  private void empty(QueueDomain domain) {
    for (int queueId = 1; queueId < lent.length; queueId++) {
      if (of(queueId) == domain) {
        controller.drop(queueId);
      }
    }
    domain.dma().close();
    for (int queueId = 1; queueId < lent.length; queueId++) {
      if (of(queueId) == domain) {
        takeBack(queueId);
      }
    }
  }

  private void takeBack(int queueId) {
    LentQueue queue = lent[queueId];
    if (queue != null) {
      lent[queueId] = null;
      lentCount--;
      wakeSources.remove(queue.doorbells());
      queue.doorbells().close();
    }
  }
}
