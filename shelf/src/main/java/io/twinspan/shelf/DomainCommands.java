package io.twinspan.shelf;

import io.twinspan.linux.Errno;
import io.twinspan.linux.Fd;
import io.twinspan.nvme.LendableDoorbells;
import io.twinspan.nvme.NamespaceRange;
import io.twinspan.nvme.NvmeController;
import io.twinspan.nvme.VfioUser;
import io.twinspan.nvme.VfioUserMessage;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The commands of ours in one vfio-user connection: they make {@link QueueDomains}. */
final class DomainCommands {
  private static final Fd[] NOTHING = {};

  private final QueueDomains domains;
  private @Nullable LendableDoorbells bound;

  DomainCommands(QueueDomains domains) {
    this.domains = domains;
  }

  /**
   * Carries a command out.
   *
   * @param request of valid size, anything in it
   * @param reply filled in if it succeeds
   * @param fds that came with it; stay the caller's
   * @return 0 or a negative {@link Errno}
   */
  int serve(VfioUserMessage request, VfioUserMessage reply, List<Fd> fds) {
    int command = request.command();
    if (request.payloadBytes() < payloadBytes(command)
        || fds.size() != (command == VfioUser.DOMAIN_MAP ? 1 : 0)) {
      return -Errno.EINVAL;
    }
    int result =
        switch (command) {
          case VfioUser.DOMAIN_CREATE -> create(request);
          case VfioUser.DOMAIN_DESTROY -> domains.destroy(domain(request));
          case VfioUser.DOMAIN_MAP ->
              domains.map(
                  domain(request),
                  request.u64(VfioUser.DomainMap.ADDRESS),
                  request.u64(VfioUser.DomainMap.SIZE),
                  fds.getFirst(),
                  request.u64(VfioUser.DomainMap.OFFSET));
          case VfioUser.DOMAIN_UNMAP ->
              domains.unmap(
                  domain(request),
                  request.u64(VfioUser.DomainUnmap.ADDRESS),
                  request.u64(VfioUser.DomainUnmap.SIZE));
          default -> bind(request);
        };
    if (result < 0) {
      return result;
    }
    boolean creates = command == VfioUser.DOMAIN_CREATE;
    reply.reply(request.id(), command, creates ? VfioUser.DomainCreate.REPLY_BYTES : 0);
    if (creates) {
      reply.u32(VfioUser.DomainCreate.REPLY_DOMAIN, result);
    }
    return 0;
  }

  /** What goes with the reply to the last command. */
  Fd[] shared() {
    LendableDoorbells queue = bound;
    return queue == null ? NOTHING : queue.shared();
  }

  /** The reply went, or will not. */
  void sent() {
    LendableDoorbells queue = bound;
    if (queue != null) {
      bound = null;
      queue.sent();
    }
  }

  private int create(VfioUserMessage request) {
    int nsid = request.u32(VfioUser.DomainCreate.NSID);
    long first = request.u64(VfioUser.DomainCreate.FIRST_BLOCK);
    long blocks = request.u64(VfioUser.DomainCreate.BLOCKS);
    boolean fits = first >= 0 && blocks >= 0 && first <= Long.MAX_VALUE - blocks;
    if (!fits || nsid < 0 || nsid > NvmeController.MAX_NSID) {
      return -Errno.EINVAL;
    }
    int flags = request.u32(VfioUser.DomainCreate.FLAGS);
    boolean writable = (flags & VfioUser.DomainCreate.WRITABLE) != 0;
    return domains.create(new NamespaceRange(nsid, first, blocks, writable));
  }

  private int bind(VfioUserMessage request) {
    int queueId = request.u32(VfioUser.DomainBind.QUEUE);
    int result = domains.bind(domain(request), queueId);
    bound = result < 0 ? null : domains.lent(queueId);
    return result;
  }

  private static int domain(VfioUserMessage request) {
    return request.u32(VfioUser.Domain.DOMAIN);
  }

  private static int payloadBytes(int command) {
    return switch (command) {
      case VfioUser.DOMAIN_CREATE -> VfioUser.DomainCreate.BYTES;
      case VfioUser.DOMAIN_MAP -> VfioUser.DomainMap.BYTES;
      case VfioUser.DOMAIN_UNMAP -> VfioUser.DomainUnmap.BYTES;
      case VfioUser.DOMAIN_BIND -> VfioUser.DomainBind.BYTES;
      default -> VfioUser.Domain.BYTES;
    };
  }
}
