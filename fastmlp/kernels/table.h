/* The kernels, each declared once, as KERNEL(type, name, (parameters)), or as PRODUCT if the tables for bfloat16 have
 * another function than those for full precision.
 *
 * Files that include this one define KERNEL and PRODUCT before: kernels.h turns them into members of a struct,
 * kernels.inc into declarations of functions and entries of a table. fastmlp/_c.pxd declares the same for Cython; a
 * test compares the two.
 *
 * IN: read, OUT: written, IN/OUT: both. Pointers to void are to elements of the table's dtype. In brackets is the
 * shape; ldx is the row stride of x, in elements. "Whole vectors" means: as far as the next multiple of
 * kernels_t.lanes.
 */
// clang-format off

/* ---- Products of matrices (gemm.inc) */

/* C = init + A B as described by g, then the epilogue */
PRODUCT(void, gemm, (const gemm_t *g,
                     ptrdiff_t M,
                     const void *A,                     /* IN  (M, K), operands, by the strides or offsets in g */
                     void *C,                           /* OUT (M, N) */
                     const void *H,                     /* IN  (M, N) of EPI_RELU_GRAD, else NULL will do */
                     void *room))                       /* pack_bytes of scratch, or NULL: B is not to be packed */
/* whether gemm, given room, packs B (K, N) for M rows of A, because it is faster */
KERNEL(int, packs, (ptrdiff_t M, ptrdiff_t N, ptrdiff_t K, ptrdiff_t ldb))
/* the number of columns of the next panel, if `rest` columns of a product of M rows are left */
KERNEL(ptrdiff_t, panel, (ptrdiff_t M, ptrdiff_t rest))
/* a column at which a panel of a matrix of N columns starts: at or before column j, by at most two panels */
KERNEL(ptrdiff_t, panel_start, (ptrdiff_t N, ptrdiff_t j))
/* out = B, n as wide as a panel */
KERNEL(void, pack, (ptrdiff_t K, ptrdiff_t n,
                    const void *B, ptrdiff_t ldb,       /* IN  (K, n) operands */
                    void *out))                         /* OUT (K, n) operands, contiguous */

/* ---- Rows and matrices (matrix.inc) */

/* out = x as operands: rounded to bfloat16, or unchanged; n a multiple of lanes */
PRODUCT(void, round_operands, (ptrdiff_t m, ptrdiff_t n,
                               const void *x, ptrdiff_t ldx,    /* IN  (m, n) */
                               void *out, ptrdiff_t ldo))       /* OUT (m, n) operands; may be x */
/* out = x w + b. The sum of a row runs over 16 lanes, each in the order of k, which are then added by halves. Not used
 * for bfloat16, whose sums have another order. */
KERNEL(void, dots, (ptrdiff_t m, ptrdiff_t n,
                    const void *x, ptrdiff_t ldx,       /* IN  (m, n) operands, with room for whole vectors */
                    const void *w,                      /* IN  (n,) operands, finite up to whole vectors */
                    const void *b,                      /* IN  (1,), or NULL for 0 */
                    void *out, ptrdiff_t ldo))          /* OUT (m, 1), zeros after it up to a vector */
/* The gradient of one row: G = a b^T, bias = d */
PRODUCT(void, row_grad, (ptrdiff_t m, ptrdiff_t n,
                         const void *a,                 /* IN  (m,) operands */
                         const void *b,                 /* IN  (n,) operands, with room for whole vectors */
                         void *G, ptrdiff_t ldg,        /* OUT (m, n), zeros up to whole vectors */
                         ptrdiff_t k,
                         const void *d,                 /* IN  (k,), with room for whole vectors */
                         void *bias))                   /* OUT (k,), with room for whole vectors, or NULL */
/* out = sum of the rows of D, in order; accumulate: added to out */
KERNEL(void, colsum, (ptrdiff_t m, ptrdiff_t n,
                      const void *D, ptrdiff_t ldd,     /* IN  (m, n), with room for whole vectors */
                      void *out,                        /* OUT or IN/OUT (n,), with room for whole vectors */
                      int accumulate))
