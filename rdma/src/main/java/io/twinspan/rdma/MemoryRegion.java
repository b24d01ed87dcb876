package io.twinspan.rdma;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Memory that a link may use ({@code ibv_mr}): to read from, by its local key; and, if it lies in a
 * channel's segment of the window, for the peer to write to, by its remote key.
 */
public final class MemoryRegion implements AutoCloseable {
  private final ProtectionDomain domain;
  private final int lkey;
  private final MemorySegment segment;
  private final @Nullable Channel channel;
  private final int slot;
  private final int rkey;
  private final int access;
  private boolean deregistered;

  MemoryRegion(ProtectionDomain domain, int lkey, MemorySegment segment) {
    this(domain, lkey, segment, null, 0, 0, 0);
  }

  MemoryRegion(
      ProtectionDomain domain,
      int lkey,
      MemorySegment segment,
      @Nullable Channel channel,
      int slot,
      int rkey,
      int access) {
    this.domain = domain;
    this.lkey = lkey;
    this.segment = segment;
    this.channel = channel;
    this.slot = slot;
    this.rkey = rkey;
    this.access = access;
  }

  /** The local key, for {@link WorkRequest#sge}. */
  public int lkey() {
    return lkey;
  }

  /** The key by which the peer names it; 0 if the peer can't. */
  public int rkey() {
    return rkey;
  }

  /** The protection domain it belongs to. */
  public ProtectionDomain protectionDomain() {
    return domain;
  }

  /** The memory. */
  public MemorySegment segment() {
    return segment;
  }

  /** Size in bytes. */
  public long lengthBytes() {
    return segment.byteSize();
  }

  /** Whether it is registered still: until {@link #close}, or, in a window, the link goes down. */
  public boolean isValid() {
    return !deregistered;
  }

  /**
   * Deregisters it ({@code ibv_dereg_mr}); a second call does nothing.
   *
   * <p>When this returns, every write that the peer has been or will be told was successful is
   * visible in the memory, and no later one will be told so. On this kind of link bytes of a write
   * that is going to fail may still arrive for a moment, in particular from a peer that was stopped
   * in the middle of one and goes on.
   */
  @Override
  public void close() {
    if (deregistered) {
      return;
    }
    if (channel != null) {
      channel.revoke(this, slot); // and takes what had arrived before
    }
    deregistered = true;
    domain.remove(lkey);
  }

  /** The link went down, and took the peer's right along. */
  void invalidate() {
    deregistered = true;
    domain.remove(lkey);
  }

  /** Whether the peer may do this with a range of it, over a queue pair of that domain. */
  boolean grants(ProtectionDomain to, long offset, long lengthBytes, Access purpose) {
    return domain == to
        && !deregistered
        && (access & purpose.bit()) != 0
        && holds(offset, lengthBytes);
  }

  private boolean holds(long offset, long length) {
    return offset >= 0
        && length >= 0
        && offset <= lengthBytes()
        && length <= lengthBytes() - offset;
  }

  boolean isReceivable(ProtectionDomain to, Channel wanted, long offset, int lengthBytes) {
    return !deregistered
        && domain == to
        && channel == wanted
        && (access & Access.LOCAL_WRITE.bit()) != 0
        && holds(offset, lengthBytes);
  }
}
