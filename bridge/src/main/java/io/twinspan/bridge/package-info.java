/**
 * Two controllers and the memory they show each other, after the model of a non-transparent bridge.
 *
 * <p>Here live memory windows, doorbells, scratchpads, the state of the link and the signs of a
 * peer's death, behind {@link io.twinspan.bridge.Bridge}; {@link io.twinspan.bridge.ShmBridge} is
 * the provider for two processes of one machine, {@link io.twinspan.bridge.PciBridge} that for two
 * machines which share a BAR. What is said through the windows, rings, verbs and channels, does not
 * live here. Passive: the thread that calls {@link io.twinspan.bridge.Bridge#doWork} owns the
 * bridge, and every callback comes on it.
 *
 * <p>The link is <em>write-only</em>: a side stores into its peer's windows and loads from its own.
 */
@NullMarked
package io.twinspan.bridge;

import org.jspecify.annotations.NullMarked;
