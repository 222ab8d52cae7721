/* One vector of numbers, and the few operations that the kernels are written in.
 *
 * The file of an instruction set and dtype (avx2_f32.c, ..) defines ISA, its name; ISA_AVX2, ISA_AVX512, ISA_NEON or
 * ISA_GENERIC; and REAL_BITS, 32 for float and 64 for double. Then it includes kernels.inc, which includes this.
 *
 * GNU vector extensions give + - * / and the operations of integers; what they lack is here. Without them (MSVC) a
 * vector is one number.
 *
 *     real                       float or double; integer, natural: as wide, signed and unsigned
 *     operand                    what the factors of matrix products are kept as, see below
 *     vf, vi, vu                 vectors of real, integer, natural
 *     VB, VL                     bytes and lanes (elements) of a vector
 *     ld(p), st(p, v)            load and store VL elements; p need not be aligned to vectors
 *     set1(a), set1i(a)          a in all lanes
 *     bits(v), from_bits(v)      the bits of reals as integers, and back
 *     fma_(a, b, c)              a b + c, rounded once
 *     sqrt_, abs_, sign_, relu_  by lane; sign_ is -1, 0 or 1
 *     max_(a, b)                 a > b ? a : b
 *     sel_gt(a, b, x, y)         a > b ? x : y, so y where a or b is NaN
 *     first_lanes(n, v)          v in its first n lanes, 0 in the others
 *     first_lane(v)              the number in lane 0
 *
 * A name ends in _ where C's library has the same without. half_.. are the same for half a vector (AVX-512 only, where
 * HALF is defined). A file that serves both writes V_(name) and is included once for each.
 */
#include "kernels.h"

#include <float.h>
#include <math.h>
#include <string.h>

#if REAL_BITS == 32
typedef float real;
typedef int32_t integer;
typedef uint32_t natural;
#else
typedef double real;
typedef int64_t integer;
typedef uint64_t natural;
#endif

/* ---- What compilers call things */

#if defined(__GNUC__) || defined(__clang__)
#define INLINE static inline __attribute__((always_inline, unused))
#define NOINLINE __attribute__((noinline))
#define UNROLL _Pragma("GCC unroll 32")
#define ROLLED _Pragma("GCC unroll 1")
#define RESTRICT __restrict__
#define PREFETCH(p) __builtin_prefetch((p), 1, 2)
#define PREFETCH_READ(p) __builtin_prefetch((p), 0, 3)
#else
#define INLINE static __forceinline
#define NOINLINE __declspec(noinline)
#define UNROLL
#define ROLLED
#define RESTRICT __restrict
#define PREFETCH(p) ((void)(p))
#define PREFETCH_READ(p) ((void)(p))
#endif

/* What a kernel counts on: checked in a build with FASTMLP_DEBUG, nothing in others. */
#ifdef FASTMLP_DEBUG
#include <stdio.h>
#include <stdlib.h>
INLINE void require_failed(const char *file, int line, const char *kernel, const char *condition)
{
    fprintf(stderr, "%s:%d: %s counts on %s\n", file, line, kernel, condition);
    abort();
}
#define REQUIRE(condition) ((condition) ? (void)0 : require_failed(__FILE__, __LINE__, __func__, #condition))
#else
#define REQUIRE(condition) ((void)0)
#endif
#define IS_ALIGNED(p) ((uintptr_t)(p) % sizeof(real) == 0)

/* ---- Vectors, how they are loaded and stored */

#if defined(ISA_AVX512)
#include <immintrin.h>
#define VB 64
#elif defined(ISA_AVX2)
#include <immintrin.h>
#define VB 32
#elif defined(ISA_NEON)
#include <arm_neon.h>
#define VB 16
#elif defined(__GNUC__) || defined(__clang__)
#define VB 16
#endif

#ifdef VB
#define VL ((int)(VB / sizeof(real)))
typedef real vf __attribute__((vector_size(VB)));
typedef integer vi __attribute__((vector_size(VB)));
typedef natural vu __attribute__((vector_size(VB)));
typedef real unaligned_vf __attribute__((vector_size(VB), aligned(REAL_BITS / 8), may_alias));
INLINE vf ld(const real *p) { return *(const unaligned_vf *)p; }
INLINE void st(real *p, vf v) { *(unaligned_vf *)p = v; }
INLINE vf set1(real a) { return a - (vf){0}; }
INLINE vi set1i(integer a) { return a - (vi){0}; }
INLINE vi bits(vf a) { return (vi)a; }
INLINE vf from_bits(vi a) { return (vf)a; }
INLINE real first_lane(vf v) { return v[0]; }
#else
#define VL 1
typedef real vf;
typedef integer vi;
typedef natural vu;
INLINE vf ld(const real *p) { return *p; }
INLINE void st(real *p, vf v) { *p = v; }
INLINE vf set1(real a) { return a; }
INLINE vi set1i(integer a) { return a; }
INLINE vi bits(vf a)
{
    vi b;
    memcpy(&b, &a, sizeof b);
    return b;
}
INLINE vf from_bits(vi a)
{
    vf b;
    memcpy(&b, &a, sizeof b);
    return b;
}
INLINE real first_lane(vf v) { return v; }
#endif