/* B = A^T */
KERNEL(void, transpose, (ptrdiff_t m, ptrdiff_t n,
                         const void *A, ptrdiff_t lda,  /* IN  (m, n) */
                         void *B, ptrdiff_t ldb))       /* OUT (n, m) */
/* out = x, zero from column n to ldo */
KERNEL(void, rows, (ptrdiff_t m, ptrdiff_t n,
                    const void *x, ptrdiff_t ldx,       /* IN  (m, n) */
                    void *out, ptrdiff_t ldo))          /* OUT (m, ldo) */
/* row i of out = row i of D times scale weight[i]; n a multiple of lanes */
KERNEL(void, scale_rows, (ptrdiff_t m, ptrdiff_t n,
                          const void *D, ptrdiff_t ld,  /* IN  (m, n) */
                          const void *weight,           /* IN  (m,), or NULL for 1 */
                          double scale,
                          void *out))                   /* OUT (m, n), row stride ld; may be D */
/* into += x; n a multiple of lanes */
KERNEL(void, add, (ptrdiff_t n,
                   const void *x,                       /* IN  (n,) */
                   void *into))                         /* IN/OUT (n,) */
/* out = x + y */
KERNEL(void, sum_rows, (ptrdiff_t m, ptrdiff_t n,
                        const void *x, ptrdiff_t ldx,   /* IN  (m, n) */
                        const void *y, ptrdiff_t ldy,   /* IN  (m, n) */
                        void *out, ptrdiff_t ldo))      /* OUT (m, n) */
/* Prefetch an (m, n) tile that is going to be changed. */
KERNEL(void, fetch, (ptrdiff_t m, ptrdiff_t n, const void *P, ptrdiff_t ldp))

/* ---- Normalisation by columns (norm.inc). Rows are `positions` times n columns, `step` apart, or n if there is no
 * parameter step. The weight of row i is the sample weight of row order[first + i], or of first + i without an order;
 * 1 without weights. */

/* mean_j = sum_i w_i x_ij / total, var_j = sum_i w_i (x_ij - mean_j)^2 / total, in the order of the rows */
KERNEL(void, moments, (ptrdiff_t m, ptrdiff_t positions, ptrdiff_t n, ptrdiff_t step,
                       const void *x, ptrdiff_t ldx,    /* IN  (m, positions, n) */
                       const void *weight, const int64_t *order, ptrdiff_t first,
                       double total,                    /* of all weights, times positions */
                       void *mean, void *var))          /* OUT (n,) */
/* scale_j = 1 / sqrt(var_j + eps) */
KERNEL(void, scale_of, (ptrdiff_t n, const void *var, double eps, void *scale))
/* out = gamma (x - mean) scale + beta; mean and beta may be NULL for 0 */
KERNEL(void, normalise, (ptrdiff_t m, ptrdiff_t positions, ptrdiff_t n,
                         const void *x, ptrdiff_t ldx,  /* IN  (m, positions, n) */
                         const void *mean, const void *scale, const void *gamma, const void *beta,
                         void *out, ptrdiff_t ldo))     /* OUT (m, positions, n) */
/* sum_x_j = sum_i delta_ij (x_ij - mean_j) scale_j, sum_j = sum_i delta_ij, in the order of the rows; accumulate: added
 * to them. mean may be NULL for 0, sum if it is not needed. */
KERNEL(void, norm_sums, (ptrdiff_t m, ptrdiff_t positions, ptrdiff_t n, ptrdiff_t step,
                         const void *x, ptrdiff_t ldx,          /* IN  (m, positions, n) */
                         const void *delta, ptrdiff_t ldd,      /* IN  (m, positions, n) */
                         const void *mean, const void *scale,
                         int accumulate,
                         void *sum_x, void *sum))               /* OUT or IN/OUT (n,) */
/* out = gamma scale (delta - w_i / total (sum + x^ sum_x)), which includes the derivative through the moments; sum
 * NULL: without the second term */
