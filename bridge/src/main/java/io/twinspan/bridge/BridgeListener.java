package io.twinspan.bridge;

/** Is told about the lives of a link, on the thread that calls {@link Bridge#doWork}. */
public interface BridgeListener {
  /**
   * A new life has begun; all control memory is zeroed and no right is granted in either direction.
   *
   * @param endpoint valid until {@link #linkDown} returns
   */
  void linkUp(BridgeEndpoint endpoint);

  /**
   * The life has ended. The endpoint's memory is still mapped during this call, so that rights can
   * be taken back where a peer that only slept would look for them; afterwards it is not.
   */
  void linkDown(LinkDown why);
}
