/**
 * Agents and what they run on: clocks, the duty cycle, queues between threads, shared memory.
 *
 * <p>Here lives how a thread waits and how others hand it work. What the work is does not live
 * here. An {@link io.twinspan.concurrent.AgentRunner} is the only class that starts a thread;
 * everything an agent owns is touched on that thread alone, and other threads reach it through a
 * {@link io.twinspan.concurrent.WakeableQueue}.
 */
@NullMarked
package io.twinspan.concurrent;

import org.jspecify.annotations.NullMarked;
