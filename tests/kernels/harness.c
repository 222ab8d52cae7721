/* Calls every function of one kernels table on data made from integers and prints a hash a line.
 *
 *     harness ISA
 *
 * Lines are the same for every instruction set with a fused multiply-add, whatever the machine and the compiler. All is
 * run twice: in the mode that threads begin in, and in the engine's, where half of what goes in is about as small as
 * the
 * smallest normal number, so that much is subnormal on the way. What goes in is so too, but where a number may come out
 * as it went in (relu, max pooling): it is for compilers and processors to choose whether a mere choice makes it 0.
 * Compile with -DREAL=float -DPRECISION="'f'" or "'b'", or -DREAL=double -DPRECISION="'d'". Sizes in vectors are
 * multiples of 16, the most lanes that a vector has; only elements that kernels.h defines are hashed. Products in
 * bfloat16 are compared with their definition besides.
 */
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

/* ---- numbers and hashes */

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

/* ---- one function of the table each */

static void fill_operands(real *a, ptrdiff_t n)
{
    fill(a, n);
    k->round_operands(1, (n + 15) / 16 * 16, a, n, a, n);
}

/* Element (i, j) of a product of operands in bfloat16, by its definition. c: what it starts from. */
static real bfloat16_element(const gemm_t *g, ptrdiff_t i, ptrdiff_t j, real c)
{
    for (ptrdiff_t k0 = 0; k0 < g->K; k0 += BFLOAT16_BLOCK) {
        real sums[2] = {0, 0}; /* of the even k, and of the odd ones */
        for (ptrdiff_t l = k0; l < k0 + BFLOAT16_BLOCK; l++) {
            const real a = l < g->K ? A[i * g->ra + l * g->ca] : 0, b = l < g->K ? B[l * g->ldb + j] : 0;
            sums[l % 2] = (real)(sizeof(real) == 4 ? fmaf((float)a, (float)b, (float)sums[l % 2]) : 0);
        }
        c = c + (sums[0] + sums[1]);
    }
    if (g->epilogue == EPI_RELU) return 0 > c ? 0 : c;
    if (g->epilogue == EPI_RELU_GRAD) return D[i * g->ldc + j] > 0 ? c : 0;
    return c;
}
/* exits where C is not what the definition has; start: what C was before, if the sums start there */
static void check_bfloat16(const gemm_t *g, ptrdiff_t M, const real *before)
{
    for (ptrdiff_t i = 0; i < M; i++)
        for (ptrdiff_t j = 0; j < g->N; j++) {
            const real c = before ? before[i * g->ldc + j] : g->init ? E[j] : 0;
            const real wanted = bfloat16_element(g, i, j, c), got = C[i * g->ldc + j];
            if (memcmp(&wanted, &got, sizeof(real)) && (wanted == wanted || got == got)) {
                fprintf(stderr, "C(%d, %d) of %d x %d x %d is %.9g, by the definition of bfloat16 %.9g\n", (int)i,
                        (int)j, (int)M, (int)g->N, (int)g->K, (double)got, (double)wanted);
                exit(4);
            }
        }
}

static void gemm_one(ptrdiff_t M, ptrdiff_t N, ptrdiff_t K, int transposed, int init, int epilogue, int packed)
{
    const ptrdiff_t ldb = N + 16, ldc = N + 32;
    void *room = packed ? PACK : NULL;
    gemm_t g = {.N = N,
                .K = K,
                .ra = transposed ? 1 : K + 3,
                .ca = transposed ? M + 5 : 1,
                .B = B,
                .ldb = ldb,
                .ldc = ldc,
                .epilogue = epilogue};
    if (init == 1) g.init = E;
    if (init == 2) {
        g.init = C;
        g.ldi = ldc;
    }
    fill_operands(A, (M + 5) * (K + 3));
    fill_operands(B, K * ldb);
    fill(C, M * ldc);
    fill(D, M * ldc);
    fill(E, N);
    memcpy(F, C, (size_t)(M * ldc) * sizeof(real));
    k->gemm(&g, M, A, C, D, room);
    take(C, M, N, ldc);
    if (k->rounds) check_bfloat16(&g, M, init == 2 ? F : NULL);
    int32_t rows[64], steps[1024]; /* the same elements by their offsets */
    for (ptrdiff_t i = 0; i < M; i++) rows[i] = (int32_t)(i * g.ra);
    for (ptrdiff_t i = 0; i < K; i++) steps[i] = (int32_t)(i * g.ca);
    g.rows = rows;
    g.steps = steps;
    if (init != 2) k->gemm(&g, M, A, C, D, room);
    take(C, M, N, ldc);
}

