package io.twinspan.nvme;

import io.twinspan.linux.Credentials;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Futex;
import io.twinspan.linux.Memfd;
import io.twinspan.linux.TwinspanException;
import io.twinspan.linux.UnixSocket;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One process at a {@link Broker}: limits and policy, and what it has. Answers its requests, one
 * after the other, on a thread of its own, and gives back all it had when it goes, however it goes.
 * A request that it may not make is refused and changes nothing; a message that is none ends the
 * session.
 */
final class BrokerSession implements Runnable {
  private static final Logger LOG = LoggerFactory.getLogger(BrokerSession.class);

  private final NvmeController drive;
  private final BrokerOptions options;
  private final Credentials who;
  private final NamespaceRange range;
  private final boolean administrator;
  private final BrokerConnection connection;
  private final Runnable onEnd;
  private final Lending lending;
  private final Map<Long, DmaRegion> memory = new TreeMap<>();
  private final BitSet queues = new BitSet();
  private long memoryBytes;
  private boolean greeted;
  private @Nullable DeathWatch deathWatch;
  private volatile String ended = "";

  BrokerSession(
      NvmeController drive,
      @Nullable BrokerAgent agent,
      BrokerOptions options,
      UnixSocket socket,
      Runnable onEnd) {
    this.drive = drive;
    this.options = options;
    this.onEnd = onEnd;
    connection = new BrokerConnection(socket);
    who = socket.peer();
    range = options.rangeOf(who.uid());
    administrator = options.administrators().contains(who.uid());
    lending =
        agent == null
            ? new DirectLending(drive, range)
            : new MediatedLending(drive, agent, range, this::end);
  }

  /** Serves the process until it goes. */
  @Override
  public void run() {
    String end;
    try {
      while (true) {
        lending.awaitRequest(connection.socket().fd());
        answer(connection.receive());
      }
    } catch (BrokerConnection.EndedException e) {
      end = String.valueOf(e.getMessage());
    } catch (RuntimeException e) {
      LOG.error("{}: the session of {} failed", drive.name(), who, e);
      end = e.toString();
    }
    long startNs = System.nanoTime();
    String fault = lending.fault();
    lending.close();
    LOG.info(
        "{}: {} is disconnected: {}; what it had was given back in {} us",
        drive.name(),
        who,
        reason(fault, end),
        (System.nanoTime() - startNs) / 1_000);
    onEnd.run();
    connection.close(); // tells the process that the drive does not touch its memory any more
    DeathWatch watch = deathWatch;
    if (watch != null) {
      watch.close();
    }
  }

  private String reason(String fault, String end) {
    String known = ended;
    return !fault.isEmpty() ? fault : known.isEmpty() ? end : known;
  }

  /** The death word says something, on its watch's thread. */
  private void end(String reason) {
    ended = reason;
    end();
  }

  /** Ends the session from any thread; {@link #run} gives everything back. */
  void end() {
    try {
      connection.socket().endInput();
    } catch (TwinspanException e) {
      LOG.debug("{}: {} has gone just now", drive.name(), who, e);
    }
  }

  private void answer(BrokerMessage request) {
    int type = request.type();
    List<Fd> sent = List.of();
    try {
      requirePayload(request);
      sent =
          switch (type) {
            case BrokerMessage.HELLO -> greet(request);
            case BrokerMessage.ADMIN -> administer(request);
            case BrokerMessage.MAP -> map(request);
            case BrokerMessage.UNMAP -> unmap(request);
            case BrokerMessage.RESERVE -> reserve(request);
            case BrokerMessage.CREATE -> create(request);
            case BrokerMessage.DELETE -> delete(request);
            case BrokerMessage.ABORT -> abort(request);
            default -> throw new BrokerConnection.EndedException("it asks for " + type);
          };
    } catch (BrokerConnection.EndedException e) {
      throw e;
    } catch (TwinspanException | IllegalArgumentException e) {
      request.refuse(type, String.valueOf(e.getMessage()));
    }
    connection.send(sent.toArray(Fd[]::new));
  }

  private void requirePayload(BrokerMessage request) {
    int least =
        switch (request.type()) {
          case BrokerMessage.HELLO, BrokerMessage.UNMAP, BrokerMessage.ABORT -> 8;
          case BrokerMessage.ADMIN -> SubmissionEntry.BYTES;
          case BrokerMessage.MAP -> 16;
          case BrokerMessage.RESERVE, BrokerMessage.DELETE -> 4;
          case BrokerMessage.CREATE -> 24;
          default -> 0;
        };
    if (request.payloadBytes() < least) {
      throw new BrokerConnection.EndedException("it sends too short a message");
    }
    if (greeted == (request.type() == BrokerMessage.HELLO)) {
      throw new BrokerConnection.EndedException("it does not begin with a HELLO");
    }
  }

