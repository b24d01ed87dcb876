package io.twinspan.nvme;

import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The register side of a controller's life: what is written to CC, and what is waited for in CSTS
 * (NVM Express 1.4, sections 3.1.5, 3.1.6 and 7.6). Each wait has a deadline. The controller's lock
 * guards it.
 */
final class ControllerPower {
  private static final Logger LOG = LoggerFactory.getLogger(ControllerPower.class);

  /** Some controllers state a CAP.TO of 0. */
  private static final Duration LEAST_READY_TIMEOUT = Duration.ofMillis(500);

  private final PciDevice device;
  private final NvmeOptions options;
  private final Duration readyTimeout;

  ControllerPower(PciDevice device, long cap, NvmeOptions options) {
    this.device = device;
    this.options = options;
    Duration told = Duration.ofMillis(ControllerRegisters.timeoutMs(cap));
    readyTimeout = told.compareTo(LEAST_READY_TIMEOUT) < 0 ? LEAST_READY_TIMEOUT : told;
  }

  /** Clears CC.EN and waits for CSTS.RDY = 0: a controller reset. */
  void disable() {
    int cc = device.read32(ControllerRegisters.CC);
    int csts = csts();
    int settled = ControllerRegisters.CSTS_READY | ControllerRegisters.CSTS_FATAL;
    if ((cc & ControllerRegisters.CC_ENABLE) != 0 && (csts & settled) == 0) {
      awaitReady(true); // CC.EN must not change before CSTS.RDY has followed it
    }
    device.write32(ControllerRegisters.CC, 0);
    awaitReady(false);
  }

  /** Tells a disabled controller where the admin queues are. */
  void configure(long sqIova, long cqIova) {
    device.write32(
        ControllerRegisters.AQA, ControllerRegisters.aqa(AdminQueue.ENTRIES, AdminQueue.ENTRIES));
    device.write64(ControllerRegisters.ASQ, sqIova);
    device.write64(ControllerRegisters.ACQ, cqIova);
  }

  /** Sets CC.EN and waits for CSTS.RDY = 1. */
  void enable() {
    device.write32(
        ControllerRegisters.CC, ControllerRegisters.CC_ENABLE | ControllerRegisters.CC_ENTRY_SIZES);
    awaitReady(true);
  }

  /** Announces a normal shutdown, waits until it is complete, and disables the controller. */
  void shutDown() {
    int cc = device.read32(ControllerRegisters.CC) & ~ControllerRegisters.CC_SHUTDOWN_MASK;
    device.write32(ControllerRegisters.CC, cc | ControllerRegisters.CC_SHUTDOWN_NORMAL);
    BoundedWait wait = new BoundedWait(options.clock(), options.shutdownTimeout());
    while ((csts() & ControllerRegisters.CSTS_SHUTDOWN_MASK)
        != ControllerRegisters.CSTS_SHUTDOWN_COMPLETE) {
      if (!wait.pause()) {
        throw new NvmeException(
            "%s: CSTS.SHST did not become 10b within %s"
                .formatted(device.name(), options.shutdownTimeout()));
      }
    }
    device.write32(ControllerRegisters.CC, 0);
  }

  /**
   * Stops a failed controller: clears CC.EN, and if CSTS.RDY does not follow resets the function.
   *
   * @return whether it touches no memory any more
   * @throws DeviceGoneException if it has gone
   */
  boolean stop() {
    try {
      device.write32(ControllerRegisters.CC, 0);
      awaitReady(false);
      return true;
    } catch (DeviceGoneException e) {
      throw e;
    } catch (NvmeException e) {
      LOG.warn("{} does not stop, its function is reset: {}", device.name(), e.getMessage());
    }
    try {
      device.reset();
      awaitReady(false);
      return true;
    } catch (DeviceGoneException e) {
      throw e;
    } catch (NvmeException e) {
      LOG.warn("{} does not stop: {}", device.name(), e.getMessage());
      return false;
    }
  }

  private void awaitReady(boolean ready) {
    BoundedWait wait = new BoundedWait(options.clock(), readyTimeout);
    while (true) {
      int csts = csts();
      if (((csts & ControllerRegisters.CSTS_READY) != 0) == ready) {
        return;
      }
      if (ready && (csts & ControllerRegisters.CSTS_FATAL) != 0) {
        throw new NvmeException(
            "%s: fatal status while it was enabled, CSTS 0x%x".formatted(device.name(), csts));
      }
      if (!wait.pause()) {
        throw new NvmeException(
            "%s: CSTS.RDY did not become %d within %s, CSTS 0x%x"
                .formatted(device.name(), ready ? 1 : 0, readyTimeout, csts));
      }
    }
  }

  private int csts() {
    int csts = device.read32(ControllerRegisters.CSTS);
    if (csts == ControllerRegisters.ALL_ONES) {
      throw new DeviceGoneException(device.name() + ": CSTS reads as all ones");
    }
    return csts;
  }
}