static void gemms(void)
{
    static const ptrdiff_t Ms[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 24, 29, 50};
    static const ptrdiff_t Ns[] = {16, 32, 48, 64, 80, 144};
    static const ptrdiff_t Ks[] = {1, 2, 7, 33};
    for (int mode = 0; mode < 36; mode++) {
        const int transposed = mode % 2, init = mode / 2 % 3, epilogue = mode / 6 % 3, packed = mode / 18;
        int shape = 0;
        start();
        for (ptrdiff_t i = 0; i < COUNT(Ms); i++)
            for (ptrdiff_t j = 0; j < COUNT(Ns); j++)
                for (ptrdiff_t l = 0; l < COUNT(Ks); l++)
                    if (shape++ % 7 == mode % 7) gemm_one(Ms[i], Ns[j], Ks[l], transposed, init, epilogue, packed);
        if (packed) gemm_one(25, 208, 800, transposed, init, epilogue, 1); /* K blocks */
        print("gemm", transposed ? "transposed" : "straight", mode);
        start();
        for (ptrdiff_t i = 0; i < COUNT(Ms); i++)
            gemm_one(Ms[i], NARROW, Ks[i % COUNT(Ks)], transposed, init, epilogue, packed);
        print("narrow gemm", transposed ? "transposed" : "straight", mode);
        start();
        for (ptrdiff_t i = 0; i < COUNT(Ms); i++)
            gemm_one(Ms[i], 48 + 16 * (i % 4) + NARROW, Ks[i % COUNT(Ks)], transposed, init, epilogue, packed);
        if (packed) gemm_one(25, 192 + NARROW, 800, transposed, init, epilogue, 1);
        print("gemm with a narrow end", transposed ? "transposed" : "straight", mode);
    }
}

/* rows of C on top of each other, as convolutions write them */
static void overlaps(void)
{
    static const ptrdiff_t Ns[] = {NARROW, 16, 32};
    for (ptrdiff_t j = 0; j < COUNT(Ns); j++)
        for (ptrdiff_t M = 1; M < 30; M += 3) {
            const ptrdiff_t N = Ns[j], K = 7;
            gemm_t g = {.N = N, .K = K, .ra = K, .ca = 1, .B = B, .ldb = N, .ldc = N - 3, .init = E};
            start();
            fill_operands(A, M * K);
            fill_operands(B, K * N);
            fill(E, N);
            if (N > k->tile_columns) { /* a reader of kernels.h does this */
                g.ldc = N;
                k->gemm(&g, M, A, D, NULL, NULL);
                for (ptrdiff_t i = 0; i < M; i++) memcpy(C + i * (N - 3), D + i * N, (size_t)N * sizeof(real));
            } else {
                k->gemm(&g, M, A, C, NULL, NULL);
            }
            take(C, 1, (M - 1) * (N - 3) + N, 1);
            print("overlapping rows", "", (int)(100 * j + M));
        }
}

/* products that underflow to -0, and a bias of -0: the zeros that are added tell */
static void tiny_dots(ptrdiff_t n)
{
    const real tiny = sizeof(real) == 4 ? (real)1e-30 : (real)1e-200, bias = (real)-0.0;
    real x[64], w[64], out[16];
    memset(x, 0, sizeof x);
    memset(w, 0, sizeof w);
    for (ptrdiff_t j = 0; j < n; j++) {
        x[j] = tiny;
        w[j] = -tiny;
    }
    k->dots(1, n, x, 16, w, &bias, out, 16);
    take(out, 1, 1, 16);
}