KERNEL(void, normalise_grad, (ptrdiff_t m, ptrdiff_t positions, ptrdiff_t n,
                              const void *x, ptrdiff_t ldx,     /* IN  (m, positions, n) */
                              const void *delta, ptrdiff_t ldd, /* IN  (m, positions, n) */
                              const void *mean, const void *scale, const void *gamma,
                              const void *weight, const int64_t *order, ptrdiff_t first, double total,
                              const void *sum_x, const void *sum,
                              void *out, ptrdiff_t ldo))        /* OUT (m, positions, n) */

/* How these change with x along xt: spread_j = sum_i w_i xt_ij x^_ij, shift_j = sum_i w_i xt_ij, in the order of the rows.
 * mean changes by shift / total, 1 / scale by spread / total, and x^ by x^t = scale (xt - (shift + x^ spread) / total).
 */
KERNEL(void, norm_moves, (ptrdiff_t m, ptrdiff_t positions, ptrdiff_t n, ptrdiff_t step,
                          const void *x, ptrdiff_t ldx,     /* IN  (m, positions, n) */
                          const void *xt, ptrdiff_t ldxt,   /* IN  (m, positions, n) */
                          const void *mean, const void *scale,
                          const void *weight, const int64_t *order, ptrdiff_t first,
                          void *spread, void *shift))       /* OUT (n,) */
/* sum_x_j = sum_i delta_ij x^t_ij; accumulate: on top */
KERNEL(void, norm_sums_along, (ptrdiff_t m, ptrdiff_t positions, ptrdiff_t n, ptrdiff_t step,
                               const void *x, ptrdiff_t ldx,        /* IN  (m, positions, n) */
                               const void *xt, ptrdiff_t ldxt,      /* IN  (m, positions, n) */
                               const void *delta, ptrdiff_t ldd,    /* IN  (m, positions, n) */
                               const void *mean, const void *scale,
                               double total, const void *spread, const void *shift,
                               int accumulate,
                               void *sum_x))                        /* OUT or IN/OUT (n,) */
/* out += how normalise_grad's output changes with x^, scale:
 * -gamma scale (w_i / total x^t sum_x + scale spread / total (delta - w_i / total (sum + x^ sum_x))) */
KERNEL(void, norm_curve, (ptrdiff_t m, ptrdiff_t positions, ptrdiff_t n,
                          const void *x, ptrdiff_t ldx,     /* IN  (m, positions, n) */
                          const void *xt, ptrdiff_t ldxt,   /* IN  (m, positions, n) */
                          const void *delta, ptrdiff_t ldd, /* IN  (m, positions, n) */
                          const void *mean, const void *scale, const void *gamma,
                          const void *weight, const int64_t *order, ptrdiff_t first,
                          double total, const void *spread, const void *shift,
                          const void *sum_x, const void *sum,
                          void *out, ptrdiff_t ldo))        /* IN/OUT (m, positions, n) */

/* ---- Features (features.inc). Rows are `positions` times n features. gamma, beta, sum_x and sum have room for whole
 * vectors; each may be NULL: for ones, for zeros, or if not needed. */

/* out = gamma x + beta */
KERNEL(void, affine, (ptrdiff_t m, ptrdiff_t positions, ptrdiff_t n,
                      const void *x, ptrdiff_t ldx,     /* IN  (m, positions, n) */
                      const void *gamma, const void *beta,
                      void *out, ptrdiff_t ldo))        /* OUT (m, positions, n), may be x */
/* sum_x_j = sum_i x_ij delta_ij, sum_j = sum_i delta_ij, in the order of the rows; accumulate: added to them */
KERNEL(void, feature_sums, (ptrdiff_t m, ptrdiff_t positions, ptrdiff_t n,
                            const void *x, ptrdiff_t ldx,       /* IN  (m, positions, n), not read without sum_x */
                            const void *delta, ptrdiff_t ldd,   /* IN  (m, positions, n) */
                            int accumulate,
                            void *sum_x, void *sum))            /* OUT or IN/OUT (n,), zeros up to whole vectors */

/* ---- Normalisation by rows (row_norm.inc), of the n features of each position: x^ = r (x - mean(x)), or r x unless
 * centred; r = 1 / sqrt(mean((x - mean(x))^2) + eps), or of x^2. Sums run over 16 lanes. normal and scale are x^
 * (m, positions, n) and r (m, positions) with one row stride, ldn. gamma may be NULL for ones, beta for zeros. */

