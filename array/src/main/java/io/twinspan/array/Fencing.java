package io.twinspan.array;

import io.twinspan.pool.Drive;
import io.twinspan.pool.DriveOperation;
import io.twinspan.pool.DriveRequest;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Decides at the drives who owns a pool, by their reservations (NVM Express 1.4, section 8.8),
 * drive after drive in the same order on both controllers. Whoever is first at a drive removes the
 * other's registration, so that of two who race exactly one can get a majority, or all that are not
 * gone.
 *
 * <p>Reports change nothing: to take the drives all are asked at once who holds them, then those
 * that have to be taken are taken in order, then all are asked at once whether it is so. Only when
 * somebody acts in between, or a key is missing, they are gone through one by one.
 *
 * <p>One procedure at a time; starting another ends the one before. Single-threaded.
 */
final class Fencing {
  /** What is being done. */
  enum Procedure {
    NONE,
    /**
     * Takes the reservation of a majority, or of all drives that are left, away from everybody
     * else; own key must be registered.
     */
    TAKE,
    /** As TAKE, but registers the own key first. */
    REGISTER_AND_TAKE,
    /** Registers the own key everywhere, takes nothing. */
    REGISTER,
    /** Gives the reservation back everywhere. */
    RELEASE,
    /** Asks a majority, or all drives that are left, whether the reservation is still held. */
    VALIDATE
  }

  /** How it ended. */
  enum Result {
    /** Not yet. */
    UNDER_WAY,
    /**
     * A majority of the drives said yes, or all that are not gone (REGISTER, RELEASE: all were
     * asked).
     */
    WON,
    /** Another controller was first. */
    CONFLICT
  }

  /** How the drives are being taken. */
  private enum Phase {
    /** All are asked who holds them. */
    ASKING,
    /** One after the other is taken that is not ours. */
    TAKING,
    /** All are asked whether they are ours. */
    CHECKING,
    /** Each is asked, taken and asked again before the next. */
    ONE_BY_ONE
  }

  private static final long RETRY_NS = TimeUnit.MILLISECONDS.toNanos(100);
  private static final int MAX_ROUNDS_PER_DRIVE = 6;

  private final List<Drive> drives;
  private final long ownKey;
  private final long peerKey;
  private final Command command = new Command();
  private final ReservationReports reports;

  private Procedure procedure = Procedure.NONE;
  private Result result = Result.UNDER_WAY;
  private Phase phase = Phase.ONE_BY_ONE;
  private boolean commandUnderWay;
  private boolean stale;
  private boolean reported;
  private boolean registered;
  private int drive;
  private int rounds;
  private int won;
  private boolean waiting;
  private boolean asking;
  private long retryAtNs;
  private long nowNs;

  private final class Command extends DriveRequest {
    @Override
    public void completed(int status) {
      commandUnderWay = false;
      if (stale) {
        stale = false;
      } else {
        answered(status);
      }
    }
  }

  Fencing(List<Drive> drives, long ownKey, long peerKey) {
    this.drives = drives;
    this.ownKey = ownKey;
    this.peerKey = peerKey;
    reports = new ReservationReports(drives);
  }

  void start(Procedure what) {
    stale = commandUnderWay;
    procedure = what;
    result = Result.UNDER_WAY;
    begin();
  }

  void cancel() {
    start(Procedure.NONE);
  }

  Procedure procedure() {
    return procedure;
  }

  boolean isIdle() {
    return !commandUnderWay && reports.isIdle();
  }

  Result result() {
    return result;
  }

  /** When {@link #pump} is due, if a majority could not be reached. */
  long retryAtNs() {
    return waiting ? retryAtNs : Long.MAX_VALUE;
  }

  Result pump(long time) {
    nowNs = time;
    if (waiting && time >= retryAtNs) {
      begin();
    }
    boolean going = procedure != Procedure.NONE;
    while (going && result == Result.UNDER_WAY && !commandUnderWay && !waiting) {
      going = advance();
    }
    return result;
  }

  private void begin() {
    won = 0;
    waiting = false;
    nextDrive(0);
    boolean takes = procedure == Procedure.TAKE || procedure == Procedure.REGISTER_AND_TAKE;
    phase = takes ? Phase.ASKING : Phase.ONE_BY_ONE;
    asking = false;
  }

  private void oneByOne() {
    phase = Phase.ONE_BY_ONE;
    won = 0;
    nextDrive(0);
  }

  private void nextDrive(int index) {
    drive = index;
    rounds = 0;
    reported = false;
    registered = false;
  }

  /** Goes on; false when a drive has to do something first. */
  private boolean advance() {
    return switch (phase) {
      case ASKING -> {
        boolean known = allReported();
        if (known) {
          phase = Phase.TAKING;
        }
        yield known;
      }
      case TAKING -> takeNext();
      case CHECKING -> {
        boolean known = allReported();
        if (known) {
          countWon();
        }
        yield known;
      }
      case ONE_BY_ONE -> advanceOneByOne();
    };
  }

  /** Asks all drives; true when they have answered. */
  private boolean allReported() {
    if (!asking && reports.isIdle()) {
      reports.ask();
      asking = true;
    }
    boolean known = asking && reports.pump();
    asking &= !known;
    return known;
  }

  private boolean isOurs(int index) {
    return reports.holder(index) == ownKey && !reports.isRegistered(index, peerKey);
  }

