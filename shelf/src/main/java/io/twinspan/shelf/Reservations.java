package io.twinspan.shelf;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Registrants and the reservation of one namespace (NVM Express 1.4, section 8.8).
 *
 * <p>State lives as long as the drive has power: it survives resets of a controller and the death
 * of a host. It survives a loss of power, which the shelf's own end is too, if a host has asked for
 * persistence (PTPL).
 *
 * <p>Not thread-safe: the drive's agent thread owns it. {@link #permits} allocates nothing.
 */
final class Reservations {
  /** How many hosts may be registered at a time. */
  static final int MAX_REGISTRANTS = 64;

  /** How a reservation command ended. */
  enum Outcome {
    /** Done. */
    OK,
    /** The host is not registered, gave another key, or somebody else holds the reservation. */
    CONFLICT,
    /** A field has a value that makes no sense here. */
    INVALID_FIELD,
    /** {@link #MAX_REGISTRANTS} hosts are registered already. */
    NO_ROOM
  }

  /** Told about hosts that lose their registration to another host. */
  @FunctionalInterface
  interface PreemptionListener {
    /**
     * A host has just lost its registration.
     *
     * @param host who lost it
     * @param abort whether its commands in flight have to be aborted (preempt and abort)
     */
    void preempted(HostIdentity host, boolean abort);
  }

  /** One registered host. */
  static final class Registrant {
    private final HostIdentity host;
    private long key;

    private Registrant(HostIdentity host, long key) {
      this.host = host;
      this.key = key;
    }

    /** Who is registered. */
    HostIdentity host() {
      return host;
    }

    /** The registration key (RKEY), never 0. */
    long key() {
      return key;
    }
  }

  private final List<Registrant> registrants = new ArrayList<>();
  private final PreemptionListener listener;
  private ReservationType type = ReservationType.NONE;

  /** The holder, unless nobody or every registrant holds the reservation. */
  private @Nullable Registrant holder;

  private int generation;
  private boolean persists;

  Reservations(PreemptionListener listener) {
    this.listener = listener;
  }

  /** The current reservation's type. */
  ReservationType type() {
    return type;
  }

  /** Counts changes of the registrations (GEN); wraps around. */
  int generation() {
    return generation;
  }

  /** Whether all this survives a loss of power (PTPL). */
  boolean persists() {
    return persists;
  }

  /** Says whether it does. */
  void persist(boolean through) {
    persists = through;
  }

  /** Power has failed: nothing is left unless it persists. */
  void powerLost() {
    if (!persists) {
      registrants.clear();
      clearReservation();
    }
  }

  /** Power is back: what had been saved, before its registrants. */
  void restore(boolean savedPersists, ReservationType savedType, int savedGeneration) {
    persists = savedPersists;
    type = savedType;
    generation = savedGeneration;
  }

  /** Power is back: one registrant that had been saved. */
  void restore(HostIdentity host, long key, boolean holds) {
    Registrant registrant = new Registrant(host, key);
    registrants.add(registrant);
    if (holds && !type.heldByAllRegistrants()) {
      holder = registrant;
    }
  }

  /** The registered hosts, oldest first. */
  List<Registrant> registrants() {
    return List.copyOf(registrants);
  }

  /** Whether the host holds the reservation, alone or with all registrants. */
  boolean holds(HostIdentity host) {
    Registrant registrant = find(host);
    return registrant != null && isHolder(registrant);
  }

  /**
   * Whether the host may run a command of the read or the write group now.
   *
   * @param host who asks
   * @param write true for the write group (Write, Flush, Write Zeroes…), false for the read group
   */
  boolean permits(HostIdentity host, boolean write) {
    if (type == ReservationType.NONE || (!write && !type.guardsReads())) {
      return true;
    }
    Registrant registrant = find(host);
    return registrant != null && (type.sharedByRegistrants() || registrant == holder);
  }

  /**
   * Reservation Register with RREGA 0 (section 6.11).
   *
   * @param host who asks
   * @param newKey NRKEY, not 0
   */
  Outcome register(HostIdentity host, long newKey) {
    if (newKey == 0) {
      return Outcome.INVALID_FIELD;
    }
    Registrant registrant = find(host);
    if (registrant != null) {
      return registrant.key == newKey ? Outcome.OK : Outcome.CONFLICT;
    }
    return add(host, newKey);
  }

  /**
   * Reservation Register with RREGA 1, unregister; a reservation that the host alone held is
   * released.
   *
   * @param host who asks
   * @param key CRKEY
   * @param ignoreKey IEKEY
   */
  Outcome unregister(HostIdentity host, long key, boolean ignoreKey) {
    Registrant registrant = find(host);
    if (registrant == null || (!ignoreKey && registrant.key != key)) {
      return Outcome.CONFLICT;
    }
    registrants.remove(registrant);
    if (registrant == holder || registrants.isEmpty()) {
      clearReservation();
    }
    generation++;
    return Outcome.OK;
  }

