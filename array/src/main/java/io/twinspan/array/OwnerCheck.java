package io.twinspan.array;

import io.twinspan.pool.Drive;
import io.twinspan.pool.DriveOperation;
import io.twinspan.pool.DriveRequest;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Asks the drives who owns the pool, for the reads of an owner that is alone: part of an answer may
 * come from memory, or from a drive that the peer does not reach and so has not taken. One round of
 * questions, to all drives at once, serves all reads that began before it; it runs beside their own
 * accesses, so it costs them next to nothing. Single-threaded.
 *
 * <p>A read may be answered when a round says yes that began after the read did: at that moment
 * this controller was the owner, and everything that was acknowledged until then is in what it
 * reads.
 */
final class OwnerCheck {
  private static final long RETRY_NS = TimeUnit.MILLISECONDS.toNanos(100);

  private final List<Drive> drives;
  private final long ownKey;
  private final Question[] questions;
  private long wanted;
  private long begun;
  private long answered;
  private int outstanding;
  private int unasked;
  private boolean running;
  private int ours;
  private boolean fenced;
  private long retryAtNs = Long.MIN_VALUE;
  private long nowNs;

  private final class Question extends DriveRequest {
    boolean asked;

    @Override
    public void completed(int status) {
      outstanding--;
      if (status == Drive.OK && holder == ownKey) {
        ours++;
      } else if (status == Drive.OK && holder != 0) {
        fenced = true;
      }
    }
  }

  OwnerCheck(List<Drive> drives, long ownKey) {
    this.drives = drives;
    this.ownKey = ownKey;
    questions = new Question[drives.size()];
    for (int i = 0; i < questions.length; i++) {
      questions[i] = new Question();
      questions[i].operation = DriveOperation.RESERVATION_REPORT;
      questions[i].key = ownKey;
    }
  }

  /** Has a round begin after this; returns its number. */
  long ask() {
    wanted = begun + 1;
    return wanted;
  }

  /** Number of the last round in which this controller was the owner. */
  long answered() {
    return answered;
  }

  /** Whether a drive has named another owner. */
  boolean isFenced() {
    return fenced;
  }

  /** Whether no drive has still to answer. */
  boolean isIdle() {
    return outstanding == 0;
  }

  /** When {@link #pump} is due, if a majority could not be reached. */
  long retryAtNs() {
    return !running && wanted > begun && retryAtNs > nowNs ? retryAtNs : Long.MAX_VALUE;
  }

  /** Begins anew; no drive may have still to answer. */
  void reset() {
    wanted = begun;
    running = false;
    fenced = false;
    retryAtNs = Long.MIN_VALUE;
  }

  /** Goes on; returns the amount of work done. */
  int pump(long time) {
    nowNs = time;
    int work = 0;
    if (running && unasked == 0 && isIdle()) {
      running = false;
      ended();
      work++;
    }
    if (!running && isIdle() && wanted > begun && time >= retryAtNs && !fenced) {
      begin();
    }
    return work + submit();
  }

  private void begin() {
    begun++;
    running = true;
    ours = 0;
    unasked = questions.length;
    for (Question question : questions) {
      question.asked = false;
    }
  }

  private int submit() {
    int work = 0;
    for (int i = 0; i < questions.length && unasked > 0; i++) {
      Question question = questions[i];
      if (!question.asked && !drives.get(i).isPresent()) {
        question.asked = true;
        unasked--;
        work++;
      } else if (!question.asked && drives.get(i).submit(question)) {
        question.asked = true;
        unasked--;
        outstanding++;
        work++;
      }
    }
    return work;
  }

  private void ended() {
    int present = 0;
    for (int i = 0; i < drives.size(); i++) {
      present += drives.get(i).isPresent() ? 1 : 0;
    }
    if (!fenced && ours > 0 && (2 * ours > drives.size() || ours == present)) {
      answered = begun;
    } else {
      // The next round serves those who waited for this one as well.
      wanted = begun + 1;
      retryAtNs = nowNs + RETRY_NS;
    }
  }
}