/* x^, r, out = gamma x^ + beta */
KERNEL(void, row_norm, (ptrdiff_t m, ptrdiff_t positions, ptrdiff_t n, int centred, double eps,
                        const void *x, ptrdiff_t ldx,           /* IN  (m, positions, n) */
                        const void *gamma, const void *beta,    /* IN  (n,), with room for whole vectors */
                        void *normal, void *scale, ptrdiff_t ldn,   /* OUT */
                        void *out, ptrdiff_t ldo))              /* OUT (m, positions, n) */
/* out = dx^/dx (gamma v), dx^/dx = r (1 - 1 1^T / n - x^ x^T / n), which is symmetric; without 1 1^T unless centred */
KERNEL(void, row_norm_slope, (ptrdiff_t m, ptrdiff_t positions, ptrdiff_t n, int centred,
                              const void *normal, const void *scale, ptrdiff_t ldn,     /* IN */
                              const void *gamma,                /* IN  (n,), with room for whole vectors */
                              const void *v, ptrdiff_t ldv,     /* IN  (m, positions, n) */
                              void *out, ptrdiff_t ldo))        /* OUT (m, positions, n) */
/* out += the tangent of dx^/dx (gamma delta) through x^ and r: c = mean(x^ xt), g = gamma delta,
 * -r^2 c (g - mean(g) - x^ mean(g x^)) - r (x^t mean(g x^) + x^ mean(g x^t)) */
KERNEL(void, row_norm_curve, (ptrdiff_t m, ptrdiff_t positions, ptrdiff_t n, int centred,
                              const void *normal, const void *scale, ptrdiff_t ldn,     /* IN */
                              const void *gamma,                /* IN  (n,), with room for whole vectors */
                              const void *delta, ptrdiff_t ldd, /* IN  (m, positions, n) */
                              const void *xt, ptrdiff_t ldxt,   /* IN  (m, positions, n) tangent of x */
                              const void *normalt, ptrdiff_t ldnt,  /* IN  (m, positions, n) tangent of x^ */
                              void *out, ptrdiff_t ldo))        /* IN/OUT (m, positions, n) */

/* ---- Activations with learned numbers, and gates (learned.inc) */

/* rest = w - u, out = u + share rest, for n features at each position; share has room for whole vectors. rest may be w,
 * out may be u. */
KERNEL(void, blend, (ptrdiff_t m, ptrdiff_t positions, ptrdiff_t n,
                     const void *u, ptrdiff_t ldu,      /* IN  (m, positions, n) */
                     const void *w, ptrdiff_t ldw,      /* IN  (m, positions, n) */
                     const void *share,                 /* IN  (n,) */
                     void *rest, ptrdiff_t ldr,         /* OUT (m, positions, n) */
                     void *out, ptrdiff_t ldo))         /* OUT (m, positions, n) */
/* out = x y, element by element; accumulate: added to out */
KERNEL(void, multiply, (ptrdiff_t positions, ptrdiff_t n,
                        const void *x, ptrdiff_t ldx,   /* IN  (positions, n) */
                        const void *y, ptrdiff_t ldy,   /* IN  (positions, n) */
                        int accumulate,
                        void *out, ptrdiff_t ldo))      /* OUT or IN/OUT (positions, n) */

/* ---- Numeric features (numeric.inc)
 *
 * Waves: c = cos(2 pi x) and s = sin(2 pi x). Rows of x are `positions` times n numbers; in rows of c, s and their
 * derivatives, the n numbers of a position are `step` elements from those of the next. */

KERNEL(void, waves, (ptrdiff_t m, ptrdiff_t positions, ptrdiff_t n,
                     const void *x, ptrdiff_t ldx,      /* IN  (m, positions, n) */
                     ptrdiff_t step,
                     void *c, ptrdiff_t ldc,            /* OUT (m, positions, n) */
                     void *s, ptrdiff_t lds))           /* OUT (m, positions, n) */
