/* Products of matrices: each way through the tiles and the panels; in bfloat16 against the definition. */
#include "numbers.h"

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

/* Exits where C is not what the definition has. before: what C was, if the sums start there. */
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
