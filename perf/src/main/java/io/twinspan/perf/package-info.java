/**
 * Measures a link between two processes, with the tests of perftest: {@code send_lat}, {@code
 * write_bw} and their like, and, in the same run, what the machine itself can do.
 *
 * <p>A side is one thread, {@link io.twinspan.perf.PerfProcess}, in a process of its own; both
 * sides go through the same phases in step. Which processes there are, and how their results are
 * shown, does not live here.
 */
@NullMarked
package io.twinspan.perf;

import org.jspecify.annotations.NullMarked;
