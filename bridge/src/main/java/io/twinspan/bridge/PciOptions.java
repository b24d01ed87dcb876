package io.twinspan.bridge;

import java.nio.file.Path;
import java.time.Duration;
import java.util.UUID;

/**
 * What a {@link PciBridge} needs to know: side, BAR, array and secret.
 *
 * <p>The peer's heartbeat may stand still for 500 ms unless told otherwise. A hypervisor that moves
 * or saves a guest stops it for longer.
 */
public final class PciOptions extends BridgeOptions<PciOptions> {
  private static final Duration SILENCE = Duration.ofMillis(500);

  final Path bar;

  /**
   * Options with defaults for the rest.
   *
   * @param side another one on each machine
   * @param bar the BAR, for example {@code /sys/bus/pci/devices/0000:00:04.0/resource2}
   * @param arrayId the same at both sides
   * @param secret the same at both sides, at least 16 bytes; never shown to the peer
   */
  public PciOptions(Side side, Path bar, UUID arrayId, byte[] secret) {
    super(side, arrayId, secret, SILENCE);
    this.bar = bar;
  }

  @Override
  PciOptions self() {
    return this;
  }
}
