/* Calls every function of one kernels table on data made from integers and prints a hash a line.
 *
 *     harness ISA
 *
 * Lines are the same for every instruction set with a fused multiply-add, whatever the machine and the compiler. All is
 * run twice: in the mode that threads begin in, and in the engine's, where half of what goes in is about as small as
 * the smallest normal number, so that much is subnormal on the way. What goes in is so too, but where a number may come
 * out as it went in (relu, max pooling): it is for compilers and processors to choose whether a mere choice makes it 0.
 * Compile with -DREAL=float -DPRECISION="'f'" or "'b'", or -DREAL=double -DPRECISION="'d'". Sizes in vectors are
 * multiples of 16, the most lanes that a vector has; only elements that kernels.h defines are hashed. Products in
 * bfloat16 are compared with their definition besides.
 */
#include "products.h"

/* ---- one function of the table each */

static void transposed(ptrdiff_t m, ptrdiff_t n, int i)
{
    start();
    fill(A, m * (n + 5));
    k->transpose(m, n, A, n + 5, B, m + 3);
    take(B, n, m, m + 3);
    print("transpose", "", i);
}

static void by_rows(ptrdiff_t m, ptrdiff_t n, int i)
{
    const ptrdiff_t whole = (n + 15) / 16 * 16;
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
    print("pack, colsum, row_grad, dots, scale_rows, add", "", i);
}

static void dropped(ptrdiff_t m, ptrdiff_t n, int i)
{
    const ptrdiff_t whole = (n + 15) / 16 * 16;
    start();
    k->dropout(m, n, A, whole + 16, B, whole, 0.3, 12345, NULL, 7);
    take(B, m, n, whole);
    k->dropout(m, n, A, whole + 16, B, whole, 0.5, (uint64_t)-9, ORDER, 7);
    take(B, m, n, whole);
    print("dropout", "", i);
}

static void noisy(ptrdiff_t m, ptrdiff_t n, int i)
{
    const ptrdiff_t whole = (n + 15) / 16 * 16;
    start();
    memset(B, 0, m * whole * sizeof(real));
    k->noise(m, n, B, whole, 0.5, 12345, NULL, 7);
    k->noise(m, n, B, whole, 2.0, (uint64_t)-9, ORDER, 7);
    take(B, m, whole, whole);
    print("noise", "", i);
}

static void attacked(ptrdiff_t m, ptrdiff_t n, int i)
{
    const ptrdiff_t whole = (n + 15) / 16 * 16;
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
    print("jitter, attack", "", i);
}

static void summed(ptrdiff_t m, ptrdiff_t n, int i)
{
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
    print("sum, sum_squares, sum_abs, all_finite, largest", "", i);
}

static void matrices(void)
{
    static const ptrdiff_t sizes[][2] = {{1, 1}, {1, 40}, {2, 2},  {4, 3},   {3, 4},   {2, 5},
                                         {5, 8}, {1, 9},  {3, 17}, {16, 16}, {31, 33}, {70, 50}};
    for (ptrdiff_t i = 0; i < COUNT(sizes); i++) {
        const ptrdiff_t m = sizes[i][0], n = sizes[i][1];
        transposed(m, n, (int)i);
        by_rows(m, n, (int)i);
        dropped(m, n, (int)i);
        noisy(m, n, (int)i);
        attacked(m, n, (int)i);
        summed(m, n, (int)i);
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
            k->link(i, i == LINK_softmax ? n : n % 3 ? 1 : 3, m, n, A, n + 7, B, n + 2, PACK);
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
