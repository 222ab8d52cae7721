/* The C level: vectors, matrix tiles, activations, losses, optimiser steps.
 *
 * The functions here know nothing of networks and hold no state. One source, kernels.inc, is compiled once for each
 * instruction set and dtype; dispatch.c picks a table of function pointers at import. table.h declares each kernel.
 *
 * Bits: every element of a product is one chain of fused multiply-adds in the order of k (in `dots` 16 such chains, for
 * bfloat16 as bfloat16.inc says); sums over rows or outputs run in index order or over a fixed number of lanes; exp,
 * log and the rest are fixed sequences of IEEE operations. So all instruction sets with a fused multiply-add give the
 * same bits.
 */
#ifndef FASTMLP_KERNELS_H
#define FASTMLP_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* ---- Tables of names. A row here and the functions that it names are all that C needs of a new one. */

/* name, theta' is computed from s (else from x), theta'' is not 0 almost everywhere, default argument */
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
    X(sigmoid, 0, 1, 0.0)     \
    X(softsign, 1, 1, 0.0)    \
    X(relu6, 0, 0, 0.0)       \
    X(hard_swish, 1, 1, 0.0)  \
    X(sin, 1, 1, 0.0)         \
    X(cos, 1, 1, 0.0)

/* name, link that turns x(L) into a prediction, default argument */
#define LOSSES(X)                         \
    X(squared_error, identity, 0.0)       \
    X(half_squared_error, identity, 0.0)  \
    X(absolute_error, identity, 0.0)      \
    X(huber, identity, 1.0)               \
    X(quantile, identity, 0.5)            \
    X(ordered_quantile, increasing, 0.5)  \
    X(poisson, exp, 0.0)                  \
    X(binary_cross_entropy, sigmoid, 0.0) \
    X(cross_entropy, softmax, 0.0)

#define LINKS(X) X(identity) X(exp) X(sigmoid) X(softmax) X(increasing)

/* name, arrays of state for each parameter */
#define STEPS(X)           \
    X(sgd, 0)              \
    X(momentum, 1)         \
    X(nesterov, 1)         \
    X(adam, 2)             \
    X(nadam, 2)            \
    X(rmsprop, 1)          \
    X(rmsprop_momentum, 2) \
    X(adagrad, 1)          \
    X(lion, 1)

/* element types that X may have without being copied: name as NumPy has it, C type */
#define SOURCES(X)  \
    X(f4, float)    \
    X(f8, double)   \
    X(i1, int8_t)   \
    X(i2, int16_t)  \
    X(i4, int32_t)  \
    X(i8, int64_t)  \
    X(u1, uint8_t)  \
    X(u2, uint16_t) \
    X(u4, uint32_t) \
    X(u8, uint64_t)

#define ENUM_ACTIVATION(name, ...) ACT_##name,
#define ENUM_LOSS(name, ...) LOSS_##name,
#define ENUM_LINK(name) LINK_##name,
#define ENUM_STEP(name, ...) STEP_##name,
#define ENUM_SOURCE(name, ...) SRC_##name,
enum { ACTIVATIONS(ENUM_ACTIVATION) N_ACTIVATIONS };
enum { LOSSES(ENUM_LOSS) N_LOSSES };
enum { LINKS(ENUM_LINK) N_LINKS };
enum { STEPS(ENUM_STEP) N_STEPS };
enum { SOURCES(ENUM_SOURCE) N_SOURCES };

typedef struct {
    const char *name;
    int needs_s, curved;
    double arg;
} activation_row;

typedef struct {
    const char *name;
    int link; /* LINK_* */
    double arg;
} loss_row;

typedef struct {
    const char *name;
    int slots;
} step_row;

extern const activation_row fastmlp_activations[];
extern const loss_row fastmlp_losses[];
extern const step_row fastmlp_steps[];
extern const char *const fastmlp_links[], *const fastmlp_sources[];

/* ---- What kernels are told. IN: read, OUT: written. */

/* What a product does with its elements before storing them: nothing; relu; set them to 0 unless H > 0. */
enum { EPI_NONE, EPI_RELU, EPI_RELU_GRAD };

