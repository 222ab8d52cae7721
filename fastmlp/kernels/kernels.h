/* The C storey: vectors, matrix tiles, activations, losses, optimiser steps.
 *
 * Functions here know nothing of networks and hold no state. One source,
 * kernels.inc, is compiled once per (instruction set, dtype); dispatch.c picks
 * a table of function pointers at import.
 *
 * Bits: every element of every product is one chain of fused multiply-adds in
 * the order of k, or 16 of them (dots); sums across rows or outputs run in index order or over a fixed
 * number of lanes; exp, log and the rest are fixed sequences of IEEE operations.
 * So all instruction sets with a fused multiply-add give the same bits.
 */
#ifndef FASTMLP_KERNELS_H
#define FASTMLP_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* Rows that the loss kernels take at a time, whatever the vector width. */
#define TILE_ROWS 16

/* name, needs s for its derivatives (else x is enough), has a second one that is not 0 almost everywhere, default argument */
#define ACTIVATIONS(X)        \
    X(identity, 0, 0, 0.0)    \
    X(relu, 0, 0, 0.0)        \
    X(leaky_relu, 0, 0, 0.01) \
    X(elu, 0, 1, 1.0)         \
    X(selu, 0, 1, 0.0)        \
    X(gelu, 1, 1, 0.0)        \
    X(silu, 1, 1, 0.0)        \
    X(mish, 1, 1, 0.0)        \
    X(softplus, 1, 1, 0.0)    \
    X(tanh, 0, 1, 0.0)        \
    X(sigmoid, 0, 1, 0.0)

/* name, link that turns x(L) into a prediction, default argument */
#define LOSSES(X)                               \
    X(squared_error, identity, 0.0)             \
    X(half_squared_error, identity, 0.0)        \
    X(absolute_error, identity, 0.0)            \
    X(huber, identity, 1.0)                     \
    X(quantile, identity, 0.5)                  \
    X(poisson, exp, 0.0)                        \
    X(binary_cross_entropy, sigmoid, 0.0)       \
    X(cross_entropy, softmax, 0.0)

#define LINKS(X) X(identity) X(exp) X(sigmoid) X(softmax)

/* name, arrays of state per parameter */
#define STEPS(X) X(sgd, 0) X(momentum, 1) X(nesterov, 1) X(adam, 2)

/* element types that X may have without being copied: name, C type */
#define SOURCES(X)                                                      \
    X(f4, float) X(f8, double)                                          \
    X(i1, int8_t) X(i2, int16_t) X(i4, int32_t) X(i8, int64_t)          \
    X(u1, uint8_t) X(u2, uint16_t) X(u4, uint32_t) X(u8, uint64_t)

#define ENUM_ACT(name, ...) ACT_##name,
#define ENUM_LOSS(name, ...) LOSS_##name,
#define ENUM_LINK(name) LINK_##name,
#define ENUM_STEP(name, ...) STEP_##name,
#define ENUM_SRC(name, ...) SRC_##name,
enum { ACTIVATIONS(ENUM_ACT) N_ACTIVATIONS };
enum { LOSSES(ENUM_LOSS) N_LOSSES };
enum { LINKS(ENUM_LINK) N_LINKS };
enum { STEPS(ENUM_STEP) N_STEPS };
enum { SOURCES(ENUM_SRC) N_SOURCES };

enum { EPI_NONE, EPI_RELU, EPI_RELU_GRAD };

/* Panels: B (K, N) cut into runs of columns as wide as a tile, each contiguous. The panel that starts at column j
 * starts at element j K and has rows as wide as kernels_t.panel(2, N - j). */

/* The product C (M, N) = [what it starts from] + A (M, K) B (K, N), but for where A and C are and how many rows they have: that is
 * for gemm to be told, so that this can serve for all rows of a layer. N is a multiple of the lane count, or `narrow`, or, above
 * tile_columns, `narrow` more than such a multiple: then rows of B, C, init and H have room for whole vectors, and those of C are
 * whole ones. */