/* the tangents ct = -2 pi s xt, st = 2 pi c xt; st may be NULL */
KERNEL(void, waves_push, (ptrdiff_t m, ptrdiff_t positions, ptrdiff_t n,
                          const void *xt, ptrdiff_t ldx,        /* IN  (m, positions, n) */
                          ptrdiff_t step,
                          const void *c, ptrdiff_t ldc,         /* IN  (m, positions, n) */
                          const void *s, ptrdiff_t lds,         /* IN  (m, positions, n) */
                          void *ct, void *st, ptrdiff_t ldt))   /* OUT (m, positions, n) */
/* dx = 2 pi (c ds - s dc); ds may be NULL for zeros */
KERNEL(void, waves_pull, (ptrdiff_t m, ptrdiff_t positions, ptrdiff_t n, ptrdiff_t step,
                          const void *c, ptrdiff_t ldc,         /* IN  (m, positions, n) */
                          const void *s, ptrdiff_t lds,         /* IN  (m, positions, n) */
                          const void *dc, const void *ds, ptrdiff_t ldd,    /* IN  (m, positions, n) */
                          void *dx, ptrdiff_t ldx))             /* OUT (m, positions, n) */
/* dx -= 4 pi^2 xt (c dc + s ds): the tangent of waves_pull through x */
KERNEL(void, waves_curve, (ptrdiff_t m, ptrdiff_t positions, ptrdiff_t n, ptrdiff_t step,
                           const void *c, ptrdiff_t ldc,        /* IN  (m, positions, n) */
                           const void *s, ptrdiff_t lds,        /* IN  (m, positions, n) */
                           const void *dc, const void *ds, ptrdiff_t ldd,   /* IN  (m, positions, n) */
                           const void *xt,                      /* IN  (m, positions, n), row stride ldx */
                           void *dx, ptrdiff_t ldx))            /* IN/OUT (m, positions, n) */

/* Bins: feature i of n has rows first[i] .. first[i + 1] - 1 of W, one for each bin. Its edges start at first[i] + i;
 * slope is 1 / width of each bin. For each row, bin[i] is the row of W for the bin of x_i, and part[i] the position of
 * x_i in the bin, from 0 to 1, or outside of that beyond the first and last edge. W, arrays like it, b and delta have
 * room for whole vectors of units, filled with zeros. */

KERNEL(void, find_bins, (ptrdiff_t m, ptrdiff_t n,
                         const void *x, ptrdiff_t ldx,          /* IN  (m, n) */
                         const int32_t *first,                  /* IN  (n + 1,) */
                         const void *edges, const void *slope,
                         void *part, int32_t *bin, ptrdiff_t ldp))  /* OUT (m, n) */
/* part = xt slope: the tangent of part */
KERNEL(void, push_bins, (ptrdiff_t m, ptrdiff_t n,
                         const void *xt, ptrdiff_t ldx,         /* IN  (m, n) */
                         const void *slope,
                         const int32_t *bin, ptrdiff_t ldp,     /* IN  (m, n) */
                         void *part, ptrdiff_t ldt))            /* OUT (m, n) */
/* out = b + the sum over the features, in order, of before[bin] + part W[bin]; before and b may be NULL for zeros */
KERNEL(void, sum_bins, (ptrdiff_t m, ptrdiff_t n, ptrdiff_t units,
                        const void *part, const int32_t *bin,   /* IN  (m, n) */
                        ptrdiff_t ldt, ptrdiff_t ldp,           /* row strides of part and of bin */
                        const void *W, const void *before, ptrdiff_t ldw,   /* IN  (bins, units) */
                        const void *b,                          /* IN  (units,) */
                        void *out, ptrdiff_t ldo))              /* OUT (m, units), zeros up to whole vectors */
/* dx = slope (W[bin] delta); a sum runs over 16 lanes */
KERNEL(void, pull_bins, (ptrdiff_t m, ptrdiff_t n, ptrdiff_t units,
                         const void *slope,
                         const int32_t *bin, ptrdiff_t ldp,     /* IN  (m, n) */
                         const void *W, ptrdiff_t ldw,          /* IN  (bins, units) */
                         const void *delta, ptrdiff_t ldd,      /* IN  (m, units) */
                         void *dx, ptrdiff_t ldx))              /* OUT (m, n) */
