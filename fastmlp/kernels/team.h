/* Threads that work for one call after the other: a start signal, a barrier, and a clock. */
#ifndef FASTMLP_TEAM_H
#define FASTMLP_TEAM_H

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
/* whether *p was from, and now is to */
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
#define IDLE_SLEEPS 1000 /* a tenth of a second or so: how long workers wait for the next call */
static inline double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
#endif

/* The core that the calling thread is on; and have it leave one, for any other that it may use. */
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

/* each on a cache line of its own, since different threads write them */
typedef struct {
    shared_int arrived;     char pad0[60];
    shared_int passed;      char pad1[60]; /* barriers so far */
    shared_int go;          char pad2[60]; /* GO_STEP times the jobs and roll calls so far, plus the threads of a job */
    shared_int state;       char pad3[60];
    shared_int present;     char pad4[60]; /* workers that answered the newest roll call, or have done a job since */
    int active;                            /* threads in the present job, caller included */
    int spin;                              /* looks at a flag before letting others run */
    shared_int core;                       /* the caller's, when last seen */
    void (*job)(void *, int);
    void *arg;
} team_t;

enum { TEAM_BUSY, TEAM_IDLE, TEAM_OFF }; /* of a caller's; free for the next one; its workers leave or have left */

#define GO_STEP 1024
#define MAX_THREADS (GO_STEP - 1)
#define SPIN 2000 /* some tens of microseconds */

/* between two looks at a flag, of which there were i: spin, then let others run, then sleep */
static inline void team_pause(const team_t *t, int i)
{
    if (i < t->spin) cpu_relax();
    else if (i < t->spin + SPIN) cpu_yield();
    else cpu_sleep();
}

/* Thread id sees to it that workers are not on the caller's core. Systems start them there, and leave both, always busy, to take
 * turns for milliseconds, even where another core is idle: those of virtual machines are thought to be taken. */
static inline void team_part(team_t *t, int id)
{
    if (t->spin == 0) return; /* more threads than cores */
    if (id == 0) STORE(&t->core, (unsigned)this_core());
    else leave_core((int)LOAD(&t->core));
}

/* thread id of a job waits for all others */
static inline void team_barrier(team_t *t, int id)
{
    const int active = t->active; /* read now: once all have arrived, the next job may have another */
    if (active == 1) return;
    const unsigned passed = (unsigned)LOAD(&t->passed);
    if ((int)INCREMENT(&t->arrived) == active) {
        STORE(&t->arrived, 0);
        STORE(&t->passed, passed + 1);
    } else {
        for (int i = 0; (unsigned)LOAD(&t->passed) == passed; i++) {
            if (i == t->spin) team_part(t, id);
            team_pause(t, i);
        }
    }
}

/* the caller: run job on the first `active` threads, itself being thread 0 */
static inline void team_run(team_t *t, int active, void (*job)(void *, int), void *arg)
{
    t->active = active;
    t->job = job;
    t->arg = arg;
    if (active > 1) STORE(&t->go, (unsigned)LOAD(&t->go) / GO_STEP * GO_STEP + GO_STEP + (unsigned)active);
    job(arg, 0);
    team_barrier(t, 0);
    if (active > 1) STORE(&t->present, active - 1);
}

/* the caller: have the workers answer, now or when they have begun or woken up */
static inline void team_call_roll(team_t *t)
{
    team_part(t, 0);
    STORE(&t->present, 0);
    STORE(&t->go, ((unsigned)LOAD(&t->go) / GO_STEP + 1) * GO_STEP);
}

/* a worker: wait for the next job or roll call after *go; 0 where there will be none */
static inline int team_called(team_t *t, unsigned *go)
{
    for (int i = 0;;) {
        const unsigned now = (unsigned)LOAD(&t->go);
        if (now != *go) {
            *go = now;
            return 1;
        }
        if (i >= t->spin + SPIN && (int)LOAD(&t->state) == TEAM_OFF) return 0;
        team_pause(t, i);
        if (i < t->spin + SPIN + IDLE_SLEEPS) i++;
        else if (CHANGE(&t->state, TEAM_IDLE, TEAM_OFF)) return 0;
    }
}

/* worker number id, 1 and up, until the team is off */
static inline void team_work(team_t *t, int id)
{
    for (unsigned go = 0; team_called(t, &go);) {
        if (go % GO_STEP == 0) {
            team_part(t, id);
            INCREMENT(&t->present);
        } else if ((unsigned)id < go % GO_STEP) {
            t->job(t->arg, id);
            team_barrier(t, id);
        }
    }
}

/* a caller: take an idle team; 0 where its workers are leaving */
static inline int team_take(team_t *t)
{
    if (!CHANGE(&t->state, TEAM_IDLE, TEAM_BUSY)) return 0;
    team_call_roll(t);
    return 1;
}
#endif
