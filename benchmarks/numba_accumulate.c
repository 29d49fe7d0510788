/* Adding the int8 rows of events to 16-bit sums, 128 in registers at a time. */
#include <stdint.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#define LANES 16
#define BLOCK 8
typedef int8_t bytes __attribute__((vector_size(LANES)));
typedef int16_t words __attribute__((vector_size(2 * LANES), aligned(1)));

static inline words widened(const int8_t *data)
{
#ifdef __AVX2__
    return (words)_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)data));
#else
    return __builtin_convertvector(*(const bytes *)data, words);
#endif
}

static void one(const int8_t *weights, long columns, const int32_t *events, long count, int16_t *sums)
{
    for (long start = 0; start < columns; start += LANES * BLOCK) {
        words block[BLOCK] = {{0}};
        for (long event = 0; event < count; event++) {
            const int8_t *row = weights + events[event] * columns + start;
            for (int k = 0; k < BLOCK; k++)
                block[k] += widened(row + k * LANES);
        }
        for (int k = 0; k < BLOCK; k++)
            *(words *)(sums + start + k * LANES) = block[k];
    }
}

/* events is (samples, count), sums (samples, columns); columns is a multiple of 128. */
void accumulate(const int8_t *weights, long columns, const int32_t *events, long samples, long count, int16_t *sums)
{
    for (long sample = 0; sample < samples; sample++)
        one(weights, columns, events + sample * count, count, sums + sample * columns);
}
