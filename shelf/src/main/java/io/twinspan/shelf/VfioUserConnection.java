package io.twinspan.shelf;

import io.twinspan.linux.Errno;
import io.twinspan.linux.Fd;
import io.twinspan.linux.UnixSocket;
import io.twinspan.nvme.DoorbellPage;
import io.twinspan.nvme.VfioUser;
import io.twinspan.nvme.VfioUserMessage;
import io.twinspan.nvme.VfioUserVersion;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The server's side of one vfio-user connection: reads messages from a non-blocking socket, bounds
 * them, carries them out on the {@link NvmeFunction}, and answers.
 *
 * <p>A message that can be answered with an error is; one after which the stream makes no sense any
 * more ends the connection with a {@link ProtocolException}. The drive's agent thread owns it.
 */
final class VfioUserConnection implements AutoCloseable {
  /** The client sent something that ends the connection. */
  static final class ProtocolException extends Exception {
    private static final long serialVersionUID = 1L;

    ProtocolException(String message) {
      super(message);
    }
  }

  /** How many messages are served before the drive's other work has its turn. */
  private static final int BURST = 16;

  private static final Fd[] NO_FDS = {};

  private final UnixSocket socket;
  private final NvmeFunction function;
  private final MemorySegment buffer;
  private final VfioUserMessage request;
  private final VfioUserMessage reply;
  private final DomainCommands domainCommands;
  private final List<Fd> fds = new ArrayList<>();
  private int filled;
  private boolean negotiated;

  /**
   * Serves a client; the socket is closed with the connection, the function is not.
   *
   * @param socket connected and non-blocking
   * @param function what the client gets
   */
  VfioUserConnection(UnixSocket socket, NvmeFunction function) {
    this.socket = socket;
    this.function = function;
    domainCommands = new DomainCommands(function.controller().domains());
    buffer = Arena.ofAuto().allocate(VfioUser.MAX_MESSAGE_BYTES, 8);
    request = new VfioUserMessage(buffer);
    reply = new VfioUserMessage(Arena.ofAuto().allocate(VfioUser.MAX_MESSAGE_BYTES, 8));
  }

  UnixSocket socket() {
    return socket;
  }

  NvmeFunction function() {
    return function;
  }

  /** Whether version and capabilities have been agreed on. */
  boolean negotiated() {
    return negotiated;
  }

  /**
   * Serves what has arrived.
   *
   * @return how many messages, or -1 if the client has closed the connection
   * @throws ProtocolException if the connection must be closed
   */
  int poll() throws ProtocolException {
    int served = 0;
    while (served < BURST) {
      int wanted = filled < VfioUser.HEADER_BYTES ? VfioUser.HEADER_BYTES : (int) request.size();
      int count = socket.receive(buffer, filled, wanted - filled, fds);
      if (count == -Errno.EAGAIN) {
        return served;
      }
      if (count == 0 || count == -Errno.ECONNRESET) {
        return endOfStream();
      }
      if (count < 0) {
        throw new ProtocolException("receive: " + Errno.name(-count));
      }
      filled += count;
      if (fds.size() > VfioUser.MAX_FDS) {
        throw new ProtocolException(fds.size() + " descriptors with one message");
      }
      if (filled == VfioUser.HEADER_BYTES && !request.hasValidSize()) {
        throw new ProtocolException(
            "message of %d bytes, allowed are %d to %d"
                .formatted(request.size(), VfioUser.HEADER_BYTES, VfioUser.MAX_MESSAGE_BYTES));
      }
      if (filled >= VfioUser.HEADER_BYTES && filled == request.size()) {
        serve();
        filled = 0;
        closeFds();
        served++;
      }
    }
    return served;
  }

  @Override
  public void close() {
    closeFds();
    socket.close();
  }

  private int endOfStream() throws ProtocolException {
    if (filled > 0) {
      throw new ProtocolException(
          "the stream ended within a message, after %d bytes".formatted(filled));
    }
    return -1;
  }

