/**
 * The whole array in one thread on virtual time: both controllers with the product's own array and
 * pool logic, a link, drives and hosts that are simulated, and faults. One seed decides everything,
 * so a run that goes wrong can be had again exactly.
 *
 * <p>Here live the simulated link, the hosts that check what they read, and the course of faults.
 * Not here: the simulated drives (pool), which pool's own tests use as well. Nothing here starts a
 * thread or reads a clock.
 */
@NullMarked
package io.twinspan.simulator;

import org.jspecify.annotations.NullMarked;
