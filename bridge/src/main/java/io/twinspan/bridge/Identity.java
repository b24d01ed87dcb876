package io.twinspan.bridge;

import io.twinspan.linux.Processes;
import java.security.SecureRandom;
import java.util.Optional;
import java.util.UUID;

/** Who a side is and what it expects of its peer, whatever the provider says it through. */
record Identity(
    Side side,
    UUID arrayId,
    UUID bootId,
    String nodeName,
    Contract contract,
    long windowBytes,
    long controlBytes,
    SecureRandom random) {
  Identity(
      Side side,
      UUID arrayId,
      String nodeName,
      Contract contract,
      long windowBytes,
      long controlBytes) {
    this(
        side,
        arrayId,
        Hello.bootIdOfThisMachine(),
        nodeName,
        contract,
        windowBytes,
        controlBytes,
        new SecureRandom());
  }

  /** An introduction with a fresh nonce. */
  Hello newHello(long generation) {
    byte[] nonce = new byte[Hello.NONCE_BYTES];
    random.nextBytes(nonce);
    return Hello.of(
        arrayId,
        bootId,
        nonce,
        generation,
        windowBytes,
        controlBytes,
        Processes.pid(),
        side,
        nodeName,
        contract.encoded());
  }

  /** Refuses whoever is not the peer or is configured differently. */
  void examine(Hello peer) throws Refusal {
    if (!peer.arrayId().equals(arrayId)) {
      throw new Refusal("it belongs to array %s, not %s".formatted(peer.arrayId(), arrayId));
    }
    if (peer.side() != side.peer()) {
      throw new Refusal("it is side " + peer.side() + " too");
    }
    if (peer.controlBytes() != controlBytes || !isWindowSize(peer.windowBytes())) {
      throw new Refusal(
          "its windows have %d and %d bytes".formatted(peer.windowBytes(), peer.controlBytes()));
    }
    Optional<String> objection = contract.objection(peer.contractBytes());
    if (objection.isPresent()) {
      throw new Refusal(objection.get());
    }
  }

  private static boolean isWindowSize(long bytes) {
    return bytes >= Window.HEADER_BYTES && bytes <= Window.MAX_BYTES;
  }
}
