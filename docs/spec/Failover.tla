------------------------------ MODULE Failover ------------------------------
(***************************************************************************)
(* One pool of two controllers: commit log, mirror, fencing, takeover,     *)
(* rejoin, handover.  docs/failover.md explains it in words.               *)
(*                                                                         *)
(* The pool is one block.  The n-th write of it carries the value n, so    *)
(* "lost" and "stale" are comparisons of numbers.  Time, pauses and delays *)
(* need no variables: whoever takes no step is paused.  The drives are one *)
(* register that only the holder of the reservation can change; that a     *)
(* majority of several drives is as good is the subject of Fencing.tla.    *)
(*                                                                         *)
(* Each rule of the protocol is a constant.  FALSE takes the rule away,    *)
(* and then TLC must find a violation: a test sees to that.                *)
(***************************************************************************)
EXTENDS Naturals, Sequences

CONSTANTS
  MaxWrites,          \* writes of the host
  MaxCrashes,         \* deaths of a controller
  MaxCuts,            \* losses of the link while both live
  MaxEpoch,           \* bound of the search
  Handovers,          \* whether the pool is also handed over in good order
  Leaves,             \* whether a standby also ends in good order
  AckNeedsMirror,     \* mirrored: acknowledged only when both logs hold it
  EndLinkBeforeTaking, \* a standby takes from who lives only by ending the link
  RevokeFirst,        \* who loses the link revokes the mirror before all else
  PersistBeforeAlone, \* who loses the link serves alone only after the drives say
                      \* that they need no log
  SettleBeforeAlone,  \* ... and they say so only when its log is on the drives
  ReplayBeforeServe,  \* a takeover replays before it serves
  SettledAfterReplay, \* the drives call the log settled only after the replay
  JoinNeedsBoth,      \* until the drives name the log: mirror and drives
  KeepLog,            \* who is fenced keeps its log until an owner is known
  AwaitLog,           \* a log named by the drives is waited for
  CheckBeforeRead,    \* the right to serve is checked at each read
  FlushMovesTail,     \* a flush ends when the mirror knows of its tail
  KeepMirror          \* a standby that ends keeps its mirror until it is not needed

C == {"a", "b"}
Other(c) == IF c = "a" THEN "b" ELSE "a"
Max(x, y) == IF x > y THEN x ELSE y

NoLog == [epoch |-> 0, recs |-> <<>>, tail |-> 0]
NoView == [part |-> "none", epoch |-> 0, held |-> 0, leaves |-> FALSE, free |-> FALSE]

VARIABLES
  drive,   \* what the drives hold: reservation, keys, epoch, unsettled, value
  st,      \* state of each controller
  up,      \* whether a controller believes in the link
  link,    \* whether there is one
  view,    \* what a controller was told of its peer
  grant,   \* whether a controller lets its peer place into its mirror
  mir,     \* the mirror that lies in a controller's memory
  log,     \* a controller's own log
  placed,  \* records of the own log that the peer's mirror holds
  staged,  \* records of the own log (or replayed ones) that the drives hold
  waits,   \* value of the write that waits for its acknowledgement, or 0
  named,   \* whether a joining owner knows that the drives name its log
  next,    \* last value written
  floor,   \* the least value that a read may return
  flushed, \* the least value that survives the death of both
  holders, \* memories that hold the last acknowledged value, or the drives
  leaving, \* whether a standby has said that it ends
  crashes, cuts

vars == <<drive, st, up, link, view, grant, mir, log, placed, staged, waits,
          named, next, floor, flushed, holders, leaving, crashes, cuts>>
hosts == <<next, floor, flushed, holders>>
faults == <<crashes, cuts, leaving>>
net == <<up, link, view, grant>>

Serving == {"alone", "joining", "mirrored"}
Undecided == {"fencing", "opening", "replaying", "frozen", "settling"}

