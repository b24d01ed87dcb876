/**
 * The heart of the array: who owns a pool, and how a host's request gets done.
 *
 * <p>Here live the commit log and its mirror, the rules of failover, forwarding between
 * controllers, and volumes as hosts see them. Not here: how data lies on drives (pool), how bytes
 * cross the link (rdma), how hosts speak (target-nbd and others).
 *
 * <p>A request's way: {@code ArrayNode.submit} - {@code PoolUnit} decides where - {@code OwnerPath}
 * (range lock, log record) - {@code LogMirror} places it at the peer - {@code CommitLog} commits -
 * {@code HostRequest.completed}; {@code Destager} brings it to the pool later. At the controller
 * that does not own the pool: {@code ForwardClient} - link - {@code ForwardServer} - the same way
 * there.
 *
 * <p>Sans I/O and single-threaded: one agent thread calls everything; link, drives, pools and clock
 * are injected, so that the same classes run in the product and in a simulation.
 */
@NullMarked
package io.twinspan.array;

import org.jspecify.annotations.NullMarked;