  private void serve() throws ProtocolException {
    int command = request.command();
    if ((request.flags() & VfioUser.FLAG_TYPE_MASK) != VfioUser.FLAG_COMMAND) {
      throw new ProtocolException("a reply to command %d, which was never sent".formatted(command));
    }
    if (!negotiated && command != VfioUser.VERSION) {
      throw new ProtocolException("command %d before the version message".formatted(command));
    }
    int result =
        switch (command) {
          case VfioUser.VERSION -> version();
          case VfioUser.DMA_MAP -> mapDma();
          case VfioUser.DMA_UNMAP -> unmapDma();
          case VfioUser.DEVICE_GET_INFO -> deviceInfo();
          case VfioUser.DEVICE_GET_REGION_INFO -> regionInfo();
          case VfioUser.DEVICE_GET_REGION_IO_FDS -> regionIoFds();
          case VfioUser.DEVICE_GET_IRQ_INFO -> irqInfo();
          case VfioUser.DEVICE_SET_IRQS -> setIrqs();
          case VfioUser.REGION_READ -> readRegion();
          case VfioUser.REGION_WRITE -> writeRegion();
          case VfioUser.DEVICE_RESET -> reset();
          case VfioUser.DOMAIN_CREATE,
              VfioUser.DOMAIN_DESTROY,
              VfioUser.DOMAIN_MAP,
              VfioUser.DOMAIN_UNMAP,
              VfioUser.DOMAIN_BIND ->
              domain();
          default -> -Errno.EOPNOTSUPP;
        };
    if (result < 0) {
      var _ = reply.error(request.id(), command, -result);
      send(NO_FDS);
    }
  }

  private int version() throws ProtocolException {
    if (negotiated || request.payloadBytes() < VfioUser.Version.DATA) {
      return -Errno.EINVAL;
    }
    VfioUserVersion theirs = VfioUserVersion.readFrom(request);
    if (theirs.major() != VfioUser.VERSION_MAJOR) {
      throw new ProtocolException(
          "the client speaks version %d.%d, this server %d.%d"
              .formatted(
                  theirs.major(), theirs.minor(), VfioUser.VERSION_MAJOR, VfioUser.VERSION_MINOR));
    }
    VfioUserVersion ours =
        new VfioUserVersion(
            VfioUser.VERSION_MAJOR,
            Math.min(theirs.minor(), VfioUser.VERSION_MINOR),
            VfioUser.MAX_FDS,
            VfioUser.MAX_DATA_BYTES,
            function.sharesDoorbells() ? QueueDomains.MAX : 0);
    begin(ours.payloadBytes());
    ours.writeTo(reply);
    negotiated = true;
    return send(NO_FDS);
  }

  private int mapDma() throws ProtocolException {
    if (request.payloadBytes() < VfioUser.DmaMap.BYTES || fds.size() > 1) {
      return -Errno.EINVAL;
    }
    int flags = request.u32(VfioUser.DmaMap.FLAGS);
    int result =
        function
            .controller()
            .dma()
            .add(
                request.u64(VfioUser.DmaMap.ADDRESS),
                request.u64(VfioUser.DmaMap.SIZE),
                fds.isEmpty() ? null : fds.getFirst(),
                request.u64(VfioUser.DmaMap.OFFSET),
                (flags & VfioUser.DmaMap.READABLE) != 0,
                (flags & VfioUser.DmaMap.WRITABLE) != 0);
    return result < 0 ? result : empty();
  }

