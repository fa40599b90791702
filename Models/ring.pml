/* The ring's protocol (Sources/Interprocess/Ring): no wake-up is lost, nothing is read before it was written or
 * overwritten before it was read, a close and a death are seen, and each side may die at any step.
 *
 * The memory is weaker than x86's: every store goes into a buffer of its process, from which stores leave in an order
 * that only a releasing store restrains, at any later time. The processor of a dead process still empties its buffer.
 * Loads are in order: an acquiring load is what the code has wherever a later one depends on it, except that with
 * MUTANT_relaxed_load the bytes may have been fetched before the index was.
 *
 * Records are slots of one value here: how they are cut, padded and checked is arithmetic, and the fuzz tests' work.
 * Sides sleep on a futex, or with -DBELL wait for their bells, as event loops and tasks do: a bell stays readable until
 * whoever waited for it silences it, and may be rung late, for a wait that is over.
 *
 * With -DSYMMETRIC each side has a fence of its own, as the rings of worker pools have it; else the waiting side's barrier is
 * for both.
 *
 * Each -DMUTANT_x breaks one ordering or check; .ci/models shows that spin rejects every one.
 */
#ifndef N
#define N 4             /* messages */
#endif
#define SLOTS 2
#define NONE 0
#define ASLEEP 1

/* Words in shared memory. */
#define SLOT0 0
#define SLOT1 1
#define TAIL 2
#define HEAD 3
#define CWAIT 4         /* the consumer's request, which is its futex word */
#define PWAIT 5
#define PSTATE 6        /* 1: the producer has closed */
#define CSTATE 7
#define WORDS 8

byte memory[WORDS];

/* Store buffers: what a process has written and others do not see yet. A store may overtake an older one to another
 * word, unless it is a release, which waits until the buffer is empty. */
#define DEPTH 4
typedef Buffer { byte word[DEPTH]; byte value[DEPTH]; bool release[DEPTH]; byte count };
Buffer buffer[2];
#define P 0
#define C 1

bool sleeps[2];         /* in futex_wait, queued by the kernel */
bool rung[2];           /* the side's bell is readable */
bool dead[2];
bool told[2];           /* the interrupter has said that the other side is dead */
bool finished[2];
byte sent, received;

/* Takes the i-th store out of the buffer of `who` into memory. Allowed for the oldest, and for one that is no release and
 * not behind one to the same word. */
inline leave(who, i) {
  memory[buffer[who].word[i]] = buffer[who].value[i];
  k = i;
  do
  :: k + 1 < buffer[who].count ->
     buffer[who].word[k] = buffer[who].word[k + 1];
     buffer[who].value[k] = buffer[who].value[k + 1];
     buffer[who].release[k] = buffer[who].release[k + 1];
     k++
  :: else -> break
  od;
  buffer[who].count--;
  buffer[who].word[buffer[who].count] = 0;
  buffer[who].value[buffer[who].count] = 0;
  buffer[who].release[buffer[who].count] = 0;
  k = 0
}

/* The processors: empty the buffers, at any time, in any order that is allowed. */
active proctype Processors() {
  byte k;
end:
  do
  :: atomic { buffer[P].count > 0 -> leave(P, 0) }
  :: atomic { buffer[C].count > 0 -> leave(C, 0) }
  :: atomic { buffer[P].count > 1 && !buffer[P].release[1] && buffer[P].word[1] != buffer[P].word[0] -> leave(P, 1) }
  :: atomic { buffer[C].count > 1 && !buffer[C].release[1] && buffer[C].word[1] != buffer[C].word[0] -> leave(C, 1) }
  od
}

inline put(who, w, v, r) {
  atomic {
    (buffer[who].count < DEPTH) ->
    buffer[who].word[buffer[who].count] = w;
    buffer[who].value[buffer[who].count] = v;
    buffer[who].release[buffer[who].count] = r;
    buffer[who].count++
  }
}