Part(c) ==
  [part |-> CASE st[c] \in Serving -> "owner"
              [] st[c] \in Undecided -> "undecided"
              [] OTHER -> st[c],
   epoch |-> IF st[c] \in Serving THEN drive.epoch ELSE 0,
   held |-> Max(mir[c].epoch, log[c].epoch),
   leaves |-> leaving[c],
   \* It will not use the mirror of a standby that leaves.
   free |-> st[c] = "alone" /\ view[c].leaves]

Init ==
  /\ drive = [holder |-> "none", keys |-> {}, epoch |-> 1, unsettled |-> 0, value |-> 0]
  /\ st = [c \in C |-> "starting"]
  /\ up = [c \in C |-> FALSE]
  /\ link = FALSE
  /\ view = [c \in C |-> NoView]
  /\ grant = [c \in C |-> FALSE]
  /\ mir = [c \in C |-> NoLog]
  /\ log = [c \in C |-> NoLog]
  /\ placed = [c \in C |-> 0]
  /\ staged = [c \in C |-> 0]
  /\ waits = [c \in C |-> 0]
  /\ named = [c \in C |-> FALSE]
  /\ next = 0 /\ floor = 0 /\ flushed = 0 /\ holders = {"drives"}
  /\ leaving = [c \in C |-> FALSE]
  /\ crashes = 0 /\ cuts = 0

-----------------------------------------------------------------------------
(* Controllers and link *)

(* What is gone with a process. *)
Ends(c) ==
  /\ st' = [st EXCEPT ![c] = "dead"]
  /\ up' = [up EXCEPT ![c] = FALSE]
  /\ link' = FALSE
  /\ view' = [view EXCEPT ![c] = NoView]
  /\ grant' = [grant EXCEPT ![c] = FALSE]
  /\ mir' = [mir EXCEPT ![c] = NoLog]
  /\ log' = [log EXCEPT ![c] = NoLog]
  /\ placed' = [placed EXCEPT ![c] = 0]
  /\ staged' = [staged EXCEPT ![c] = 0]
  /\ waits' = [waits EXCEPT ![c] = 0]
  /\ named' = [named EXCEPT ![c] = FALSE]
  /\ leaving' = [leaving EXCEPT ![c] = FALSE]

Crash(c) ==
  /\ st[c] # "dead" /\ crashes < MaxCrashes
  /\ crashes' = crashes + 1
  /\ Ends(c)
  /\ LET left == holders \ {c} IN
     \* Both memories are gone before the drives had it: the one loss that is
     \* allowed. What was flushed is there all the same.
     IF left = {} THEN holders' = {"drives"} /\ floor' = flushed
                  ELSE holders' = left /\ floor' = floor
  /\ UNCHANGED <<drive, next, flushed, cuts>>

Restart(c) ==
  /\ st[c] = "dead"
  /\ st' = [st EXCEPT ![c] = "starting"]
  /\ UNCHANGED <<drive, net, mir, log, placed, staged, waits, named, hosts, faults>>

Cut ==
  /\ link /\ cuts < MaxCuts
  /\ link' = FALSE /\ cuts' = cuts + 1
  /\ UNCHANGED <<drive, st, up, view, grant, mir, log, placed, staged, waits, named, hosts, crashes, leaving>>

(* Both sides have noticed the end of the last life. Hello. *)
Connect ==
  /\ ~link /\ \A c \in C : st[c] # "dead" /\ ~up[c]
  /\ link' = TRUE
  /\ up' = [c \in C |-> TRUE]
  /\ view' = [c \in C |-> Part(Other(c))]
  /\ grant' = [c \in C |-> TRUE]
  /\ UNCHANGED <<drive, st, mir, log, placed, staged, waits, named, hosts, faults>>

(* A role arrives. *)
Deliver(c) ==
  /\ link /\ up[c] /\ up[Other(c)]
  /\ view[c] # Part(Other(c))
  /\ view' = [view EXCEPT ![c] = Part(Other(c))]
  /\ UNCHANGED <<drive, st, up, link, grant, mir, log, placed, staged, waits, named, hosts, faults>>

