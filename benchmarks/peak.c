/* Prints the GFLOP/s of fused multiply-adds that one core reaches on registers alone. */
#include <stdio.h>
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
enum { LANES = BYTES / sizeof(REAL), STEPS = 10000000 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

int main(void)
{
    vec a[CHAINS], b = (vec){0} + (REAL)0.999, c = (vec){0} + (REAL)1e-6;
    double best = 1e9;
    for (int i = 0; i < CHAINS; i++) a[i] = (vec){0} + (REAL)i;
    for (int round = 0; round < 10; round++) {
        double began = now();
        for (long k = 0; k < STEPS; k++) {
#pragma GCC unroll 24
            for (int i = 0; i < CHAINS; i++) a[i] = a[i] * b + c;
        }
        double took = now() - began;
        if (took < best) best = took;
    }
    REAL sum = 0; /* used, so that the loop stays */
    for (int i = 0; i < CHAINS; i++) sum += a[i][0];
    fprintf(stderr, "%g\n", (double)sum);
    printf("%.1f\n", 2.0 * CHAINS * LANES * STEPS / best / 1e9);
    return 0;
}