/* n and what is missing to a multiple, as to whole vectors */
INLINE ptrdiff_t round_up(ptrdiff_t n, ptrdiff_t multiple) { return (n + multiple - 1) / multiple * multiple; }
INLINE ptrdiff_t whole_vectors(ptrdiff_t n) { return round_up(n, VL); }

/* ---- fma_, sqrt_, max_ and sel_gt by instruction set */

/* the intrinsics of x86 for this dtype: MM(256, fmadd) is _mm256_fmadd_ps or _mm256_fmadd_pd */
#if REAL_BITS == 32
#define MM(width, name) _mm##width##_##name##_ps
#define MM_TYPE(width) __m##width
#define MM_GREATER(width, a, b) _mm##width##_cmp_ps_mask((a), (b), _CMP_GT_OQ)
#define MM_WIDEN(a) _mm512_zextps256_ps512(a)
#else
#define MM(width, name) _mm##width##_##name##_pd
#define MM_TYPE(width) __m##width##d
#define MM_GREATER(width, a, b) _mm##width##_cmp_pd_mask((a), (b), _CMP_GT_OQ)
#define MM_WIDEN(a) _mm512_zextpd256_pd512(a)
#endif

#if defined(ISA_AVX512)
typedef MM_TYPE(512) mm;
INLINE vf fma_(vf a, vf b, vf c) { return (vf)MM(512, fmadd)((mm)a, (mm)b, (mm)c); }
INLINE vf sqrt_(vf a) { return (vf)MM(512, sqrt)((mm)a); }
INLINE vf max_(vf a, vf b) { return (vf)MM(512, max)((mm)a, (mm)b); }
INLINE vf sel_gt(vf a, vf b, vf x, vf y)
{
    return (vf)MM(512, mask_blend)(MM_GREATER(512, (mm)a, (mm)b), (mm)y, (mm)x);
}
#define HAVE_SELECT
#define HAVE_MAX

#elif defined(ISA_AVX2)
typedef MM_TYPE(256) mm;
INLINE vf fma_(vf a, vf b, vf c) { return (vf)MM(256, fmadd)((mm)a, (mm)b, (mm)c); }
INLINE vf sqrt_(vf a) { return (vf)MM(256, sqrt)((mm)a); }
INLINE vf max_(vf a, vf b) { return (vf)MM(256, max)((mm)a, (mm)b); }
#define HAVE_MAX

#elif defined(ISA_NEON)
#if REAL_BITS == 32
typedef float32x4_t neon;
INLINE vf fma_(vf a, vf b, vf c) { return (vf)vfmaq_f32((neon)c, (neon)a, (neon)b); }
INLINE vf sqrt_(vf a) { return (vf)vsqrtq_f32((neon)a); }
#else
typedef float64x2_t neon;
INLINE vf fma_(vf a, vf b, vf c) { return (vf)vfmaq_f64((neon)c, (neon)a, (neon)b); }
INLINE vf sqrt_(vf a) { return (vf)vsqrtq_f64((neon)a); }
#endif

#else /* generic: fused where the compiler knows that the hardware does it, else rounded twice */
#if REAL_BITS == 32
#define SCALAR_SQRT sqrtf
#if defined(__FP_FAST_FMAF) || defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define SCALAR_FMA(a, b, c) __builtin_fmaf(a, b, c)
#endif
#else
#define SCALAR_SQRT sqrt
#if defined(__FP_FAST_FMA) || defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define SCALAR_FMA(a, b, c) __builtin_fma(a, b, c)
#endif
#endif
#ifdef VB
INLINE vf sqrt_(vf a)
{
    for (int i = 0; i < VL; i++) a[i] = SCALAR_SQRT(a[i]);
    return a;
}
#else
INLINE vf sqrt_(vf a) { return SCALAR_SQRT(a); }
#endif
#if defined(SCALAR_FMA) && defined(VB)
INLINE vf fma_(vf a, vf b, vf c)
{
    for (int i = 0; i < VL; i++) c[i] = SCALAR_FMA(a[i], b[i], c[i]);
    return c;
}
#elif defined(SCALAR_FMA)
INLINE vf fma_(vf a, vf b, vf c) { return SCALAR_FMA(a, b, c); }
#else
INLINE vf fma_(vf a, vf b, vf c) { return a * b + c; }
#endif
#endif

#if defined(HAVE_SELECT)
#elif defined(VB)
INLINE vf sel_gt(vf a, vf b, vf x, vf y)
{
    vi m = (vi)(a > b);
    return (vf)((m & (vi)x) | (~m & (vi)y));
}
#else
INLINE vf sel_gt(vf a, vf b, vf x, vf y) { return a > b ? x : y; }
#endif

#ifndef HAVE_MAX
INLINE vf max_(vf a, vf b) { return sel_gt(a, b, a, b); }
#endif

/* ---- What follows from these */