(* A side finds out that the link is gone: by the end of its socket, by    *)
(* silence, or because a placement failed. *)
LinkLost(c) ==
  /\ st[c] # "dead" /\ up[c] /\ ~link
  /\ up' = [up EXCEPT ![c] = FALSE]
  /\ view' = [view EXCEPT ![c] = NoView]
  /\ grant' = [grant EXCEPT ![c] = IF RevokeFirst THEN FALSE ELSE @]
  /\ st' \in {[st EXCEPT ![c] =
       CASE @ = "alone" /\ stays -> @
         [] @ \in Serving -> "frozen"
         [] @ \in {"standby", "offered"} -> "fencing"
         [] OTHER -> @] : stays \in {FALSE, Leaves}}
  /\ UNCHANGED <<drive, link, mir, log, placed, staged, waits, named, hosts, faults>>

-----------------------------------------------------------------------------
(* The owner serves *)

Write(c) ==
  /\ st[c] \in Serving /\ waits[c] = 0 /\ next < MaxWrites
  /\ next' = next + 1
  /\ log' = [log EXCEPT ![c].recs = Append(@, next')]
  /\ waits' = [waits EXCEPT ![c] = next']
  /\ UNCHANGED <<drive, st, net, mir, placed, staged, named, floor, flushed, holders, faults>>

Place(c) ==
  /\ st[c] \in {"joining", "mirrored"} /\ up[c] /\ grant[Other(c)]
  /\ placed[c] < Len(log[c].recs)
  /\ placed' = [placed EXCEPT ![c] = @ + 1]
  /\ mir' = [mir EXCEPT ![Other(c)].recs = Append(@, log[c].recs[placed[c] + 1])]
  /\ UNCHANGED <<drive, st, net, log, staged, waits, named, hosts, faults>>

(* The mirror is told from where on a replay has to begin. *)
PlaceTail(c) ==
  /\ st[c] \in {"joining", "mirrored"} /\ up[c] /\ grant[Other(c)]
  /\ log[c].tail # staged[c]
  /\ log' = [log EXCEPT ![c].tail = staged[c]]
  /\ mir' = [mir EXCEPT ![Other(c)].tail = staged[c]]
  /\ UNCHANGED <<drive, st, net, placed, staged, waits, named, hosts, faults>>

DestageLimit(c) ==
  CASE st[c] \in {"alone", "settling"} -> Len(log[c].recs)
    [] st[c] = "joining" -> IF JoinNeedsBoth THEN placed[c] ELSE Len(log[c].recs)
    [] st[c] = "mirrored" -> placed[c]
    [] OTHER -> 0

Destage(c) ==
  /\ drive.holder = c /\ staged[c] < DestageLimit(c)
  /\ staged' = [staged EXCEPT ![c] = @ + 1]
  /\ drive' = [drive EXCEPT !.value = log[c].recs[staged[c] + 1]]
  /\ UNCHANGED <<st, net, mir, log, placed, waits, named, hosts, faults>>

Committed(c) ==
  LET n == Len(log[c].recs) IN
  CASE st[c] = "alone" -> staged[c] = n
    [] st[c] = "joining" -> staged[c] = n
    [] st[c] = "mirrored" -> AckNeedsMirror => placed[c] = n
    [] OTHER -> FALSE

Ack(c) ==
  /\ waits[c] # 0 /\ Committed(c)
  /\ floor' = Max(floor, waits[c])
  /\ holders' = IF st[c] = "alone" THEN {"drives"} ELSE C
  /\ waits' = [waits EXCEPT ![c] = 0]
  /\ UNCHANGED <<drive, st, net, mir, log, placed, staged, named, next, flushed, faults>>

