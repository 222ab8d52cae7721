/* What a core can do, and how near two of them are. */
#include <time.h>
#ifdef __AVX512F__
#define BYTES 64
#define CHAINS 24
#elif defined(__AVX__)
#define BYTES 32
#define CHAINS 12
#else
#define BYTES 16
#define CHAINS 24
#endif
typedef REAL vec __attribute__((vector_size(BYTES)));
enum { LANES = BYTES / sizeof(REAL), STEPS = 10000 };

volatile REAL used; /* so that the loop stays */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

/* Fused multiply-adds on registers alone, for so many seconds. */
double gflops(double seconds)
{
    vec a[CHAINS], b = (vec){0} + (REAL)0.999, c = (vec){0} + (REAL)1e-6;
    double began = now(), taken = 0, steps = 0;
    for (int i = 0; i < CHAINS; i++) a[i] = (vec){0} + (REAL)i;
    for (; taken < seconds; taken = now() - began) {
        for (int k = 0; k < STEPS; k++) {
#pragma GCC unroll 24
            for (int i = 0; i < CHAINS; i++) a[i] = a[i] * b + c;
        }
        steps += STEPS;
    }
    REAL sum = 0;
    for (int i = 0; i < CHAINS; i++) sum += a[i][0];
    used = sum;
    return 2.0 * CHAINS * LANES * steps / taken / 1e9;
}

/* The ns from one core's write to another's read of it: both call this, one as 0 and one as 1, and hand *turn, 0 at
 * first, to and fro. */
double handover(int *turn, int who, int times)
{
    const double began = now();
    for (int i = 0; i < times; i++) {
        while (__atomic_load_n(turn, __ATOMIC_ACQUIRE) != 2 * i + who) {}
        __atomic_store_n(turn, 2 * i + who + 1, __ATOMIC_RELEASE);
    }
    return (now() - began) / (2.0 * times) * 1e9;
}
