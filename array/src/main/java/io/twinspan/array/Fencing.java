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

  private static final long RETRY_NS = TimeUnit.MILLISECONDS.toNanos(100);
  private static final int MAX_ROUNDS_PER_DRIVE = 6;

  private final List<Drive> drives;
  private final long ownKey;
  private final long peerKey;
  private final Command command = new Command();

  private Procedure procedure = Procedure.NONE;
  private Result result = Result.UNDER_WAY;
  private boolean commandUnderWay;
  private boolean stale;
  private boolean reported;
  private boolean registered;
  private int drive;
  private int rounds;
  private int won;
  private boolean waiting;
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
    return !commandUnderWay;
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
    drive = 0;
    won = 0;
    waiting = false;
    nextDrive(0);
  }

  private void nextDrive(int index) {
    drive = index;
    rounds = 0;
    reported = false;
    registered = false;
  }

  /** Sends the next command; false when the drive has no room now. */
  private boolean advance() {
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
        yield reported ? takeover() : DriveOperation.RESERVATION_REPORT;
      }
    };
  }

  /** What takes the drive, after its report; names the key to be removed. */
  private DriveOperation takeover() {
    boolean held = command.holder != 0 && command.holder != ownKey;
    boolean peerRegistered = isRegistered(peerKey);
    command.otherKey = held ? command.holder : peerKey;
    return held || peerRegistered
        ? DriveOperation.RESERVATION_PREEMPT
        : DriveOperation.RESERVATION_ACQUIRE;
  }

  private boolean isRegistered(long key) {
    boolean found = false;
    for (int i = 0; i < Math.min(command.registrantCount, command.registrants.length); i++) {
      found |= command.registrants[i] == key;
    }
    return found;
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
      case TAKE, REGISTER_AND_TAKE -> taken(status);
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
        if (reported && !isRegistered(ownKey)) {
          lostDrive();
        } else if (reported && command.holder == ownKey && !isRegistered(peerKey)) {
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