/* The product C (M, N) = init + A (M, K) B (K, N), except for M and the addresses of A, C and H, which are arguments of
 * gemm: so one description serves for all rows of a layer.
 *
 * N is a multiple of kernels_t.lanes, or kernels_t.narrow, or, above kernels_t.tile_columns, a multiple of lanes plus
 * narrow. If it is not a multiple of lanes, rows of B, C, init and H have room for whole vectors, and above
 * tile_columns whole vectors of C are written.
 *
 * Panels: B divided into groups of columns as wide as a tile, each contiguous. The panel that starts at column j starts
 * at element j K and is kernels_t.panel(2, N - j) columns wide. */
typedef struct {
    ptrdiff_t N, K;
    ptrdiff_t ra, ca;     /* strides of A: element (i, k) is A[i ra + k ca], */
    const int32_t *rows;  /* or, where these two are not NULL, A[rows[i] + steps[k]] */
    const int32_t *steps; /*     as convolutions want it */
    const void *B;        /* IN  (K, N) */
    ptrdiff_t ldb;        /* its row stride, unless it is in panels */
    int panels;           /* whether B is in panels */
    ptrdiff_t ldc;        /* row stride of C and H */
    const void *init;     /* IN  what the sums start from: NULL for 0, a row (ldi = 0) such as the bias, or C itself */
    ptrdiff_t ldi;        /* its row stride */
    int epilogue;         /* EPI_* */
} gemm_t;

/* k that the sums of a product in bfloat16 take together, see bfloat16.inc */
#define BFLOAT16_BLOCK 32

/* A window of kh x kw elements that slides over a map (h, w, c), channels last, and stops at oh x ow positions.
 * What lies outside of the map counts as zero; for a maximum it is not there. */
typedef struct {
    ptrdiff_t h, w, c; /* the map */
    ptrdiff_t kh, kw;  /* the window */
    ptrdiff_t sh, sw;  /* how far it moves at a time */
    ptrdiff_t ph, pw;  /* how far above and left of the map it starts */
    ptrdiff_t dh, dw;  /* how far apart its elements are in the map, 1 where they are neighbours */
    ptrdiff_t oh, ow;  /* the positions */
} window_t;

/* Where the rows of X or y come from. Row i of the batch is row order[i]. */
typedef struct {
    const char *data;     /* dense: the first element; CSR: the values */
    const char *end;      /* dense: past the last element in memory */
    ptrdiff_t row_stride; /* dense: in bytes, */
    ptrdiff_t col_stride; /*     both */
    const void *indptr;   /* CSR: where each row starts, else NULL */
    const void *indices;  /* CSR: columns, else NULL */
    int wide_index;       /* CSR: indptr and indices are int64, else int32 */
    int type;             /* SRC_* */
    ptrdiff_t cols;       /* elements of a row */
} source_t;

/* Targets are rows of the kernels' type, class labels (int32), or a source_t of a CSR matrix of the kernels' type. */
enum { TARGETS_rows, TARGETS_labels, TARGETS_csr, TARGETS_mixed };

/* Targets mixed from those of two rows: y of TARGETS_mixed. */
typedef struct {
    int form;               /* TARGETS_*, of the targets themselves, */
    const void *y;          /* IN  and these */
    const int64_t *partner; /* IN  row i is mixed with target row partner[first + i], */
    const void *share;      /* IN  of which it has all but the part share[first + i] */
} mixed_t;

/* Rows that the loss kernels process at a time, whatever the vector width. */
#define TILE_ROWS 16
#define SORTED_ROWS 128 /* whose terms are sorted at a time, see stacked.inc */

/* The loss of m rows. It is copied for each block: up to 128 bytes with a few vectors; more with an instruction that
 * takes a fifth of a step of 2-2-1. No unions: compilers would then copy it as a whole, in a third of a step. */
typedef struct {
    int kind;             /* LOSS_* */
    int form;             /* TARGETS_* */
    const double *arg;    /* IN  the loss's argument; where HAS_LEVELS (n,), the quantile that each output is of; of
                             cross entropies, by how much targets are smoothed */
    ptrdiff_t m, n;       /* rows, outputs */
    const void *x;        /* IN  (m, n) outputs of the last layer, before the link */
    ptrdiff_t ldx;        /* row stride of x */
    const int64_t *order; /* IN  row i has target row order[first + i], or first + i where order is NULL */
    ptrdiff_t first;      /* (see order) */
    const void *y;        /* IN  targets, by form */
    ptrdiff_t ldy;        /* targets of a row, of labels the classes. Where HAS_LEVELS each has n / ldy outputs, one
                             after the other; else n / ldy members have ldy outputs each, one for each target */
    const void *weight;   /* IN  sample weights by target row, or NULL */
    double scale;         /* factor of the gradient */
    void *delta;          /* OUT (m, n) scale weight de/dx, zero past n as far as a vector reaches; or NULL */
    ptrdiff_t ldd;        /* row stride of delta */
    void *value;          /* OUT (m,) weighted losses */
    void *scratch;        /* 3 n TILE_ROWS elements */
} loss_t;

