package io.twinspan.nvme;

import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Lends queue pairs of a drive that can't keep them apart: the broker's agent looks at every
 * command and builds it anew in a queue pair that the drive has from this process.
 */
final class MediatedLending implements Lending {
  private static final Logger LOG = LoggerFactory.getLogger(MediatedLending.class);

  private record Shown(DmaRegion region, Mapping mapping) {}

  private final NvmeController drive;
  private final BrokerAgent agent;
  private final NamespaceRange range;
  private final Runnable onFault;
  private final long agentTimeoutNs;
  private final Map<Long, Shown> shown = new TreeMap<>();
  private final Map<Integer, BrokeredQueue> queues = new TreeMap<>();
  private ForeignMemory memory = ForeignMemory.NONE;

  /**
   * Nothing is lent yet.
   *
   * @param onFault called by the agent if the process does something wrong or the drive goes
   */
  MediatedLending(NvmeController drive, BrokerAgent agent, NamespaceRange range, Runnable onFault) {
    this.drive = drive;
    this.agent = agent;
    this.range = range;
    this.onFault = onFault;
    agentTimeoutNs =
        drive.options().ioTimeout().plus(drive.options().adminTimeout()).multipliedBy(2).toNanos();
  }

  @Override
  public void awaitRequest(Fd socket) {} // it is ended by the end of its input

  @Override
  public DmaRegion map(Fd memfd, long offset, long lengthBytes) {
    Mapping mapping = Mapping.shared(memfd, offset, lengthBytes, Mapping.Protection.READ_WRITE);
    DmaRegion region;
    try {
      drive.requireAlive();
      region = drive.device().map(memfd, offset, lengthBytes);
    } catch (RuntimeException e) {
      mapping.close();
      throw e;
    }
    shown.put(region.iova(), new Shown(region, mapping));
    memory = memory.with(region, mapping.segment());
    changeMemory();
    return region;
  }

  @Override
  public void unmap(DmaRegion region) {
    Shown gone = shown.get(region.iova());
    if (gone == null) {
      throw new IllegalArgumentException("%s is not mapped".formatted(region));
    }
    for (BrokeredQueue queue : queues.values()) {
      if (queue.liesIn(gone.mapping.segment())) {
        throw new NvmeException("queue %d lies there".formatted(queue.id()));
      }
    }
    // What is on its way was checked against the present memory, so it must be through before.
    agent.run(() -> queues.values().forEach(queue -> queue.pause(true)), agentTimeoutNs);
    try {
      agent.await(this::isQuietOrFaulty, agentTimeoutNs);
      if (isFaulty()) {
        throw new BrokerConnection.EndedException("it, or the drive, has failed");
      }
      memory = memory.without(gone.region);
      changeMemory();
    } finally {
      agent.run(() -> queues.values().forEach(queue -> queue.pause(false)), agentTimeoutNs);
    }
    shown.remove(region.iova());
    takeBack(gone);
  }

  @Override
  public List<Fd> reserve(int id, int depth) {
    BrokeredQueue queue = new BrokeredQueue(id, depth, new CommandGate(drive, range));
    queues.put(id, queue);
    return List.of(queue.shared());
  }

  @Override
  public void create(int id, long sqIova, long cqIova) {
    BrokeredQueue queue = queue(id);
    if (queue.isCreated()) {
      throw new NvmeException("queue %d is there already".formatted(id));
    }
    queue.create(drive, memory, sqIova, cqIova);
    agent.attach(queue, onFault, agentTimeoutNs);
  }

  @Override
  public void delete(int id) {
    BrokeredQueue queue = queue(id);
    agent.detach(queue, agentTimeoutNs);
    queue.close();
    queues.remove(id);
  }

  @Override
  public void abort(int id, int cid) {
    throw new NvmeException("the broker aborts what takes too long");
  }

  @Override
  public String fault() {
    return queues.values().stream().map(BrokeredQueue::fault).reduce("", String::concat);
  }

  @Override
  public void close() {
    for (BrokeredQueue queue : queues.values()) {
      attempt(() -> {
        agent.detach(queue, agentTimeoutNs);
        queue.close();
      });
    }
    shown.values().forEach(each -> attempt(() -> takeBack(each)));
    shown.clear();
  }

  private void attempt(Runnable step) {
    try {
      step.run();
    } catch (RuntimeException e) {
      LOG.warn("{}: something that was lent is not given back", drive.name(), e);
    }
  }

  private BrokeredQueue queue(int id) {
    BrokeredQueue queue = queues.get(id);
    if (queue == null) {
      throw new IllegalArgumentException("queue " + id);
    }
    return queue;
  }

  private boolean isQuietOrFaulty() {
    return isFaulty() || queues.values().stream().allMatch(BrokeredQueue::isQuiet);
  }

  private boolean isFaulty() {
    return queues.values().stream().anyMatch(queue -> !queue.fault().isEmpty());
  }

  private void changeMemory() {
    ForeignMemory changed = memory;
    queues.values().forEach(queue -> queue.memory(changed));
  }

  private void takeBack(Shown gone) {
    if (drive.isLiving()) {
      drive.device().unmap(gone.region);
    }
    gone.mapping.close();
  }
}