static void matrices(void)
{
    static const ptrdiff_t sizes[][2] = {{1, 1}, {1, 40}, {2, 2},  {4, 3},   {3, 4},   {2, 5},
                                         {5, 8}, {1, 9},  {3, 17}, {16, 16}, {31, 33}, {70, 50}};
    for (ptrdiff_t i = 0; i < COUNT(sizes); i++) {
        const ptrdiff_t m = sizes[i][0], n = sizes[i][1], whole = (n + 15) / 16 * 16;
        start();
        fill(A, m * (n + 5));
        k->transpose(m, n, A, n + 5, B, m + 3);
        take(B, n, m, m + 3);
        print("transpose", "", (int)i);
        start();
        fill(A, m * (whole + 16));
        fill(B, whole);
        k->pack(m, whole, A, whole + 16, C);
        take(C, m, whole, whole);
        k->round_operands(m, whole, A, whole + 16, C, whole);
        take(C, m, whole, whole);
        k->colsum(m, whole, A, whole + 16, D, 0);
        k->colsum(m, whole, A, whole + 16, B, 1);
        take(D, 1, whole, whole);
        take(B, 1, whole, whole);
        fill_operands(E, m);
        k->round_operands(1, whole, B, whole, B, whole);
        k->row_grad(m, n, E, B, C, whole, n, A, PACK);
        take(C, m, n, whole);
        take(PACK, 1, n, n);
        k->dots(m, n, A, whole + 16, B, D, C, whole);
        take(C, m, 1, whole);
        k->dots(m, n, A, whole + 16, B, NULL, C, whole);
        take(C, m, 1, whole);
        tiny_dots(n);
        k->scale_rows(m, whole, A, whole + 16, NULL, 0.1, C);
        take(C, m, whole, whole + 16);
        k->scale_rows(m, whole, A, whole + 16, E, 1.0 / 3, C);
        take(C, m, whole, whole + 16);
        k->add(whole, A, C);
        take(C, 1, whole, whole);
        print("pack, colsum, row_grad, dots, scale_rows, add", "", (int)i);
        start();
        k->dropout(m, n, A, whole + 16, B, whole, 0.3, 12345, NULL, 7);
        take(B, m, n, whole);
        k->dropout(m, n, A, whole + 16, B, whole, 0.5, (uint64_t)-9, ORDER, 7);
        take(B, m, n, whole);
        print("dropout", "", (int)i);
        start();
        memset(B, 0, m * whole * sizeof(real));
        k->noise(m, n, B, whole, 0.5, 12345, NULL, 7);
        k->noise(m, n, B, whole, 2.0, (uint64_t)-9, ORDER, 7);
        take(B, m, whole, whole);
        print("noise", "", (int)i);
        start();
        for (int norm = 0; norm <= 2; norm += 2) {
            const attack_t far = {norm, 1.5, 0.7, -2, 2.5};
            fill(A, m * whole);
            fill(C, m * whole);
            memcpy(B, A, m * whole * sizeof(real));
            k->jitter(m, n, B, whole, 1.25, 12345, ORDER, 7);
            take(B, m, n, whole);
            k->attack(&far, m, n, A, C, B, whole);
            take(B, m, n, whole);
        }
        print("jitter, attack", "", (int)i);
        start();
        fill_wide(A, 3 * n / 4);
        take_double(k->sum(3 * n / 4, A));
        fill(A, m * n);
        take_double(k->sum(m * n, A));
        take_double(k->sum_squares(m * n, A));
        take_double(k->sum_abs(m * n, A));
        take_double(k->all_finite(m * n, A));
        take_double(k->largest(m * n, A));
        A[m * n / 2] = 1 / (real)0;
        take_double(k->all_finite(m * n, A));
        take_double(k->largest(m * n, A));
        A[m * n - 1] = A[m * n / 2] - A[m * n / 2]; /* NaN, which is not above 0 */
        take_double(k->largest(m * n, A) > 0);
        print("sum, sum_squares, sum_abs, all_finite, largest", "", (int)i);
    }
}

