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
import java.util.concurrent.locks.LockSupport;

/**
 * Side B of a bridge in a process of its own, to be killed, stopped or starved: {@code BridgePeer
 * SOCKET WINDOW-BYTES HEAP-MIB GARBAGE}. It touches so much heap and its whole window, says {@code
 * ready}, and does what it is {@linkplain #tell told}. A garbage of more than 0 is how many MiB a
 * second another thread allocates.
 */
final class BridgePeer implements Agent, BridgeListener {
  static final UUID ARRAY = new UUID(1, 2);
  static final byte[] SECRET = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);

  /** To run the bridge. */
  static final char GO = 'g';

  /** To let the agent loop for ever. */
  static final char LOOP = 'l';

  /** To let the agent wait for what never comes. */
  static final char DEADLOCK = 'd';

  /** To say goodbye and end. */
  static final char END = 'e';

  private static final String READY = "ready: ";

  private final ShmBridge bridge;
  private volatile char mood = GO;

  private BridgePeer(Path socket, long windowBytes) {
    bridge = new ShmBridge(options(Side.B, socket).windowBytes(windowBytes));
    bridge.listener(this);
  }

  static ShmOptions options(Side side, Path socket) {
    return new ShmOptions(side, socket, ARRAY, SECRET);
  }

  /** Starts a peer, as heavy as is said, that waits until it is told to {@link #GO}. */
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

  static void tell(Process peer, char what) throws IOException {
    peer.getOutputStream().write(what);
    peer.getOutputStream().flush();
  }

  static void awaitReady(Process peer) throws IOException {
    StringBuilder said = new StringBuilder(); // what it logs comes before
    while (said.indexOf(READY) < 0) {
      int next = peer.getInputStream().read();
      if (next < 0) {
        throw new IOException("the peer has ended: " + said);
      }
      said.append((char) next);
    }
  }

  public static void main(String[] args) throws IOException {
    List<byte[]> heap = touchedHeap(Integer.parseInt(args[2]));
    BridgePeer peer = new BridgePeer(Path.of(args[0]), Long.parseLong(args[1]));
    MemorySegment window = peer.bridge.local().segment();
    window.asSlice(Window.HEADER_BYTES).fill((byte) 1);
    int garbageMib = Integer.parseInt(args[3]);
    if (garbageMib > 0) {
      Thread.ofPlatform().daemon().start(() -> Load.allocate(garbageMib));
    }
    System.out.println(READY + heap.size() + window.get(JAVA_BYTE, Window.HEADER_BYTES));
    int command = System.in.read();
    if (command == GO) {
      peer.run();
    }
    heap.clear();
  }

  private void run() throws IOException {
    try (AgentRunner _ =
        new AgentRunner(this, Idle.DEFAULT, List.of(bridge.wakeSource())).start()) {
      int command;
      do {
        command = System.in.read();
        mood = (char) command;
      } while (command > 0 && command != END);
    }
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
    while (mood == LOOP) {
      Thread.onSpinWait();
    }
    while (mood == DEADLOCK) {
      LockSupport.park();
    }
    return bridge.doWork(SystemClock.INSTANCE.nanoTime());
  }

  @Override
  public void onClose() {
    bridge.close();
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