typedef struct {
    ptrdiff_t N, K;
    ptrdiff_t ra, ca;                /* strides of A */
    const int32_t *rows, *steps;     /* or NULL; else element (i, k) of A is A[rows[i] + steps[k]] */
    const void *B; ptrdiff_t ldb;    /* row stride */
    int panels;                      /* B is in panels, see above, and ldb is not used */
    ptrdiff_t ldc;
    const void *init; ptrdiff_t ldi; /* what the chain starts from: NULL for 0, a
                                        bias row (ldi = 0), or C itself */
    int epilogue;                    /* EPI_RELU_GRAD keeps the elements of C where those of H (M, N), row stride ldc, are > 0 */
} gemm_t;

/* A window of kh x kw elements, dh and dw apart, that slides over a map (h, w, c) in strides (sh, sw), from ph above and pw
 * left of it, and stops at oh x ow positions. What lies outside of the map counts as zero; for a maximum it is not there. */
typedef struct { ptrdiff_t h, w, c, kh, kw, sh, sw, ph, pw, dh, dw, oh, ow; } window_t;

/* Where the rows of X or y come from. Row i of the batch is row order[i]. */
typedef struct {
    const char *data;                /* dense: the first element */
    const char *end;                 /* dense: past the last element in memory */
    ptrdiff_t row_stride, col_stride;/* dense: in bytes */
    const void *indptr, *indices;    /* CSR, else NULL */
    int wide_index;                  /* CSR: indices are int64, else int32 */
    int type;                        /* SRC_* */
    ptrdiff_t cols;
} source_t;

enum { TARGETS_rows, TARGETS_labels, TARGETS_csr };

/* The loss of m rows. delta may be NULL. */
typedef struct {
    int kind, form;                  /* LOSS_*, TARGETS_* */
    double arg;
    ptrdiff_t m, n;                  /* rows, outputs */
    const void *x; ptrdiff_t ldx;    /* IN  (m, n) outputs of the last layer */
    const int64_t *order;            /* IN  row i has target row order[first + i], */
    ptrdiff_t first;                 /*     or first + i where order is NULL */
    const void *y; ptrdiff_t ldy;    /* IN  targets, by form: rows of the kernels' type, or class labels, int32, or a source_t of CSR */
    const void *weight;              /* IN  sample weights by target row, or NULL */
    double scale;                    /* IN  factor of the gradient */
    void *delta; ptrdiff_t ldd;      /* OUT (m, ldd) scaled de/dx, zero past n */
    void *value;                     /* OUT (m,) weighted losses */
    void *scratch;                   /* 3 n TILE_ROWS elements */
} loss_t;

/* How an input is moved to where its loss is larger, and how far it may go. */
typedef struct {
    int norm;                        /* 2, or 0 for the largest of all elements */
    double eps, step;                /* how far from where it was, and at once, in that norm */
    double lo, hi;                   /* the range of all elements */
} attack_t;

/* One optimiser step on an (m, n) tile. */
typedef struct {
    int kind;
    double lr, beta1, beta2, eps;    /* beta1 is the momentum of sgd */
    double decay, l2, l1, gscale;    /* decay: lr times AdamW's weight decay */
    int narrow;                      /* of each vector no more than kernels_t.narrow elements are used, the others are 0 */
} step_t;

