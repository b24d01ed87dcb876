package io.twinspan.array;

import java.lang.foreign.MemorySegment;

/**
 * A host's request on its way through the array: a reusable, mutable carrier that the front end
 * owns, except between a successful {@link HostPort#submit} and {@link #completed}. Not
 * thread-safe; the queues in between publish it.
 */
public abstract class HostRequest {
  /** Most bytes of one READ or WRITE; front ends split what is longer. ZERO may have any length. */
  public static final int MAX_BYTES = 128 * 1024;

  /** What to do. */
  public HostOperation operation = HostOperation.READ;

  /** Volume id. */
  public int volume;

  /** First byte in the volume; any alignment. */
  public long offset;

  /** Number of bytes; any alignment. */
  public long length;

  /** Write or zero, and flush before answering. */
  public boolean forceUnitAccess;

  /** Data of a READ or WRITE from its byte 0: an {@link IoBuffers} buffer. */
  public MemorySegment data = MemorySegment.NULL;

  /** For the array while it has the request: link of its queues. */
  HostRequest next = this;

  /** For subclasses. */
  protected HostRequest() {}

  /** Called exactly once per accepted request, on the array's agent thread; must not block. */
  public abstract void completed(HostStatus status);
}
