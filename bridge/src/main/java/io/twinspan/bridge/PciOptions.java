package io.twinspan.bridge;

import java.nio.file.Path;
import java.time.Duration;
import java.util.UUID;

/**
 * What a {@link PciBridge} needs to know. Not thread-safe; the bridge takes a copy of what it uses.
 *
 * <p>Required: side, BAR, array and secret. The sizes come from the layer above.
 */
public final class PciOptions {
  final Side side;
  final Path bar;
  final UUID arrayId;
  final byte[] secret;
  String nodeName;
  Contract contract = Contract.equal(new byte[0]);
  long windowBytes = 1 << 20;
  long controlBytes = 1 << 16;
  Duration heartbeat = Duration.ofMillis(50);
  Duration silence = Duration.ofMillis(500);

  /**
   * Options with defaults for the rest.
   *
   * @param side another one on each machine
   * @param bar the BAR, for example {@code /sys/bus/pci/devices/0000:00:04.0/resource2}
   * @param arrayId the same at both sides
   * @param secret the same at both sides, at least 16 bytes; never shown to the peer
   */
  public PciOptions(Side side, Path bar, UUID arrayId, byte[] secret) {
    if (secret.length < 16) {
      throw new IllegalArgumentException("the secret has " + secret.length + " bytes, needs 16");
    }
    this.side = side;
    this.bar = bar;
    this.arrayId = arrayId;
    this.secret = secret.clone();
    nodeName = "controller-" + side;
  }

  /** What this side calls itself in the peer's log; at most 64 bytes. */
  public PciOptions nodeName(String name) {
    nodeName = name;
    return this;
  }

  /** What both sides must agree on; nothing by default. */
  public PciOptions contract(Contract agreed) {
    contract = agreed;
    return this;
  }

  /** Size of this side's data window with its header, in bytes; 1 MiB by default. */
  public PciOptions windowBytes(long bytes) {
    windowBytes = Window.wholePages(bytes);
    return this;
  }

  /** Size of a control window with the bridge's page, in bytes; 64 KiB by default. */
  public PciOptions controlBytes(long bytes) {
    controlBytes = Window.wholePages(bytes);
    return this;
  }

  /** How often this side shows that it works; 50 ms by default. */
  public PciOptions heartbeat(Duration interval) {
    heartbeat = interval;
    return this;
  }

  /**
   * How long the peer's heartbeat may stand still before it counts as dead; 500 ms by default. A
   * hypervisor that moves or saves a guest stops it for longer.
   */
  public PciOptions silence(Duration limit) {
    silence = limit;
    return this;
  }
}
