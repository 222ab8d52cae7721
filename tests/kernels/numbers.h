/* The numbers that the harness works on, and hashes of what comes out. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "float_mode.h"
#include "kernels.h"

typedef REAL real;
#define COUNT(a) ((ptrdiff_t)(sizeof(a) / sizeof *(a)))
enum { NARROW = 32 / sizeof(REAL) }; /* which every table takes: as `narrow`, or as whole vectors */
enum { ROOM = 1 << 20, PACK_ROOM = 1 << 16 };
static real A[ROOM], B[ROOM], C[ROOM], D[ROOM], E[ROOM], F[ROOM], PACK[PACK_ROOM];
static int64_t ORDER[256];
static const kernels_t *k;

static uint64_t seed = 1;
static uint64_t next(void) /* splitmix64 */
{
    uint64_t z = seed += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
static real fraction(void) { return (real)((int)(next() >> 40 & 0x3fff) - 0x2000) / 2048; } /* [-4, 4) */
enum { MANTISSA = sizeof(real) == 4 ? 23 : 52, EXPONENT = 8 * sizeof(real) - 1 - MANTISSA };
static int flushed;                                  /* the engine's mode */
static int all_normal;                               /* nothing subnormal goes in */
static real number(uint64_t exponent, uint64_t bits) /* of that exponent; the others from the lowest of the bits */
{
    const uint64_t sign = bits >> MANTISSA & 1, mantissa = bits & (((uint64_t)1 << MANTISSA) - 1);
    if (exponent == 0 && flushed && all_normal) exponent = 1;
    bits = sign << (MANTISSA + EXPONENT) | exponent << MANTISSA | mantissa;
    real x;
    memcpy(&x, (const char *)&bits, sizeof x);
    return x;
}
static real any(void) /* any bit pattern, NaN too */
{
    const uint64_t bits = next();
    return number(bits >> (64 - EXPONENT), bits);
}
static real small(void)
{
    const uint64_t bits = next();
    return number(bits >> 60, bits);
}
static void fill(real *a, ptrdiff_t n)
{
    const int all_small = flushed && next() >> 63;
    for (ptrdiff_t i = 0; i < n; i++) a[i] = all_small ? small() : fraction();
}
/* a grid where functions bend, then numbers of all sizes */
static void fill_wide(real *a, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) a[i] = i < 3 * n / 4 ? (real)(i - 3 * n / 8) / 64 + fraction() / 256 : any();
}

static uint64_t hash;
static void start(void) { hash = 0xcbf29ce484222325u; }
/* FNV-1a; the bits of a NaN are nobody's promise */
static void take(const real *a, ptrdiff_t m, ptrdiff_t n, ptrdiff_t lda)
{
    for (ptrdiff_t i = 0; i < m; i++)
        for (ptrdiff_t j = 0; j < n; j++) {
            uint64_t bits = 0;
            if (a[i * lda + j] == a[i * lda + j]) memcpy(&bits, &a[i * lda + j], sizeof(real));
            else bits = 1;
            for (size_t b = 0; b < sizeof(real); b++) hash = (hash ^ (bits >> 8 * b & 255)) * 0x100000001b3u;
        }
}
static void take_double(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof v);
    for (int b = 0; b < 8; b++) hash = (hash ^ (bits >> 8 * b & 255)) * 0x100000001b3u;
}
static void print(const char *what, const char *name, int i)
{
    printf("%c %s%s %s %d %016llx\n", PRECISION, flushed ? "flushed " : "", what, name, i, (unsigned long long)hash);
}