/* For features begin .. end - 1: G[bin] += part delta and, unless it is the feature's first bin,
 * G[bin - 1] += (whole - part) delta, row by row */
KERNEL(void, knot_sums, (ptrdiff_t m, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t units, const int32_t *first,
                         double whole,
                         const void *part, ptrdiff_t ldt,       /* IN  (m, n) */
                         const int32_t *bin, ptrdiff_t ldp,     /* IN  (m, n) */
                         const void *delta, ptrdiff_t ldd,      /* IN  (m, units) */
                         void *G, ptrdiff_t ldg))               /* IN/OUT (bins, units) */
/* For features begin .. end - 1: row k of sums is the sum of the feature's rows of W before k */
KERNEL(void, sums_before, (ptrdiff_t begin, ptrdiff_t end, const int32_t *first,
                           const void *W,                       /* IN  (bins, ldw) */
                           void *sums,                          /* OUT (bins, ldw) */
                           ptrdiff_t ldw))
/* For features begin .. end - 1: row k of G becomes the sum of the feature's rows from k on, added from the last one */
KERNEL(void, sums_from_above, (ptrdiff_t begin, ptrdiff_t end, const int32_t *first,
                               void *G, ptrdiff_t ldg))         /* IN/OUT (bins, ldg) */

/* ---- Sparse rows of differences (stacked.inc): stacked[j] is whether column j stands on the one before. The terms of a
 *      row are a value and a column each; column[0] is their number, their columns come after it. */

/* The terms of rows order[first + i] of X, CSR of the table's dtype whose columns increase in each row, or of rows
 * first + i where order is NULL; with a rate those of x with elements dropped as `dropout` drops them */
KERNEL(void, terms, (ptrdiff_t m, const source_t *X, const int64_t *order, ptrdiff_t first,
                     const uint8_t *stacked,                    /* IN  (cols,) */
                     double rate, uint64_t key,
                     void *value, ptrdiff_t ldv,                /* OUT (m, terms), of dropped rows as many as columns */
                     int32_t *column, ptrdiff_t ldc,            /* OUT (m, 1 + terms) */
                     void *scratch))                            /* cols elements, in whole vectors */
/* out = b + the sum of value S[column] over the terms of a row, b NULL for 0 */
KERNEL(void, sum_terms, (ptrdiff_t m, ptrdiff_t units,
                         const void *value, ptrdiff_t ldv,      /* IN  (m, terms) */
                         const int32_t *column, ptrdiff_t ldc,  /* IN  (m, 1 + terms) */
                         const void *S, ptrdiff_t lds,          /* IN  (cols, units) */
                         const void *b,                         /* IN  (units,) */
                         void *out, ptrdiff_t ldo))             /* OUT (m, units), zeros up to whole vectors */
/* Row k of G is the sum of value delta over the terms of column k, row by row, for lo <= k < hi; accumulate: on top of G
 */
KERNEL(void, add_terms, (ptrdiff_t m, ptrdiff_t lo, ptrdiff_t hi, ptrdiff_t units,
                         const void *value, ptrdiff_t ldv,      /* IN  (m, terms) */
                         const int32_t *column, ptrdiff_t ldc,  /* IN  (m, 1 + terms) */
                         const void *delta, ptrdiff_t ldd,      /* IN  (m, units) */
                         int accumulate,
                         void *G, ptrdiff_t ldg,                /* OUT or IN/OUT (cols, units) */
                         void *scratch))                        /* hi - lo + 2 elements, then 2 for each term of
                                                                   SORTED_ROWS rows, each in whole vectors */
/* For rows lo .. hi, whole stacks: row k of S is the sum of W's rows from the foot of the stack up to k */
KERNEL(void, sums_of_stacks, (ptrdiff_t lo, ptrdiff_t hi, const uint8_t *stacked,
                              const void *W,                    /* IN  (cols, ld) */
                              void *S,                          /* OUT (cols, ld) */
                              ptrdiff_t ld))
/* For rows lo .. hi, whole stacks: row k of G becomes the sum of the rows from k up to the top of the stack, that first
 */
