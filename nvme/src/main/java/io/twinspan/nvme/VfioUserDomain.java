package io.twinspan.nvme;

import io.twinspan.linux.Fd;
import io.twinspan.nvme.VfioUser.Domain;
import io.twinspan.nvme.VfioUser.DomainBind;
import io.twinspan.nvme.VfioUser.DomainCreate;
import io.twinspan.nvme.VfioUser.DomainMap;
import io.twinspan.nvme.VfioUser.DomainUnmap;
import java.util.List;
import java.util.function.LongUnaryOperator;

/** A domain of an emulated device, made and changed by vfio-user commands of ours. */
final class VfioUserDomain implements QueueDomain {
  private final VfioUserConnection connection;
  private final LongUnaryOperator addresses;
  private final int id;
  private boolean closed;

  /**
   * Makes a domain.
   *
   * @param addresses takes as many DMA addresses as are asked for, and returns the first; called
   *     under the connection's lock
   */
  VfioUserDomain(VfioUserConnection connection, LongUnaryOperator addresses, NamespaceRange range) {
    this.connection = connection;
    this.addresses = addresses;
    synchronized (connection) {
      connection
          .command(VfioUser.DOMAIN_CREATE, DomainCreate.BYTES)
          .u32(DomainCreate.NSID, range.nsid())
          .u32(DomainCreate.FLAGS, range.writable() ? DomainCreate.WRITABLE : 0)
          .u64(DomainCreate.FIRST_BLOCK, range.firstBlock())
          .u64(DomainCreate.BLOCKS, range.blocks());
      id = connection.exchange(DomainCreate.REPLY_BYTES).u32(DomainCreate.REPLY_DOMAIN);
    }
  }

  @Override
  public DmaRegion map(Fd memory, long offset, long lengthBytes) {
    synchronized (connection) {
      long iova = addresses.applyAsLong(lengthBytes);
      connection
          .command(VfioUser.DOMAIN_MAP, DomainMap.BYTES)
          .u32(Domain.DOMAIN, id)
          .u64(DomainMap.OFFSET, offset)
          .u64(DomainMap.ADDRESS, iova)
          .u64(DomainMap.SIZE, lengthBytes);
      connection.exchange(0, memory);
      return new DmaRegion(iova, lengthBytes);
    }
  }

  @Override
  public void unmap(DmaRegion region) {
    synchronized (connection) {
      connection
          .command(VfioUser.DOMAIN_UNMAP, DomainUnmap.BYTES)
          .u32(Domain.DOMAIN, id)
          .u64(DomainUnmap.ADDRESS, region.iova())
          .u64(DomainUnmap.SIZE, region.lengthBytes());
      connection.exchange(0);
    }
  }

  @Override
  public LentDoorbells lend(int queueId) {
    synchronized (connection) {
      bind(id, queueId);
      List<Fd> fds = connection.takeFds();
      if (fds.size() != 2) {
        fds.forEach(Fd::close);
        throw new NvmeException(
            "%d descriptors came for queue pair %d instead of 2".formatted(fds.size(), queueId));
      }
      return new LentDoorbells(fds.getFirst(), fds.getLast());
    }
  }

  @Override
  public void takeBack(int queueId) {
    synchronized (connection) {
      bind(0, queueId);
    }
  }

  @Override
  public void close() {
    synchronized (connection) {
      if (!closed) {
        closed = true;
        connection.command(VfioUser.DOMAIN_DESTROY, Domain.BYTES).u32(Domain.DOMAIN, id);
        connection.exchange(0);
      }
    }
  }

  private void bind(int domain, int queueId) {
    connection
        .command(VfioUser.DOMAIN_BIND, DomainBind.BYTES)
        .u32(Domain.DOMAIN, domain)
        .u32(DomainBind.QUEUE, queueId);
    connection.exchange(0);
  }
}
