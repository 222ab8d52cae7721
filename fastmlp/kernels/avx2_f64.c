#define ISA avx2
#define ISA_AVX2
#define REAL_BITS 64
#if defined(__GNUC__) && defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#include "kernels.inc"
#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
