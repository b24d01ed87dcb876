package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.linux.Errno;
import io.twinspan.linux.Fd;
import io.twinspan.linux.Memfd;
import io.twinspan.nvme.DoorbellPage;
import io.twinspan.nvme.VfioUser;
import io.twinspan.nvme.VfioUserMessage;
import java.lang.foreign.Arena;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What the messages about domains must be like, before anything is done. */
class DomainCommandsTest extends TwoPortDrive {
  private static final int ID = 5;
  private static final int MAX_NSID = io.twinspan.nvme.NvmeController.MAX_NSID;
  private static final long ADDRESS = 0x9000_0000L;
  private static final long BYTES = 8192;

  private final VfioUserMessage request = new VfioUserMessage(Arena.ofAuto().allocate(4096, 8));
  private final VfioUserMessage reply = new VfioUserMessage(Arena.ofAuto().allocate(4096, 8));
  private final Fd memfd = Memfd.create("domain", 2 * BYTES);
  private DomainCommands commands;

  @BeforeEach
  void begin() {
    a.enable().createQueues(1, 16);
    commands = new DomainCommands(a.controller.domains());
  }

  @AfterEach
  void end() {
    memfd.close();
  }

  @Test
  void messagesThatAreTooShortAreRefused() {
    int domain = create(1, 0, 10, VfioUser.DomainCreate.WRITABLE);
    int[] sizes = {
      VfioUser.DomainCreate.BYTES,
      VfioUser.DomainMap.BYTES,
      VfioUser.DomainUnmap.BYTES,
      VfioUser.DomainBind.BYTES,
      VfioUser.Domain.BYTES
    };
    int[] kinds = {
      VfioUser.DOMAIN_CREATE,
      VfioUser.DOMAIN_MAP,
      VfioUser.DOMAIN_UNMAP,
      VfioUser.DOMAIN_BIND,
      VfioUser.DOMAIN_DESTROY
    };
    for (int i = 0; i < kinds.length; i++) {
      fill(kinds[i], sizes[i], domain);
      var _ = request.command(1, kinds[i], sizes[i] - 4);
      assertThat(commands.serve(request, reply, fds(kinds[i])))
          .as("command 0x%x", kinds[i])
          .isEqualTo(-Errno.EINVAL);
      fill(kinds[i], sizes[i], domain);
      assertThat(commands.serve(request, reply, fds(kinds[i]))).as("0x%x", kinds[i]).isZero();
      commands.sent();
    }
    assertThat(a.controller.domains().size()).as("the one that the loop made").isOne();
  }

  @Test
  void descriptorsComeWithMemoryOnly() {
    int domain = create(1, 0, 10, 0);
    fill(VfioUser.DOMAIN_MAP, VfioUser.DomainMap.BYTES, domain);
    assertThat(commands.serve(request, reply, List.of())).isEqualTo(-Errno.EINVAL);
    assertThat(commands.serve(request, reply, List.of(memfd, memfd))).isEqualTo(-Errno.EINVAL);
    fill(VfioUser.DOMAIN_BIND, VfioUser.DomainBind.BYTES, domain);
    assertThat(commands.serve(request, reply, List.of(memfd))).isEqualTo(-Errno.EINVAL);
    fill(VfioUser.DOMAIN_DESTROY, VfioUser.Domain.BYTES, domain);
    assertThat(commands.serve(request, reply, List.of(memfd))).isEqualTo(-Errno.EINVAL);
    assertThat(a.controller.domains().size()).isOne();
  }

  @Test
  void rangesThatNoDriveHasAreRefused() {
    assertThat(create(-1, 0, 10, 0)).isEqualTo(-Errno.EINVAL);
    assertThat(create(MAX_NSID + 1, 0, 10, 0)).isEqualTo(-Errno.EINVAL);
    assertThat(create(1, -1, 10, 0)).isEqualTo(-Errno.EINVAL);
    assertThat(create(1, 0, -1, 0)).isEqualTo(-Errno.EINVAL);
    assertThat(create(1, Long.MAX_VALUE, 1, 0)).isEqualTo(-Errno.EINVAL);
    assertThat(create(1, Long.MAX_VALUE - 1, 1, 0)).isPositive();
    assertThat(create(MAX_NSID, 0, 10, 0)).isPositive();
    assertThat(create(0, 0, 0, 0)).as("nothing at all").isPositive();
  }

  @Test
  void theRangeAndWhetherItMayChangeAreTakenAsTheyAreSaid() {
    int writes = create(1, 10, 10, VfioUser.DomainCreate.WRITABLE);
    int looksOn = create(1, 10, 10, ~VfioUser.DomainCreate.WRITABLE);
    bind(writes, ID);
    QueueDomain domain = a.controller.domains().of(ID);
    assertThat(domain.id()).isEqualTo(writes);
    assertThat(domain.mayChange(1, 10, 10)).isTrue();
    assertThat(domain.mayChange(1, 9, 1)).isFalse();
    assertThat(domain.mayChange(1, 20, 1)).isFalse();
    assertThat(domain.mayChange(2, 10, 1)).isFalse();
    bind(looksOn, ID + 1);
    assertThat(a.controller.domains().of(ID + 1).mayChange(1, 10, 1)).isFalse();
  }

