------------------------------- MODULE Fencing -------------------------------
(***************************************************************************)
(* Two controllers lose the link and race for the reservations of three    *)
(* drives, some of which one of them may not reach.  Exactly one wins:     *)
(* Failover.tla takes the drives for one register because of that.         *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets

CONSTANTS
  SameOrder,  \* both go through the drives in the same order
  Majority,   \* who holds more than half of the drives has won
  RemovesKey  \* taking a drive removes the other's registration there

C == {"a", "b"}
Other(c) == IF c = "a" THEN "b" ELSE "a"
N == 3
Drives == 1..N

VARIABLES
  reach,  \* the drives that a controller reaches; may shrink
  keys,   \* who is registered at a drive
  holder, \* who holds it
  at,     \* how many drives a controller has dealt with in this round
  won,    \* those of them that it holds
  result

vars == <<reach, keys, holder, at, won, result>>

Init ==
  /\ reach \in [C -> SUBSET Drives]
  /\ keys = [d \in Drives |-> C]
  /\ holder \in {[d \in Drives |-> "a"], [d \in Drives |-> "none"]}
  /\ at = [c \in C |-> 0]
  /\ won = [c \in C |-> {}]
  /\ result = [c \in C |-> "racing"]

Drive(c) == IF SameOrder \/ c = "a" THEN at[c] + 1 ELSE N - at[c]

(* One command: who is registered takes the drive and the other's key.     *)
(* Whose own key is gone was too late. *)
Step(c) ==
  LET d == Drive(c) IN
  /\ result[c] = "racing" /\ at[c] < N
  /\ IF d \notin reach[c]
     THEN /\ at' = [at EXCEPT ![c] = @ + 1]
          /\ UNCHANGED <<keys, holder, won, result>>
     ELSE IF c \in keys[d]
     THEN /\ holder' = [holder EXCEPT ![d] = c]
          /\ keys' = [keys EXCEPT ![d] = IF RemovesKey THEN {c} ELSE @]
          /\ won' = [won EXCEPT ![c] = @ \cup {d}]
          /\ at' = [at EXCEPT ![c] = @ + 1]
          /\ UNCHANGED result
     ELSE /\ result' = [result EXCEPT ![c] = "lost"]
          /\ UNCHANGED <<keys, holder, at, won>>
  /\ UNCHANGED reach

(* The end of a round: decided, or once more from the first drive. *)
Round(c) ==
  /\ result[c] = "racing" /\ at[c] = N
  /\ IF (IF Majority THEN 2 * Cardinality(won[c]) > N ELSE won[c] # {})
     THEN result' = [result EXCEPT ![c] = "won"] /\ UNCHANGED <<at, won>>
     ELSE /\ at' = [at EXCEPT ![c] = 0] /\ won' = [won EXCEPT ![c] = {}]
          /\ UNCHANGED result
  /\ UNCHANGED <<reach, keys, holder>>

Fails(c) ==
  /\ \E d \in reach[c] : reach' = [reach EXCEPT ![c] = @ \ {d}]
  /\ UNCHANGED <<keys, holder, at, won, result>>

Next == \E c \in C : Step(c) \/ Round(c) \/ Fails(c)

Spec == Init /\ [][Next]_vars

NeverBothWin == ~(result["a"] = "won" /\ result["b"] = "won")

(* Somebody can still win as long as all drives are reached. *)
NeverBothLose == ~(result["a"] = "lost" /\ result["b"] = "lost")

(* Who has won holds a majority, until it is fenced by whoever is allowed to register anew. *)
WinnerHolds == \A c \in C : result[c] = "won" =>
  2 * Cardinality({d \in Drives : holder[d] = c}) > N
=============================================================================
