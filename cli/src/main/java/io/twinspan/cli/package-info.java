/**
 * The {@code twinspan} command: starts, stops and asks the processes of an array, and shows it at
 * work.
 *
 * <p>Commands hold no state between runs: what runs is found by the locks in the array's directory,
 * what it does by asking its control sockets. Each command runs on the main thread; the demo has
 * threads for its hosts.
 */
@NullMarked
package io.twinspan.cli;

import org.jspecify.annotations.NullMarked;
