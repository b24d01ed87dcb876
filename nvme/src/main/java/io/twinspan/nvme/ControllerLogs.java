package io.twinspan.nvme;

import static io.twinspan.nvme.LittleEndian.ANY_INT;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A controller's log pages (NVM Express 1.4, section 5.14). Control plane: any thread; blocks for
 * one administrative command or several, each with the controller's deadline. Everything throws
 * {@link StatusException} if the controller refuses.
 */
public final class ControllerLogs {
  /** Size of the Changed Namespace List. */
  private static final int CHANGED_NAMESPACES_BYTES = 4096;

  private static final int MAX_ERRORS = 256;
  private static final int RETAIN_EVENT = 1 << 15;

  private final QueueOwner controller;

  ControllerLogs(QueueOwner controller) {
    this.controller = controller;
  }

  /** {@return a copy of the SMART / Health Information page} */
  public SmartLog smart() {
    return new SmartLog().wrap(page(LogPage.SMART, SmartLog.BYTES), 0);
  }

  /**
   * {@return copies of the newest entries of the Error Information page, newest first}
   *
   * @param limit most entries, 1 to 256; a controller that keeps fewer gives fewer
   */
  public List<ErrorLogEntry> errors(int limit) {
    int kept = controller.identifyController().errorLogEntries() + 1;
    int wanted = Math.clamp(limit, 1, Math.min(kept, MAX_ERRORS));
    MemorySegment data = page(LogPage.ERROR, wanted * ErrorLogEntry.BYTES);
    List<ErrorLogEntry> entries = new ArrayList<>();
    for (long at = 0; at < data.byteSize(); at += ErrorLogEntry.BYTES) {
      ErrorLogEntry entry = new ErrorLogEntry().wrap(data, at);
      if (entry.errorCount() != 0) {
        entries.add(entry);
      }
    }
    return entries;
  }

  /**
   * {@return the identifiers of namespaces that have changed since this was read last; just -1 if
   * there are more than the page takes}
   */
  public int[] changedNamespaces() {
    int[] list = page(LogPage.CHANGED_NAMESPACES, CHANGED_NAMESPACES_BYTES).toArray(ANY_INT);
    int count = 0;
    while (count < list.length && list[count] != 0) {
      count++;
    }
    return Arrays.copyOf(list, count);
  }

  /**
   * {@return a page, or its beginning; reading it says that the events it tells of were noticed}
   *
   * @param page one of {@link LogPage}
   * @param lengthBytes how much of it, a multiple of 4
   */
  public MemorySegment page(int page, int lengthBytes) {
    return page(page, SubmissionEntry.NSID_ALL, 0, lengthBytes, false);
  }

  /**
   * {@return a part of a page}
   *
   * @param page one of {@link LogPage}
   * @param nsid a namespace, or {@link SubmissionEntry#NSID_ALL} for the controller
   * @param offset where in the page the part begins, in bytes, a multiple of 4; other than 0 only
   *     if the controller has extended data (LPA)
   * @param lengthBytes its size, a multiple of 4; asked for in pieces if it is long
   * @param retainEvent whether the events that the page tells of shall count as not noticed
   */
  public MemorySegment page(int page, int nsid, long offset, int lengthBytes, boolean retainEvent) {
    if (offset < 0 || (offset & 3) != 0 || lengthBytes < 4 || (lengthBytes & 3) != 0) {
      throw new IllegalArgumentException(
          "%d bytes at %d of a log page: not multiples of 4".formatted(lengthBytes, offset));
    }
    MemorySegment data = MemorySegment.ofArray(new byte[lengthBytes]);
    for (int done = 0; done < lengthBytes; done += AdminQueue.DATA_BYTES) {
      int piece = Math.min(AdminQueue.DATA_BYTES, lengthBytes - done);
      boolean last = done + piece == lengthBytes;
      int dwords = piece / 4 - 1;
      SubmissionEntry command = AdminQueue.command(AdminOpcode.GET_LOG_PAGE, nsid);
      command
          .cdw(10, page | (retainEvent || !last ? RETAIN_EVENT : 0) | dwords << 16)
          .cdw(12, (int) (offset + done))
          .cdw(13, (int) ((offset + done) >>> 32));
      controller
          .admin(command, data.asSlice(done, piece))
          .orThrow("Get Log Page %s of %s".formatted(LogPage.name(page), controller.name()));
    }
    return data;
  }
}