static void windows(void)
{
    static const window_t maps[] = {{7, 6, 3, 3, 2, 1, 1, 0, 0, 1, 1, 5, 5},  {9, 8, 17, 3, 3, 2, 2, 1, 1, 1, 1, 5, 4},
                                    {1, 20, 5, 1, 4, 1, 2, 0, 1, 1, 2, 1, 8}, {8, 6, 6, 2, 2, 2, 2, 0, 0, 1, 1, 4, 3},
                                    {7, 9, 16, 2, 3, 3, 3, 0, 0, 1, 1, 2, 3}, {6, 6, 20, 3, 2, 3, 2, 0, 0, 1, 1, 2, 3}};
    for (ptrdiff_t i = 0; i < COUNT(maps); i++) {
        const window_t *g = &maps[i];
        const ptrdiff_t K = g->kh * g->kw * g->c, P = g->oh * g->ow, size = g->h * g->w * g->c, n = P * g->c;
        start();
        fill(A, size);
        fill(C, P * (K + 3));
        fill(D, size);
        k->unpatch(g, 1, P, C, K + 3, D);
        take(D, 1, size, size);
        k->rows(P, g->c, A, g->c, B, g->c + 5);
        take(B, P, g->c + 5, g->c + 5);
        for (int kind = 0; kind < 2; kind++) {
            (kind ? k->avg_pool : k->max_pool)(g, A, B);
            take(B, 1, n, n);
            fill(C, n);
            memset(D, 0, sizeof D);
            (kind ? k->avg_pool_grad : k->max_pool_grad)(g, A, B, C, D);
            take(D, 1, size, size);
            if (kind == 0) {
                k->max_pool_tangent(g, A, B, D, C);
                take(C, 1, n, n);
            }
        }
        print("windows", "", (int)i);
    }
}

static void functions(void)
{
    enum { n = 8192 };
    static const char *names[] = {"exp", "expm1", "log", "log1p", "erfc", "tanh", "sigmoid", "sin", "cos"};
    for (ptrdiff_t i = 0; i < COUNT(names); i++) {
        start();
        fill_wide(A, n);
        /* the functions' domains: expm1 below 0, log above, log1p 0 .. 1, erfc above 0 */
        for (ptrdiff_t j = 0; j < n; j++) {
            const real size = A[j] < 0 ? -A[j] : A[j];
            if (i == 1) A[j] = -size;
            if (i == 2 || i == 4) A[j] = size == size && size > 0 ? size : 1;
            if (i == 3) A[j] = size <= 1 ? size : size > 1 ? 1 / size : 0;
        }
        if (!k->function(names[i], n, A, B)) exit(2);
        take(B, 1, n, n);
        print("function", names[i], 0);
    }
    all_normal = 1;
    for (int i = 0; i < N_ACTIVATIONS; i++) {
        const double args[] = {fastmlp_activations[i].arg, 0.3};
        for (int j = 0; j < 2; j++) {
            start();
            fill_wide(A, n);
            k->act(i, args[j], n, A, B);
            take(B, 1, n, n);
            fill(C, n);
            k->act_grad(i, args[j], n, fastmlp_activations[i].needs_s ? A : B, C);
            take(C, 1, n, n);
            for (int l = 0; l < n; l++) A[l] = A[l] > 1e9 || A[l] < -1e9 || A[l] != A[l] ? 7 : A[l];
            k->act(i, args[j], n, A, B);
            fill(D, n);
            fill(E, n);
            k->act_curve(i, args[j], n, fastmlp_activations[i].needs_s ? A : B, D, E, C);
            take(C, 1, n, n);
            print("activation", fastmlp_activations[i].name, j);
        }
    }
}