  /** Takes the next drive that is not ours; false when it has no room now. */
  private boolean takeNext() {
    while (drive < drives.size() && (!reports.hasAnswered(drive) || isOurs(drive))) {
      drive++;
    }
    if (drive == drives.size()) {
      phase = Phase.CHECKING;
      return true;
    }
    if (!reports.isRegistered(drive, ownKey)) {
      oneByOne();
      return true;
    }
    command.operation = takeover(reports.holder(drive), reports.isRegistered(drive, peerKey));
    command.key = ownKey;
    commandUnderWay = drives.get(drive).submit(command);
    return commandUnderWay;
  }

  private void countWon() {
    boolean all = true;
    for (int i = 0; i < drives.size(); i++) {
      won += reports.hasAnswered(i) && isOurs(i) ? 1 : 0;
      all &= !reports.hasAnswered(i) || isOurs(i);
    }
    if (all) {
      ended();
    } else {
      oneByOne();
    }
  }

  /** Sends the next command; false when the drive has no room now. */
  private boolean advanceOneByOne() {
    if (drive == drives.size()) {
      ended();
      return true;
    }
    Drive target = drives.get(drive);
    if (!target.isPresent() || rounds > MAX_ROUNDS_PER_DRIVE) {
      nextDrive(drive + 1);
      return true;
    }
    command.operation = nextOperation();
    command.key = ownKey;
    commandUnderWay = target.submit(command);
    return commandUnderWay;
  }

  private DriveOperation nextOperation() {
    return switch (procedure) {
      case REGISTER -> DriveOperation.RESERVATION_REGISTER;
      case RELEASE -> DriveOperation.RESERVATION_RELEASE;
      case VALIDATE, NONE -> DriveOperation.RESERVATION_REPORT;
      case TAKE, REGISTER_AND_TAKE -> {
        if (procedure == Procedure.REGISTER_AND_TAKE && !registered) {
          yield DriveOperation.RESERVATION_REGISTER;
        }
        yield reported
            ? takeover(command.holder, ReservationReports.isRegistered(command, peerKey))
            : DriveOperation.RESERVATION_REPORT;
      }
    };
  }

  /** What takes the drive, after its report; names the key to be removed. */
  private DriveOperation takeover(long holder, boolean peerRegistered) {
    boolean held = holder != 0 && holder != ownKey;
    command.otherKey = held ? holder : peerKey;
    return held || peerRegistered
        ? DriveOperation.RESERVATION_PREEMPT
        : DriveOperation.RESERVATION_ACQUIRE;
  }

  private void answered(int status) {
    switch (procedure) {
      case NONE -> {}
      case REGISTER, RELEASE -> {
        won += status == Drive.OK ? 1 : 0;
        nextDrive(drive + 1);
      }
      case VALIDATE -> {
        boolean ours = status == Drive.OK && command.holder == ownKey;
        won += ours ? 1 : 0;
        if (status == Drive.OK && !ours) {
          result = Result.CONFLICT;
        }
        nextDrive(drive + 1);
      }
      case TAKE, REGISTER_AND_TAKE -> {
        if (phase == Phase.ONE_BY_ONE) {
          taken(status);
        } else if (status == Drive.OK) {
          drive++;
        } else {
          oneByOne(); // somebody acted in between, or the drive failed: its next report tells
        }
      }
    }
  }

  private void taken(int status) {
    switch (command.operation) {
      case RESERVATION_REGISTER -> {
        registered = status == Drive.OK;
        skipUnless(registered);
      }
      case RESERVATION_REPORT -> {
        reported = status == Drive.OK;
        skipUnless(reported);
        if (reported && !ReservationReports.isRegistered(command, ownKey)) {
          lostDrive();
        } else if (reported
            && command.holder == ownKey
            && !ReservationReports.isRegistered(command, peerKey)) {
          wonDrive();
        }
      }
      default -> {
        if (status == Drive.OK || status == Drive.RESERVATION_CONFLICT) {
          // Done in part, or somebody acted in between: the next report tells.
          reported = false;
          rounds++;
        } else {
          nextDrive(drive + 1);
        }
      }
    }
  }

  private void skipUnless(boolean answeredWell) {
    if (!answeredWell) {
      nextDrive(drive + 1);
    }
  }

  private void wonDrive() {
    won++;
    nextDrive(drive + 1);
  }

  private void lostDrive() {
    if (procedure == Procedure.REGISTER_AND_TAKE && rounds < MAX_ROUNDS_PER_DRIVE) {
      registered = false;
      reported = false;
      rounds++;
    } else {
      result = Result.CONFLICT;
    }
  }

  /**
   * Whether these are all drives that are not gone. Fewer than a majority may do when the pool has
   * put on record that the others have failed; the pool looks at that when it is opened, and before
   * it goes on without a drive.
   */
  private boolean isAllThatIsLeft(int count) {
    int present = 0;
    for (int i = 0; i < drives.size(); i++) {
      present += drives.get(i).isPresent() ? 1 : 0;
    }
    return count > 0 && count == present;
  }

  private void ended() {
    if (procedure == Procedure.REGISTER
        || procedure == Procedure.RELEASE
        || won > drives.size() / 2
        || isAllThatIsLeft(won)) {
      result = Result.WON;
    } else {
      waiting = true;
      retryAtNs = nowNs + RETRY_NS;
    }
  }
}
