/* The most that one core adds and reads: what engine_roofline.py compiles and calls. */
#include <stdint.h>
#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#define LANES 16
typedef int8_t bytes __attribute__((vector_size(LANES)));
typedef int16_t words __attribute__((vector_size(2 * LANES)));
typedef int64_t wide __attribute__((vector_size(32)));

static volatile int64_t kept;

static inline words widened(const int8_t *data)
{
#ifdef __AVX2__ /* one instruction, which GCC does not always find */
    return (words)_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)data));
#else
    bytes row;
    memcpy(&row, data, sizeof row);
    return __builtin_convertvector(row, words);
#endif
}

/* Read rows of 128 bytes again and again; widen each byte to 16 bits and add it to one of 128 sums. */
void add_bytes(const int8_t *data, long size, long rounds)
{
    words sums[8] = {{0}};
    for (long round = 0; round < rounds; round++) {
        for (long place = 0; place < size; place += sizeof(bytes) * 8)
            for (int k = 0; k < 8; k++)
                sums[k] += widened(data + place + k * sizeof(bytes));
        __asm__ volatile("" ::: "memory");
    }
    for (int k = 0; k < 8; k++)
        kept = sums[k][0];
}

/* Read again and again, 256 bytes at a time, and combine what was read with a single operation each. */
void read_words(const int8_t *data, long size, long rounds)
{
    wide sums[8] = {{0}};
    for (long round = 0; round < rounds; round++) {
        for (long place = 0; place < size; place += sizeof(wide) * 8)
            for (int k = 0; k < 8; k++)
                sums[k] ^= *(const wide *)(data + place + k * sizeof(wide));
        __asm__ volatile("" ::: "memory");
    }
    for (int k = 0; k < 8; k++)
        kept = sums[k][0];
}
