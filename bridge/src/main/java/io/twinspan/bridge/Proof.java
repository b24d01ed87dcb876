package io.twinspan.bridge;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Shows that a side knows the array's secret without telling it.
 *
 * <p>HMAC-SHA256 over a label, the prover's side and both hellos, each of which holds a fresh
 * nonce: a proof is good for one connection, one direction, and only with everything the hellos
 * said.
 */
final class Proof {
  static final int BYTES = 32;
  private static final String ALGORITHM = "HmacSHA256";
  private static final byte[] LABEL = "twinspan link proof 1".getBytes(StandardCharsets.US_ASCII);

  private final SecretKeySpec key;

  Proof(byte[] secret) {
    key = new SecretKeySpec(secret, ALGORITHM);
  }

  byte[] of(Hello prover, Hello verifier) {
    try {
      Mac mac = Mac.getInstance(ALGORITHM);
      mac.init(key);
      mac.update(LABEL);
      mac.update(prover.side().code());
      update(mac, prover.encoded());
      update(mac, verifier.encoded());
      return mac.doFinal();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every Java has " + ALGORITHM, e);
    }
  }

  boolean isValid(byte[] proof, Hello prover, Hello verifier) {
    return MessageDigest.isEqual(proof, of(prover, verifier));
  }

  private static void update(Mac mac, ByteBuffer hello) {
    ByteBuffer length = ByteBuffer.allocate(Integer.BYTES).putInt(hello.remaining()).flip();
    mac.update(length);
    mac.update(hello.duplicate());
  }
}