#ifdef MUTANT_relaxed_index
#define RELEASE 0
#else
#define RELEASE 1
#endif

/* A process sees its own stores; no process reads a word of its own here but its request, through an RMW or the kernel,
 * both of which empty the buffer first. */
#define load(w) memory[w]

/* An RMW, a fence and a system call empty the buffer of whoever does it. */
#define drained(who) (buffer[who].count == 0)

/* membarrier(): returns when every processor has executed a barrier; a waiting side's own fence included. */
inline heavy(who) {
#ifdef SYMMETRIC
#ifdef MUTANT_no_waiting_fence
  skip
#else
  drained(who)
#endif
#else
#ifdef MUTANT_no_membarrier
  drained(who)
#else
#ifdef MUTANT_no_own_fence
  drained(1 - who)
#else
  /* The barrier's moment: both buffers are empty, the other's only if it is its own turn to be interrupted. */
  atomic { drained(P) && drained(C) -> skip }
#endif
#endif
#endif
}

/* Between publishing and the look whether the other side waits. */
inline light(who) {
#ifdef SYMMETRIC
#ifdef MUTANT_no_publishing_fence
  skip
#else
  drained(who)
#endif
#else
  skip
#endif
}

inline wake(who) {
#ifdef BELL
  atomic { rung[who] = true }
#else
  atomic { sleeps[who] = false }
#endif
}

/* Whoever takes the request fulfils it. */
inline notify(who, waitword) {
#ifdef MUTANT_no_wake
  skip
#else
  light(who);
  if
  :: load(waitword) != NONE ->
#ifdef MUTANT_clear_then_look
     /* The request is cleared with a plain store that may come late, and wipes out a later one. */
     had = load(waitword);
     put(who, waitword, NONE, 0);
#else
     atomic { drained(who) -> had = memory[waitword]; memory[waitword] = NONE };
#endif
     /* May die here, too: then it is the interrupter that wakes. Only who took the request wakes. */
     if
     :: had != NONE -> wake(1 - who)
     :: else -> skip
     fi;
     had = NONE
  :: else -> skip
  fi
#endif
}

/* futex_wait: compares and sleeps, in one step, with the buffer empty. Or waits for the bell, and silences it. */
inline wait(who, waitword) {
#ifdef BELL
#ifdef MUTANT_silence_before_wait
  atomic { drained(who) -> rung[who] = false };
  rung[who]
#else
  atomic { drained(who) && rung[who] -> skip };
  atomic { rung[who] = false }
#endif
#else
  atomic {
    drained(who);
    if
    :: memory[waitword] == ASLEEP -> sleeps[who] = true
    :: else -> skip
    fi
  }
  !sleeps[who]
#endif
}

#ifdef MUTANT_deaf_to_interrupter
#define interrupted(who) false
#else
#define interrupted(who) told[who]
#endif

#define MESSAGE(i) ((i) % 5 + 1)

/* Death at any step: the `unless` below interrupts the side between any two. */
proctype Producer() {
  byte tail, head, seen, had;
  {
    do
    :: tail == N -> break
    :: else ->
       /* room(for:) */
       do
#ifdef MUTANT_overwrite
       :: tail - head < SLOTS + 1 -> break
#else
       :: tail - head < SLOTS -> break
#endif
       :: else ->
          head = load(HEAD);
          if
          :: tail - head < SLOTS -> skip
          :: else ->
             seen = head;
             /* checkPeer() */
             if
             :: load(CSTATE) == 1 || told[P] -> goto gone
             :: else -> skip
             fi;
             /* waitForChange(from:) */
             put(P, PWAIT, ASLEEP, 0);
             heavy(P);
#ifndef MUTANT_no_last_look
             if
             :: load(HEAD) != seen || load(CSTATE) == 1 || interrupted(P) -> skip
             :: else -> wait(P, PWAIT)
             fi;
#else
             wait(P, PWAIT);
#endif
             put(P, PWAIT, NONE, 0)
          fi
       od;
       put(P, SLOT0 + tail % SLOTS, MESSAGE(tail), 0);
       tail++;
       sent = tail;
       put(P, TAIL, tail, RELEASE);
       notify(P, CWAIT)
    od;
#ifdef MUTANT_close_first
    put(P, PSTATE, 1, 0);
#else
    put(P, PSTATE, 1, 1);
#endif
#ifndef MUTANT_silent_close
    notify(P, CWAIT);
#endif
gone:
    finished[P] = true
  } unless { dead[P] }
}