/* Losses with several outputs per target, each for one quantile. */
#define HAS_LEVELS(kind) ((kind) == LOSS_quantile || (kind) == LOSS_ordered_quantile)

/* The numbers of an attack, which moves an input to increase its loss. */
typedef struct {
    int norm;    /* 2, or 0 for the largest of all elements */
    double eps;  /* how far from where it was at most, in that norm */
    double step; /* how far at a time */
    double lo;   /* the least that an element may be */
    double hi;   /* and the most */
} attack_t;

/* One optimiser step. */
typedef struct {
    int kind;            /* STEP_* */
    double lr;           /* Adam, NAdam: bias corrections included */
    double lr_g;         /* NAdam: the same for the gradient itself, beside its running mean */
    double beta1, beta2; /* beta1 is the momentum of sgd and RMSprop */
    double eps;          /* NAdam: bias corrections included */
    double fade;         /* NAdam: by how much its momentum's distance from beta1 falls each step; no kernel reads it */
    double decay;        /* lr times the weight decay of AdamW and Lion */
    double l2, l1;       /* penalties: the gradient gets l2 p + l1 sign(p) on top */
    double gscale;       /* factor of the gradient */
    int narrow;          /* no more than kernels_t.narrow elements of each vector are used, the others are 0 */
} step_t;

/* A layer of a tiny network: at most TINY_LAYERS dense layers, each of which reads the previous one. Neither a layer
 * nor the input has more units than kernels_t.lanes. */
#define TINY_LAYERS 6
typedef struct {
    ptrdiff_t d_in, d_out;
    int act, needs_s; /* ACT_*, and whether theta' is computed from s */
    double arg;       /* the activation's argument */
    int dots;         /* s is by dots: of one unit */
    const void *W;    /* IN  (d_in, d_out) W, with dots (d_in,) */
    ptrdiff_t ldw;    /* its row stride */
    const void *b;    /* IN  (d_out,), or NULL for 0 */
    const void *back; /* IN  (d_out, d_in) W transposed; of the first layer it is not read */
    ptrdiff_t ldb;    /* its row stride */
    int flipped;      /* G is transposed */
    void *G;          /* OUT (d_in, d_out) de/dW, zeros up to whole vectors, one in a row */
    void *db;         /* OUT (d_out,) de/db with zeros after it, or NULL */
} tiny_layer_t;

/* Whether this build has Intel's AMX: where the compiler knows it, and the system is asked for it as dispatch.c does.
 */
#if defined(__linux__) && defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
#define HAVE_AMX
#endif

/* ---- The kernels of one instruction set and precision. */
typedef struct {
    const char *isa;
    int lanes;        /* elements of a vector */
    int narrow;       /* columns of a product that need not be a whole vector: half of one, or lanes where halves do not
                         pay. Where N is narrow and ldc leaves room for a vector, gemm makes the rest of it 0 */
    int tile_columns; /* columns of the widest tile of several rows. Where N is at most that, rows of C may overlap
                         (ldc < N): the later one is on top */
    int itemsize;     /* bytes of an element */
    int operandsize;  /* bytes of an element of A, B and panels */
    int rounds;       /* operands are rounded to bfloat16 */
    int row_multiple; /* rows at multiples of which the sums of a gradient may be cut, for bfloat16 a whole block */
    size_t pack_bytes; /* scratch that gemm wants to pack B */
#define KERNEL(type, name, parameters) type(*name) parameters;
#define PRODUCT KERNEL
#include "table.h"
#undef PRODUCT
#undef KERNEL
} kernels_t;

/* The table for float ('f'), double ('d'), or float with products of bfloat16 ('b'); NULL where this machine lacks
 * isa. */
const kernels_t *fastmlp_kernels(const char *isa, char precision);
/* The names of the instruction sets that this build contains, best last, then NULL. */
extern const char *const fastmlp_isas[];
extern const char *const fastmlp_compiler;

#endif
