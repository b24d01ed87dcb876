package io.twinspan.shelf;

import static org.assertj.core.api.Assertions.assertThat;

import io.twinspan.linux.Errno;
import io.twinspan.nvme.AdminOpcode;
import io.twinspan.nvme.Feature;
import io.twinspan.nvme.NvmOpcode;
import io.twinspan.nvme.Status;
import io.twinspan.nvme.SubmissionEntry;
import java.util.List;
import org.junit.jupiter.api.Test;

class FlushTest extends TwoPortDrive {
  @Test
  void flushCompletesOnlyAfterTheMediumWasFlushed() {
    a.enable().createQueues(1, 16);
    int cid = a.submit(1, Host.command(NvmOpcode.FLUSH).nsid(1));
    var _ = a.poll();
    assertThat(a.write(1, 0, 1, 0)).isEqualTo(Status.SUCCESS); // others go on meanwhile
    var _ = a.poll();
    assertThat(medium1.flushes).isZero();
    assertThat(flusher).hasSize(1);
    runFlushes();
    var _ = a.poll();
    assertThat(a.reap(1)).extracting(Host.Completion::cid).containsExactly(cid);
    assertThat(medium1.flushes).isOne();
    assertThat(medium2.flushes).isZero();
  }

  @Test
  void flushOfAllNamespacesWaitsForAll() {
    a.enable().createQueues(1, 16);
    var _ = a.submit(1, Host.command(NvmOpcode.FLUSH).nsid(SubmissionEntry.NSID_ALL));
    var _ = a.poll();
    var _ = a.poll();
    flusher.remove().run();
    var _ = a.poll();
    assertThat(a.reap(1)).isEmpty();
    runFlushes();
    var _ = a.poll();
    assertThat(a.reap(1)).hasSize(1);
    assertThat(medium1.flushes + medium2.flushes).isEqualTo(2);
  }

  @Test
  void flushThatFailsSaysSo() {
    a.enable().createQueues(1, 16);
    medium1.flushResult = -Errno.EIO;
    var _ = a.submit(1, Host.command(NvmOpcode.FLUSH).nsid(1));
    settle(a);
    assertThat(a.reap(1)).extracting(Host.Completion::status).containsExactly(Status.WRITE_FAULT);
  }

  @Test
  void forcedUnitAccessAndDisabledCacheFlush() {
    a.enable().createQueues(1, 16);
    SubmissionEntry write = Host.command(NvmOpcode.WRITE).nsid(1).prp(Host.ADDRESS, 0);
    var _ = a.submit(1, write.blocks(0, 1, SubmissionEntry.FORCE_UNIT_ACCESS));
    var _ = a.poll();
    assertThat(a.reap(1)).isEmpty();
    settle(a);
    assertThat(a.reap(1)).hasSize(1);
    assertThat(medium1.flushes).isOne();
    var _ =
        a.admin(
            Host.command(AdminOpcode.SET_FEATURES)
                .cdw(10, Feature.VOLATILE_WRITE_CACHE)
                .cdw(11, 0));
    var _ = a.submit(1, write.blocks(0, 1, 0));
    settle(a);
    assertThat(a.reap(1)).hasSize(1);
    assertThat(medium1.flushes).isEqualTo(2);
  }

  @Test
  void deletingAQueueAbortsWhatWaitsInIt() {
    a.enable().createQueues(1, 16);
    int cid = a.submit(1, Host.command(NvmOpcode.FLUSH).nsid(1));
    var _ = a.poll();
    var _ = a.poll();
    assertThat(delete(a, AdminOpcode.DELETE_IO_SQ, 1)).isEqualTo(Status.SUCCESS);
    List<Host.Completion> completions = a.reap(1);
    assertThat(completions).hasSize(1);
    assertThat(completions.getFirst().cid()).isEqualTo(cid);
    assertThat(completions.getFirst().status()).isEqualTo(Status.ABORTED_SQ_DELETION);
    settle(a);
    assertThat(a.reap(1)).isEmpty();
  }

  @Test
  void clientThatGoesLosesItsFlushAndTheOtherPortDoesNotNotice() {
    a.enable().createQueues(1, 16);
    b.enable().createQueues(1, 16);
    var _ = a.submit(1, Host.command(NvmOpcode.FLUSH).nsid(1));
    int cid = b.submit(1, Host.command(NvmOpcode.FLUSH).nsid(1));
    var _ = a.poll();
    var _ = b.poll();
    a.controller.disconnect();
    settle(b);
    assertThat(b.reap(1)).extracting(Host.Completion::cid).containsExactly(cid);
    assertThat(a.controller.state()).isEqualTo(NvmeController.State.DISABLED);
    assertThat(a.controller.dma().size()).isZero();
    assertThat(b.read(1, 0, 1, 0)).isEqualTo(Status.SUCCESS);
  }

  @Test
  void abortEndsAWaitingFlush() {
    a.enable().createQueues(1, 16);
    int cid = a.submit(1, Host.command(NvmOpcode.FLUSH).nsid(1));
    var _ = a.poll();
    Host.Completion aborted = a.admin(Host.command(AdminOpcode.ABORT).cdw(10, 1 | (cid << 16)));
    assertThat(aborted.result()).isZero();
    assertThat(a.reap(1))
        .extracting(Host.Completion::status)
        .containsExactly(Status.ABORT_REQUESTED);
    assertThat(a.admin(Host.command(AdminOpcode.ABORT).cdw(10, 1 | (cid << 16))).result()).isOne();
  }
}