static void losses(void)
{
    static const ptrdiff_t sizes[][2] = {{1, 1}, {1, 9}, {2, 1}, {16, 10}, {37, 1}, {37, 3}, {50, 19}};
    int32_t labels[256];
    double levels[19];
    for (int i = 0; i < 19; i++) levels[i] = 0.2 + 0.3 * (i % 3);
    for (int i = 0; i < N_LOSSES; i++)
        for (ptrdiff_t j = 0; j < COUNT(sizes); j++) {
            const ptrdiff_t m = sizes[j][0], n = sizes[j][1], ld = (n + 15) / 16 * 16, each = n % 3 ? 1 : 3;
            start();
            for (int mode = 0; mode < 8; mode++) {
                loss_t t = {.kind = i,
                            .arg = HAS_LEVELS(i) ? levels : &fastmlp_losses[i].arg,
                            .m = m,
                            .n = n,
                            .x = A,
                            .ldx = ld,
                            .y = B,
                            .ldy = n,
                            .order = mode & 1 ? ORDER : NULL,
                            .first = 3,
                            .weight = mode & 2 ? C : NULL,
                            .scale = 1.0 / 7,
                            .delta = mode == 3 ? NULL : D,
                            .ldd = ld,
                            .value = E,
                            .scratch = PACK};
                if (HAS_LEVELS(i)) t.ldy = n / each;
                fill(A, m * ld);
                fill(B, 256 * n);
                for (ptrdiff_t l = 0; l < 256 * n; l++)
                    if (i == LOSS_poisson || i == LOSS_cross_entropy || i == LOSS_binary_cross_entropy)
                        B[l] = l % 5 ? (B[l] + 4) / 8 : 0;
                for (int l = 0; l < 256; l++) labels[l] = (int32_t)(next() % (uint64_t)n);
                for (int l = 0; l < 256; l++) C[l] = (real)(next() >> 62) / 2;
                if (i == LOSS_cross_entropy && mode & 4) t.form = TARGETS_labels, t.y = labels;
                take_double(k->loss(&t));
                take(E, 1, m, m);
                if (!t.delta) continue;
                take(D, m, n, ld);
                memset(D, 0, sizeof D);
                fill(E, m * ld);
                k->loss_curve(&t, E, ld);
                take(D, m, n, ld);
                for (ptrdiff_t r = 0; r < m; r++)
                    for (ptrdiff_t l = n; l % k->lanes; l++)
                        if (D[r * ld + l] != 0) exit(3); /* pads are zero */
            }
            print("loss", fastmlp_losses[i].name, (int)j);
        }
    for (int i = 0; i < N_LINKS; i++)
        for (ptrdiff_t j = 0; j < COUNT(sizes); j++) {
            const ptrdiff_t m = sizes[j][0], n = sizes[j][1];
            start();
            fill(A, m * (n + 7));
            k->link(i, n % 3 ? 1 : 3, m, n, A, n + 7, B, n + 2, PACK);
            take(B, m, n, n + 2);
            print("link", fastmlp_links[i], (int)j);
        }
}

/* rows of a vector each, of which no more than two elements are used */
static void narrow_steps(void)
{
    for (int i = 0; i < N_STEPS; i++) {
        const ptrdiff_t m = 5, n = 2, ld = k->lanes;
        step_t s = {.kind = i,
                    .lr = 0.01,
                    .lr_g = 0.003,
                    .beta1 = 0.9,
                    .beta2 = 0.999,
                    .eps = 1e-8,
                    .decay = 1e-3,
                    .gscale = 0.7,
                    .l2 = 0.01,
                    .l1 = 1e-4,
                    .narrow = 1};
        start();
        memset(A, 0, sizeof A);
        memset(B, 0, sizeof B);
        memset(C, 0, sizeof C);
        memset(D, 0, sizeof D);
        for (ptrdiff_t r = 0; r < m; r++) fill(A + r * ld, n);
        for (int t = 0; t < 5; t++) {
            for (ptrdiff_t r = 0; r < m; r++) fill(D + r * ld, n);
            k->step(&s, 1, m * ld, A, m * ld, D, m * ld, B, C);
        }
        take(A, m, n, ld);
        take(B, m, n, ld);
        take(C, m, n, ld);
        print("narrow step", fastmlp_steps[i].name, i);
    }
}

static void steps(void)
{
    for (int i = 0; i < N_STEPS; i++)
        for (int mode = 0; mode < 8; mode++) {
            const ptrdiff_t m = 5, n = 48, ld = mode & 4 ? n : n + 32;
            step_t s = {.kind = i,
                        .lr = 0.01,
                        .lr_g = 0.003,
                        .beta1 = 0.9,
                        .beta2 = 0.999,
                        .eps = 1e-8,
                        .decay = mode & 1 ? 1e-3 : 0,
                        .gscale = mode & 1 ? 0.7 : 1,
                        .l2 = mode & 2 ? 0.01 : 0,
                        .l1 = mode & 2 ? 1e-4 : 0};
            start();
            fill(A, m * ld);
            memset(B, 0, sizeof B);
            memset(C, 0, sizeof C);
            for (int t = 0; t < 5; t++) {
                fill(D, m * n);
                k->step(&s, m, n, A, ld, D, n, B, C);
            }
            take(A, m, n, ld);
            take(B, m, n, ld);
            take(C, m, n, ld);
            print("step", fastmlp_steps[i].name, mode);
        }
}

