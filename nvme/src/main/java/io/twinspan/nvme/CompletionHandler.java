package io.twinspan.nvme;

/**
 * Takes the completions of a queue pair, on the thread that polls it, never from within a
 * submitting call. It may submit further requests, but not close the queue pair.
 *
 * @param <R> what the submitter hands over with a command and gets back
 */
@FunctionalInterface
public interface CompletionHandler<R> {
  /**
   * A command has been answered; called exactly once for each that was submitted.
   *
   * @param request what was handed over with it
   * @param status {@code SCT << 8 | SC}, {@link Status#GONE}, or when the queue pair was closed
   *     {@link Status#UNSETTLED}
   */
  void completed(R request, int status);

  /**
   * The controller failed and can't be stopped: the drive may still read or write the memory of
   * this request, and carry it out, until it answers or goes. Asked once for each request that is
   * concerned.
   *
   * @param request what was handed over with the command
   * @return true to take this for the answer, so that no other one follows: only if nobody will
   *     mind what the drive does with the memory, such as a Write to a drive that is given up;
   *     false to go on waiting for {@link #completed}
   */
  default boolean unsettled(R request) {
    return false;
  }

  /**
   * A reservation report has succeeded; called instead of {@link #completed}.
   *
   * @param request what was handed over with the command
   * @param report a private copy, valid during the call
   * @param registrantCount registrants in it that were received, at most {@link
   *     QueuePair#MAX_REGISTRANTS}
   */
  default void reported(R request, ReservationReport report, int registrantCount) {
    completed(request, Status.SUCCESS);
  }
}
