package io.twinspan.bridge;

import io.twinspan.concurrent.SharedMemory;
import io.twinspan.linux.EventFd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.VfioDevice;

/**
 * The doorbell of QEMU's {@code ivshmem-doorbell}: a register of BAR 0 interrupts whichever peer is
 * written to it, and the first MSI-X vector arrives here as an eventfd.
 *
 * <pre>
 *  8  IVPosition: this peer's number (4)
 * 12  Doorbell: number of a peer << 16 | vector (4)
 * </pre>
 */
final class IvshmemDoorbell implements Doorbell {
  static final int REGISTER_BAR = 0;

  private static final long IV_POSITION = 8;
  private static final long DOORBELL = 12;
  private static final int NUMBER_SHIFT = 16;
  private static final int NUMBER_MASK = (1 << NUMBER_SHIFT) - 1;

  private final Mapping registers;
  private final EventFd rung = EventFd.create();

  /**
   * Asks for the interrupt.
   *
   * @param device stays owned by the caller, who closes it before this
   */
  IvshmemDoorbell(VfioDevice device) {
    registers = device.map(REGISTER_BAR);
    device.enableBusMaster();
    device.interrupt(rung);
  }

  @Override
  public int number() {
    return SharedMemory.getIntOpaque(registers.segment(), IV_POSITION) & NUMBER_MASK;
  }

  @Override
  public void ring(int number) {
    SharedMemory.setIntRelease(registers.segment(), DOORBELL, number << NUMBER_SHIFT);
  }

  @Override
  public EventFd rung() {
    return rung;
  }

  @Override
  public void close() {
    registers.close();
    rung.close();
  }
}
