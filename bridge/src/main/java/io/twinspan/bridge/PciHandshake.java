package io.twinspan.bridge;

import io.twinspan.concurrent.SharedMemory;
import java.nio.ByteBuffer;
import java.security.SecureRandom;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Makes a link by mail: both sides do the same, and show in the other's {@link Mailbox} how far
 * they are.
 *
 * <pre>
 * own word   peer's word          checks                                     own next word
 * HELLO      any                  sizes, array, side, contract               PROOF to its attempt
 * PROOF      PROOF, READY to us   HMAC with the array's secret               READY; control area cleared
 * READY      READY to us          -                                          (done)
 * any        of a new attempt     as above                                   PROOF to that one
 * any        REFUSE to us         -                                          (waits for a new attempt)
 * </pre>
 *
 * <p>A side takes a new attempt, with a new nonce, when it starts and whenever a life has ended;
 * that is how the peer learns of both. What fails a check is refused until its attempt is another
 * one. Whatever is missed, repeated or left over from the dead does no harm: a word counts only if
 * it answers the present attempt, and a proof only for the two hellos it was made for.
 */
final class PciHandshake {
  private static final ByteBuffer NO_PROOF = ByteBuffer.allocate(0);

  /** What both sides know when it is done. */
  record Agreement(
      long generation, Hello peer, long peerAttempt, int ownArea, int peerArea, int peerBell) {}

  private final Identity identity;
  private final Proof proof;
  private final BarLayout layout;
  private final int bell;
  private final Mailbox outbox;
  private final SecureRandom random = new SecureRandom();

  private long attempt;
  private Hello own;
  private int area;
  private Mail shown;
  private @Nullable Hello peer;
  private long peerAttempt;
  private long refusedAttempt;

  PciHandshake(Identity identity, Proof proof, BarLayout layout, int bell) {
    this.identity = identity;
    this.proof = proof;
    this.layout = layout;
    this.bell = bell;
    outbox = layout.outbox();
    attempt = newAttempt();
    own = identity.newHello(0);
    shown = show(Mail.Kind.HELLO, NO_PROOF, "");
  }

  /** Takes a new attempt and shows it, which ends what the peer thinks of the one before. */
  void begin(long latestGeneration) {
    attempt = newAttempt();
    own = identity.newHello(latestGeneration);
    peer = null;
    peerAttempt = 0;
    shown = show(Mail.Kind.HELLO, NO_PROOF, "");
  }

  /** Whether the peer has answered the present attempt. */
  boolean isAnswered(Mail mail) {
    return mail.to() == attempt && mail.attempt() == peerAttempt;
  }

  /**
   * Takes the next steps, as far as the peer's word allows.
   *
   * @return what was agreed, once both are ready
   */
  Optional<Agreement> step(Mail mail) throws Refusal {
    if (mail.attempt() == refusedAttempt || mail.kind() == Mail.Kind.GOODBYE) {
      return Optional.empty();
    }
    if (mail.kind() == Mail.Kind.REFUSE && mail.to() == attempt) {
      throw new Refusal("the other side refuses: " + mail.text(), true);
    }
    Hello known = peer;
    if (known == null || mail.attempt() != peerAttempt) {
      known = examine(mail);
      peer = known;
      peerAttempt = mail.attempt();
      shown = show(Mail.Kind.PROOF, ByteBuffer.wrap(proof.of(own, known)), "");
    }
    if (mail.to() != attempt || !mail.proof().hasRemaining()) {
      return Optional.empty();
    }
    if (shown.kind() == Mail.Kind.PROOF) {
      if (!proof.isValid(mail.proofBytes(), known, own)) {
        throw new Refusal("it does not know the array's secret");
      }
      area = (area + 1) % BarLayout.CONTROL_AREAS;
      layout.control(identity.side(), area).fill((byte) 0);
      SharedMemory.fullFence();
      shown = show(Mail.Kind.READY, shown.proof(), "");
    }
    if (shown.kind() != Mail.Kind.READY || mail.kind() != Mail.Kind.READY) {
      return Optional.empty();
    }
    if (mail.area() >= BarLayout.CONTROL_AREAS) {
      throw new Refusal("it has no control area " + mail.area());
    }
    long generation = Math.max(own.generation(), known.generation()) + 1;
    return Optional.of(
        new Agreement(generation, known, peerAttempt, area, mail.area(), mail.bell()));
  }

  /** Tells whoever wrote this why it is not let in, and hears nothing more of its attempt. */
  void refuse(Mail mail, Refusal refusal) {
    refusedAttempt = mail.attempt();
    peer = null;
    peerAttempt = mail.attempt();
    shown = show(Mail.Kind.REFUSE, NO_PROOF, refusal.reason());
    peerAttempt = 0;
  }

  /** Tells the peer that this side leaves. */
  void goodbye() {
    shown = show(Mail.Kind.GOODBYE, NO_PROOF, "");
  }

  /**
   * Shows the word again if somebody else has written over it.
   *
   * @return whether somebody has
   */
  boolean restore() {
    if (outbox.stands()) {
      return false;
    }
    outbox.write(shown.encode());
    return true;
  }

  private Hello examine(Mail mail) throws Refusal {
    if (mail.barBytes() != layout.barBytes()) {
      throw new Refusal(
          "its BAR has %d bytes, this side's %d".formatted(mail.barBytes(), layout.barBytes()));
    }
    Hello hello = Hello.decode(mail.hello());
    identity.examine(hello);
    if (!layout.fits(hello.windowBytes())) {
      throw new Refusal("its window of " + hello.windowBytes() + " bytes is too big for the BAR");
    }
    return hello;
  }

  private long newAttempt() {
    return random.nextLong() | 1;
  }

  private Mail show(Mail.Kind kind, ByteBuffer ownProof, String text) {
    ByteBuffer hello = own.encoded();
    long barBytes = layout.barBytes();
    Mail mail = new Mail(kind, attempt, peerAttempt, barBytes, area, bell, hello, ownProof, text);
    outbox.write(mail.encode());
    return mail;
  }
}
