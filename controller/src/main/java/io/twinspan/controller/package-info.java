/**
 * One controller process, put together: drives over private queues, the link over verbs, the array
 * node, the front end.
 *
 * <p>Also what every process of an array shares: the {@link io.twinspan.controller.ArrayDirectory
 * directory} and its files, the {@link io.twinspan.controller.Settings settings}, the {@link
 * io.twinspan.controller.ControlServer control socket}. Logic of the array does not belong here,
 * only wiring.
 *
 * <p>Threads: one agent thread, the core, runs link, array node, pools and NVMe completions;
 * Netty's event loops run the front end; control connections run on virtual threads and ask the
 * core through its queue.
 */
@NullMarked
package io.twinspan.controller;

import org.jspecify.annotations.NullMarked;