#define GATHER(name, T)                                                                            \
    {                                                                                              \
        static T data[64 * 40];                                                                    \
        for (int i = 0; i < 64 * 40; i++) {                                                        \
            const real v = fraction();                                                             \
            data[i] = SRC_##name <= SRC_f8 ? (T)v / 3 : (T)next();                                 \
        }                                                                                          \
        start();                                                                                   \
        for (int mode = 0; mode < 10; mode++) {                                                    \
            source_t s = {.data = (const char *)data,                                              \
                          .end = (const char *)(data + 64 * 40),                                   \
                          .row_stride = 40 * sizeof(T),                                            \
                          .col_stride = sizeof(T),                                                 \
                          .type = SRC_##name,                                                      \
                          .cols = 33};                                                             \
            if (mode / 2 == 1) s.col_stride = 64 * sizeof(T), s.row_stride = sizeof(T);            \
            if (mode / 2 == 2) s.data += 39 * sizeof(T), s.col_stride = -(ptrdiff_t)sizeof(T);     \
            if (mode / 2 >= 3)                                                                     \
                s.indptr = mode / 2 == 3 ? (void *)p4 : (void *)p8,                                \
                s.indices = mode / 2 == 3 ? (void *)c4 : (void *)c8, s.wide_index = mode / 2 == 4; \
            k->gather(&s, mode % 2 ? ORDER : NULL, 2, 30, A, 48);                                  \
            take(A, 30, 33, 48);                                                                   \
        }                                                                                          \
        for (int cols = 1; cols < 20; cols++) { /* a row alone, the last in memory too */          \
            source_t s = {.data = (const char *)(data + 64 * 40 - 3 * cols),                       \
                          .end = (const char *)(data + 64 * 40),                                   \
                          .row_stride = cols * sizeof(T),                                          \
                          .col_stride = sizeof(T),                                                 \
                          .type = SRC_##name,                                                      \
                          .cols = cols};                                                           \
            for (int row = 0; row < 3; row++) {                                                    \
                k->gather(&s, NULL, row, 1, A, 48);                                                \
                take(A, 1, cols, 48);                                                              \
            }                                                                                      \
        }                                                                                          \
        print("gather", #name, 0);                                                                 \
    }

static void gathers(void)
{
    int32_t p4[65] = {0}, c4[64 * 40];
    int64_t p8[65] = {0}, c8[64 * 40];
    for (int i = 0; i < 64; i++) {
        p8[i + 1] = p8[i] + i % 11; /* rows of no entries too */
        p4[i + 1] = (int32_t)p8[i + 1];
    }
    for (int i = 0; i < 64 * 40; i++) c8[i] = c4[i] = (int32_t)(next() % 33);
    SOURCES(GATHER)
}

static void orders(void)
{
    static int64_t out[3000];
    const uint32_t key[4] = {(uint32_t)next(), (uint32_t)next(), (uint32_t)next(), (uint32_t)next()};
    start();
    k->permute(50, 3000, 61, 53, key, out);
    for (int i = 0; i < 3000; i++) A[i] = (real)out[i];
    take(A, 1, 3000, 3000);
    print("permute", "", 0);
}

static void everything(void)
{
    gemms();
    overlaps();
    matrices();
    functions(); /* which ends with activations */
    windows();
    all_normal = 0;
    losses();
    steps();
    narrow_steps();
    gathers();
    orders();
}

int main(int argc, char **argv)
{
    k = argc == 2 ? fastmlp_kernels(argv[1], PRECISION) : NULL;
    if (!k || k->pack_bytes > sizeof PACK) {
        fprintf(stderr, "this machine or build lacks that instruction set\n");
        return 2;
    }
    for (int i = 0; i < COUNT(ORDER); i++) ORDER[i] = i * 37 % 61;
    everything();
    flushed = 1;
    set_float_mode(ENGINE_MODE);
    everything();
    return 0;
}