(* FLUSH: what was acknowledged is on the drives, and no replay begins     *)
(* before it. *)
Flush(c) ==
  /\ st[c] \in Serving /\ waits[c] = 0 /\ drive.holder = c
  /\ staged[c] = Len(log[c].recs)
  /\ (FlushMovesTail /\ st[c] # "alone") => log[c].tail = staged[c]
  /\ flushed # drive.value
  /\ flushed' = drive.value
  /\ UNCHANGED <<drive, st, net, mir, log, placed, staged, waits, named, next, floor, holders, faults>>

(* A mirrored owner reads from its log what is there, else from the        *)
(* drives; the key of the mirror says that the peer has not taken over.    *)
(* One that is alone has every answer from the drives.                     *)
MayRead(c) ==
  /\ st[c] \in Serving /\ waits[c] = 0
  /\ CheckBeforeRead =>
       IF st[c] = "mirrored" THEN grant[Other(c)] ELSE drive.holder = c
  /\ (st[c] = "mirrored" /\ log[c].recs = <<>>) => drive.holder = c

Visible(c) ==
  LET n == Len(log[c].recs) IN
  IF n > 0 /\ (st[c] = "mirrored" \/ ~CheckBeforeRead) THEN log[c].recs[n] ELSE drive.value

Read(c) ==
  /\ MayRead(c) /\ Visible(c) > floor
  /\ floor' = Visible(c)
  /\ UNCHANGED <<drive, st, net, mir, log, placed, staged, waits, named, next, flushed, holders, faults>>

-----------------------------------------------------------------------------
(* The peer returns *)

(* The log begins anew, empty, with an epoch that nobody has had. *)
Join(c) ==
  /\ st[c] = "alone" /\ up[c] /\ view[c].part = "standby" /\ ~view[c].leaves /\ grant[Other(c)]
  /\ waits[c] = 0 /\ staged[c] = Len(log[c].recs)
  /\ LET fresh == [epoch |-> drive.epoch + 1, recs |-> <<>>, tail |-> 0] IN
     /\ log' = [log EXCEPT ![c] = fresh]
     /\ mir' = [mir EXCEPT ![Other(c)] = fresh]
  /\ placed' = [placed EXCEPT ![c] = 0]
  /\ staged' = [staged EXCEPT ![c] = 0]
  /\ named' = [named EXCEPT ![c] = FALSE]
  /\ drive.holder = c
  /\ st' = [st EXCEPT ![c] = "joining"]
  /\ UNCHANGED <<drive, net, waits, hosts, faults>>

NameLog(c) ==
  /\ st[c] = "joining" /\ drive.holder = c /\ ~named[c]
  /\ drive' = [drive EXCEPT !.epoch = log[c].epoch, !.unsettled = log[c].epoch]
  /\ named' = [named EXCEPT ![c] = TRUE]
  /\ UNCHANGED <<st, net, mir, log, placed, staged, waits, hosts, faults>>

BecomeMirrored(c) ==
  /\ st[c] = "joining" /\ named[c]
  /\ st' = [st EXCEPT ![c] = "mirrored"]
  /\ UNCHANGED <<drive, net, mir, log, placed, staged, waits, named, hosts, faults>>

-----------------------------------------------------------------------------
(* Fencing and takeover *)

Fenced(c) == drive.holder # c

Loses(c) ==
  /\ st' = [st EXCEPT ![c] = "lost"]
  /\ waits' = [waits EXCEPT ![c] = 0]
  /\ log' = IF KeepLog THEN log ELSE [log EXCEPT ![c] = NoLog]
  /\ mir' = IF KeepLog THEN mir ELSE [mir EXCEPT ![c] = NoLog]

(* A drive refuses, or tells after a pause who holds it, or the peer says  *)
(* that it owns the pool. *)
Lose(c) ==
  /\ \/ st[c] \in Serving \cup {"settling", "opening", "replaying", "awaiting"} /\ Fenced(c)
     \/ st[c] \in {"frozen", "fencing"} /\ view[c].part = "owner"
  /\ Loses(c)
  /\ UNCHANGED <<drive, net, placed, staged, named, hosts, faults>>

(* The peer has the log that this one waits for, or owns the pool by now. *)
Yield(c) ==
  /\ st[c] = "awaiting"
  /\ view[c].part = "owner" \/ (view[c].part # "none" /\ view[c].held = drive.unsettled)
  /\ st' = [st EXCEPT ![c] = "starting"]
  /\ UNCHANGED <<drive, net, mir, log, placed, staged, waits, named, hosts, faults>>

(* Who was registered and is no more was fenced. Whose key is there takes  *)
(* the reservation, and the other's key away. *)
Fence(c) ==
  /\ st[c] \in {"frozen", "fencing"}
  /\ IF c \in drive.keys
     THEN /\ drive' = [drive EXCEPT !.holder = c, !.keys = {c}]
          /\ st' = [st EXCEPT ![c] = IF @ = "frozen" THEN "settling" ELSE "opening"]
          /\ UNCHANGED <<waits, log, mir>>
     ELSE Loses(c) /\ UNCHANGED drive
  /\ UNCHANGED <<net, placed, staged, named, hosts, faults>>

Settled(c) == [drive EXCEPT !.epoch = @ + 1, !.unsettled = 0]

(* What was acknowledged no longer needs a memory: true of the protocol,   *)
(* checked by the values. *)
HoldersOnceSettled ==
  holders' = IF drive.value >= floor THEN {"drives"} ELSE holders

Settle(c) ==
  /\ st[c] = "settling" /\ ~Fenced(c)
  /\ SettleBeforeAlone => staged[c] = Len(log[c].recs)
  /\ drive' = IF PersistBeforeAlone THEN Settled(c) ELSE drive
  /\ st' = [st EXCEPT ![c] = "alone"]
  /\ HoldersOnceSettled
  /\ UNCHANGED <<net, mir, log, placed, staged, waits, named, next, floor, flushed, faults>>

(* What a takeover would have to replay. *)
Source(c) ==
  IF mir[c].epoch = drive.unsettled THEN mir[c] ELSE log[c]

Open(c) ==
  /\ st[c] = "opening" /\ ~Fenced(c)
  /\ LET u == drive.unsettled
         here == Source(c).epoch = u
         opened == [drive EXCEPT !.epoch = Max(@, Max(mir[c].epoch, log[c].epoch)) + 1] IN
     IF u # 0 /\ here /\ ReplayBeforeServe
     THEN /\ st' = [st EXCEPT ![c] = "replaying"]
          /\ drive' = IF SettledAfterReplay THEN opened ELSE [opened EXCEPT !.unsettled = 0]
          /\ log' = [log EXCEPT ![c] = Source(c)]
          /\ mir' = [mir EXCEPT ![c] = Source(c)]
          /\ staged' = [staged EXCEPT ![c] = Source(c).tail]
     ELSE IF u # 0 /\ AwaitLog /\ ReplayBeforeServe
     THEN /\ st' = [st EXCEPT ![c] = "awaiting"]
          /\ drive' = opened
          /\ UNCHANGED <<log, mir, staged>>
     ELSE /\ st' = [st EXCEPT ![c] = "alone"]
          /\ drive' = [opened EXCEPT !.unsettled = 0]
          /\ log' = [log EXCEPT ![c] = NoLog]
          /\ mir' = [mir EXCEPT ![c] = NoLog]
          /\ staged' = [staged EXCEPT ![c] = 0]
  /\ UNCHANGED <<net, placed, waits, named, hosts, faults>>

Replay(c) ==
  /\ st[c] = "replaying" /\ ~Fenced(c) /\ staged[c] < Len(log[c].recs)
  /\ drive' = [drive EXCEPT !.value = log[c].recs[staged[c] + 1]]
  /\ staged' = [staged EXCEPT ![c] = @ + 1]
  /\ UNCHANGED <<st, net, mir, log, placed, waits, named, hosts, faults>>

Serve(c) ==
  /\ st[c] = "replaying" /\ ~Fenced(c) /\ staged[c] = Len(log[c].recs)
  /\ drive' = Settled(c)
  /\ st' = [st EXCEPT ![c] = "alone"]
  /\ log' = [log EXCEPT ![c] = NoLog]
  /\ mir' = [mir EXCEPT ![c] = NoLog]
  /\ staged' = [staged EXCEPT ![c] = 0]
  /\ HoldersOnceSettled
  /\ UNCHANGED <<net, placed, waits, named, next, floor, flushed, faults>>

(* The log that the drives name is nowhere any more: the peer says so, or  *)
(* its process is known to be dead. *)
GiveUp(c) ==
  /\ st[c] = "awaiting" /\ ~Fenced(c)
  /\ \/ view[c].part # "none" /\ view[c].held # drive.unsettled
     \/ st[Other(c)] = "dead"
  /\ drive' = Settled(c)
  /\ st' = [st EXCEPT ![c] = "alone"]
  /\ log' = [log EXCEPT ![c] = NoLog]
  /\ mir' = [mir EXCEPT ![c] = NoLog]
  /\ staged' = [staged EXCEPT ![c] = 0]
  /\ UNCHANGED <<net, placed, waits, named, hosts, faults>>

(* Whether the drives may be taken by who neither owns nor stands by. *)
Claims(c) ==
  LET held == Max(mir[c].epoch, log[c].epoch) IN
  \/ view[c].part = "none" /\ st[c] = "starting"       \* no peer found in time
  \/ view[c].part = "none" /\ st[c] = "lost"           \* the owner gives no sign of life
  \/ /\ view[c].part \in {"starting", "lost", "awaiting"}
     /\ IF held = view[c].held THEN c = "a" /\ view[c].part # "awaiting" ELSE held > view[c].held

Claim(c) ==
  /\ st[c] \in {"starting", "lost"} /\ Claims(c)
  /\ drive' = [drive EXCEPT !.keys = @ \cup {c}]
  /\ st' = [st EXCEPT ![c] = "fencing"]
  /\ UNCHANGED <<net, mir, log, placed, staged, waits, named, hosts, faults>>

(* The peer owns: nothing that is remembered is needed any more. *)
StandBy(c) ==
  /\ st[c] \in {"starting", "lost", "offered"} /\ view[c].part = "owner"
  /\ view[c].epoch >= Max(mir[c].epoch, log[c].epoch)
  /\ mir' = [mir EXCEPT ![c] = NoLog]
  /\ log' = [log EXCEPT ![c] = NoLog]
  /\ staged' = [staged EXCEPT ![c] = 0]
  /\ drive' = [drive EXCEPT !.keys = @ \cup {c}]
  /\ st' = [st EXCEPT ![c] = "standby"]
  /\ UNCHANGED <<net, placed, waits, named, hosts, faults>>

(* The owner is there and says that it owns no more. It may own again by   *)
(* now: the link has to go down first, which takes the mirror's right.     *)
DeclareDown(c) ==
  /\ st[c] = "standby" /\ view[c].part \in {"lost", "awaiting"} /\ link
  /\ IF EndLinkBeforeTaking
     THEN link' = FALSE /\ UNCHANGED st
     ELSE st' = [st EXCEPT ![c] = "fencing"] /\ UNCHANGED link
  /\ UNCHANGED <<drive, up, view, grant, mir, log, placed, staged, waits, named, hosts, faults>>

(* It has handed the pool over: it places no more. *)
TakeOffered(c) ==
  /\ st[c] = "standby" /\ view[c].part = "offered"
  /\ st' = [st EXCEPT ![c] = "fencing"]
  /\ UNCHANGED <<drive, net, mir, log, placed, staged, waits, named, hosts, faults>>

(* In good order: all is on the drives, and they name no log. *)
HandOver(c) ==
  /\ Handovers
  /\ st[c] = "mirrored" /\ up[c] /\ view[c].part = "standby" /\ waits[c] = 0
  /\ staged[c] = Len(log[c].recs) /\ ~Fenced(c)
  /\ drive' = Settled(c)
  /\ st' = [st EXCEPT ![c] = "offered"]
  /\ HoldersOnceSettled
  /\ UNCHANGED <<net, mir, log, placed, staged, waits, named, next, floor, flushed, faults>>

-----------------------------------------------------------------------------
(* A standby ends in good order *)

Wish(c) ==
  /\ Leaves /\ st[c] = "standby" /\ ~leaving[c]
  /\ leaving' = [leaving EXCEPT ![c] = TRUE]
  /\ UNCHANGED <<drive, st, net, mir, log, placed, staged, waits, named, hosts, crashes, cuts>>

(* Its owner goes on as if the link were lost, but the mirror is still good. *)
StepBack(c) ==
  /\ st[c] \in {"joining", "mirrored"} /\ up[c] /\ view[c].leaves
  /\ st' = [st EXCEPT ![c] = "frozen"]
  /\ UNCHANGED <<drive, net, mir, log, placed, staged, waits, named, hosts, faults>>

(* No fault: what was acknowledged may not be lost by it. *)
Leave(c) ==
  /\ leaving[c] /\ st[c] = "standby"
  /\ KeepMirror => view[c].free
  /\ Ends(c)
  /\ UNCHANGED <<drive, hosts, crashes, cuts>>

-----------------------------------------------------------------------------

Goes(c) ==
  \/ Deliver(c) \/ LinkLost(c)
  \/ Place(c) \/ PlaceTail(c) \/ Destage(c) \/ Ack(c)
  \/ Join(c) \/ NameLog(c) \/ BecomeMirrored(c)
  \/ Lose(c) \/ Fence(c) \/ Settle(c) \/ Open(c) \/ Replay(c) \/ Serve(c)
  \/ Yield(c) \/ GiveUp(c) \/ Claim(c) \/ StandBy(c) \/ DeclareDown(c) \/ TakeOffered(c)
  \/ StepBack(c) \/ Leave(c)

Next ==
  \/ Connect \/ Cut
  \/ \E c \in C :
       \/ Goes(c)
       \/ Crash(c) \/ Restart(c)
       \/ Write(c) \/ Flush(c) \/ Read(c) \/ HandOver(c) \/ Wish(c)

Spec == Init /\ [][Next]_vars

(* Both in step, b with a mirror: where a search for trouble is shorter. *)
InStep ==
  LET fresh == [epoch |-> 3, recs |-> <<>>, tail |-> 0] IN
  /\ drive = [holder |-> "a", keys |-> C, epoch |-> 3, unsettled |-> 3, value |-> 0]
  /\ st = [c \in C |-> IF c = "a" THEN "mirrored" ELSE "standby"]
  /\ up = [c \in C |-> TRUE]
  /\ link = TRUE
  /\ view = [c \in C |-> IF c = "a"
       THEN [NoView EXCEPT !.part = "standby"]
       ELSE [NoView EXCEPT !.part = "owner", !.epoch = 3, !.held = 3]]
  /\ grant = [c \in C |-> TRUE]
  /\ mir = [c \in C |-> IF c = "b" THEN fresh ELSE NoLog]
  /\ log = [c \in C |-> IF c = "a" THEN fresh ELSE NoLog]
  /\ placed = [c \in C |-> 0]
  /\ staged = [c \in C |-> 0]
  /\ waits = [c \in C |-> 0]
  /\ named = [c \in C |-> c = "a"]
  /\ next = 0 /\ floor = 0 /\ flushed = 0 /\ holders = {"drives"}
  /\ leaving = [c \in C |-> FALSE]
  /\ crashes = 0 /\ cuts = 0

SpecInStep == InStep /\ [][Next]_vars

Bounded == drive.epoch <= MaxEpoch

-----------------------------------------------------------------------------

(* Acknowledged is there; nothing older comes after something newer. *)
NeverLostNorStale == \A c \in C : MayRead(c) => Visible(c) >= floor

(* What was flushed is there, whatever dies. *)
FlushedIsThere == \A c \in C : MayRead(c) => Visible(c) >= flushed

(* Nothing that nobody wrote. *)
Written == \A c \in C : Visible(c) <= next

(* Two never have the right to write at a time. *)
OneOwner == drive.holder \in C \cup {"none"} /\ (drive.holder # "none" => drive.holder \in drive.keys)
=============================================================================
