package io.twinspan.controller;

import io.twinspan.array.HostPort;
import io.twinspan.linux.TwinspanException;
import io.twinspan.target.nbd.NbdLimits;
import io.twinspan.target.nbd.NbdServer;
import io.twinspan.target.nbd.NbdStatus;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The NBD server of a controller, on TCP and a Unix socket. A TCP port that was given by the system
 * is remembered in the array's directory, so that hosts find the controller again after a restart.
 */
final class NbdFrontEnd implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(NbdFrontEnd.class);

  private final NbdServer server;

  private NbdFrontEnd(NbdServer server) {
    this.server = server;
  }

  static NbdFrontEnd start(
      HostPort port, ArrayDirectory directory, String name, Settings settings) {
    String host = settings.text(Settings.Key.NBD_HOST);
    Settings.Key key = name.equals("a") ? Settings.Key.NBD_PORT_A : Settings.Key.NBD_PORT_B;
    int wanted = settings.count(key);
    Path file = directory.nbdPortFile(name);
    int remembered = wanted == 0 ? read(file) : 0;
    UnixDomainSocketAddress unix = UnixDomainSocketAddress.of(directory.nbdSocket(name));
    NbdLimits usual = NbdLimits.DEFAULT;
    NbdLimits limits =
        new NbdLimits(
            settings.count(Settings.Key.NBD_MAX_CONNECTIONS),
            usual.handshakeDeadline(),
            usual.stallDeadline(),
            usual.maxCommands(),
            usual.maxDataBytes());
    NbdFrontEnd started = null;
    if (remembered != 0) {
      try {
        started = listen(port, limits, new InetSocketAddress(host, remembered), unix);
      } catch (TwinspanException e) {
        LOG.warn("TCP port {} of before is not to be had any more: {}", remembered, e.getMessage());
      }
    }
    if (started == null) {
      started = listen(port, limits, new InetSocketAddress(host, wanted), unix);
    }
    if (wanted == 0) {
      write(file, ((InetSocketAddress) started.server.addresses().get(0)).getPort());
    }
    return started;
  }

  private static NbdFrontEnd listen(
      HostPort port, NbdLimits limits, InetSocketAddress tcp, UnixDomainSocketAddress unix) {
    NbdServer server = NbdServer.builder(port).limits(limits).listen(tcp).listen(unix).build();
    server.start();
    return new NbdFrontEnd(server);
  }

  private static int read(Path file) {
    try {
      int port = Files.exists(file) ? Integer.parseInt(Files.readString(file).strip()) : 0;
      return port > 0 && port < 1 << 16 ? port : 0;
    } catch (IOException | NumberFormatException e) {
      LOG.warn("can't read the port in {}: {}", file, e.toString());
      return 0;
    }
  }

  private static void write(Path file, int port) {
    try {
      Files.writeString(file, Integer.toString(port));
    } catch (IOException e) {
      LOG.warn("can't remember the port in {}: {}", file, e.toString());
    }
  }

  /** Where it listens, as NBD URIs without an export. */
  List<String> addresses() {
    List<String> addresses = new ArrayList<>();
    for (SocketAddress address : server.addresses()) {
      addresses.add(
          address instanceof InetSocketAddress tcp
              ? "nbd://" + hostText(tcp) + ":" + tcp.getPort()
              : "nbd+unix:///?socket=" + address);
    }
    return addresses;
  }

  private static String hostText(InetSocketAddress address) {
    String host = address.getAddress().getHostAddress();
    return host.contains(":") ? "[" + host + "]" : host;
  }

  NbdStatus status() {
    return server.status();
  }

  void volumesChanged() {
    server.volumesChanged();
  }

  @Override
  public void close() {
    server.close();
  }
}
