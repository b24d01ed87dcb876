package io.twinspan.target.nbd;

import io.twinspan.array.HostRequest;
import io.twinspan.array.HostStatus;
import org.jspecify.annotations.Nullable;

/**
 * One request to the array: a whole command, or up to 128 KiB of it. Pooled by its connection.
 *
 * <p>Everything is the event loop's, except that {@link #completed} is called by the array's
 * thread, which writes {@code status} and {@code nextCompleted} and publishes them through {@link
 * NbdLoop}.
 */
final class NbdPiece extends HostRequest {
  final NbdTransmission transmission;
  private final NbdLoop loop;

  /** See {@link #commandInUse}; null while pooled. */
  @Nullable NbdCommand command;

  /** The next piece of the same READ, in order of offset. */
  @Nullable NbdPiece nextOfCommand;

  /** The buffer as Netty sees it; null without data. */
  @Nullable DataView view;

  /** Whether the array has answered and the event loop knows. */
  boolean done;

  /** How it ended. */
  HostStatus status = HostStatus.OK;

  /** Link of the list of completed pieces. */
  @Nullable NbdPiece nextCompleted;

  NbdPiece(NbdTransmission transmission, NbdLoop loop) {
    this.transmission = transmission;
    this.loop = loop;
  }

  @Override
  public void completed(HostStatus status) {
    this.status = status;
    loop.completed(this);
  }

  /** The command that this is a part of; not while pooled. */
  NbdCommand commandInUse() {
    NbdCommand present = command;
    if (present == null) {
      throw new IllegalStateException("a piece without a command");
    }
    return present;
  }

  /** The buffer's view; only with data. */
  DataView dataView() {
    DataView present = view;
    if (present == null) {
      throw new IllegalStateException("a piece without data");
    }
    return present;
  }
}
