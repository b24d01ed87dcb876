package io.twinspan.bridge;

import java.util.Arrays;
import java.util.Optional;
import java.util.function.Function;

/** What both sides must agree on before a link is made, such as a channel plan; opaque here. */
public final class Contract {
  /** The longest encoding in bytes. */
  public static final int MAX_BYTES = 2048;

  private final byte[] encoded;
  private final Function<byte[], Optional<String>> objection;

  /**
   * Something to agree on.
   *
   * @param encoded sent to the peer; at most {@value #MAX_BYTES} bytes
   * @param objection looks at the peer's and says why it is refused, or nothing if it is fine
   */
  public Contract(byte[] encoded, Function<byte[], Optional<String>> objection) {
    if (encoded.length > MAX_BYTES) {
      throw new IllegalArgumentException("a contract of " + encoded.length + " bytes");
    }
    this.encoded = encoded.clone();
    this.objection = objection;
  }

  /** A contract that the peer's must equal byte by byte. */
  public static Contract equal(byte[] encoded) {
    byte[] own = encoded.clone();
    return new Contract(
        own,
        peers ->
            Arrays.equals(own, peers)
                ? Optional.empty()
                : Optional.of("the sides are configured differently"));
  }

  /** What is sent to the peer. */
  public byte[] encoded() {
    return encoded.clone();
  }

  /** Why what the peer sent is refused, or nothing if it is fine. */
  public Optional<String> objection(byte[] peers) {
    return objection.apply(peers);
  }
}
