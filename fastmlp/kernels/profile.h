/* Profiling: processor ticks by thread and phase, in a build with FASTMLP_PROFILE set. In other builds this compiles to
 * nothing. */
#ifndef FASTMLP_PROFILE_H
#define FASTMLP_PROFILE_H

#include "team.h"

#include <stdint.h>

#define PHASES(X) X(gather) X(forward) X(loss) X(delta) X(weight) X(update) X(barrier)
#define ENUM_PHASE(name) PHASE_##name,
enum { PHASES(ENUM_PHASE) N_PHASES };

#define PHASE_NAME(name) #name,
static const char *const profile_phases[] = {PHASES(PHASE_NAME)};

#ifdef FASTMLP_PROFILE
#define PROFILING 1
/* each thread's on cache lines of its own */
static struct {
    uint64_t last, ticks[N_PHASES], pad[16 - 1 - N_PHASES];
} profile_[MAX_THREADS];
static inline uint64_t profile_now(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return (uint64_t)(1e9 * now_seconds());
#endif
}
/* a thread starts its clock; then each mark gives the time since the last one to a phase */
#define MARK_START(thread) (profile_[thread].last = profile_now())
#define MARK(thread, phase)                                            \
    do {                                                               \
        const uint64_t now_ = profile_now();                           \
        profile_[thread].ticks[phase] += now_ - profile_[thread].last; \
        profile_[thread].last = now_;                                  \
    } while (0)
#define PROFILE_TICKS(thread, phase) profile_[thread].ticks[phase]
#define PROFILE_RESET() memset(profile_, 0, sizeof profile_)
#else
#define PROFILING 0
#define MARK_START(thread) ((void)0)
#define MARK(thread, phase) ((void)0)
#define PROFILE_TICKS(thread, phase) 0
#define PROFILE_RESET() ((void)0)
#endif

#endif
