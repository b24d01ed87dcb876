package io.twinspan.bridge;

import io.twinspan.linux.TwinspanException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.UUID;
import java.util.function.IntFunction;

/**
 * What a {@link ShmBridge} needs to know. Not thread-safe; the bridge takes a copy of what it uses.
 *
 * <p>Required: side, socket, array and secret. The sizes come from the layer above.
 */
public final class ShmOptions {
  private static final int MAX_PATH_BYTES = 107;

  final Side side;
  final Path socket;
  final UUID arrayId;
  final byte[] secret;
  String nodeName;
  Contract contract = Contract.equal(new byte[0]);
  long windowBytes = 1 << 20;
  long controlBytes = 1 << 16;
  boolean hugePages = true;
  Duration heartbeat = Duration.ofMillis(50);
  Duration silence = Duration.ofMillis(300);
  Duration retry = Duration.ofMillis(70);
  Duration hello = Duration.ofSeconds(1);
  IntFunction<Witness> witnesses = Starvation::new;

  /**
   * Options with defaults for the rest.
   *
   * @param side A listens, B connects
   * @param socket path of the Unix socket, at most 107 bytes, in a directory only the user enters
   * @param arrayId the same at both sides
   * @param secret the same at both sides, at least 16 bytes; never sent
   * @throws TwinspanException if the path is too long
   */
  public ShmOptions(Side side, Path socket, UUID arrayId, byte[] secret) {
    if (secret.length < 16) {
      throw new IllegalArgumentException("the secret has " + secret.length + " bytes, needs 16");
    }
    int pathBytes = socket.toString().getBytes(StandardCharsets.UTF_8).length;
    if (pathBytes > MAX_PATH_BYTES) {
      throw new TwinspanException(
          "the socket path %s has %d bytes, and Linux allows %d; choose a shorter directory"
              .formatted(socket, pathBytes, MAX_PATH_BYTES));
    }
    this.side = side;
    this.socket = socket;
    this.arrayId = arrayId;
    this.secret = secret.clone();
    nodeName = "controller-" + side;
  }

  /** Which side this is. */
  public Side side() {
    return side;
  }

  /** What this side calls itself in the peer's log; at most 64 bytes. */
  public ShmOptions nodeName(String name) {
    nodeName = name;
    return this;
  }

  /** What both sides must agree on; nothing by default. */
  public ShmOptions contract(Contract agreed) {
    contract = agreed;
    return this;
  }

  /** Size of this side's data window with its header, in bytes; 1 MiB by default. */
  public ShmOptions windowBytes(long bytes) {
    windowBytes = Window.wholePages(bytes);
    return this;
  }

  /** Size of this side's control window with the bridge's page, in bytes; 64 KiB by default. */
  public ShmOptions controlBytes(long bytes) {
    controlBytes = Window.wholePages(bytes);
    return this;
  }

  /**
   * Whether the data window shall lie in huge pages if the machine has enough of them set aside; it
   * then has a multiple of 2 MiB. True by default.
   */
  public ShmOptions hugePages(boolean wanted) {
    hugePages = wanted;
    return this;
  }

  /** How often this side shows that it works; 50 ms by default. */
  public ShmOptions heartbeat(Duration interval) {
    heartbeat = interval;
    return this;
  }

  /**
   * How long after its last heartbeat a peer counts as hung, more than an interval; 300 ms by
   * default. Time in which the peer got no processor, or its virtual machine had stopped it, does
   * not count, up to ten times this limit.
   */
  public ShmOptions silence(Duration limit) {
    silence = limit;
    return this;
  }

  /** How long B waits between two attempts to connect; 70 ms by default. */
  public ShmOptions retry(Duration interval) {
    retry = interval;
    return this;
  }

  /** How long somebody who connects may take to prove who he is; 1 s by default. */
  public ShmOptions hello(Duration limit) {
    hello = limit;
    return this;
  }

  /**
   * Who knows what keeps a peer that is silent, for each life of the link; the kernel by default.
   * For tests that play the time and so must play what happens in it.
   *
   * @param ofProcess gets the peer's process number, asked once per life
   */
  public ShmOptions witness(IntFunction<Witness> ofProcess) {
    witnesses = ofProcess;
    return this;
  }
}