  private int unmapDma() throws ProtocolException {
    if (request.payloadBytes() < VfioUser.DmaUnmap.BYTES) {
      return -Errno.EINVAL;
    }
    int flags = request.u32(VfioUser.DmaUnmap.FLAGS);
    long address = request.u64(VfioUser.DmaUnmap.ADDRESS);
    long size = request.u64(VfioUser.DmaUnmap.SIZE);
    if ((flags & ~VfioUser.DmaUnmap.ALL) != 0) {
      return -Errno.EINVAL;
    }
    boolean all = (flags & VfioUser.DmaUnmap.ALL) != 0;
    if (all && (address != 0 || size != 0)) {
      return -Errno.EINVAL;
    }
    int result =
        all
            ? function.controller().unmap(0, Long.MAX_VALUE)
            : function.controller().unmap(address, size);
    if (result < 0 && !(all && result == -Errno.ENOENT)) {
      return result;
    }
    begin(VfioUser.DmaUnmap.BYTES)
        .u32(VfioUser.DmaUnmap.ARGSZ, VfioUser.DmaUnmap.BYTES)
        .u32(VfioUser.DmaUnmap.FLAGS, flags)
        .u64(VfioUser.DmaUnmap.ADDRESS, address)
        .u64(VfioUser.DmaUnmap.SIZE, size);
    return send(NO_FDS);
  }

  private int deviceInfo() throws ProtocolException {
    if (request.payloadBytes() < VfioUser.DeviceInfo.BYTES) {
      return -Errno.EINVAL;
    }
    begin(VfioUser.DeviceInfo.BYTES)
        .u32(VfioUser.DeviceInfo.ARGSZ, VfioUser.DeviceInfo.BYTES)
        .u32(
            VfioUser.DeviceInfo.FLAGS,
            VfioUser.DeviceInfo.FLAG_RESET | VfioUser.DeviceInfo.FLAG_PCI)
        .u32(VfioUser.DeviceInfo.REGIONS, VfioUser.PCI_REGIONS)
        .u32(VfioUser.DeviceInfo.IRQS, VfioUser.PCI_IRQS);
    return send(NO_FDS);
  }

  /** For BAR0 the doorbells may be mapped, and their descriptor goes with a reply that fits. */
  private int regionInfo() throws ProtocolException {
    if (request.payloadBytes() < VfioUser.RegionInfo.BYTES) {
      return -Errno.EINVAL;
    }
    int index = request.u32(VfioUser.RegionInfo.INDEX);
    int room = request.u32(VfioUser.RegionInfo.ARGSZ);
    if (index < 0 || index >= VfioUser.PCI_REGIONS || room < VfioUser.RegionInfo.BYTES) {
      return -Errno.EINVAL;
    }
    boolean mappable = index == VfioUser.REGION_BAR0 && function.sharesDoorbells();
    int capabilityBytes =
        mappable ? VfioUser.RegionInfo.SPARSE_FIRST + VfioUser.RegionInfo.SPARSE_AREA_BYTES : 0;
    int needed = VfioUser.RegionInfo.BYTES + capabilityBytes;
    boolean fits = room >= needed;
    long size = NvmeFunction.regionBytes(index);
    int flags = size > 0 ? VfioUser.RegionInfo.FLAG_READ | VfioUser.RegionInfo.FLAG_WRITE : 0;
    if (mappable) {
      flags |= VfioUser.RegionInfo.FLAG_MMAP | VfioUser.RegionInfo.FLAG_CAPS;
    }
    begin(fits ? needed : VfioUser.RegionInfo.BYTES)
        .u32(VfioUser.RegionInfo.ARGSZ, needed)
        .u32(VfioUser.RegionInfo.FLAGS, flags)
        .u32(VfioUser.RegionInfo.INDEX, index)
        .u32(VfioUser.RegionInfo.CAP_OFFSET, mappable ? VfioUser.RegionInfo.BYTES : 0)
        .u64(VfioUser.RegionInfo.SIZE, size)
        .u64(VfioUser.RegionInfo.OFFSET, 0);
    if (!mappable || !fits) {
      return send(NO_FDS);
    }
    int capability = VfioUser.RegionInfo.BYTES;
    int area = capability + VfioUser.RegionInfo.SPARSE_FIRST;
    reply
        .u16(capability, VfioUser.RegionInfo.CAP_SPARSE_MMAP)
        .u16(capability + 2, 1)
        .u32(capability + VfioUser.RegionInfo.SPARSE_AREAS, 1)
        .u64(area, function.mappableOffset())
        .u64(area + 8, function.mappableBytes());
    return send(new Fd[] {function.bar0()});
  }