KERNEL(void, sums_down_stacks, (ptrdiff_t lo, ptrdiff_t hi, const uint8_t *stacked,
                                void *G, ptrdiff_t ldg))        /* IN/OUT (cols, ldg) */

/* ---- Reductions (reduce.inc), over 16 lanes and in double: the same bits for every vector width */

KERNEL(double, sum, (ptrdiff_t n, const void *x))
KERNEL(double, sum_squares, (ptrdiff_t n, const void *x))
KERNEL(double, sum_abs, (ptrdiff_t n, const void *x))
/* whether no element is infinite or NaN */
KERNEL(int, all_finite, (ptrdiff_t n, const void *x))
/* max |x|, NaN if there is any */
KERNEL(double, largest, (ptrdiff_t n, const void *x))

/* ---- Activations (activations.inc): kind is ACT_*, n a multiple of lanes */

/* x = theta(s) */
KERNEL(void, act, (int kind, double arg, ptrdiff_t n,
                   const void *s,                       /* IN  (n,) */
                   void *x))                            /* OUT (n,), may be s */
/* delta = delta theta'(s) */
KERNEL(void, act_grad, (int kind, double arg, ptrdiff_t n,
                        const void *sx,                 /* IN  (n,) s if ACTIVATIONS says so, else x */
                        void *delta))                   /* IN/OUT (n,) */
/* delta = theta'(s) delta + theta''(s) st u */
KERNEL(void, act_curve, (int kind, double arg, ptrdiff_t n,
                         const void *sx,                /* IN  (n,) as in act_grad */
                         const void *st,                /* IN  (n,) tangent of s */
                         const void *u,                 /* IN  (n,) de/dx */
                         void *delta))                  /* IN/OUT (n,) */

/* ---- Losses (losses.inc) */

/* The losses of rows->m rows and their derivatives. Returns whether all losses are finite. */
KERNEL(int, loss, (const loss_t *rows))
/* rows->delta = scale weight d2e/dx2 xt; rows->value is not changed */
KERNEL(void, loss_curve, (const loss_t *rows,
                          const void *xt, ptrdiff_t ldxt))  /* IN  (m, n) how x changes */
/* out = link(x); kind is LINK_*; n a multiple of levels, outputs of a target, which LINK_increasing makes increase, or
 * of a member, which LINK_softmax makes add up to 1 */
KERNEL(void, link, (int kind, ptrdiff_t levels, ptrdiff_t m, ptrdiff_t n,
                    const void *x, ptrdiff_t ldx,       /* IN  (m, n) */
                    void *out, ptrdiff_t ldo,           /* OUT (m, n) */
                    void *scratch))                     /* n TILE_ROWS elements */

/* ---- Optimisers (optimizers.inc) */

/* P and its state after one step along G; n a multiple of lanes */
KERNEL(void, step, (const step_t *s, ptrdiff_t m, ptrdiff_t n,
                    void *P, ptrdiff_t ldp,             /* IN/OUT (m, n) */
                    const void *G, ptrdiff_t ldg,       /* IN  (m, n) */
                    void *S1,                           /* IN/OUT (m, n), row stride ldp, if STEPS has a slot */
                    void *S2))                          /* IN/OUT likewise */

/* ---- Rows of X (gather.inc) */

/* out = rows order[first], order[first + 1], .. of src, or first, first + 1, .. if order is NULL; m at least 1 */
KERNEL(void, gather, (const source_t *src, const int64_t *order, ptrdiff_t first, ptrdiff_t m,
                      void *out, ptrdiff_t ldo))        /* OUT (m, cols); anything up to whole vectors */
/* x = y + share (x - y), share[first + i] for row i; one row stride, ld */
KERNEL(void, mix, (ptrdiff_t m, ptrdiff_t n, const void *share, ptrdiff_t first,
                   const void *y,                       /* IN  (m, n), with room for whole vectors */
                   void *x,                             /* IN/OUT (m, n), with room for whole vectors */
                   ptrdiff_t ld))
/* Prefetch m dense rows of X and their targets. */
KERNEL(void, fetch_rows, (const source_t *X, const loss_t *loss, const int64_t *order, ptrdiff_t first, ptrdiff_t m))

