package io.twinspan.bridge;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * What a side says in its peer's {@link Mailbox}; little endian. Each word holds everything said
 * before that still matters, so it does not matter if the reader misses some.
 *
 * <pre>
 *  0  magic "TMAL"   4  version (2)   6  kind (2)
 *  8  attempt: which attempt of the sender to make a link, random (8)
 * 16  to: the attempt of the reader that this answers, or 0 (8)
 * 24  size of the BAR (8)
 * 32  which of the sender's control areas serves the new life (2)   34  hello length (2)
 * 36  proof length (2)   38  text length (2)
 * 40  1 + the number of the sender's doorbell, 0 if it has none (4)   44  zero (4)
 * 48  hello, proof, text
 * </pre>
 *
 * @param bell by what the sender can be rung, from 1; 0 if it can't, and can't ring
 * @param hello {@link Hello}, encoded
 * @param proof {@link Proof} over this hello and that of {@code to}; empty if there is none yet
 * @param text why the reader is refused, for people; empty otherwise
 */
record Mail(
    Kind kind,
    long attempt,
    long to,
    long barBytes,
    int area,
    int bell,
    ByteBuffer hello,
    ByteBuffer proof,
    String text) {
  /** What is said; the first three in the order in which they follow each other. */
  enum Kind {
    /** Here I am. */
    HELLO(1),
    /** I have seen your hello, and I know the secret. */
    PROOF(2),
    /** I believe yours, and my control memory is clear. */
    READY(3),
    /** I do not want you, because. */
    REFUSE(4),
    /** I am leaving. */
    GOODBYE(5);

    private final short code;

    Kind(int code) {
      this.code = (short) code;
    }

    private static Kind of(short code) throws Refusal {
      for (Kind kind : values()) {
        if (kind.code == code) {
          return kind;
        }
      }
      throw new Refusal("its mail is of the unknown kind " + code);
    }
  }

  private static final int MAGIC = 0x4C41_4D54; // "TMAL"
  private static final short VERSION = 1;
  private static final int FIXED_BYTES = 48;
  private static final int MAX_BELL = 1 << 16;
  private static final int MAX_TEXT_BYTES = 200;

  ByteBuffer encode() {
    byte[] said = text.getBytes(StandardCharsets.UTF_8);
    int textLength = Math.min(said.length, MAX_TEXT_BYTES);
    int length = FIXED_BYTES + hello.remaining() + proof.remaining() + textLength;
    ByteBuffer out = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
    out.putInt(MAGIC).putShort(VERSION).putShort(kind.code);
    out.putLong(attempt).putLong(to).putLong(barBytes);
    out.putShort((short) area).putShort((short) hello.remaining());
    out.putShort((short) proof.remaining()).putShort((short) textLength);
    out.putInt(bell).putInt(0);
    return out.put(hello.duplicate()).put(proof.duplicate()).put(said, 0, textLength).flip();
  }

  byte[] proofBytes() {
    byte[] bytes = new byte[proof.remaining()];
    proof.duplicate().get(bytes);
    return bytes;
  }

  /** Reads what a stranger wrote; every length is checked. */
  static Mail decode(ByteBuffer word) throws Refusal {
    ByteBuffer in = word.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    if (in.remaining() < FIXED_BYTES || in.getInt() != MAGIC) {
      throw new Refusal("its mail is not the link's");
    }
    short version = in.getShort();
    if (version != VERSION) {
      throw new Refusal("its mail has version " + version + ", this side's " + VERSION);
    }
    Kind kind = Kind.of(in.getShort());
    long attempt = in.getLong();
    long to = in.getLong();
    long barBytes = in.getLong();
    int area = Short.toUnsignedInt(in.getShort());
    int helloLength = Short.toUnsignedInt(in.getShort());
    int proofLength = Short.toUnsignedInt(in.getShort());
    int textLength = Short.toUnsignedInt(in.getShort());
    int bell = in.getInt();
    int zero = in.getInt();
    if (attempt == 0
        || zero != 0
        || bell < 0
        || bell > MAX_BELL
        || in.remaining() != helloLength + proofLength + textLength) {
      throw new Refusal("the fields of its mail do not fit");
    }
    ByteBuffer hello = in.slice(in.position(), helloLength);
    in.position(in.position() + helloLength);
    ByteBuffer proof = in.slice(in.position(), proofLength);
    in.position(in.position() + proofLength);
    String text = Hello.printable(StandardCharsets.UTF_8.decode(in).toString());
    return new Mail(kind, attempt, to, barBytes, area, bell, hello, proof, text);
  }
}