#define SIGN_BIT set1i((integer)((uint64_t)1 << (REAL_BITS - 1)))
INLINE vf abs_(vf a) { return from_bits(bits(a) & ~SIGN_BIT); }
INLINE vf copysign_(vf a, vf s) { return from_bits((bits(a) & ~SIGN_BIT) | (bits(s) & SIGN_BIT)); }
INLINE vf sign_(vf a) { return sel_gt(a, set1(0), set1(1), sel_gt(set1(0), a, set1(-1), set1(0))); } /* NaN: 0 */
INLINE vf relu_(vf a) { return max_(set1(0), a); }

static const real EDGE[32] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}; /* 16 ones, 16 zeros */
INLINE vf first_lanes(ptrdiff_t n, vf v) { return sel_gt(ld(EDGE + 16 - n), set1(0), v, set1(0)); }

/* The same of n numbers at p, where n may be below VL: zeros in the other lanes, beside which nothing is read; and the
 * first n lanes to p, beside which nothing is written. */
INLINE vf ld_first(ptrdiff_t n, const real *p)
{
    real v[VL];
    if (n >= VL) return ld(p);
    for (int k = 0; k < VL; k++) v[k] = k < n ? p[k] : 0;
    return ld(v);
}
INLINE void st_first(ptrdiff_t n, real *p, vf x)
{
    real v[VL];
    if (n >= VL) {
        st(p, x);
        return;
    }
    st(v, x);
    for (ptrdiff_t k = 0; k < n; k++) p[k] = v[k];
}

/* the larger integer of each lane; v where a >= b, else 0; lanes i and i ^ h exchanged */
#ifdef VB
INLINE vi max_integer(vi a, vi b)
{
    vi m = a > b;
    return (a & m) | (b & ~m);
}
INLINE vf keep_at_least(vu a, vu b, vf v) { return (vf)((vi)v & (vi)(a >= b)); }
INLINE vf swap_lanes(vf a, int h)
{
#ifdef __clang__
    vf b = a;
    for (int i = 0; i < VL; i++) b[i] = a[i ^ h];
    return b;
#else
    vi lane;
    for (int i = 0; i < VL; i++) lane[i] = i;
    return __builtin_shuffle(a, lane ^ h);
#endif
}
#else
INLINE vi max_integer(vi a, vi b) { return a > b ? a : b; }
INLINE vf keep_at_least(vu a, vu b, vf v) { return a >= b ? v : 0; }
#endif

/* ---- Half a vector, for what is so narrow that the other half would be idle, and where halves are twice as fast */

INLINE vf widen(vf a) { return a; }
#if defined(ISA_AVX512)
#define HALF 1
typedef MM_TYPE(256) half_mm;
typedef real half_vf __attribute__((vector_size(VB / 2)));
typedef real half_unaligned_vf __attribute__((vector_size(VB / 2), aligned(REAL_BITS / 8), may_alias));
INLINE half_vf half_ld(const real *p) { return *(const half_unaligned_vf *)p; }
INLINE void half_st(real *p, half_vf v) { *(half_unaligned_vf *)p = v; }
INLINE half_vf half_set1(real a) { return a - (half_vf){0}; }
INLINE half_vf half_fma_(half_vf a, half_vf b, half_vf c)
{
    return (half_vf)MM(256, fmadd)((half_mm)a, (half_mm)b, (half_mm)c);
}
INLINE half_vf half_sqrt_(half_vf a) { return (half_vf)MM(256, sqrt)((half_mm)a); }
INLINE half_vf half_abs_(half_vf a) { return (half_vf)MM(256, andnot)(MM(256, set1)((real)-0.0), (half_mm)a); }
INLINE half_vf half_relu_(half_vf a) { return (half_vf)MM(256, max)(MM(256, setzero)(), (half_mm)a); }
INLINE half_vf half_sel_gt(half_vf a, half_vf b, half_vf x, half_vf y)
{
    return (half_vf)MM(256, mask_blend)(MM_GREATER(256, (half_mm)a, (half_mm)b), (half_mm)y, (half_mm)x);
}
INLINE half_vf half_sign_(half_vf a)
{
    return half_sel_gt(a, half_set1(0), half_set1(1), half_sel_gt(half_set1(0), a, half_set1(-1), half_set1(0)));
}
INLINE half_vf half_first_lanes(ptrdiff_t n, half_vf v)
{
    return half_sel_gt(half_ld(EDGE + 16 - n), half_set1(0), v, half_set1(0));
}
/* zeros in the other half */
INLINE vf half_widen(half_vf a) { return (vf)MM_WIDEN((half_mm)a); }
#endif

/* ---- Operands: the factors A and B of matrix products, in panels too. Sums and C are real. An operand is kept as a
 * real, for bfloat16 as one whose lower half is 0 (bfloat16.inc); all that knows it is here. */

typedef real operand;
INLINE vf ld_operands(const operand *p) { return ld(p); }
INLINE vf set1_operand(operand a) { return set1(a); }
INLINE void copy_operands(operand *to, const operand *from) { st(to, ld(from)); }
#ifdef HALF
INLINE half_vf half_ld_operands(const operand *p) { return half_ld(p); }
INLINE half_vf half_set1_operand(operand a) { return half_set1(a); }
INLINE void half_copy_operands(operand *to, const operand *from) { half_st(to, half_ld(from)); }
#endif
