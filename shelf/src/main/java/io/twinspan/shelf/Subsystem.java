package io.twinspan.shelf;

import io.twinspan.nvme.Status;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/**
 * The NVM subsystem inside one drive: namespaces shared by its controllers, one per port (NVM
 * Express 1.4, section 1.4.1).
 *
 * <p>Knows nothing of sockets or threads but the executor that flushes. The drive's agent thread
 * owns it.
 */
final class Subsystem implements AutoCloseable {
  private final String model;
  private final String serial;
  private final String qualifiedName;
  private final List<Namespace> namespaces = new ArrayList<>();
  private final List<NvmeController> controllers = new ArrayList<>();
  private final DeferralPool deferrals = new DeferralPool();
  private final Health health = new Health();
  private final ErrorLog errorLog = new ErrorLog();

  /**
   * A subsystem without controllers.
   *
   * @param model model number, at most 40 ASCII characters
   * @param serial serial number, at most 20 ASCII characters; NQN, NGUID and EUI64 follow from it
   * @param media one for each namespace, closed with the subsystem
   * @param flusher where flushes run
   * @param wake makes the agent call {@link #pollFlushes} soon
   */
  Subsystem(
      String model, String serial, List<? extends Medium> media, Executor flusher, Runnable wake) {
    this.model = model;
    this.serial = serial;
    UUID uuid =
        UUID.nameUUIDFromBytes(("twinspan shelf " + serial).getBytes(StandardCharsets.UTF_8));
    qualifiedName = "nqn.2014-08.org.nvmexpress:uuid:" + uuid;
    for (int i = 0; i < media.size(); i++) {
      int nsid = i + 1;
      FlushGroup flushes = new FlushGroup(media.get(i), DeferralPool.CAPACITY, flusher, wake);
      namespaces.add(
          new Namespace(
              nsid,
              serial,
              media.get(i),
              flushes,
              (host, abort) -> {
                if (abort) {
                  abortCommandsOf(host, nsid);
                }
              }));
    }
  }

  /** Adds a controller with the next CNTLID, from 1. */
  NvmeController addController() {
    NvmeController controller = new NvmeController(this, controllers.size() + 1);
    controllers.add(controller);
    return controller;
  }

  String model() {
    return model;
  }

  String serial() {
    return serial;
  }

  String qualifiedName() {
    return qualifiedName;
  }

  List<Namespace> namespaces() {
    return namespaces;
  }

  List<NvmeController> controllers() {
    return controllers;
  }

  DeferralPool deferrals() {
    return deferrals;
  }

  Health health() {
    return health;
  }

  ErrorLog errorLog() {
    return errorLog;
  }

  /** The namespace, or null if there is none with that identifier. */
  @Nullable Namespace namespace(int nsid) {
    return nsid < 1 || nsid > namespaces.size() ? null : namespaces.get(nsid - 1);
  }

  /** Whether another controller's host has set a host identifier of the other length. */
  boolean mixesHostIdentifiers(NvmeController controller, boolean extended) {
    for (NvmeController other : controllers) {
      if (other != controller
          && other.host().named()
          && other.features().extendedHostId() != extended) {
        return true;
      }
    }
    return false;
  }

  /**
   * Takes the outcome of flushes that have ended and begins others.
   *
   * @return how much was done
   */
  int pollFlushes() {
    int work = 0;
    for (int i = 0; i < namespaces.size(); i++) {
      work += namespaces.get(i).flushes().poll(deferrals);
    }
    return work;
  }

  /** Closes the media; nothing may be in flight any more. */
  @Override
  public void close() {
    namespaces.forEach(namespace -> namespace.medium().close());
  }

  private void abortCommandsOf(HostIdentity host, int nsid) {
    for (NvmeController controller : controllers) {
      if (controller.host().equals(host)) {
        deferrals.abortNamespace(controller, nsid, Status.ABORT_REQUESTED);
      }
    }
  }
}