  /** Every doorbell page has a descriptor of its own, all of one eventfd: the drive is one. */
  private int regionIoFds() throws ProtocolException {
    if (request.payloadBytes() < VfioUser.RegionIoFds.BYTES) {
      return -Errno.EINVAL;
    }
    int index = request.u32(VfioUser.RegionIoFds.INDEX);
    int room = request.u32(VfioUser.RegionIoFds.ARGSZ);
    if (index < 0 || index >= VfioUser.PCI_REGIONS || room < VfioUser.RegionIoFds.BYTES) {
      return -Errno.EINVAL;
    }
    boolean wakes = index == VfioUser.REGION_BAR0 && function.sharesDoorbells();
    int count = wakes ? NvmeController.QUEUE_PAIRS : 0;
    int needed = VfioUser.RegionIoFds.BYTES + count * VfioUser.RegionIoFds.SUB_REGION_BYTES;
    boolean fits = room >= needed;
    begin(fits ? needed : VfioUser.RegionIoFds.BYTES)
        .u32(VfioUser.RegionIoFds.ARGSZ, needed)
        .u32(VfioUser.RegionIoFds.INDEX, index)
        .u32(VfioUser.RegionIoFds.COUNT, count);
    if (count == 0 || !fits) {
      return send(NO_FDS);
    }
    for (int pair = 0; pair < count; pair++) {
      int at = VfioUser.RegionIoFds.BYTES + pair * VfioUser.RegionIoFds.SUB_REGION_BYTES;
      reply
          .u64(at + VfioUser.RegionIoFds.SUB_OFFSET, DoorbellPage.barOffset(pair))
          .u64(at + VfioUser.RegionIoFds.SUB_SIZE, Integer.BYTES)
          .u32(at + VfioUser.RegionIoFds.SUB_FD_INDEX, pair)
          .u32(at + VfioUser.RegionIoFds.SUB_TYPE, VfioUser.RegionIoFds.TYPE_IOEVENTFD);
    }
    Fd[] events = new Fd[count];
    Arrays.fill(events, function.fetchWake().fd());
    return send(events);
  }

  private int irqInfo() throws ProtocolException {
    if (request.payloadBytes() < VfioUser.IrqInfo.BYTES) {
      return -Errno.EINVAL;
    }
    int index = request.u32(VfioUser.IrqInfo.INDEX);
    if (index < 0 || index >= VfioUser.PCI_IRQS) {
      return -Errno.EINVAL;
    }
    begin(VfioUser.IrqInfo.BYTES)
        .u32(VfioUser.IrqInfo.ARGSZ, VfioUser.IrqInfo.BYTES)
        .u32(VfioUser.IrqInfo.FLAGS, VfioUser.IrqInfo.FLAG_EVENTFD | VfioUser.IrqInfo.FLAG_NORESIZE)
        .u32(VfioUser.IrqInfo.INDEX, index)
        .u32(VfioUser.IrqInfo.COUNT, NvmeFunction.irqCount(index));
    return send(NO_FDS);
  }

  private int setIrqs() throws ProtocolException {
    if (request.payloadBytes() < VfioUser.IrqSet.BYTES) {
      return -Errno.EINVAL;
    }
    int flags = request.u32(VfioUser.IrqSet.FLAGS);
    int index = request.u32(VfioUser.IrqSet.INDEX);
    int start = request.u32(VfioUser.IrqSet.START);
    int count = request.u32(VfioUser.IrqSet.COUNT);
    if (index < 0 || index >= VfioUser.PCI_IRQS) {
      return -Errno.EINVAL;
    }
    int exist = NvmeFunction.irqCount(index);
    if (start < 0 || count < 0 || start > exist || count > exist - start) {
      return -Errno.EINVAL;
    }
    boolean trigger = (flags & VfioUser.IrqSet.ACTION_TRIGGER) != 0;
    if (index != VfioUser.IRQ_MSIX || !trigger) {
      return empty(); // nothing else is ever raised, and masking is the client's own affair
    }
    if ((flags & VfioUser.IrqSet.DATA_EVENTFD) != 0) {
      if (!fds.isEmpty() && fds.size() != count) {
        return -Errno.EINVAL;
      }
      function.connectVectors(start, count, fds);
      fds.clear();
    } else if ((flags & VfioUser.IrqSet.DATA_NONE) != 0 && count == 0) {
      function.connectVectors(0, exist, List.of());
    } else {
      for (int i = 0; i < count; i++) {
        function.raise(start + i);
      }
    }
    return empty();
  }

