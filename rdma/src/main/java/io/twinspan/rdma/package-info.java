/**
 * RDMA verbs without an RDMA adapter, in logical channels, over a {@link
 * io.twinspan.bridge.Bridge}.
 *
 * <p>Whoever knows libibverbs finds protection domains, memory regions, queue pairs, completion
 * queues, work requests and their statuses under those names; and of librdmacm, connect, accept and
 * reject. A {@link io.twinspan.rdma.Link} cuts the window into the segments of a {@link
 * io.twinspan.rdma.ChannelPlan}; data is moved by the descriptor ring and engine that each channel
 * has of its own. How the peer is found, and how its death is noticed, does not live here.
 *
 * <p>Passive: one thread calls {@link io.twinspan.rdma.Link#doWork} and everything else. Any one
 * other thread may poll a {@link io.twinspan.rdma.CompletionQueue} and sleep on a {@link
 * io.twinspan.rdma.CompletionChannel}; any may read {@link io.twinspan.rdma.ChannelCounters}.
 */
@NullMarked
package io.twinspan.rdma;

import org.jspecify.annotations.NullMarked;
