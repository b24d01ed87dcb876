package io.twinspan.array;

import io.twinspan.pool.Drive;
import io.twinspan.pool.DriveOperation;
import io.twinspan.pool.DriveRequest;
import java.util.Arrays;
import java.util.List;

/**
 * Tells an owner that serves from one that hangs, or is dead on another machine, while there is no
 * link: who holds the drives renews its registration now and then, which changes the generation of
 * their reservations (NVM Express 1.4, section 6.13), and who has lost them looks whether it does.
 *
 * <p>No more than a guess, which nobody's data depends on: an owner that was only slow finds itself
 * refused by the drives. Single-threaded.
 */
final class SignOfLife {
  /** Looks in a row that found no change: so long an owner may be without a sign. */
  private static final int SILENT_LOOKS = 4;

  private final List<Drive> drives;
  private final long intervalNs;
  private final Renewal[] renewals;
  private final ReservationReports reports;
  private final long[] generations;
  private boolean looking;
  private int silentLooks;
  private long dueNs = Long.MIN_VALUE;

  private static final class Renewal extends DriveRequest {
    boolean underWay;

    Renewal(long ownKey) {
      operation = DriveOperation.RESERVATION_RENEW;
      key = ownKey;
    }

    @Override
    public void completed(int status) {
      underWay = false; // a conflict is found out by whatever else is asked of the drive
    }
  }

  /**
   * Creates it.
   *
   * @param intervalNs time between signs, and between looks
   */
  SignOfLife(List<Drive> drives, long ownKey, long intervalNs) {
    this.drives = drives;
    this.intervalNs = intervalNs;
    renewals = new Renewal[drives.size()];
    for (int i = 0; i < renewals.length; i++) {
      renewals[i] = new Renewal(ownKey);
    }
    reports = new ReservationReports(drives);
    generations = new long[drives.size()];
    reset();
  }

  /** Forgets what was seen: the owner has said nothing that counts so far. */
  void reset() {
    silentLooks = 0;
    Arrays.fill(generations, -1);
    dueNs = Long.MIN_VALUE;
  }

  /** When the next sign or look is due. */
  long dueNs() {
    return dueNs;
  }

  /** As who holds the drives: gives a sign if one is due. */
  void give(long nowNs) {
    if (nowNs < dueNs) {
      return;
    }
    dueNs = nowNs + intervalNs;
    for (int i = 0; i < renewals.length; i++) {
      if (!renewals[i].underWay && drives.get(i).isPresent()) {
        renewals[i].underWay = drives.get(i).submit(renewals[i]);
      }
    }
  }

  /**
   * As who has lost the drives: looks if it is time, and says whether there was no sign for long.
   */
  boolean isMissing(long nowNs) {
    if (looking && reports.pump()) {
      looking = false;
      looked();
    }
    if (nowNs >= dueNs) {
      dueNs = nowNs + intervalNs;
      if (!looking && reports.isIdle()) {
        reports.ask();
        looking = true;
        var _ = reports.pump();
      }
    }
    return silentLooks >= SILENT_LOOKS;
  }

  private void looked() {
    boolean changed = false;
    int answered = 0;
    for (int i = 0; i < generations.length; i++) {
      if (reports.hasAnswered(i)) {
        answered++;
        changed |= generations[i] != reports.generation(i);
        generations[i] = reports.generation(i);
      }
    }
    if (changed) {
      silentLooks = 0;
    } else if (2 * answered > generations.length) {
      silentLooks++;
    }
  }
}
