package io.twinspan.rdma;

/** Answers requests to connect by itself, so that no {@link LinkListener} has to. */
@FunctionalInterface
public interface ConnectPolicy {
  /** An answer, with at most 64 bytes of private data that go to the peer with it. */
  final class Answer {
    private final boolean accepted;
    private final byte[] privateData;

    private Answer(boolean accepted, byte[] privateData) {
      this.accepted = accepted;
      this.privateData = privateData.clone();
    }

    /** Yes. */
    public static Answer accept(byte... privateData) {
      return new Answer(true, privateData);
    }

    /** No. */
    public static Answer reject(byte... privateData) {
      return new Answer(false, privateData);
    }

    boolean isAccepted() {
      return accepted;
    }

    byte[] privateData() {
      return privateData;
    }
  }

  /**
   * Decides, on the link's thread.
   *
   * @param privateData what the peer says about its request; at most 64 bytes, untrusted
   */
  Answer answer(byte[] privateData);
}
