/* Where ranks meet that share memory: processes that work on the same batch. Each has a place there, which it alone
 * writes to, and counts the meetings that it has come to. It goes on once all others have come as often.
 */
#ifndef FASTMLP_MEETING_H
#define FASTMLP_MEETING_H
#include "team.h"

#define MEETING_NUMBERS 4

/* A rank's. Where its numbers are takes turns: before they are written there again all have come to the meeting in
 * between, and so have read them. */
typedef struct {
    shared_int came;
    char pad[60];
    double numbers[2][MEETING_NUMBERS];
} place_t;

typedef struct {
    place_t *places; /* in memory of all */
    int rank, size;
    int spin;      /* looks at a place before others may run; 0: too few cores */
    unsigned came; /* meetings so far */
} meeting_t;

/* Gives the sums of the numbers of all, added in the order of the ranks, or NULL for none. What a rank has written
 * before, the others see after. */
static inline void meet(meeting_t *m, double *numbers)
{
    const unsigned now = ++m->came;
    place_t *own = &m->places[m->rank];
    if (numbers)
        for (int i = 0; i < MEETING_NUMBERS; i++) own->numbers[now & 1][i] = numbers[i];
    STORE(&own->came, now);
    for (int r = 0; r < m->size; r++)
        for (int i = 0; (int)((unsigned)LOAD(&m->places[r].came) - now) < 0; i += i < m->spin + SPIN)
            pause_after(m->spin, i);
    if (numbers)
        for (int i = 0; i < MEETING_NUMBERS; i++) {
            numbers[i] = m->places[0].numbers[now & 1][i];
            for (int r = 1; r < m->size; r++) numbers[i] += m->places[r].numbers[now & 1][i];
        }
}
#endif
