package io.twinspan.shelf;

import static io.twinspan.shelf.Reservations.Outcome.CONFLICT;
import static io.twinspan.shelf.Reservations.Outcome.INVALID_FIELD;
import static io.twinspan.shelf.Reservations.Outcome.NO_ROOM;
import static io.twinspan.shelf.Reservations.Outcome.OK;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ReservationsTest {
  private static final HostIdentity A = HostIdentity.of(0xa, 0, 1);
  private static final HostIdentity B = HostIdentity.of(0xb, 1, 2);
  private static final HostIdentity C = HostIdentity.unnamed(3);
  private static final long KEY_A = 0x1111;
  private static final long KEY_B = 0x2222;

  private final List<String> preempted = new ArrayList<>();
  private final Reservations reservations =
      new Reservations((host, abort) -> preempted.add(host.low() + (abort ? " abort" : "")));

  @Test
  void everybodyReadsAndWritesWithoutReservation() {
    assertThat(reservations.permits(C, true)).isTrue();
    assertThat(reservations.register(A, KEY_A)).isEqualTo(OK);
    assertThat(reservations.permits(C, true)).isTrue();
  }

  // The table "Command Behavior in the Presence of a Reservation": R and W of holder, registrant,
  // and others.
  @ParameterizedTest
  @CsvSource({
    "WRITE_EXCLUSIVE, RW, R, R",
    "EXCLUSIVE_ACCESS, RW, '', ''",
    "WRITE_EXCLUSIVE_REGISTRANTS_ONLY, RW, RW, R",
    "EXCLUSIVE_ACCESS_REGISTRANTS_ONLY, RW, RW, ''",
    "WRITE_EXCLUSIVE_ALL_REGISTRANTS, RW, RW, R",
    "EXCLUSIVE_ACCESS_ALL_REGISTRANTS, RW, RW, ''"
  })
  void typeDecidesWhoReadsAndWrites(
      ReservationType type, String holder, String registrant, String others) {
    reserveByA(type);
    assertThat(access(A)).isEqualTo(holder);
    assertThat(access(B)).isEqualTo(registrant);
    assertThat(access(C)).isEqualTo(others);
  }

  @Test
  void registeringAgainNeedsTheSameKey() {
    assertThat(reservations.register(A, KEY_A)).isEqualTo(OK);
    assertThat(reservations.register(A, KEY_A)).isEqualTo(OK);
    assertThat(reservations.register(A, KEY_B)).isEqualTo(CONFLICT);
    assertThat(reservations.register(B, 0)).isEqualTo(INVALID_FIELD);
    assertThat(reservations.generation()).isEqualTo(1);
  }

  @Test
  void keyIsReplacedWithTheOldKeyOrByIgnoringIt() {
    assertThat(reservations.replaceKey(A, 0, KEY_A, false)).isEqualTo(CONFLICT);
    assertThat(reservations.replaceKey(A, 0, KEY_A, true)).isEqualTo(OK);
    assertThat(reservations.replaceKey(A, KEY_B, KEY_B, false)).isEqualTo(CONFLICT);
    assertThat(reservations.replaceKey(A, KEY_A, KEY_B, false)).isEqualTo(OK);
    assertThat(reservations.registrants().getFirst().key()).isEqualTo(KEY_B);
    assertThat(reservations.generation()).isEqualTo(2);
  }

  @Test
  void acquiringNeedsRegistrationAndKey() {
    assertThat(reservations.acquire(A, KEY_A, ReservationType.EXCLUSIVE_ACCESS))
        .isEqualTo(CONFLICT);
    assertThat(reservations.register(A, KEY_A)).isEqualTo(OK);
    assertThat(reservations.acquire(A, KEY_B, ReservationType.EXCLUSIVE_ACCESS))
        .isEqualTo(CONFLICT);
    assertThat(reservations.acquire(A, KEY_A, ReservationType.NONE)).isEqualTo(INVALID_FIELD);
    assertThat(reservations.acquire(A, KEY_A, ReservationType.EXCLUSIVE_ACCESS)).isEqualTo(OK);
    assertThat(reservations.acquire(A, KEY_A, ReservationType.EXCLUSIVE_ACCESS)).isEqualTo(OK);
    assertThat(reservations.acquire(A, KEY_A, ReservationType.WRITE_EXCLUSIVE)).isEqualTo(CONFLICT);
  }

  @Test
  void secondHostDoesNotAcquireWhatIsHeld() {
    reserveByA(ReservationType.EXCLUSIVE_ACCESS);
    assertThat(reservations.acquire(B, KEY_B, ReservationType.EXCLUSIVE_ACCESS))
        .isEqualTo(CONFLICT);
    assertThat(reservations.holds(A)).isTrue();
    assertThat(reservations.holds(B)).isFalse();
  }

  @Test
  void preemptingTheHolderTakesItsReservationAndRegistration() {
    reserveByA(ReservationType.EXCLUSIVE_ACCESS);
    int generation = reservations.generation();
    assertThat(reservations.preempt(B, KEY_B, KEY_A, ReservationType.EXCLUSIVE_ACCESS, true))
        .isEqualTo(OK);
    assertThat(access(A)).isEmpty();
    assertThat(access(B)).isEqualTo("RW");
    assertThat(reservations.registrants()).extracting(r -> r.host()).containsExactly(B);
    assertThat(preempted).containsExactly("10 abort");
    assertThat(reservations.generation()).isEqualTo(generation + 1);
  }

  @Test
  void preemptingARegistrantLeavesTheReservationAlone() {
    reserveByA(ReservationType.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY);
    assertThat(reservations.preempt(A, KEY_A, KEY_B, ReservationType.WRITE_EXCLUSIVE, false))
        .isEqualTo(OK);
    assertThat(reservations.type()).isEqualTo(ReservationType.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY);
    assertThat(access(B)).isEmpty();
    assertThat(preempted).containsExactly("11");
  }

  @Test
  void holderChangesTheTypeByPreemptingItself() {
    reserveByA(ReservationType.EXCLUSIVE_ACCESS);
    assertThat(reservations.preempt(A, KEY_A, KEY_A, ReservationType.WRITE_EXCLUSIVE, false))
        .isEqualTo(OK);
    assertThat(reservations.type()).isEqualTo(ReservationType.WRITE_EXCLUSIVE);
    assertThat(reservations.holds(A)).isTrue();
    assertThat(preempted).isEmpty();
  }

  @Test
  void preemptingNobodyIsAConflict() {
    reserveByA(ReservationType.EXCLUSIVE_ACCESS);
    assertThat(reservations.preempt(B, KEY_B, 0x3333, ReservationType.EXCLUSIVE_ACCESS, false))
        .isEqualTo(CONFLICT);
    assertThat(reservations.preempt(C, KEY_B, KEY_A, ReservationType.EXCLUSIVE_ACCESS, false))
        .isEqualTo(CONFLICT);
    assertThat(reservations.preempt(B, KEY_B, 0, ReservationType.EXCLUSIVE_ACCESS, false))
        .isEqualTo(INVALID_FIELD);
    assertThat(access(A)).isEqualTo("RW");
  }

  @Test
  void keyZeroPreemptsAllOthersWhenAllRegistrantsHold() {
    reserveByA(ReservationType.EXCLUSIVE_ACCESS_ALL_REGISTRANTS);
    assertThat(reservations.holds(B)).isTrue();
    assertThat(reservations.preempt(B, KEY_B, 0, ReservationType.EXCLUSIVE_ACCESS, false))
        .isEqualTo(OK);
    assertThat(access(A)).isEmpty();
    assertThat(access(B)).isEqualTo("RW");
  }

  @Test
  void releaseNeedsTheTypeAndOnlyTheHolderReleases() {
    reserveByA(ReservationType.EXCLUSIVE_ACCESS);
    assertThat(reservations.release(B, KEY_B, ReservationType.EXCLUSIVE_ACCESS)).isEqualTo(OK);
    assertThat(reservations.holds(A)).isTrue();
    assertThat(reservations.release(A, KEY_A, ReservationType.WRITE_EXCLUSIVE))
        .isEqualTo(INVALID_FIELD);
    assertThat(reservations.release(A, KEY_A, ReservationType.EXCLUSIVE_ACCESS)).isEqualTo(OK);
    assertThat(reservations.type()).isEqualTo(ReservationType.NONE);
    assertThat(reservations.registrants()).hasSize(2);
  }

  @Test
  void unregisteringReleasesWhatTheHostHeldAlone() {
    reserveByA(ReservationType.EXCLUSIVE_ACCESS);
    assertThat(reservations.unregister(A, KEY_B, false)).isEqualTo(CONFLICT);
    assertThat(reservations.unregister(A, KEY_A, false)).isEqualTo(OK);
    assertThat(reservations.type()).isEqualTo(ReservationType.NONE);
  }

  @Test
  void allRegistrantsReservationEndsWithTheLastOne() {
    reserveByA(ReservationType.WRITE_EXCLUSIVE_ALL_REGISTRANTS);
    assertThat(reservations.unregister(A, 0, true)).isEqualTo(OK);
    assertThat(access(A)).isEqualTo("R");
    assertThat(reservations.unregister(B, KEY_B, false)).isEqualTo(OK);
    assertThat(access(A)).isEqualTo("RW");
  }

  @Test
  void clearEndsEverything() {
    reserveByA(ReservationType.EXCLUSIVE_ACCESS);
    assertThat(reservations.clear(B, KEY_A)).isEqualTo(CONFLICT);
    assertThat(reservations.clear(B, KEY_B)).isEqualTo(OK);
    assertThat(reservations.registrants()).isEmpty();
    assertThat(access(C)).isEqualTo("RW");
    assertThat(preempted).containsExactly("10");
  }

  @Test
  void hostsWithoutIdentifierAreApart() {
    assertThat(reservations.register(C, KEY_A)).isEqualTo(OK);
    assertThat(reservations.acquire(C, KEY_A, ReservationType.EXCLUSIVE_ACCESS)).isEqualTo(OK);
    assertThat(access(HostIdentity.unnamed(4))).isEmpty();
    assertThat(access(HostIdentity.of(0, 0, 3))).isEqualTo("RW");
  }

  @Test
  void registrantsAreLimited() {
    for (int i = 0; i < Reservations.MAX_REGISTRANTS; i++) {
      assertThat(reservations.register(HostIdentity.of(i + 1L, 0, 1), KEY_A)).isEqualTo(OK);
    }
    assertThat(reservations.register(HostIdentity.of(1000, 0, 1), KEY_A)).isEqualTo(NO_ROOM);
  }

  private void reserveByA(ReservationType type) {
    assertThat(reservations.register(A, KEY_A)).isEqualTo(OK);
    assertThat(reservations.register(B, KEY_B)).isEqualTo(OK);
    assertThat(reservations.acquire(A, KEY_A, type)).isEqualTo(OK);
  }

  private String access(HostIdentity host) {
    return (reservations.permits(host, false) ? "R" : "")
        + (reservations.permits(host, true) ? "W" : "");
  }
}
