#define ISA avx512
#define ISA_AVX512
#define REAL_BITS 32
#if defined(__GNUC__) && defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")
#endif
#include "kernels.inc"
#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
