/* A barrier with sums for ranks that share memory: processes that work on the same batch. Each has a place there, which
 * it alone writes to, and in which it counts the meetings that it has reached. It continues when all others have
 * reached as many. It also counts the layers that it has finished, so that others may use these while it works on the
 * next.
 */
#ifndef FASTMLP_MEETING_H
#define FASTMLP_MEETING_H
#include "team.h"

#define MEETING_NUMBERS 4

enum { MEETINGS, LAYERS, MEETING_COUNTS }; /* what a rank counts */

/* The place of a rank. It has two slots for numbers, used in turn: before one is written again, all ranks have reached
 * the meeting in between, and so have read it. */
typedef struct {
    shared_int counts[MEETING_COUNTS];
    char pad[56];
    double numbers[2][MEETING_NUMBERS];
} place_t;

typedef struct {
    place_t *places; /* in memory of all */
    int rank, size;
    int spin;                        /* looks at a place before others may run; 0: too few cores */
    unsigned counts[MEETING_COUNTS]; /* of this rank */
} meeting_t;

/* Count n more. What this rank has written before, the others see once they have waited for it. */
static inline void count_on(meeting_t *m, int what, int n)
{
    m->counts[what] += (unsigned)n;
    STORE(&m->places[m->rank].counts[what], m->counts[what]);
}

/* Go on once all have counted so far. */
static inline void wait_for(const meeting_t *m, int what, unsigned count)
{
    for (int r = 0; r < m->size; r++)
        for (int i = 0; (int)((unsigned)LOAD(&m->places[r].counts[what]) - count) < 0; i += i < m->spin + SPIN)
            pause_after(m->spin, i);
}

/* Come to a meeting, with numbers or NULL for none. */
static inline void come(meeting_t *m, const double *numbers)
{
    double *own = m->places[m->rank].numbers[(m->counts[MEETINGS] + 1) & 1];
    if (numbers)
        for (int i = 0; i < MEETING_NUMBERS; i++) own[i] = numbers[i];
    count_on(m, MEETINGS, 1);
}

/* Once all have come to it: gives the sums of the numbers of all, added in the order of the ranks, or NULL for none. */
static inline void hear(const meeting_t *m, double *numbers)
{
    const unsigned now = m->counts[MEETINGS];
    wait_for(m, MEETINGS, now);
    if (numbers)
        for (int i = 0; i < MEETING_NUMBERS; i++) {
            numbers[i] = m->places[0].numbers[now & 1][i];
            for (int r = 1; r < m->size; r++) numbers[i] += m->places[r].numbers[now & 1][i];
        }
}

/* Both. */
static inline void meet(meeting_t *m, double *numbers)
{
    come(m, numbers);
    hear(m, numbers);
}
#endif