proctype Consumer() {
  byte tail, head, seen, value, had;
  bool isAtEnd, isDead;
#ifdef MUTANT_relaxed_load
  byte early;
#endif
  {
    do
    :: head < tail ->
#ifdef MUTANT_relaxed_load
       value = early;
#else
       value = load(SLOT0 + head % SLOTS);
#endif
       /* Nothing is read before it was written, or after it was overwritten. */
       assert(value == MESSAGE(head));
       head++;
       received = head;
#ifdef MUTANT_head_first
       put(C, HEAD, head + 1, 1);
#else
       put(C, HEAD, head, RELEASE);
#endif
       notify(C, PWAIT);
#ifdef DEATHS
       /* A consumer may close at any time. */
       if
       :: put(C, CSTATE, 1, 1); notify(C, PWAIT); goto over
       :: skip
       fi
#endif
    :: else ->
       /* refill() */
#ifdef MUTANT_index_before_state
       tail = load(TAIL);
       isDead = told[C]; isAtEnd = load(PSTATE);
#else
#ifdef MUTANT_state_before_death
       isAtEnd = load(PSTATE); isDead = told[C];
#else
       isDead = told[C]; isAtEnd = load(PSTATE);
#endif
#ifdef MUTANT_relaxed_load
       early = load(SLOT0 + head % SLOTS);
#endif
       tail = load(TAIL);
#endif
       seen = tail;
       if
       :: tail != head -> skip
       :: tail == head && isAtEnd ->
          /* The end comes after the last message. */
          assert(received == N);
          break
       :: tail == head && !isAtEnd && isDead ->
          /* Everything that was committed was received: what memory holds now is all there will ever be. And who has
           * closed before dying has closed. */
          assert(received == memory[TAIL]);
          assert(memory[PSTATE] == 0);
          break
       :: else ->
          put(C, CWAIT, ASLEEP, 0);
          heavy(C);
#ifndef MUTANT_no_last_look
          if
          :: load(TAIL) != seen || load(PSTATE) == 1 || interrupted(C) -> skip
          :: else -> wait(C, CWAIT)
          fi;
#else
          wait(C, CWAIT);
#endif
          put(C, CWAIT, NONE, 0)
       fi
    od;
over:
    finished[C] = true
  } unless { dead[C] }
}

/* The kernel kills a side at any step; then, and once its stores have left its processor, the other side's interrupter
 * is called. Each side dies at most once. */
#ifdef DEATHS
inline interrupt(who, waitword) {
  /* On a thread of its own: its stores are not in the side's buffer, and an RMW orders them. */
  told[who] = true;
#ifndef MUTANT_interrupter_does_not_clear
  atomic { memory[waitword] = NONE };
#endif
#ifndef MUTANT_interrupter_does_not_wake
  wake(who)
#endif
}

active proctype Killer() {
  if
  :: atomic { !finished[P] -> dead[P] = true; sleeps[P] = false };
     drained(P);
     interrupt(C, CWAIT);
     if
     :: finished[C] -> skip
     fi
  :: atomic { !finished[C] -> dead[C] = true; sleeps[C] = false };
     drained(C);
     interrupt(P, PWAIT);
     if
     :: finished[P] -> skip
     fi
  :: skip
  fi
}
#endif

init { atomic { run Producer(); run Consumer() } }

/* No lost wake-up is: no side waits for ever. Spin reports it as an invalid end state, since only Processors may end
 * where it stands. */
