package io.twinspan.shelf;

import io.twinspan.linux.Errno;
import io.twinspan.linux.Fd;
import io.twinspan.linux.UnixSocket;
import io.twinspan.nvme.VfioUser;
import io.twinspan.nvme.VfioUserMessage;
import io.twinspan.nvme.VfioUserVersion;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** A vfio-user client that says exactly what a test wants it to; blocking, with a time limit. */
final class VfioUserClient implements AutoCloseable {
  final UnixSocket socket;
  final VfioUserMessage request = new VfioUserMessage(Arena.ofAuto().allocate(1 << 16, 8));
  final VfioUserMessage reply = new VfioUserMessage(Arena.ofAuto().allocate(1 << 16, 8));
  final List<Fd> received = new ArrayList<>();
  private int id;

  VfioUserClient(Path path) {
    socket = UnixSocket.connect(path, Duration.ofSeconds(5));
    socket.setReceiveTimeout(Duration.ofSeconds(5));
  }

  VfioUserMessage begin(int command, int payloadBytes) {
    return request.command(++id, command, payloadBytes);
  }

  /** Sends the request and waits for its reply; returns 0 or the errno it reports. */
  int call(Fd... fds) {
    send((int) request.size(), fds);
    receive(0, VfioUser.HEADER_BYTES);
    receive(VfioUser.HEADER_BYTES, reply.payloadBytes());
    if (reply.id() != request.id() || !reply.isReply()) {
      throw new AssertionError("reply " + reply.id() + " to " + request.id());
    }
    return reply.isError() ? reply.errno() : 0;
  }

  void send(int bytes, Fd... fds) {
    int sent = socket.send(request.buffer(), 0, bytes, fds);
    if (sent != bytes) {
      throw new AssertionError("sent " + sent + " of " + bytes);
    }
  }

  VfioUserClient negotiate() {
    VfioUserVersion ours = VfioUserVersion.OURS;
    ours.writeTo(begin(VfioUser.VERSION, ours.payloadBytes()));
    int errno = call();
    if (errno != 0) {
      throw new AssertionError("version: " + Errno.name(errno));
    }
    return this;
  }

  int writeRegister(int offset, int value) {
    begin(VfioUser.REGION_WRITE, VfioUser.RegionAccess.DATA + 4)
        .u64(VfioUser.RegionAccess.OFFSET, offset)
        .u32(VfioUser.RegionAccess.REGION, VfioUser.REGION_BAR0)
        .u32(VfioUser.RegionAccess.COUNT, 4)
        .u32(VfioUser.RegionAccess.DATA, value);
    return call();
  }

  int readRegister(int offset) {
    int errno = read(VfioUser.REGION_BAR0, offset, 4);
    if (errno != 0) {
      throw new AssertionError(Errno.name(errno));
    }
    return reply.u32(VfioUser.RegionAccess.DATA);
  }

  int read(int region, long offset, int count) {
    begin(VfioUser.REGION_READ, VfioUser.RegionAccess.DATA)
        .u64(VfioUser.RegionAccess.OFFSET, offset)
        .u32(VfioUser.RegionAccess.REGION, region)
        .u32(VfioUser.RegionAccess.COUNT, count);
    return call();
  }

  int mapDma(long address, long size, Fd fd) {
    begin(VfioUser.DMA_MAP, VfioUser.DmaMap.BYTES)
        .u32(VfioUser.DmaMap.ARGSZ, VfioUser.DmaMap.BYTES)
        .u32(VfioUser.DmaMap.FLAGS, VfioUser.DmaMap.READABLE | VfioUser.DmaMap.WRITABLE)
        .u64(VfioUser.DmaMap.ADDRESS, address)
        .u64(VfioUser.DmaMap.SIZE, size);
    return call(fd);
  }

  /** Whether the server has closed the connection; waits for it. */
  boolean isClosedByServer() {
    MemorySegment scratch = request.buffer();
    while (true) {
      int count = socket.receive(scratch, 0, (int) scratch.byteSize(), received);
      if (count <= 0) {
        return count != -Errno.EAGAIN;
      }
    }
  }

  @Override
  public void close() {
    received.forEach(Fd::close);
    socket.close();
  }

  private void receive(int offset, int length) {
    int done = 0;
    while (done < length) {
      int count = socket.receive(reply.buffer(), offset + done, length - done, received);
      if (count <= 0) {
        throw new AssertionError("receive: " + (count == 0 ? "closed" : Errno.name(-count)));
      }
      done += count;
    }
  }
}
