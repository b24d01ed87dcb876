package io.twinspan.perf;

import io.twinspan.bridge.Bridge;
import io.twinspan.bridge.BridgeEndpoint;
import io.twinspan.bridge.BridgeListener;
import io.twinspan.bridge.LinkDown;
import io.twinspan.bridge.LinkState;
import io.twinspan.bridge.Side;
import io.twinspan.bridge.Window;
import io.twinspan.concurrent.WakeSource;
import java.util.function.Consumer;

/**
 * A bridge that shows each life's endpoint to somebody before the link gets it: what the machine
 * can do is measured in the very windows that the link uses.
 */
final class TappedBridge implements Bridge {
  private final Bridge bridge;
  private final Consumer<BridgeEndpoint> tap;

  TappedBridge(Bridge bridge, Consumer<BridgeEndpoint> tap) {
    this.bridge = bridge;
    this.tap = tap;
  }

  @Override
  public void listener(BridgeListener listener) {
    bridge.listener(
        new BridgeListener() {
          @Override
          public void linkUp(BridgeEndpoint endpoint) {
            tap.accept(endpoint);
            listener.linkUp(endpoint);
          }

          @Override
          public void linkDown(LinkDown why) {
            listener.linkDown(why);
          }
        });
  }

  @Override
  public Side side() {
    return bridge.side();
  }

  @Override
  public Window local() {
    return bridge.local();
  }

  @Override
  public LinkState state() {
    return bridge.state();
  }

  @Override
  public long generation() {
    return bridge.generation();
  }

  @Override
  public int doWork(long nowNs) {
    return bridge.doWork(nowNs);
  }

  @Override
  public long nextDeadlineNs() {
    return bridge.nextDeadlineNs();
  }

  @Override
  public WakeSource wakeSource() {
    return bridge.wakeSource();
  }

  @Override
  public void fail(LinkDown.Kind kind, String detail) {
    bridge.fail(kind, detail);
  }

  @Override
  public void close() {
    bridge.close();
  }
}
