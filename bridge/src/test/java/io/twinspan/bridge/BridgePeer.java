package io.twinspan.bridge;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.twinspan.concurrent.Agent;
import io.twinspan.concurrent.AgentRunner;
import io.twinspan.concurrent.Idle;
import io.twinspan.concurrent.SystemClock;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/**
 * Side B of a bridge in a process of its own, to be killed, stopped or starved: {@code BridgePeer
 * SOCKET WINDOW-BYTES HEAP-MIB GARBAGE}. It touches so much heap and its whole window, says {@code
 * ready}, waits for a line, and then runs its bridge until it is killed; a garbage of more than 0
 * is how many MiB a second another thread allocates.
 */
final class BridgePeer implements Agent, BridgeListener {
  static final UUID ARRAY = new UUID(1, 2);
  static final byte[] SECRET = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);

  private final ShmBridge bridge;

  private BridgePeer(Path socket, long windowBytes) {
    bridge = new ShmBridge(options(Side.B, socket).windowBytes(windowBytes));
    bridge.listener(this);
  }

  static ShmOptions options(Side side, Path socket) {
    return new ShmOptions(side, socket, ARRAY, SECRET);
  }

  /** Starts a peer, as heavy as is said, that waits until it is told to {@link #go}. */
  static Process spawn(Path socket, long windowBytes, int heapMib, int garbageMib)
      throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Xshare:auto",
                "-Xmx" + (heapMib + 32) + "m",
                "-cp",
                System.getProperty("java.class.path"),
                BridgePeer.class.getName(),
                socket.toString()));
    for (long argument : new long[] {windowBytes, heapMib, garbageMib}) {
      command.add(Long.toString(argument));
    }
    return new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
  }

  static void go(Process peer) throws IOException {
    peer.getOutputStream().write('\n');
    peer.getOutputStream().flush();
  }

  static void awaitReady(Process peer) throws IOException {
    int first = peer.getInputStream().read();
    if (first != 'r') {
      throw new IOException("the peer did not get ready");
    }
  }

  public static void main(String[] args) throws IOException, InterruptedException {
    List<byte[]> heap = touchedHeap(Integer.parseInt(args[2]));
    BridgePeer peer = new BridgePeer(Path.of(args[0]), Long.parseLong(args[1]));
    MemorySegment window = peer.bridge.local().segment();
    window.asSlice(Window.HEADER_BYTES).fill((byte) 1);
    int garbageMib = Integer.parseInt(args[3]);
    if (garbageMib > 0) {
      Thread.ofPlatform().daemon().start(() -> Load.allocate(garbageMib));
    }
    System.out.println("ready " + heap.size() + window.get(JAVA_BYTE, Window.HEADER_BYTES));
    int _ = System.in.read();
    AgentRunner runner = new AgentRunner(peer, Idle.DEFAULT, List.of(peer.bridge.wakeSource()));
    runner.start().thread().join();
    heap.clear();
  }

  private static List<byte[]> touchedHeap(int mib) {
    List<byte[]> heap = new ArrayList<>();
    for (int i = 0; i < mib; i++) {
      heap.add(new byte[1 << 20]);
    }
    return heap;
  }

  @Override
  public int doWork() {
    return bridge.doWork(SystemClock.INSTANCE.nanoTime());
  }

  @Override
  public String roleName() {
    return "peer";
  }

  @Override
  public long nextDeadlineNs() {
    return bridge.nextDeadlineNs();
  }

  @Override
  public void linkUp(BridgeEndpoint endpoint) {}

  @Override
  public void linkDown(LinkDown why) {
    System.out.println("B: down " + why);
  }
}