/* ---- Randomness (random.inc). The random number of an element depends only on key, its row of the data and its
 *      column: row i is order[first + i], or first + i if order is NULL. */

/* out[i] = the image of first + i under a permutation of the numbers below a b; a and b below 2^32 */
KERNEL(void, permute, (uint64_t first, ptrdiff_t m, uint64_t a, uint64_t b,
                       const uint32_t *key,             /* IN  (4,) */
                       int64_t *out))                   /* OUT (m,) */
/* out = x, where each element becomes 0 with probability rate, and is multiplied by 1 / (1 - rate) otherwise */
KERNEL(void, dropout, (ptrdiff_t m, ptrdiff_t n,
                       const void *x, ptrdiff_t ldx,    /* IN  (m, n), with room for whole vectors */
                       void *out, ptrdiff_t ldo,        /* OUT (m, n), with room for whole vectors */
                       double rate, uint64_t key, const int64_t *order, ptrdiff_t first))
/* x += sigma times numbers of the standard normal distribution */
KERNEL(void, noise, (ptrdiff_t m, ptrdiff_t n,
                     void *x, ptrdiff_t ldx,            /* IN/OUT (m, n); the rest of the last vector is unchanged */
                     double sigma, uint64_t key, const int64_t *order, ptrdiff_t first))
/* x += numbers of the uniform distribution from -width to width */
KERNEL(void, jitter, (ptrdiff_t m, ptrdiff_t n,
                      void *x, ptrdiff_t ldx,           /* IN/OUT (m, n) */
                      double width, uint64_t key, const int64_t *order, ptrdiff_t first))

/* ---- Attacks (attack.inc) */

/* x moved along d, within reach of x0; one row stride, ld, for all */
KERNEL(void, attack, (const attack_t *a, ptrdiff_t m, ptrdiff_t n,
                      const void *x0,                   /* IN  (m, n) */
                      const void *d,                    /* IN  (m, n), may be x */
                      void *x,                          /* IN/OUT (m, n) */
                      ptrdiff_t ld))

/* ---- Windows over maps (windows.inc): x, dx, xt are maps (h, w, c), out, outt, delta (oh, ow, c) */

/* dx += row p - p0 of D, (kh, kw, c), at the elements of the map in the window at position p */
KERNEL(void, unpatch, (const window_t *g, ptrdiff_t p0, ptrdiff_t p1,
                       const void *D, ptrdiff_t ldd,    /* IN  (p1 - p0, kh kw c), with room for whole vectors */
                       void *dx))                       /* IN/OUT */
/* out = the largest of each window, whose elements are taken to be neighbours (dh, dw = 1) */
KERNEL(void, max_pool, (const window_t *g, const void *x, void *out))
/* dx += delta at the first of the largest of each window, given out of max_pool */
KERNEL(void, max_pool_grad, (const window_t *g, const void *x, const void *out, const void *delta, void *dx))
/* outt = xt at the first of the largest of each window */
KERNEL(void, max_pool_tangent, (const window_t *g, const void *x, const void *out, const void *xt, void *outt))
/* out = the mean of each window */
KERNEL(void, avg_pool, (const window_t *g, const void *x, void *out))
/* dx += delta / (kh kw) at all elements of each window; x and out are unused, so that the signature is max_pool_grad's
 */
KERNEL(void, avg_pool_grad, (const window_t *g, const void *x, const void *out, const void *delta, void *dx))

/* ---- Tiny networks (tiny.inc) */

/* The forward pass, the losses of of->m rows, and their gradient by all W and b of L layers. x and delta of `of` are
 * not set. Returns whether all losses are finite. */
KERNEL(int, tiny_gradient, (int L,
                            const tiny_layer_t *layers, /* (L,) */
                            const source_t *X, const loss_t *of))

/* ---- For tests (kernels.inc) */

/* out = exp, expm1, log, log1p, erfc, tanh, sigmoid, sin or cos of x, by name; n a multiple of lanes. Returns whether
 * the function exists. */
KERNEL(int, function, (const char *name, ptrdiff_t n, const void *x, void *out))
