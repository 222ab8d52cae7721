/* The floating point mode of a thread: the engine's while it runs a job; the caller's before and after, and while
 * Python runs in between.
 *
 * In the engine's mode subnormal numbers are zeros, as operands and as results. Processors can take a hundred times as
 * long for them, and a state or a weight that shrinks by a factor in each step ends as a subnormal number. Rounding is
 * to nearest, and nothing traps, whatever the caller has set.
 *
 * Processors that are not named here keep their mode.
 */
#ifndef FASTMLP_FLOAT_MODE_H
#define FASTMLP_FLOAT_MODE_H
#include <stdint.h>

typedef uint64_t float_mode_t; /* the control register */

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
#define ENGINE_MODE (0x1f80 | 0x8000 | 0x0040) /* all exceptions masked; FTZ, of results; DAZ, of operands */
static inline float_mode_t float_mode(void) { return _mm_getcsr(); }
static inline void set_float_mode(float_mode_t mode) { _mm_setcsr((unsigned)mode); }

#elif defined(__aarch64__)
#define ENGINE_MODE (1 << 24) /* FZ, of operands and results */
static inline float_mode_t float_mode(void)
{
    float_mode_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode) : : "memory");
    return mode;
}
static inline void set_float_mode(float_mode_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode) : "memory"); }

#elif defined(_M_ARM64)
#include <intrin.h>
#define ENGINE_MODE (1 << 24)
static inline float_mode_t float_mode(void) { return (float_mode_t)_ReadStatusReg(ARM64_SYSREG(3, 3, 4, 4, 0)); }
static inline void set_float_mode(float_mode_t mode) { _WriteStatusReg(ARM64_SYSREG(3, 3, 4, 4, 0), (__int64)mode); }

#else
#define ENGINE_MODE 0
static inline float_mode_t float_mode(void) { return 0; }
static inline void set_float_mode(float_mode_t mode) { (void)mode; }
#endif
#endif