typedef struct {
    const char *isa;
    int lanes;                       /* elements of a vector */
    int narrow;                      /* the columns that need not be a vector; where N is narrow and ldc leaves room for a vector,
                                        gemm makes the rest of it 0 */
    int tile_columns;                /* where N is at most that, rows of C may overlap (ldc < N): the later one is on top */
    int itemsize;
    size_t pack_bytes;
    /* H may be NULL where the epilogue does not want it; pack, scratch of pack_bytes, where B is not to be packed */
    void (*gemm)(const gemm_t *, ptrdiff_t M, const void *A, void *C, const void *H, void *pack);
    /* columns of the next panel, when `rest` columns of a matrix of M rows are left */
    ptrdiff_t (*panel)(ptrdiff_t M, ptrdiff_t rest);
    /* a panel's start at or before column j of a matrix of N columns, at most two panels before */
    ptrdiff_t (*panel_start)(ptrdiff_t N, ptrdiff_t j);
    /* out (K, n) = B (K, n), contiguous */
    void (*pack)(ptrdiff_t K, ptrdiff_t n, const void *B, ptrdiff_t ldb, void *out);
    /* column 0 of out (m, ldo) = x (m, n) w + b, zeros as far as a vector reaches; b may be NULL. A product is summed over 16 lanes,
     * each in the order of k, and these by halves. Rows of x and w have room for whole vectors. */
    void (*dots)(ptrdiff_t m, ptrdiff_t n, const void *x, ptrdiff_t ldx, const void *w, const void *b, void *out, ptrdiff_t ldo);
    /* The gradient of one row: G (m, n) = a b^T, zeros as far as a vector reaches, and bias (k,) = d unless it is NULL. b, d and bias have
     * room for whole vectors. */
    void (*row_grad)(ptrdiff_t m, ptrdiff_t n, const void *a, const void *b, void *G, ptrdiff_t ldg, ptrdiff_t k, const void *d, void *bias);
    /* out (n,) = (from out, or 0) + sum of the m rows of D, in row order */
    void (*colsum)(ptrdiff_t m, ptrdiff_t n, const void *D, ptrdiff_t ldd, void *out, int accumulate);
    /* B (n, m) = A (m, n)^T */
    void (*transpose)(ptrdiff_t m, ptrdiff_t n, const void *A, ptrdiff_t lda, void *B, ptrdiff_t ldb);
    /* x = theta(s); n a multiple of the lane count */
    void (*act)(int kind, double arg, ptrdiff_t n, const void *s, void *x);
    /* delta *= theta'(s); sx is s where the table says so, else x */
    void (*act_grad)(int kind, double arg, ptrdiff_t n, const void *sx, void *delta);
    /* delta = theta'(s) delta + theta''(s) st u */
    void (*act_curve)(int kind, double arg, ptrdiff_t n, const void *sx, const void *st, const void *u, void *delta);
    int (*loss)(const loss_t *);     /* whether all values are finite */
    /* delta = scaled d2e/dx2 xt, for xt (m, n); values are not touched */
    void (*loss_curve)(const loss_t *, const void *xt, ptrdiff_t ldxt);
    /* out (m, n) = link(x (m, n)); scratch of n TILE_ROWS elements */
    void (*link)(int kind, ptrdiff_t m, ptrdiff_t n, const void *x, ptrdiff_t ldx, void *out, ptrdiff_t ldo, void *scratch);
    void (*step)(const step_t *, ptrdiff_t m, ptrdiff_t n, void *P, ptrdiff_t ldp, const void *G, ptrdiff_t ldg, void *S1, void *S2);
    /* fetch an (m, n) tile towards the cache */
    void (*fetch)(ptrdiff_t m, ptrdiff_t n, const void *P, ptrdiff_t ldp);
    /* fetch m dense rows of X and their targets towards the cache */
    void (*fetch_rows)(const source_t *X, const loss_t *loss, const int64_t *order, ptrdiff_t first, ptrdiff_t m);
    /* out (m, ldo) = rows of src, converted; m at least 1 */
    void (*gather)(const source_t *src, const int64_t *order, ptrdiff_t first, ptrdiff_t m, void *out, ptrdiff_t ldo);
    /* out (m,) = where a permutation of the numbers below a b, a and b below 2^32, takes first, first + 1, .. */
    void (*permute)(uint64_t first, ptrdiff_t m, uint64_t a, uint64_t b, const uint32_t *key, int64_t *out);
    /* out (m, n) = x (m, n), each element dropped with probability rate, else times 1 / (1 - rate); which are dropped
     * depends on key, the row's number order[first + i] (or first + i) and the column alone */
    void (*dropout)(ptrdiff_t m, ptrdiff_t n, const void *x, ptrdiff_t ldx, void *out, ptrdiff_t ldo, double rate, uint64_t key, const int64_t *order, ptrdiff_t first);
    /* x (m, n) += sigma times normal noise that depends on key, row of the data and column; order as in gather */
    void (*noise)(ptrdiff_t m, ptrdiff_t n, void *x, ptrdiff_t ldx, double sigma, uint64_t key, const int64_t *order, ptrdiff_t first);
    /* the same with evenly spread noise from -width to width */
    void (*jitter)(ptrdiff_t m, ptrdiff_t n, void *x, ptrdiff_t ldx, double width, uint64_t key, const int64_t *order, ptrdiff_t first);
    /* x (m, n) moved along d, within reach of x0; one row stride */
    void (*attack)(const attack_t *, ptrdiff_t m, ptrdiff_t n, const void *x0, const void *d, void *x, ptrdiff_t ld);
    /* out (m, n) = D (m, n) with row i times scale weight[i]; one row stride */
    void (*scale_rows)(ptrdiff_t m, ptrdiff_t n, const void *D, ptrdiff_t ld, const void *weight, double scale, void *out);
    /* into += x; n a multiple of the lane count */
    void (*add)(ptrdiff_t n, const void *x, void *into);
    double (*sum)(ptrdiff_t n, const void *x);
    double (*sum_squares)(ptrdiff_t n, const void *x);
    double (*sum_abs)(ptrdiff_t n, const void *x);
    int (*all_finite)(ptrdiff_t n, const void *x);
    double (*largest)(ptrdiff_t n, const void *x); /* max |x|, NaN where there is any */
    /* out (m, ldo) = x (m, n), zero from column n on */
    void (*rows)(ptrdiff_t m, ptrdiff_t n, const void *x, ptrdiff_t ldx, void *out, ptrdiff_t ldo);
    /* dx += the rows of D (p1 - p0, kh kw c), at what the window sees of the map at positions p0 .. p1 */
    void (*unpatch)(const window_t *, ptrdiff_t p0, ptrdiff_t p1, const void *D, ptrdiff_t ldd, void *dx);
    /* out (oh, ow, c) = max or mean of each window of x; dx += the derivative, given delta by out */
    void (*max_pool)(const window_t *, const void *x, void *out);
    void (*max_pool_grad)(const window_t *, const void *x, const void *out, const void *delta, void *dx);
    /* outt = xt where x has the maxima that max_pool_grad gives to */
    void (*max_pool_tangent)(const window_t *, const void *x, const void *out, const void *xt, void *outt);
    void (*avg_pool)(const window_t *, const void *x, void *out);
    void (*avg_pool_grad)(const window_t *, const void *x, const void *out, const void *delta, void *dx);
    /* elementwise functions, for tests: exp, expm1, log, log1p, erfc, tanh, sigmoid */
    int (*function)(const char *name, ptrdiff_t n, const void *x, void *out);
} kernels_t;

typedef struct { const char *name; int needs_s, curved; double arg; } activation_row;
typedef struct { const char *name; int link; double arg; } loss_row;
typedef struct { const char *name; int slots; } step_row;
extern const activation_row fastmlp_activations[];
extern const loss_row fastmlp_losses[];
extern const step_row fastmlp_steps[];
extern const char *const fastmlp_links[], *const fastmlp_sources[];

/* The table for a dtype ('f' or 'd'), or NULL where this machine lacks isa. */
const kernels_t *fastmlp_kernels(const char *isa, char dtype);
/* The names of the instruction sets that this build holds, best last. */
extern const char *const fastmlp_isas[];
extern const char *const fastmlp_compiler;

#define DECLARE(isa) \
    extern const kernels_t fastmlp_##isa##_f, fastmlp_##isa##_d;
DECLARE(generic)
DECLARE(avx2)
DECLARE(avx512)
DECLARE(neon)

#endif
