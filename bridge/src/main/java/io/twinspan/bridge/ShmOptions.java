package io.twinspan.bridge;

import io.twinspan.linux.TwinspanException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.UUID;
import java.util.function.IntFunction;

/**
 * What a {@link ShmBridge} needs to know: side, socket, array and secret.
 *
 * <p>A peer counts as hung 300 ms after its last heartbeat unless told otherwise. Time in which it
 * got no processor, or its virtual machine had stopped it, does not count, up to thirty times the
 * limit.
 */
public final class ShmOptions extends BridgeOptions<ShmOptions> {
  private static final int MAX_PATH_BYTES = 107;
  private static final Duration SILENCE = Duration.ofMillis(300);

  final Path socket;
  boolean hugePages = true;
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
    super(side, arrayId, secret, SILENCE);
    int pathBytes = socket.toString().getBytes(StandardCharsets.UTF_8).length;
    if (pathBytes > MAX_PATH_BYTES) {
      throw new TwinspanException(
          "the socket path %s has %d bytes, and Linux allows %d; choose a shorter directory"
              .formatted(socket, pathBytes, MAX_PATH_BYTES));
    }
    this.socket = socket;
  }

  @Override
  ShmOptions self() {
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
