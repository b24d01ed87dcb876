package io.twinspan.rdma;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.III_Result;

/** Both sides ask at once: both are connected in the end, and each has what the other said. */
@JCStressTest
@Outcome(id = "[02], [01], 21", expect = Expect.ACCEPTABLE, desc = "connected at once, or later")
@Outcome(expect = Expect.FORBIDDEN, desc = "not connected, or with other data")
@State
public class ConnectStress {
  private static final int BYTES = 64;
  private static final int MOST_LOOKS = 10;
  private static final byte[] FROM_A = data(1);
  private static final byte[] FROM_B = data(2);

  private final long piece = SharedControl.piece();
  private final Connector a = SharedControl.A.connector(piece);
  private final Connector b = SharedControl.B.connector(piece);
  private int heardByA;
  private int heardByB;

  /** Side A. */
  @Actor
  public void one(III_Result result) {
    a.ask(ConnectionTerms.of(QpAttributes.DEFAULTS, 0), FROM_A);
    heardByA = look(a);
    result.r1 = heardByA;
  }

  /** Side B. */
  @Actor
  public void other(III_Result result) {
    b.ask(ConnectionTerms.of(QpAttributes.DEFAULTS, 0), FROM_B);
    heardByB = look(b);
    result.r2 = heardByB;
  }

  /** Both look until they are connected. */
  @Arbiter
  public void rest(III_Result result) {
    for (int i = 0; i < MOST_LOOKS; i++) {
      heardByA = heardByA == 0 ? look(a) : heardByA;
      heardByB = heardByB == 0 ? look(b) : heardByB;
    }
    result.r3 = 10 * heardByA + heardByB;
  }

  /** What the peer gave, if that connects; less than 0 if it is not of a piece. */
  private static int look(Connector connector) {
    if (connector.look() != Connector.Finding.CONNECTED) {
      return 0;
    }
    byte[] heard = connector.peerData();
    boolean whole =
        heard.length == BYTES
            && connector.peerTerms().maxDestRdAtomic() == QpAttributes.MAX_RD_ATOMIC;
    for (byte one : heard) {
      whole &= one == heard[0];
    }
    return whole ? heard[0] : -1;
  }

  private static byte[] data(int value) {
    byte[] all = new byte[BYTES];
    java.util.Arrays.fill(all, (byte) value);
    return all;
  }
}
