package io.twinspan.target.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerDomainSocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.twinspan.array.HostPort;
import io.twinspan.linux.TwinspanException;
import io.twinspan.pool.VolumeInfo;
import java.io.IOException;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves every volume of a {@link HostPort} as an NBD export of the volume's name.
 *
 * <p>Starts event-loop threads of its own (named {@code nbd}); all methods are thread-safe except
 * that {@link #start} and {@link #close} are for one thread. There is no authentication: TCP
 * addresses should be loopback, and a Unix socket gets mode 0600 and should lie in a directory of
 * mode 0700.
 */
public final class NbdServer implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(NbdServer.class);

  /** Longest path of a Unix socket, in bytes: sun_path of unix(7) without its final zero. */
  private static final int MAX_UNIX_PATH_BYTES = 107;

  private static final int ACCEPT_BACKLOG = 128;
  private static final WriteBufferWaterMark WRITE_MARKS =
      new WriteBufferWaterMark(1 << 20, 2 << 20);

  /** How long {@link #close} waits for commands in flight. */
  private static final Duration CLOSE_GRACE = Duration.ofSeconds(2);

  private final HostPort port;
  private final List<SocketAddress> requested;
  private final NbdLimits limits;
  private final int eventLoops;

  private final Map<EventLoop, NbdLoop> loops = new ConcurrentHashMap<>();
  private final Set<NbdConnection> connections = ConcurrentHashMap.newKeySet();
  private final Map<Integer, ExportCounters> counters = new ConcurrentHashMap<>();
  private final LongAdder refusedConnections = new LongAdder();
  private final List<Channel> listeners = new ArrayList<>();
  private final List<SocketAddress> bound = new ArrayList<>();
  private @Nullable EventLoopGroup group;

  private NbdServer(Builder builder) {
    port = builder.port;
    requested = List.copyOf(builder.addresses);
    limits = builder.limits;
    eventLoops = builder.eventLoops;
  }

  /**
   * Begins the description of a server.
   *
   * @param port the array
   * @return a builder with default limits and no address
   */
  public static Builder builder(HostPort port) {
    return new Builder(port);
  }

  /**
   * Listens on every address.
   *
   * @throws TwinspanException when an address can't be used; then none is
   */
  public void start() {
    if (group != null) {
      throw new IllegalStateException("already started");
    }
    EventLoopGroup threads =
        new MultiThreadIoEventLoopGroup(
            eventLoops, new DefaultThreadFactory("nbd", true), NioIoHandler.newFactory());
    group = threads;
    try {
      for (SocketAddress address : requested) {
        listen(threads, address);
      }
    } catch (RuntimeException e) {
      close();
      throw e;
    }
    LOG.info("NBD on {}", bound);
  }

  /**
   * Where it listens.
   *
   * @return the addresses in the order they were given, with the actual port where 0 was asked for
   */
  public List<SocketAddress> addresses() {
    return List.copyOf(bound);
  }

  /**
   * What it has done so far.
   *
   * @return a snapshot; exports that were never used have zeros
   */
  public NbdStatus status() {
    List<NbdStatus.Export> exports = new ArrayList<>();
    for (VolumeInfo volume : port.volumes()) {
      exports.add(counters(volume).snapshot(volume.name()));
    }
    return new NbdStatus(connections.size(), refusedConnections.sum(), exports);
  }

  /** Closes the connections of volumes that the array has no longer. */
  public void volumesChanged() {
    connections.forEach(NbdConnection::volumesChanged);
    Set<Integer> ids = ConcurrentHashMap.newKeySet();
    port.volumes().forEach(volume -> ids.add(volume.id()));
    counters.keySet().retainAll(ids);
  }

  /**
   * Closes every connection without answering what is in flight; clients may connect again.
   *
   * @param reason for the log
   */
  public void disconnectAll(String reason) {
    connections.forEach(connection -> connection.disconnectSoon(reason));
  }

  /**
   * Stops accepting, answers what is in flight (for up to two seconds), closes the connections and
   * ends the threads. Buffers that the array still has are given back as it answers. Closing twice
   * is harmless.
   */
  @Override
  public void close() {
    EventLoopGroup threads = group;
    if (threads == null || threads.isShuttingDown()) {
      return;
    }
    listeners.forEach(listener -> listener.close().syncUninterruptibly());
    for (SocketAddress address : bound) {
      if (address instanceof UnixDomainSocketAddress unix) {
        deleteSocket(unix.getPath());
      }
    }
    connections.forEach(NbdConnection::leave);
    long deadlineNs = System.nanoTime() + CLOSE_GRACE.toNanos();
    while (!connections.isEmpty() && System.nanoTime() < deadlineNs) {
      if (!pause()) {
        break;
      }
    }
    disconnectAll("the server is closing");
    var ended = threads.shutdownGracefully(0, CLOSE_GRACE.toMillis(), TimeUnit.MILLISECONDS);
    if (!ended.awaitUninterruptibly(2 * CLOSE_GRACE.toMillis())) {
      LOG.warn("NBD threads have not ended in time");
    }
  }

  // ---- for connections

  HostPort port() {
    return port;
  }

  NbdLimits limits() {
    return limits;
  }

  /** Counts a connection in; false when it is one too many. */
  boolean admit(NbdConnection connection) {
    connections.add(connection);
    if (connections.size() > limits.maxConnections()) {
      connections.remove(connection);
      refusedConnections.increment();
      return false;
    }
    return true;
  }

  void leave(NbdConnection connection) {
    connections.remove(connection);
  }

  boolean serves(VolumeInfo volume) {
    return port.volumes().stream().anyMatch(present -> present.id() == volume.id());
  }

  ExportCounters counters(VolumeInfo volume) {
    return counters.computeIfAbsent(volume.id(), id -> new ExportCounters());
  }

  // ---- inside

  private void listen(EventLoopGroup threads, SocketAddress address) {
    boolean unix = address instanceof UnixDomainSocketAddress;
    ServerBootstrap bootstrap =
        new ServerBootstrap()
            .group(threads)
            .channel(unix ? NioServerDomainSocketChannel.class : NioServerSocketChannel.class)
            .option(ChannelOption.SO_BACKLOG, ACCEPT_BACKLOG)
            .childOption(ChannelOption.WRITE_BUFFER_WATER_MARK, WRITE_MARKS)
            .childHandler(
                new ChannelInitializer<Channel>() {
                  @Override
                  protected void initChannel(Channel channel) {
                    if (channel instanceof NioSocketChannel tcp) {
                      tcp.config().setTcpNoDelay(true).setKeepAlive(true);
                    }
                    NbdLoop loop = loops.computeIfAbsent(channel.eventLoop(), NbdLoop::new);
                    channel.pipeline().addLast(new NbdConnection(NbdServer.this, loop));
                  }
                });
    if (!unix) {
      bootstrap.option(ChannelOption.SO_REUSEADDR, true);
    }
    if (address instanceof UnixDomainSocketAddress path) {
      clearStale(path);
    }
    var binding = bootstrap.bind(address).awaitUninterruptibly();
    Throwable failure = binding.cause();
    if (failure != null) {
      throw new TwinspanException(
          "cannot listen for NBD on " + address + ": " + failure.getMessage(), failure);
    }
    ServerChannel listener = (ServerChannel) binding.channel();
    listeners.add(listener);
    bound.add(unix ? address : listener.localAddress());
    if (address instanceof UnixDomainSocketAddress path) {
      restrict(path.getPath());
    }
  }

  /** Removes the socket of a process that is gone; refuses to take that of a live one. */
  private static void clearStale(UnixDomainSocketAddress address) {
    Path path = address.getPath();
    int pathBytes = path.toString().getBytes(UTF_8).length;
    if (pathBytes > MAX_UNIX_PATH_BYTES) {
      throw new TwinspanException(
          "path of a Unix socket is %d bytes long, at most %d are possible: %s"
              .formatted(pathBytes, MAX_UNIX_PATH_BYTES, path));
    }
    if (!Files.exists(path)) {
      return;
    }
    if (Files.isRegularFile(path) || Files.isDirectory(path)) {
      throw new TwinspanException("cannot listen for NBD on " + path + ": it is not a socket");
    }
    try (SocketChannel probe = SocketChannel.open(address)) {
      throw new TwinspanException(
          "cannot listen for NBD on " + path + ": another process listens there" + also(probe));
    } catch (IOException e) {
      LOG.debug("{}: nobody listens ({}), removing it", path, e.toString());
      deleteSocket(path);
    }
  }

  private static String also(SocketChannel probe) {
    return probe.isConnected() ? "" : " no more";
  }

  private static void restrict(Path socket) {
    try {
      Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString("rw-------"));
    } catch (IOException e) {
      throw new TwinspanException("cannot restrict " + socket + " to its owner", e);
    }
  }

  private static void deleteSocket(Path socket) {
    try {
      Files.deleteIfExists(socket);
    } catch (IOException e) {
      LOG.warn("cannot delete {}: {}", socket, e.toString());
    }
  }

  private static boolean pause() {
    try {
      Thread.sleep(5);
      return true;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  /** Describes a server. Not thread-safe. */
  public static final class Builder {
    private final HostPort port;
    private final List<SocketAddress> addresses = new ArrayList<>();
    private NbdLimits limits = NbdLimits.DEFAULT;
    private int eventLoops = Math.clamp(Runtime.getRuntime().availableProcessors() / 2, 1, 4);

    private Builder(HostPort port) {
      this.port = port;
    }

    /**
     * Adds an address.
     *
     * @param address an {@link java.net.InetSocketAddress}, port 0 for any free one, or a {@link
     *     UnixDomainSocketAddress} whose directory exists
     * @return this
     */
    public Builder listen(SocketAddress address) {
      addresses.add(address);
      return this;
    }

    /**
     * Sets what clients may use up.
     *
     * @param limits the default is {@link NbdLimits#DEFAULT}
     * @return this
     */
    public Builder limits(NbdLimits limits) {
      this.limits = limits;
      return this;
    }

    /**
     * Sets the number of threads.
     *
     * @param eventLoops at least 1; the default is half the processors, at most 4
     * @return this
     */
    public Builder eventLoops(int eventLoops) {
      if (eventLoops < 1) {
        throw new TwinspanException("at least 1 event loop is needed, not " + eventLoops);
      }
      this.eventLoops = eventLoops;
      return this;
    }

    /**
     * Makes the server, which does not listen yet.
     *
     * @return a new server
     */
    public NbdServer build() {
      return new NbdServer(this);
    }
  }
}