  private int readRegion() throws ProtocolException {
    int count = accessCount();
    if (count < 0) {
      return count;
    }
    int region = request.u32(VfioUser.RegionAccess.REGION);
    long offset = request.u64(VfioUser.RegionAccess.OFFSET);
    beginAccess(region, offset, count, VfioUser.RegionAccess.DATA + count);
    int result = function.read(region, offset, reply.payload(VfioUser.RegionAccess.DATA, count));
    return result < 0 ? result : send(NO_FDS);
  }

  private int writeRegion() throws ProtocolException {
    int count = accessCount();
    if (count < 0) {
      return count;
    }
    if (request.payloadBytes() < VfioUser.RegionAccess.DATA + count) {
      return -Errno.EINVAL;
    }
    int region = request.u32(VfioUser.RegionAccess.REGION);
    long offset = request.u64(VfioUser.RegionAccess.OFFSET);
    int result = function.write(region, offset, request.payload(VfioUser.RegionAccess.DATA, count));
    if (result < 0) {
      return result;
    }
    beginAccess(region, offset, count, VfioUser.RegionAccess.DATA);
    return send(NO_FDS);
  }

  /** The number of bytes of a region access, or a negative {@link Errno}. */
  private int accessCount() {
    if (request.payloadBytes() < VfioUser.RegionAccess.DATA) {
      return -Errno.EINVAL;
    }
    int count = request.u32(VfioUser.RegionAccess.COUNT);
    return count < 0 || count > VfioUser.MAX_DATA_BYTES ? -Errno.EINVAL : count;
  }

  private void beginAccess(int region, long offset, int count, int payloadBytes) {
    begin(payloadBytes)
        .u64(VfioUser.RegionAccess.OFFSET, offset)
        .u32(VfioUser.RegionAccess.REGION, region)
        .u32(VfioUser.RegionAccess.COUNT, count);
  }

  private int reset() throws ProtocolException {
    function.reset();
    return empty();
  }

  /** Commands of ours. */
  private int domain() throws ProtocolException {
    if (!function.sharesDoorbells()) {
      return -Errno.EOPNOTSUPP;
    }
    int result = domainCommands.serve(request, reply, fds);
    if (result < 0) {
      return result;
    }
    try {
      return send(domainCommands.shared());
    } finally {
      domainCommands.sent();
    }
  }

  private VfioUserMessage begin(int payloadBytes) {
    return reply.reply(request.id(), request.command(), payloadBytes);
  }

  private int empty() throws ProtocolException {
    var _ = begin(0);
    return send(NO_FDS);
  }

  /** A client that lets the socket's buffer fill up with its answers is not worth waiting for. */
  private int send(Fd[] withFds) throws ProtocolException {
    if (request.noReply()) {
      return 0;
    }
    int length = (int) reply.size();
    int sent = socket.send(reply.buffer(), 0, length, withFds);
    if (sent != length) {
      throw new ProtocolException(
          sent < 0
              ? "send: " + Errno.name(-sent)
              : "the client takes no replies, %d of %d bytes went".formatted(sent, length));
    }
    return 0;
  }

  private void closeFds() {
    for (Fd fd : fds) {
      fd.close();
    }
    fds.clear();
  }
}
