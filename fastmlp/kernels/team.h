/* A team of threads: the calling thread, number 0, and workers, 1 and up, that wait for it to give them jobs.
 *
 * A worker is a Python thread that runs team_work: it watches `go`, runs the job, meets the others at the barrier, and
 * watches again. It ends when no call has used the team for a while; the next call then starts another team.
 */
#ifndef FASTMLP_TEAM_H
#define FASTMLP_TEAM_H
#include "float_mode.h"

/* ---- What systems call things. LOAD, STORE, INCREMENT (gives the new value) and CHANGE (makes *p `to` if it is
 * `from`, and gives whether it was) are atomic. */

#if defined(_MSC_VER)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <intrin.h>
typedef volatile LONG shared_int;
#define LOAD(p) _InterlockedOr((p), 0)
#define STORE(p, v) _InterlockedExchange((p), (v))
#define INCREMENT(p) (_InterlockedExchangeAdd((p), 1) + 1)
#define CHANGE(p, from, to) (_InterlockedCompareExchange((p), (to), (from)) == (from))
#define cpu_relax() YieldProcessor()
#define cpu_yield() SwitchToThread()
#define cpu_sleep() Sleep(1)
#define IDLE_SLEEPS 50
static __inline double now_seconds(void)
{
    LARGE_INTEGER f, t;
    QueryPerformanceFrequency(&f);
    QueryPerformanceCounter(&t);
    return (double)t.QuadPart / (double)f.QuadPart;
}
#else
#include <sched.h>
#include <time.h>
typedef unsigned shared_int;
#define LOAD(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define INCREMENT(p) __atomic_add_fetch((p), 1, __ATOMIC_ACQ_REL)
#define CHANGE(p, from, to) \
    __atomic_compare_exchange_n((p), &(shared_int){from}, (to), 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
#if defined(__x86_64__)
#define cpu_relax() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define cpu_relax() __asm__ volatile("yield")
#else
#define cpu_relax() ((void)0)
#endif
#define cpu_yield() sched_yield()
static inline void cpu_sleep(void)
{
    struct timespec t = {0, 50000};
    nanosleep(&t, NULL);
}
#define IDLE_SLEEPS 1000 /* times that an idle worker sleeps before it gives up: a tenth of a second or so */
static inline double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
#endif

/* The core that the calling thread runs on, or -1; and have it move from that core to any other that it may use. */
#if defined(__linux__)
static inline int this_core(void) { return sched_getcpu(); }
static inline void leave_core(int core)
{
    cpu_set_t all, others;
    if (core < 0 || sched_getcpu() != core || sched_getaffinity(0, sizeof all, &all)) return;
    others = all;
    CPU_CLR(core, &others);
    if (CPU_COUNT(&others) && !sched_setaffinity(0, sizeof others, &others)) sched_setaffinity(0, sizeof all, &all);
}
#else
static inline int this_core(void) { return -1; }
static inline void leave_core(int core) { (void)core; }
#endif

/* ---- The team */

/* A counter that different threads write has a cache line of its own. */
typedef struct {
    shared_int arrived; /* threads that wait at the barrier */
    char pad0[60];
    shared_int passed; /* barriers so far */
    char pad1[60];
    shared_int go; /* GO_STEP times the jobs and roll calls so far, plus the threads of the job; 0 of a roll call */
    char pad2[60];
    shared_int state; /* TEAM_* */
    char pad3[60];
    shared_int present; /* workers that answered the newest roll call, or have done a job since */
    char pad4[60];
    int active;               /* threads in the present job, caller included */
    int spin;                 /* times that a thread looks at a flag before it lets others run; 0: too few cores */
    shared_int core;          /* the caller's, when last seen */
    void (*job)(void *, int); /* job(arg, id) */
    void *arg;
    float_mode_t outside; /* the caller's floating point mode */
} team_t;

enum {
    TEAM_BUSY, /* some call uses it */
    TEAM_IDLE, /* free for the next call */
    TEAM_OFF   /* its workers leave, or have left */
};

#define GO_STEP 1024
#define MAX_THREADS (GO_STEP - 1)
#define SPIN 2000 /* looks at a flag in some tens of microseconds */

/* Between two looks at a flag, when there were i before: spin, later let others run, later sleep. */
static inline void pause_after(int spin, int i)
{
    if (i < spin) cpu_relax();
    else if (i < spin + SPIN) cpu_yield();
    else cpu_sleep();
}
static inline void team_pause(const team_t *team, int i) { pause_after(team->spin, i); }

/* Keep workers off the caller's core: thread 0 publishes its core, and others move away if they are on it. Linux starts
 * threads on the core of the thread that starts them. As both are always busy, it lets them alternate for milliseconds,
 * even if another core is idle: in virtual machines it mistakes idle cores for busy ones. */
static inline void team_leave_core(team_t *team, int id)
{
    if (team->spin == 0) return; /* more threads than cores: some have to share */
    if (id == 0) STORE(&team->core, (unsigned)this_core());
    else leave_core((int)LOAD(&team->core));
}

/* Thread id waits until all threads of the job have arrived, or the team is off: that is in a child process after a
 * fork, where they do not exist. */
static inline void team_barrier(team_t *team, int id)
{
    const int active = team->active; /* read now: once all have arrived, the next job may change it */
    if (active == 1) return;
    const unsigned passed = (unsigned)LOAD(&team->passed);
    if ((int)INCREMENT(&team->arrived) == active) {
        STORE(&team->arrived, 0);
        STORE(&team->passed, passed + 1);
    } else {
        for (int i = 0; (unsigned)LOAD(&team->passed) == passed; i++) {
            if (i == team->spin) team_leave_core(team, id);
            if (i >= team->spin && LOAD(&team->state) == TEAM_OFF) return;
            team_pause(team, i);
        }
    }
}

/* The caller runs job on the first `active` threads, itself being thread 0, and waits for all of them. All are in the
 * engine's floating point mode. */
static inline void team_run(team_t *team, int active, void (*job)(void *, int), void *arg)
{
    team->active = active;
    team->job = job;
    team->arg = arg;
    team->outside = float_mode();
    set_float_mode(ENGINE_MODE);
    if (active > 1) STORE(&team->go, (unsigned)LOAD(&team->go) / GO_STEP * GO_STEP + GO_STEP + (unsigned)active);
    job(arg, 0);
    team_barrier(team, 0);
    set_float_mode(team->outside);
    if (active > 1) STORE(&team->present, active - 1);
}

/* The caller has the workers answer (`present` counts them), at once or when they have started or woken up. */
static inline void team_call_roll(team_t *team)
{
    team_leave_core(team, 0);
    STORE(&team->present, 0);
    STORE(&team->go, ((unsigned)LOAD(&team->go) / GO_STEP + 1) * GO_STEP);
}

/* A worker waits for the next job or roll call after *go, and sets *go to it. Returns 0 if there will be none. */
static inline int team_called(team_t *team, unsigned *go)
{
    for (int i = 0;;) {
        const unsigned now = (unsigned)LOAD(&team->go);
        if (now != *go) {
            *go = now;
            return 1;
        }
        if (i >= team->spin + SPIN && (int)LOAD(&team->state) == TEAM_OFF) return 0;
        team_pause(team, i);
        if (i < team->spin + SPIN + IDLE_SLEEPS) i++;
        else if (CHANGE(&team->state, TEAM_IDLE, TEAM_OFF)) return 0;
    }
}

/* The main function of worker number id, 1 and up: runs jobs until the team is off. */
static inline void team_work(team_t *team, int id)
{
    set_float_mode(ENGINE_MODE);
    for (unsigned go = 0; team_called(team, &go);) {
        if (go % GO_STEP == 0) { /* a roll call */
            team_leave_core(team, id);
            INCREMENT(&team->present);
        } else if ((unsigned)id < go % GO_STEP) {
            team->job(team->arg, id);
            team_barrier(team, id);
        }
    }
}

/* A caller takes an idle team for itself. Returns 0 if its workers are leaving. */
static inline int team_take(team_t *team)
{
    if (!CHANGE(&team->state, TEAM_IDLE, TEAM_BUSY)) return 0;
    team_call_roll(team);
    return 1;
}
#endif
