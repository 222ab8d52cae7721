/* One vector of REAL: the few operations that kernels.inc is written in.
 *
 * A file of an instruction set defines ISA_<NAME>, REAL (float or double), SUFFIX
 * and includes kernels.inc. GNU vector extensions give + - * / and the integer
 * operations; what they lack (fma, sqrt, select) is here. Without them (MSVC)
 * a vector is one number.
 */
#include <float.h>
#include <math.h>
#include <string.h>
#include "kernels.h"

#if REAL_BITS == 32
typedef float real;
typedef int32_t integer;
typedef uint32_t natural;
#define REAL_MIN FLT_MIN
#else
typedef double real;
typedef int64_t integer;
typedef uint64_t natural;
#define REAL_MIN DBL_MIN
#endif

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline, unused))
#define NOINLINE __attribute__((noinline))
#define UNROLL _Pragma("GCC unroll 32")
#define RESTRICT __restrict__
#define PREFETCH(p) __builtin_prefetch((p), 1, 2)
#define PREFETCH_READ(p) __builtin_prefetch((p), 0, 3)
#else
#define INLINE static __forceinline
#define NOINLINE __declspec(noinline)
#define UNROLL
#define RESTRICT __restrict
#define PREFETCH(p) ((void)(p))
#define PREFETCH_READ(p) ((void)(p))
#endif

#if defined(ISA_AVX512)
#include <immintrin.h>
#define VB 64
#elif defined(ISA_AVX2)
#include <immintrin.h>
#define VB 32
#elif defined(ISA_NEON)
#include <arm_neon.h>
#define VB 16
#elif defined(__GNUC__)
#define VB 16
#endif

#ifdef VB
#define VL ((int)(VB / sizeof(real)))
typedef real vf __attribute__((vector_size(VB)));
typedef integer vi __attribute__((vector_size(VB)));
typedef natural vu __attribute__((vector_size(VB)));
typedef real vfu __attribute__((vector_size(VB), aligned(REAL_BITS / 8), may_alias));
INLINE vf ld(const real *p) { return *(const vfu *)p; }
INLINE void st(real *p, vf v) { *(vfu *)p = v; }
INLINE vf set1(real a) { return a - (vf){0}; }
INLINE vi set1i(integer a) { return a - (vi){0}; }
INLINE vi bits(vf a) { return (vi)a; }
INLINE vf from_bits(vi a) { return (vf)a; }
#else
#define VL 1
typedef real vf;
typedef integer vi;
typedef natural vu;
INLINE vf ld(const real *p) { return *p; }
INLINE void st(real *p, vf v) { *p = v; }
INLINE vf set1(real a) { return a; }
INLINE vi set1i(integer a) { return a; }
INLINE vi bits(vf a) { vi b; memcpy(&b, &a, sizeof b); return b; }
INLINE vf from_bits(vi a) { vf b; memcpy(&b, &a, sizeof b); return b; }
#endif

