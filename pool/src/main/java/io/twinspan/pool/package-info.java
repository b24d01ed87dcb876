/**
 * Thin volumes with checksums on drives that fail: the layer between an array and its drives.
 *
 * <p>What lives here: {@link io.twinspan.pool.Pool} and {@link io.twinspan.pool.Drive}, the two
 * walls of this layer, and {@link io.twinspan.pool.DrivePool}, a pool that keeps two copies of
 * every block, or two parities of every stripe, with its layout, journal, checkpoints and recovery.
 * What does not: who owns a pool and when (the array decides and fences), caching and acknowledging
 * before the drives have the data (the array's commit log), and how a drive is reached (the
 * controller adapts NVMe queues).
 *
 * <p>Everything here is a state machine without threads, clock or I/O of its own, called on the one
 * agent thread that owns the pool.
 */
@NullMarked
package io.twinspan.pool;

import org.jspecify.annotations.NullMarked;
