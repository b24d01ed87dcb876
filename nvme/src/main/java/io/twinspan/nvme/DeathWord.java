package io.twinspan.nvme;

import io.twinspan.linux.Fd;
import io.twinspan.linux.Mapping;
import io.twinspan.linux.Memfd;
import io.twinspan.linux.Obituary;
import java.lang.foreign.MemorySegment;

/**
 * The word by which the kernel tells a {@link Broker} that a process at it has died: 4 bytes at the
 * beginning of a page that the broker made and both map.
 *
 * <pre>
 *   +0x000  death word  u32   writer the process, through {@link Obituary}, and the kernel for it;
 *                             the broker when the session is over; reader the broker
 * </pre>
 *
 * <p>The kernel writes it as the thread dies that is named in it, long before it has taken the
 * process's memory apart and closes its socket. Whoever lies by it harms nobody but himself.
 */
final class DeathWord {
  /** Size of the page. */
  static final int BYTES = 4096;

  private DeathWord() {}

  /** The word in a mapped page. */
  static MemorySegment in(Mapping page) {
    return page.segment().asSlice(0, Integer.BYTES);
  }

  /** Maps a page that this process made, or that the other side sent. */
  static Mapping map(Fd memory) {
    var _ = Memfd.requireSealed(memory, BYTES);
    return Mapping.shared(memory, 0, BYTES, Mapping.Protection.READ_WRITE);
  }
}
