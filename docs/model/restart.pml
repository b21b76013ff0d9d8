/* The protocol of a restart, for spin: one queue, one gateway, a driver, two requesters, and people who cancel and stop.
 *
 *   spin -run -ltl safe restart.pml                one restart, one gateway, one outcome, stop wins: in every order of steps
 *   spin -run -ltl safe { [] !wrong }
ltl settles -f restart.pml          every acknowledged intent settles, under weak fairness
 *   spin -run -ltl restarts -f restart.pml         and a fresh instance runs, or the user wanted none
 *
 * Each participant may be killed between any two of its steps (KILLS of them in all); drivers are started again for as
 * long as anything is pending, which is what watch, poke, exit and the next command amount to: one trigger survives.
 * tests/proof/test_model.py takes each step away in turn (-DNO_…) and sees spin find out.
 */

#ifndef KILLS
#define KILLS 1
#endif
#ifndef DRIVERS
#define DRIVERS 1   /* one at a time is what driver.lock gives; with 2 there is no lock, and nothing may break either */
#endif
#define INTENTS 2

/* What is on the disk. */
bool pending[INTENTS];
bool settled[INTENTS];
byte target[INTENTS];          /* the instance that the intent names */
bool acknowledged[INTENTS];
byte outcomes[INTENTS];        /* how often it was settled */
bool cancelled[INTENTS];
bool stopped;                  /* desired.json */

/* What the kernel knows. */
byte instance = 1;             /* the run of the gateway; 0: none runs */
bool draining;
byte last = 1;                 /* the number of the newest instance */
byte drained_for[4];            /* how often instance N was restarted on request */
byte running = 1;              /* how many gateways run */

byte kills = KILLS;
bool stop_was_acknowledged;
bool started_after_stop;

#define may_die(label) atomic { if :: kills > 0 -> kills--; goto label :: skip fi }

inline drain_of(which) {
    /* SIGUSR1 reaches that very instance, or nobody: pid and start time match, checked right before. */
    if
#ifndef NO_IDENTITY
    :: which != 0 && instance == which && !draining -> draining = true; drained_for[which]++
    :: else
#else
    :: instance != 0 && !draining -> draining = true; drained_for[instance]++
    :: else
#endif
    fi
}

active proctype gateway() {
    /* Drains, exits 75. It is not started again by itself: launchd may pend every start but a demand start. */
end:
    do
    :: atomic { draining -> draining = false; instance = 0; running-- }
    od
}

active [INTENTS] proctype requester() {
    byte me = _pid - 1;
    byte named;
    atomic { named = instance; target[me] = named };
#ifndef NO_RECORD_FIRST
    atomic { pending[me] = true; acknowledged[me] = true };
    may_die(dead);
    atomic { drain_of(named) };
#else
    acknowledged[me] = true;
    may_die(dead);
    atomic { drain_of(named) };
    may_die(dead);
    pending[me] = true;
#endif
dead:
    skip
}

inline settle(which) {
#ifndef NO_LINK_HAS_ONE_WINNER
    atomic { if :: !settled[which] -> settled[which] = true; outcomes[which]++ :: else fi };
#else
    if :: !settled[which] -> skip; settled[which] = true; outcomes[which]++ :: else fi;
#endif
    may_die(dead);
    pending[which] = false
}

/* `hermes gateway intents cancel`, which takes no lock. */
active proctype canceller() {
    if
    :: pending[0] && !settled[0] -> cancelled[0] = true; settle(0)
    :: skip
    fi;
dead:
    skip
}

/* `hermes gateway stop`: the wish first, then the gateway. */
active proctype user() {
    if
    :: stopped = true;
       atomic { stop_was_acknowledged = true; if :: instance != 0 && !draining -> draining = true :: else fi }
    :: skip
    fi
}

/* One look and one step about one intent. Between the two anything may happen, and the driver may be killed. */
inline step(which) {
    if
    :: atomic { !pending[which] -> skip }
    :: atomic { pending[which] && settled[which] -> pending[which] = false }
    :: atomic { pending[which] && !settled[which] && stopped -> skip }; settle(which)
    :: atomic { pending[which] && !settled[which] && !stopped && instance != 0 && instance == target[which] -> skip };
#ifndef NO_DRIVER_SIGNALS
        may_die(dead);
        atomic { drain_of(target[which]) }
#else
        skip
#endif
    :: atomic { pending[which] && !settled[which] && !stopped && instance != 0 && instance != target[which] -> skip };
#ifdef NO_LOOK_BEFORE_ACTION
        atomic { drain_of(instance) };
#endif
        settle(which)
    :: atomic { pending[which] && !settled[which] && !stopped && instance == 0 -> skip };
        may_die(dead);
#ifdef NO_WAIT_FOR_FRESH
        settle(which);
#endif
#ifndef NO_DEMAND_START
        /* The embedded supervisor looks at the wish and starts in one step of its own: stops are served by it too. */
        atomic {
            if
#ifndef NO_STOP_LOOKED_AT_LAST
            :: !stopped && instance == 0 ->
#else
            :: instance == 0 ->
#endif
                last++; instance = last; running++;
                started_after_stop = started_after_stop || stop_was_acknowledged;
                assert(last < 4)    /* no more restarts than requests */
            :: else
            fi
        }
#else
        skip
#endif
    fi
}

active [DRIVERS] proctype driver() {
end:
    do
    :: pending[0] -> step(0)
    :: pending[1] -> step(1)
    od;
dead:
#ifndef NO_TRIGGER_SURVIVES
    goto end    /* the kernel lets go of its lock, and another trigger comes */
#else
    skip
#endif
}

/* A run of the gateway that nobody named was ended; the fresh one above all. */
#define unasked(n) (drained_for[n] > 0 && target[0] != n && target[1] != n)

#define wrong (unasked(2) || unasked(3) || running > 1 || outcomes[0] > 1 || outcomes[1] > 1 || started_after_stop)

#define is_over(i) (settled[i] && !pending[i])
#define is_fresh(i) (stopped || cancelled[i] || (instance != 0 && instance != target[i]))

ltl safe { [] !wrong }
ltl settles { [] (acknowledged[0] -> <> is_over(0)) && [] (acknowledged[1] -> <> is_over(1)) }
ltl restarts { [] (acknowledged[0] -> <> is_fresh(0)) }
