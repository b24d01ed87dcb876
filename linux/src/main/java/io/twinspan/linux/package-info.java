/**
 * Typed system calls of 64-bit Linux, through the foreign function interface.
 *
 * <p>Here live descriptors, mappings, eventfds, epoll, Unix sockets that carry descriptors, and a
 * few process calls; this is the only module that links native symbols. Policy does not live here:
 * nothing in this package starts a thread, retries beyond {@code EINTR}, or logs.
 *
 * <p>Calls run on the thread that makes them. Calls of the data path return a negative {@link
 * io.twinspan.linux.Errno} instead of throwing and allocate nothing; all others throw {@link
 * io.twinspan.linux.ErrnoException}.
 */
@NullMarked
package io.twinspan.linux;

import org.jspecify.annotations.NullMarked;
