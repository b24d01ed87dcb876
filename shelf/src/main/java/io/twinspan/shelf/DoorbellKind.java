package io.twinspan.shelf;

import io.twinspan.nvme.DoorbellPage;

/** How the clients of a shelf's ports ring. */
public enum DoorbellKind {
  /**
   * Each queue pair's doorbells have a page of their own, which the client maps (DSTRD 9). Clients
   * of ours wake the drive and are woken by it; for others it looks at the pages in time. Queue
   * pairs can be lent to other processes.
   */
  PAGES,
  /**
   * All doorbells are in one page of registers, which are written by messages (DSTRD 0), and the
   * client is offered Doorbell Buffer Config to be spared them. So the drive can sleep whoever its
   * client is, and wakes by the message; queue pairs can't be lent.
   */
  SHADOWED;

  /** CAP.DSTRD. */
  int stride() {
    return this == PAGES ? DoorbellPage.DSTRD : 0;
  }
}
