/* Many producers, each with a ring of its own, and one consumer with one bell for all (RingMailbox): no wake-up is lost,
 * whoever rings, rings late, or dies between taking the request and ringing.
 *
 * Rings are counts here, and never full: what a single ring does is ring.pml's. Memory is as weak as there: every store
 * leaves its process's buffer later, a close after the index before it; what is checked here depends on the barrier between a
 * side's store and its look.
 */
#ifndef N
#define N 1             /* messages of each producer */
#endif
#define PRODUCERS 2
#define CONSUMER PRODUCERS
#define NONE 0
#define ARMED 1

byte index[PRODUCERS];  /* in memory */
byte waiting[PRODUCERS];
bool closed[PRODUCERS];
bool told[PRODUCERS];   /* the interrupter has said that the producer is dead */
bool dead[PRODUCERS];
bool rung;              /* the bell is readable */
byte received[PRODUCERS];

/* Stores that have not left yet. A producer has one of its index and one of its close; the consumer one for each request,
 * of which the last counts. */
bool hasIndex[PRODUCERS], hasClosed[PRODUCERS], hasRequest[PRODUCERS];
byte newIndex[PRODUCERS], newRequest[PRODUCERS];

active proctype Processors() {
end:
  do
  :: atomic { hasIndex[0] -> index[0] = newIndex[0]; hasIndex[0] = false }
  :: atomic { hasIndex[1] -> index[1] = newIndex[1]; hasIndex[1] = false }
  :: atomic { hasClosed[0] && !hasIndex[0] -> closed[0] = true; hasClosed[0] = false }
  :: atomic { hasClosed[1] && !hasIndex[1] -> closed[1] = true; hasClosed[1] = false }
  :: atomic { hasRequest[0] -> waiting[0] = newRequest[0]; hasRequest[0] = false }
  :: atomic { hasRequest[1] -> waiting[1] = newRequest[1]; hasRequest[1] = false }
  od
}

#define producerIsDrained(i) (!hasIndex[i] && !hasClosed[i])
#define consumerIsDrained (!hasRequest[0] && !hasRequest[1])

inline request(i, value) {
  atomic { newRequest[i] = value; hasRequest[i] = true }
}

/* The look after publishing; what is taken is fulfilled. */
inline notify(i) {
  if
  :: waiting[i] != NONE ->
     /* Only one who exchanges it rings, and the exchange empties the buffer. */
     atomic { producerIsDrained(i) -> had = waiting[i]; waiting[i] = NONE };
#ifndef MUTANT_no_ring
     if
     :: had != NONE -> rung = true
     :: else -> skip
     fi;
#endif
     had = NONE
  :: else -> skip
  fi
}

proctype Producer(byte i) {
  byte sent, had;
  {
    do
    :: sent < N ->
       sent++;
       atomic { newIndex[i] = sent; hasIndex[i] = true };
       notify(i)
    :: sent == N -> break
    od;
    hasClosed[i] = true;
#ifndef MUTANT_silent_close
    notify(i)
#endif
  } unless { dead[i] }
}

#define hasChanged(i) (index[i] != received[i] || closed[i] || told[i])

proctype Consumer() {
  bool ended[PRODUCERS];
  bool isDead, isAtEnd;
  byte i;
  do
  :: ended[0] && ended[1] -> break
  :: else ->
     /* tryReceive(): all that is there, of one after the other. */
     do
     :: i < PRODUCERS ->
        if
        :: ended[i] -> skip
        :: else ->
           isDead = told[i];
           isAtEnd = closed[i];
           if
           :: index[i] != received[i] -> received[i] = index[i]
           :: else ->
              if
              :: isAtEnd -> assert(received[i] == N); ended[i] = true
              :: !isAtEnd && isDead -> assert(received[i] == index[i]); ended[i] = true
              :: else -> skip
              fi
           fi
        fi;
        isDead = false; isAtEnd = false;
        i++
     :: else -> i = 0; break
     od;
     if
     :: ended[0] && ended[1] -> break
     :: else -> skip
     fi;
     /* arm(): all, then one barrier for all, then one look at all. */
     if
     :: !ended[0] -> request(0, ARMED)
     :: else -> skip
     fi;
     if
     :: !ended[1] -> request(1, ARMED)
     :: else -> skip
     fi;
#ifdef MUTANT_silence_before_look
     rung = false;
#endif
#ifndef MUTANT_no_barrier
     atomic { consumerIsDrained && producerIsDrained(0) && producerIsDrained(1) -> skip };
#endif
     if
#ifdef MUTANT_look_at_one
     :: (!ended[0] && hasChanged(0)) -> skip
#else
     :: (!ended[0] && hasChanged(0)) || (!ended[1] && hasChanged(1)) -> skip
#endif
     :: else ->
#ifdef MUTANT_silence_after_look
        rung = false;
#endif
        /* A system call, which empties the buffer. */
        atomic { consumerIsDrained && rung -> skip };
        rung = false
     fi;
     /* disarm(): not needed, but for the rings that it saves. */
     if
     :: !ended[0] -> request(0, NONE)
     :: else -> skip
     fi;
     if
     :: !ended[1] -> request(1, NONE)
     :: else -> skip
     fi
  od
}

/* A producer may die at any step; then its interrupter is called, on a thread of its own, and rings too. */
active proctype Killer() {
  if
  :: atomic { dead[0] = true };
     producerIsDrained(0);
     told[0] = true;
#ifndef MUTANT_interrupter_does_not_ring
     rung = true
#endif
  :: skip
  fi
}

init { atomic { run Producer(0); run Producer(1); run Consumer() } }
