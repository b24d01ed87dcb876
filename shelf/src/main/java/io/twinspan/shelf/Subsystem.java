package io.twinspan.shelf;

import io.twinspan.concurrent.SystemClock;
import io.twinspan.linux.TwinspanException;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.SubmissionEntry;
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
  private final FaultPlan faults = new FaultPlan();
  private final LateCompletions late = new LateCompletions(SystemClock.INSTANCE);
  private final ClientMappings mappings;
  private final @Nullable StateFile stateFile;
  private final FlushGroup stateSaves;
  private final ErrorLog errorLog = new ErrorLog();
  private final Transfers transfers;

  /** A subsystem that keeps no state, and shares no mappings with others. */
  Subsystem(
      String model, String serial, List<? extends Medium> media, Executor flusher, Runnable wake) {
    this(model, serial, media, null, null, new ClientMappings(), flusher, wake);
  }

  /**
   * A subsystem without controllers.
   *
   * @param model model number, at most 40 ASCII characters
   * @param serial serial number, at most 20 ASCII characters; NQN, NGUID and EUI64 follow from it
   * @param media one for each namespace, closed with the subsystem
   * @param engine what carries the media's transfers out, closed with the subsystem; null if there
   *     is none
   * @param stateFile where the state is that outlives power; null if there is none
   * @param mappings clients' memory
   * @param flusher where flushes run
   * @param wake makes the agent call {@link #poll} soon
   */
  Subsystem(
      String model,
      String serial,
      List<? extends Medium> media,
      @Nullable TransferEngine engine,
      @Nullable StateFile stateFile,
      ClientMappings mappings,
      Executor flusher,
      Runnable wake) {
    this.model = model;
    this.stateFile = stateFile;
    this.mappings = mappings;
    transfers = new Transfers(this, engine);
    stateSaves =
        new FlushGroup(
            () -> stateFile == null ? 0 : stateFile.save(), DeferralPool.CAPACITY, flusher, wake);
    this.serial = serial;
    UUID uuid =
        UUID.nameUUIDFromBytes(("twinspan shelf " + serial).getBytes(StandardCharsets.UTF_8));
    qualifiedName = "nqn.2014-08.org.nvmexpress:uuid:" + uuid;
    for (int i = 0; i < media.size(); i++) {
      int nsid = i + 1;
      FlushGroup flushes =
          new FlushGroup(media.get(i)::flush, DeferralPool.CAPACITY, flusher, wake);
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

  /** Adds a controller with the next CNTLID, from 1, and doorbells in pages. */
  NvmeController addController() {
    return addController(DoorbellKind.PAGES);
  }

  /** Adds a controller with the next CNTLID, from 1. */
  NvmeController addController(DoorbellKind doorbells) {
    NvmeController controller = new NvmeController(this, controllers.size() + 1, doorbells);
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

  /** The Reads and Writes that are on their way. */
  Transfers transfers() {
    return transfers;
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
   * Takes the outcome of transfers and flushes that have ended, tells the clients, and begins other
   * flushes.
   *
   * @return how much was done
   */
  int poll() {
    int work = transfers.poll();
    for (int i = 0; i < namespaces.size(); i++) {
      work += namespaces.get(i).flushes().poll(deferrals);
    }
    work += stateSaves.poll(deferrals) + late.poll(deferrals);
    signal();
    return work;
  }

  /** Tells the clients of what was completed. */
  void signal() {
    for (int i = 0; i < controllers.size(); i++) {
      controllers.get(i).signal();
    }
  }

  /** What is to go wrong. */
  FaultPlan faults() {
    return faults;
  }

  /** Commands whose completions are kept back. */
  LateCompletions late() {
    return late;
  }

  ClientMappings mappings() {
    return mappings;
  }

  /** Gives a drive that has just got power what it had saved, and notes that it has power. */
  void powerOn() {
    StateFile file = stateFile;
    if (file != null) {
      byte[] saved = file.read();
      if (saved.length > 0) {
        DriveState.decode(saved, this, file.path());
      }
      file.set(DriveState.encode(this, false));
      requireSaved(file);
    }
  }

  /** Saves the state of a drive that nobody uses any more, as one that was shut down in order. */
  void powerOff() {
    StateFile file = stateFile;
    if (file != null) {
      file.set(DriveState.encode(this, true));
      requireSaved(file);
    }
  }

  private static void requireSaved(StateFile file) {
    if (file.save() != 0) {
      throw new TwinspanException("can't save the drive's state in " + file.path());
    }
  }

  /** The power fails: all but blocks and saved state is lost, and clients are disconnected. */
  void cutPower() {
    controllers.forEach(NvmeController::losePower);
    namespaces.forEach(namespace -> namespace.reservations().powerLost());
    health.unsafeShutdowns++;
    health.powerCycles++;
  }

  /** Whether the next flush has to save state too. */
  boolean hasUnsavedState() {
    for (int i = 0; i < namespaces.size(); i++) {
      if (namespaces.get(i).uncorrectable().hasChanged()) {
        return stateFile != null;
      }
    }
    return false;
  }

  /** A command has moved blocks from or to a medium. */
  void moved(Namespace namespace, boolean write, long lba, int blocks) {
    long bytes = (long) blocks << Namespace.BLOCK_SHIFT;
    if (write) {
      namespace.uncorrectable().remove(lba, blocks);
      health.bytesWritten += bytes;
      health.writes++;
    } else {
      health.bytesRead += bytes;
      health.reads++;
    }
  }

  /** Has a command wait until what was written is stable, on one medium or with null on all. */
  void makeStable(Deferral deferral, @Nullable Namespace namespace) {
    int flushes = namespace == null ? namespaces.size() : 1;
    boolean unsaved = hasUnsavedState(); // blocks that can be read again
    deferral.waitFor(flushes + (unsaved ? 1 : 0));
    if (unsaved) {
      saveState(deferral);
    }
    for (int i = 0; i < namespaces.size(); i++) {
      Namespace each = namespaces.get(i);
      if (namespace == null || namespace == each) {
        each.flushes().add(deferral);
      }
    }
  }

  /** Saves the state; the deferral has counted that as one thing to wait for. */
  void saveState(Deferral deferral) {
    StateFile file = stateFile;
    if (file != null) {
      file.set(DriveState.encode(this, false));
      namespaces.forEach(namespace -> namespace.uncorrectable().saved());
    }
    stateSaves.add(deferral);
  }

  /** Completes a command when the state is saved; returns its status, if there is none to save. */
  int saveState(NvmeController controller, SubmissionQueue queue, SubmissionEntry command) {
    Deferral deferral = stateFile == null ? null : deferrals.take();
    if (deferral == null) {
      return stateFile == null ? Status.SUCCESS : Status.INTERNAL_ERROR;
    }
    deferral.begin(controller, queue, command.cid(), command.nsid());
    deferral.waitFor(1);
    saveState(deferral);
    return NvmeController.DEFERRED;
  }

  /** Closes the media; nothing may be in flight any more. */
  @Override
  public void close() {
    transfers.close();
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