/* fma(a, b, c) = a b + c; sel_gt(a, b, x, y) = a > b ? x : y, y where a or b is NaN; max_(a, b) = a > b ? a : b */
#if defined(ISA_AVX512) && REAL_BITS == 32
INLINE vf fma_(vf a, vf b, vf c) { return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
INLINE vf sqrt_(vf a) { return (vf)_mm512_sqrt_ps((__m512)a); }
INLINE vf max_(vf a, vf b) { return (vf)_mm512_max_ps((__m512)a, (__m512)b); }
INLINE vf sel_gt(vf a, vf b, vf x, vf y) { return (vf)_mm512_mask_blend_ps(_mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ), (__m512)y, (__m512)x); }
#elif defined(ISA_AVX512)
INLINE vf fma_(vf a, vf b, vf c) { return (vf)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
INLINE vf sqrt_(vf a) { return (vf)_mm512_sqrt_pd((__m512d)a); }
INLINE vf max_(vf a, vf b) { return (vf)_mm512_max_pd((__m512d)a, (__m512d)b); }
INLINE vf sel_gt(vf a, vf b, vf x, vf y) { return (vf)_mm512_mask_blend_pd(_mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_GT_OQ), (__m512d)y, (__m512d)x); }
#else
#if defined(ISA_AVX2) && REAL_BITS == 32
INLINE vf fma_(vf a, vf b, vf c) { return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
INLINE vf sqrt_(vf a) { return (vf)_mm256_sqrt_ps((__m256)a); }
INLINE vf max_(vf a, vf b) { return (vf)_mm256_max_ps((__m256)a, (__m256)b); }
#define HAVE_MAX
#elif defined(ISA_AVX2)
INLINE vf fma_(vf a, vf b, vf c) { return (vf)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
INLINE vf sqrt_(vf a) { return (vf)_mm256_sqrt_pd((__m256d)a); }
INLINE vf max_(vf a, vf b) { return (vf)_mm256_max_pd((__m256d)a, (__m256d)b); }
#define HAVE_MAX
#elif defined(ISA_NEON) && REAL_BITS == 32
INLINE vf fma_(vf a, vf b, vf c) { return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
INLINE vf sqrt_(vf a) { return (vf)vsqrtq_f32((float32x4_t)a); }
#elif defined(ISA_NEON)
INLINE vf fma_(vf a, vf b, vf c) { return (vf)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b); }
INLINE vf sqrt_(vf a) { return (vf)vsqrtq_f64((float64x2_t)a); }
#else /* generic: fused where the hardware does it, else rounded twice */
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
INLINE vf sqrt_(vf a) { for (int i = 0; i < VL; i++) a[i] = SCALAR_SQRT(a[i]); return a; }
#else
INLINE vf sqrt_(vf a) { return SCALAR_SQRT(a); }
#endif
#if defined(SCALAR_FMA) && defined(VB)
INLINE vf fma_(vf a, vf b, vf c) { for (int i = 0; i < VL; i++) c[i] = SCALAR_FMA(a[i], b[i], c[i]); return c; }
#elif defined(SCALAR_FMA)
INLINE vf fma_(vf a, vf b, vf c) { return SCALAR_FMA(a, b, c); }
#else
INLINE vf fma_(vf a, vf b, vf c) { return a * b + c; }
#endif
#endif
#ifdef VB
INLINE vf sel_gt(vf a, vf b, vf x, vf y) { vi m = (vi)(a > b); return (vf)((m & (vi)x) | (~m & (vi)y)); }
#else
INLINE vf sel_gt(vf a, vf b, vf x, vf y) { return a > b ? x : y; }
#endif
#ifndef HAVE_MAX
INLINE vf max_(vf a, vf b) { return sel_gt(a, b, a, b); }
#endif
#endif

/* Half a vector, for what is so narrow that the other half would be idle and where halves are twice as fast. widen: zeros in the
 * other half. */
INLINE vf widen(vf a) { return a; }
#if defined(ISA_AVX512)
#define HALF 1
typedef real half_vf __attribute__((vector_size(VB / 2)));
typedef real half_vfu __attribute__((vector_size(VB / 2), aligned(REAL_BITS / 8), may_alias));
INLINE half_vf half_ld(const real *p) { return *(const half_vfu *)p; }
INLINE void half_st(real *p, half_vf v) { *(half_vfu *)p = v; }
INLINE half_vf half_set1(real a) { return a - (half_vf){0}; }
#if REAL_BITS == 32
INLINE half_vf half_fma_(half_vf a, half_vf b, half_vf c) { return (half_vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
INLINE half_vf half_sqrt_(half_vf a) { return (half_vf)_mm256_sqrt_ps((__m256)a); }
INLINE half_vf half_abs_(half_vf a) { return (half_vf)_mm256_andnot_ps(_mm256_set1_ps(-0.0f), (__m256)a); }
INLINE half_vf half_relu_(half_vf a) { return (half_vf)_mm256_max_ps(_mm256_setzero_ps(), (__m256)a); }
INLINE vf half_widen(half_vf a) { return (vf)_mm512_zextps256_ps512((__m256)a); }
INLINE half_vf half_sel_gt(half_vf a, half_vf b, half_vf x, half_vf y) { return (half_vf)_mm256_mask_blend_ps(_mm256_cmp_ps_mask((__m256)a, (__m256)b, _CMP_GT_OQ), (__m256)y, (__m256)x); }
#else
INLINE half_vf half_fma_(half_vf a, half_vf b, half_vf c) { return (half_vf)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
INLINE half_vf half_sqrt_(half_vf a) { return (half_vf)_mm256_sqrt_pd((__m256d)a); }
INLINE half_vf half_abs_(half_vf a) { return (half_vf)_mm256_andnot_pd(_mm256_set1_pd(-0.0), (__m256d)a); }
INLINE half_vf half_relu_(half_vf a) { return (half_vf)_mm256_max_pd(_mm256_setzero_pd(), (__m256d)a); }
INLINE vf half_widen(half_vf a) { return (vf)_mm512_zextpd256_pd512((__m256d)a); }
INLINE half_vf half_sel_gt(half_vf a, half_vf b, half_vf x, half_vf y) { return (half_vf)_mm256_mask_blend_pd(_mm256_cmp_pd_mask((__m256d)a, (__m256d)b, _CMP_GT_OQ), (__m256d)y, (__m256d)x); }
#endif
#endif

/* max_integer by lane; v where a >= b, else 0 */
#ifdef VB
INLINE vi max_integer(vi a, vi b) { vi m = a > b; return (a & m) | (b & ~m); }
INLINE vf keep_at_least(vu a, vu b, vf v) { return (vf)((vi)v & (vi)(a >= b)); }
#else
INLINE vi max_integer(vi a, vi b) { return a > b ? a : b; }
INLINE vf keep_at_least(vu a, vu b, vf v) { return a >= b ? v : 0; }
#endif

/* v in its first n lanes, 0 in the others */
static const real EDGE[32] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}; /* 16 ones, 16 zeros */
INLINE vf first_lanes(ptrdiff_t n, vf v) { return sel_gt(ld(EDGE + 16 - n), set1(0), v, set1(0)); }
#ifdef HALF
INLINE half_vf half_first_lanes(ptrdiff_t n, half_vf v) { return half_sel_gt(half_ld(EDGE + 16 - n), half_set1(0), v, half_set1(0)); }
#endif

#ifdef VB
INLINE real first_lane(vf v) { return v[0]; }
#else
INLINE real first_lane(vf v) { return v; }
#endif

/* lanes i and i ^ h exchanged */
#if defined(VB) && defined(__clang__)
INLINE vf swap_lanes(vf a, int h) { vf b = a; for (int i = 0; i < VL; i++) b[i] = a[i ^ h]; return b; }
#elif defined(VB)
INLINE vf swap_lanes(vf a, int h)
{
    vi lane;
    for (int i = 0; i < VL; i++) lane[i] = i;
    return __builtin_shuffle(a, lane ^ h);
}
#endif

#define SIGN_BIT set1i((integer)((uint64_t)1 << (REAL_BITS - 1)))
INLINE vf abs_(vf a) { return from_bits(bits(a) & ~SIGN_BIT); }
INLINE vf copysign_(vf a, vf s) { return from_bits((bits(a) & ~SIGN_BIT) | (bits(s) & SIGN_BIT)); }
/* -1, 0 or 1; NaN counts as 0 */
INLINE vf sign_(vf a) { return sel_gt(a, set1(0), set1(1), sel_gt(set1(0), a, set1(-1), set1(0))); }
#ifdef HALF
INLINE half_vf half_sign_(half_vf a) { return half_sel_gt(a, half_set1(0), half_set1(1), half_sel_gt(half_set1(0), a, half_set1(-1), half_set1(0))); }
#endif
INLINE vf relu_(vf a) { return max_(set1(0), a); }