  @Test
  void memoryLiesWhereTheMessageSays() {
    int domain = create(1, 0, 10, 0);
    fill(VfioUser.DOMAIN_MAP, VfioUser.DomainMap.BYTES, domain);
    assertThat(commands.serve(request, reply, List.of(memfd))).isZero();
    assertThat(reply.payloadBytes()).isZero();
    fill(VfioUser.DOMAIN_UNMAP, VfioUser.DomainUnmap.BYTES, domain);
    request.u64(VfioUser.DomainUnmap.ADDRESS, ADDRESS + 4096);
    assertThat(commands.serve(request, reply, List.of())).isNegative();
    request.u64(VfioUser.DomainUnmap.ADDRESS, ADDRESS);
    request.u64(VfioUser.DomainUnmap.SIZE, BYTES - 4096);
    assertThat(commands.serve(request, reply, List.of())).isNegative();
    request.u64(VfioUser.DomainUnmap.SIZE, BYTES);
    assertThat(commands.serve(request, reply, List.of())).isZero();
    fill(VfioUser.DOMAIN_UNMAP, VfioUser.DomainUnmap.BYTES, domain + 1);
    assertThat(commands.serve(request, reply, List.of())).isEqualTo(-Errno.ENOENT);
  }

  @Test
  void doorbellsGoWithTheReplyToTheirOwnCommandOnly() {
    int domain = create(1, 0, 10, 0);
    assertThat(commands.shared()).isEmpty();
    fill(VfioUser.DOMAIN_BIND, VfioUser.DomainBind.BYTES, domain);
    assertThat(commands.serve(request, reply, List.of())).isZero();
    assertThat(reply.payloadBytes()).isZero();
    assertThat(commands.shared()).hasSize(2);
    assertThat(Memfd.size(commands.shared()[0])).isEqualTo(DoorbellPage.BYTES);
    commands.sent();
    assertThat(commands.shared()).isEmpty();
    assertThat(commands.serve(request, reply, List.of())).as("again").isEqualTo(-Errno.EBUSY);
    assertThat(commands.shared()).isEmpty();
    bind(QueueDomain.OWN, ID);
    assertThat(commands.shared()).as("of what was taken back").isEmpty();
    assertThat(a.controller.domains().lent(ID)).isNull();
  }

  private List<Fd> fds(int kind) {
    return kind == VfioUser.DOMAIN_MAP ? List.of(memfd) : List.of();
  }

  private int create(int nsid, long first, long blocks, int flags) {
    request
        .command(1, VfioUser.DOMAIN_CREATE, VfioUser.DomainCreate.BYTES)
        .u32(VfioUser.DomainCreate.NSID, nsid)
        .u32(VfioUser.DomainCreate.FLAGS, flags)
        .u64(VfioUser.DomainCreate.FIRST_BLOCK, first)
        .u64(VfioUser.DomainCreate.BLOCKS, blocks);
    int result = commands.serve(request, reply, List.of());
    if (result == 0) {
      assertThat(reply.payloadBytes()).isEqualTo(VfioUser.DomainCreate.REPLY_BYTES);
    }
    return result < 0 ? result : reply.u32(VfioUser.DomainCreate.REPLY_DOMAIN);
  }

  private void bind(int domain, int queueId) {
    request
        .command(1, VfioUser.DOMAIN_BIND, VfioUser.DomainBind.BYTES)
        .u32(VfioUser.Domain.DOMAIN, domain)
        .u32(VfioUser.DomainBind.QUEUE, queueId);
    assertThat(commands.serve(request, reply, List.of())).isZero();
    commands.sent();
  }

  /** A request that would succeed. */
  private void fill(int kind, int payloadBytes, int domain) {
    var _ = request.command(1, kind, payloadBytes);
    switch (kind) {
      case VfioUser.DOMAIN_CREATE ->
          request.u32(VfioUser.DomainCreate.NSID, 1).u64(VfioUser.DomainCreate.BLOCKS, 10);
      case VfioUser.DOMAIN_MAP ->
          request
              .u32(VfioUser.Domain.DOMAIN, domain)
              .u64(VfioUser.DomainMap.OFFSET, BYTES)
              .u64(VfioUser.DomainMap.ADDRESS, ADDRESS)
              .u64(VfioUser.DomainMap.SIZE, BYTES);
      case VfioUser.DOMAIN_UNMAP ->
          request
              .u32(VfioUser.Domain.DOMAIN, domain)
              .u64(VfioUser.DomainUnmap.ADDRESS, ADDRESS)
              .u64(VfioUser.DomainUnmap.SIZE, BYTES);
      case VfioUser.DOMAIN_BIND ->
          request.u32(VfioUser.Domain.DOMAIN, domain).u32(VfioUser.DomainBind.QUEUE, ID);
      default -> request.u32(VfioUser.Domain.DOMAIN, domain);
    }
  }
}
