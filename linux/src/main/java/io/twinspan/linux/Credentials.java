package io.twinspan.linux;

/**
 * Who connected to a Unix socket, as the kernel saw it at that moment.
 *
 * @param pid the process; it may have ended since
 * @param uid its effective user
 * @param gid its effective group
 */
public record Credentials(int pid, int uid, int gid) {}
