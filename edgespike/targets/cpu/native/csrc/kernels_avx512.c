/* For x86 processors with AVX-512 and its products of bytes. */
#include "net.h"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(                                                                             \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,bmi,bmi2,lzcnt,popcnt"))), \
    apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,bmi,bmi2,lzcnt,popcnt")
#endif
#define VECTOR 64
#define SET es_avx512
#define SET_NAME "avx512"
static int available(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("bmi2");
}
#define SET_AVAILABLE available
#include "kernels.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