  /**
   * Reservation Register with RREGA 2, replace the key; with IEKEY a host that is not registered
   * becomes so.
   *
   * @param host who asks
   * @param key CRKEY
   * @param newKey NRKEY, not 0
   * @param ignoreKey IEKEY
   */
  Outcome replaceKey(HostIdentity host, long key, long newKey, boolean ignoreKey) {
    if (newKey == 0) {
      return Outcome.INVALID_FIELD;
    }
    Registrant registrant = find(host);
    if (registrant == null) {
      return ignoreKey ? add(host, newKey) : Outcome.CONFLICT;
    }
    if (!ignoreKey && registrant.key != key) {
      return Outcome.CONFLICT;
    }
    registrant.key = newKey;
    generation++;
    return Outcome.OK;
  }

  /**
   * Reservation Acquire with RACQA 0 (section 6.10).
   *
   * @param host who asks
   * @param key CRKEY
   * @param newType RTYPE, not {@link ReservationType#NONE}
   */
  Outcome acquire(HostIdentity host, long key, ReservationType newType) {
    Registrant registrant = find(host);
    if (registrant == null || registrant.key != key) {
      return Outcome.CONFLICT;
    }
    if (newType == ReservationType.NONE) {
      return Outcome.INVALID_FIELD;
    }
    if (type == ReservationType.NONE) {
      reserve(registrant, newType);
      return Outcome.OK;
    }
    return isHolder(registrant) && type == newType ? Outcome.OK : Outcome.CONFLICT;
  }

  /**
   * Reservation Acquire with RACQA 1 or 2: takes registrations, and with the holder's also the
   * reservation, away from others (section 8.8.7).
   *
   * @param host who asks; its own registration stays
   * @param key CRKEY
   * @param victimKey PRKEY; 0 means all others, allowed only when all registrants are holders
   * @param newType RTYPE, not {@link ReservationType#NONE}
   * @param abort whether the victims' commands in flight are aborted
   */
  Outcome preempt(
      HostIdentity host, long key, long victimKey, ReservationType newType, boolean abort) {
    Registrant registrant = find(host);
    if (registrant == null || registrant.key != key) {
      return Outcome.CONFLICT;
    }
    boolean everybody = victimKey == 0;
    if (newType == ReservationType.NONE || (everybody && !type.heldByAllRegistrants())) {
      return Outcome.INVALID_FIELD;
    }
    Predicate<Registrant> victim = r -> everybody || r.key == victimKey;
    if (registrants.stream().noneMatch(victim)) {
      return Outcome.CONFLICT;
    }
    boolean holderPreempted = everybody || (holder != null && victim.test(holder));
    List<Registrant> victims =
        registrants.stream().filter(r -> r != registrant && victim.test(r)).toList();
    registrants.removeAll(victims);
    if (holderPreempted) {
      reserve(registrant, newType);
    }
    generation++;
    victims.forEach(r -> listener.preempted(r.host, abort));
    return Outcome.OK;
  }

  /**
   * Reservation Release with RRELA 0 (section 6.13); without effect if the host holds none.
   *
   * @param host who asks
   * @param key CRKEY
   * @param heldType RTYPE, which must be that of the reservation
   */
  Outcome release(HostIdentity host, long key, ReservationType heldType) {
    Registrant registrant = find(host);
    if (registrant == null || registrant.key != key) {
      return Outcome.CONFLICT;
    }
    if (!isHolder(registrant)) {
      return Outcome.OK;
    }
    if (type != heldType) {
      return Outcome.INVALID_FIELD;
    }
    clearReservation();
    return Outcome.OK;
  }

  /**
   * Reservation Release with RRELA 1: ends the reservation and every registration.
   *
   * @param host who asks
   * @param key CRKEY
   */
  Outcome clear(HostIdentity host, long key) {
    Registrant registrant = find(host);
    if (registrant == null || registrant.key != key) {
      return Outcome.CONFLICT;
    }
    List<Registrant> others = registrants.stream().filter(r -> r != registrant).toList();
    registrants.clear();
    clearReservation();
    generation++;
    others.forEach(r -> listener.preempted(r.host, false));
    return Outcome.OK;
  }

  private Outcome add(HostIdentity host, long key) {
    if (registrants.size() == MAX_REGISTRANTS) {
      return Outcome.NO_ROOM;
    }
    registrants.add(new Registrant(host, key));
    generation++;
    return Outcome.OK;
  }

  private boolean isHolder(Registrant registrant) {
    return type.heldByAllRegistrants() || registrant == holder;
  }

  private void reserve(Registrant registrant, ReservationType newType) {
    type = newType;
    holder = newType.heldByAllRegistrants() ? null : registrant;
  }

  private void clearReservation() {
    type = ReservationType.NONE;
    holder = null;
  }

  private @Nullable Registrant find(HostIdentity host) {
    for (int i = 0; i < registrants.size(); i++) {
      Registrant registrant = registrants.get(i);
      if (registrant.host.equals(host)) {
        return registrant;
      }
    }
    return null;
  }
}
