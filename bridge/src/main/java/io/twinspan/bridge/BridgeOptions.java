package io.twinspan.bridge;

import java.time.Duration;
import java.util.UUID;

/**
 * What a bridge needs to know whatever it goes through. Not thread-safe; the bridge takes a copy of
 * what it uses. The sizes come from the layer above.
 *
 * @param <T> the provider's own options
 */
public abstract sealed class BridgeOptions<T extends BridgeOptions<T>>
    permits ShmOptions, PciOptions {
  private static final int MIN_SECRET_BYTES = 16;

  final Side side;
  final UUID arrayId;
  final byte[] secret;
  String nodeName;
  Contract contract = Contract.equal(new byte[0]);
  long windowBytes = 1 << 20;
  long controlBytes = 1 << 16;
  Duration heartbeat = Duration.ofMillis(50);
  Duration silence;

  BridgeOptions(Side side, UUID arrayId, byte[] secret, Duration silence) {
    if (secret.length < MIN_SECRET_BYTES) {
      throw new IllegalArgumentException(
          "the secret has %d bytes, needs %d".formatted(secret.length, MIN_SECRET_BYTES));
    }
    this.side = side;
    this.arrayId = arrayId;
    this.secret = secret.clone();
    this.silence = silence;
    nodeName = "controller-" + side;
  }

  /** These options, as what they are. */
  abstract T self();

  /** Which side this is. */
  public final Side side() {
    return side;
  }

  /** What this side calls itself in the peer's log; at most 64 bytes. */
  public final T nodeName(String name) {
    nodeName = name;
    return self();
  }

  /** What both sides must agree on; nothing by default. */
  public final T contract(Contract agreed) {
    contract = agreed;
    return self();
  }

  /** Size of this side's data window with its header, in bytes; 1 MiB by default. */
  public final T windowBytes(long bytes) {
    windowBytes = Window.wholePages(bytes);
    return self();
  }

  /** Size of a control window with the bridge's page, in bytes; 64 KiB by default. */
  public final T controlBytes(long bytes) {
    controlBytes = Window.wholePages(bytes);
    return self();
  }

  /** How often this side shows that it works; 50 ms by default. */
  public final T heartbeat(Duration interval) {
    heartbeat = interval;
    return self();
  }

  /**
   * How long after its last heartbeat a peer counts as hung or dead, more than an interval. The
   * default is the provider's.
   */
  public final T silence(Duration limit) {
    silence = limit;
    return self();
  }

  Identity identity() {
    return new Identity(side, arrayId, nodeName, contract, windowBytes, controlBytes);
  }
}
