/* For x86 processors with AVX2. */
#include "net.h"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt"))), apply_to = function)
#else
#pragma GCC target("avx2,bmi,bmi2,lzcnt,popcnt")
#endif
#define VECTOR 32
#define SET es_avx2
#define SET_NAME "avx2"
static int available(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"); }
#define SET_AVAILABLE available
#include "kernels.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