  private List<Fd> greet(BrokerMessage request) {
    if (request.u32(0) != BrokerMessage.MAGIC || request.u32(4) != BrokerMessage.VERSION) {
      throw new NvmeException(
          "this broker speaks version %d, not %d of 0x%08x"
              .formatted(BrokerMessage.VERSION, request.u32(4), request.u32(0)));
    }
    greeted = true;
    request
        .begin(BrokerMessage.HELLO, BrokerMessage.HELLO_BYTES)
        .u32(0, BrokerMessage.MAGIC)
        .u32(4, BrokerMessage.VERSION)
        .u32(8, drive.maxTransferBytes())
        .u32(12, options.queuesPerProcess())
        .u32(16, options.depth())
        .u32(20, administrator ? 1 : 0)
        .u64(24, options.memoryBytes())
        .u32(32, range.nsid())
        .u32(36, range.writable() ? 1 : 0)
        .u64(40, range.firstBlock())
        .u64(48, range.blocks())
        .u32(56, drive.device().maxDomains() > 0 ? 1 : 0)
        .u32(60, Futex.isSupported() ? 1 : 0);
    if (!Futex.isSupported()) {
      return List.of();
    }
    DeathWatch watch = new DeathWatch(this::end);
    deathWatch = watch;
    return List.of(watch.shared());
  }

  /** The drive's own completion comes back, or that of the policy. */
  private List<Fd> administer(BrokerMessage request) {
    int dataBytes = request.payloadBytes() - SubmissionEntry.BYTES;
    MemorySegment entry = Arena.ofAuto().allocate(SubmissionEntry.BYTES, Long.BYTES);
    MemorySegment.copy(request.payload(0, SubmissionEntry.BYTES), 0, entry, 0, entry.byteSize());
    SubmissionEntry command = new SubmissionEntry().wrap(entry, 0);
    MemorySegment data = MemorySegment.ofArray(new byte[dataBytes]);
    data.copyFrom(request.payload(SubmissionEntry.BYTES, dataBytes));
    int decision = AdminPolicy.decide(command, administrator);
    Completion completion;
    if (decision != Status.SUCCESS) {
      completion = new Completion(decision, 0, true);
    } else if (!AdminPolicy.confine(command, dataBytes)) {
      completion = new Completion(Status.INVALID_FIELD, 0, true);
    } else {
      completion = dataBytes == 0 ? drive.admin(command) : drive.admin(command, data);
    }
    request
        .begin(BrokerMessage.ADMIN, BrokerMessage.ADMIN_REPLY_BYTES + dataBytes)
        .u32(0, completion.status())
        .u32(4, completion.result())
        .u32(8, completion.doNotRetry() ? 1 : 0);
    request.payload(BrokerMessage.ADMIN_REPLY_BYTES, dataBytes).copyFrom(data);
    return List.of();
  }

  private List<Fd> map(BrokerMessage request) {
    long offset = request.u64(0);
    long length = request.u64(8);
    try (Fd memfd = connection.takeFds(1).getFirst()) {
      boolean whole = ((offset | length) & (Prp.PAGE_BYTES - 1)) == 0;
      if (!whole || offset < 0 || length <= 0 || offset > Long.MAX_VALUE - length) {
        throw new NvmeException("%d bytes at %d are no pages".formatted(length, offset));
      }
      if (length > options.memoryBytes() - memoryBytes) {
        throw new NvmeException(
            "%d bytes more are above the limit of %d".formatted(length, options.memoryBytes()));
      }
      if (memory.size() == Lending.MAX_PIECES) {
        throw new NvmeException("more than %d pieces of memory".formatted(Lending.MAX_PIECES));
      }
      var _ = Memfd.requireSealed(memfd, offset + length);
      DmaRegion region = lending.map(memfd, offset, length);
      memoryBytes += length;
      memory.put(region.iova(), region);
      request.begin(BrokerMessage.MAP, 8).u64(0, region.iova());
      return List.of();
    }
  }

  private List<Fd> unmap(BrokerMessage request) {
    DmaRegion gone = memory.get(request.u64(0));
    if (gone == null) {
      throw new NvmeException("nothing is mapped at 0x%x".formatted(request.u64(0)));
    }
    lending.unmap(gone);
    memory.remove(gone.iova());
    memoryBytes -= gone.lengthBytes();
    request.begin(BrokerMessage.UNMAP, 0);
    return List.of();
  }

  private List<Fd> reserve(BrokerMessage request) {
    int depth = request.u32(0);
    if (depth < 1 || depth > options.depth()) {
      throw new NvmeException("depth %d is not 1 to %d".formatted(depth, options.depth()));
    }
    if (queues.cardinality() >= options.queuesPerProcess()) {
      throw new NvmeException(
          "all %d queue pairs of this process are in use".formatted(options.queuesPerProcess()));
    }
    int id = queues.nextClearBit(1);
    List<Fd> doorbells = lending.reserve(id, depth);
    queues.set(id);
    request.begin(BrokerMessage.RESERVE, 4).u32(0, id);
    return doorbells;
  }

  private List<Fd> create(BrokerMessage request) {
    lending.create(queue(request.u32(0)), request.u64(8), request.u64(16));
    request.begin(BrokerMessage.CREATE, 0);
    return List.of();
  }

  private List<Fd> delete(BrokerMessage request) {
    int id = queue(request.u32(0));
    lending.delete(id);
    queues.clear(id);
    request.begin(BrokerMessage.DELETE, 0);
    return List.of();
  }

  private List<Fd> abort(BrokerMessage request) {
    lending.abort(queue(request.u32(0)), request.u32(4) & 0xffff);
    request.begin(BrokerMessage.ABORT, 0);
    return List.of();
  }

  private int queue(int id) {
    if (id < 1 || !queues.get(id)) {
      throw new NvmeException("there is no queue " + id);
    }
    return id;
  }
}
