/**
 * NBD front end: every volume of the array as an export of the Network Block Device protocol (fixed
 * newstyle, simple replies), over TCP and Unix sockets; and a small synchronous client.
 *
 * <p>{@link io.twinspan.target.nbd.NbdHandshake} and {@link io.twinspan.target.nbd.NbdTransmission}
 * are the protocol as state machines that know no sockets; {@link
 * io.twinspan.target.nbd.NbdConnection} moves bytes between them and one Netty channel. All three
 * run on their connection's event loop. The array answers on its own thread; {@link
 * io.twinspan.target.nbd.NbdLoop} brings those answers back to the event loop. What a volume is,
 * and who owns it, lives in the array: the front end only sees a {@link
 * io.twinspan.array.HostPort}.
 */
@NullMarked
package io.twinspan.target.nbd;

import org.jspecify.annotations.NullMarked;
