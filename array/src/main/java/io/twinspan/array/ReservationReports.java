package io.twinspan.array;

import io.twinspan.pool.Drive;
import io.twinspan.pool.DriveOperation;
import io.twinspan.pool.DriveRequest;
import java.util.List;

/**
 * What all drives say of their reservations, asked at once (NVM Express 1.4, section 6.13).
 * Single-threaded.
 */
final class ReservationReports {
  private final List<Drive> drives;
  private final Report[] reports;
  private int outstanding;
  private int unasked;

  private final class Report extends DriveRequest {
    boolean asked;
    boolean answered;

    @Override
    public void completed(int status) {
      outstanding--;
      answered = status == Drive.OK;
    }
  }

  ReservationReports(List<Drive> drives) {
    this.drives = drives;
    reports = new Report[drives.size()];
    for (int i = 0; i < reports.length; i++) {
      reports[i] = new Report();
      reports[i].operation = DriveOperation.RESERVATION_REPORT;
    }
  }

  /** Whether no drive has still to answer. */
  boolean isIdle() {
    return outstanding == 0;
  }

  /** Begins anew; no drive may have still to answer. */
  void ask() {
    unasked = reports.length;
    for (Report report : reports) {
      report.asked = false;
      report.answered = false;
    }
  }

  /** Asks whom it can; true when every drive that is there has answered. */
  boolean pump() {
    for (int i = 0; i < reports.length && unasked > 0; i++) {
      Report report = reports[i];
      if (!report.asked) {
        boolean present = drives.get(i).isPresent();
        boolean submitted = present && drives.get(i).submit(report);
        report.asked = submitted || !present;
        outstanding += submitted ? 1 : 0;
        unasked -= report.asked ? 1 : 0;
      }
    }
    return unasked == 0 && outstanding == 0;
  }

  /** Whether this drive has said anything. */
  boolean hasAnswered(int drive) {
    return reports[drive].answered;
  }

  /** Key of the holder at this drive; 0 for none. */
  long holder(int drive) {
    return reports[drive].holder;
  }

  /** Counts changes of this drive's registrations and reservation; 32 bits, without a sign. */
  long generation(int drive) {
    return reports[drive].generation;
  }

  /** Whether a key is registered at this drive. */
  boolean isRegistered(int drive, long key) {
    return isRegistered(reports[drive], key);
  }

  /** Whether a key is among the registrants of a report. */
  static boolean isRegistered(DriveRequest report, long key) {
    boolean found = false;
    for (int i = 0; i < Math.min(report.registrantCount, report.registrants.length); i++) {
      found |= report.registrants[i] == key;
    }
    return found;
  }
}
