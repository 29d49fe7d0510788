/* Vectors of VECTOR bytes, and how values of any type are loaded and stored. Included by kernels.h alone. */
#include <string.h>

#include "net.h"

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__AARCH64EL__)
#include <arm_neon.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#define LANES16 (VECTOR / 2)
#define LANES32 (VECTOR / 4)
#define UNALIGNED aligned(1), may_alias
#define UNROLL _Pragma("GCC unroll 16")

typedef uint8_t u8v __attribute__((vector_size(VECTOR)));
typedef int16_t s16v __attribute__((vector_size(VECTOR)));
typedef int32_t s32v __attribute__((vector_size(VECTOR)));
typedef uint32_t u32v __attribute__((vector_size(VECTOR)));
typedef float f32v __attribute__((vector_size(VECTOR)));
typedef int8_t s8h __attribute__((vector_size(VECTOR / 2)));
typedef uint8_t u8h __attribute__((vector_size(VECTOR / 2)));
typedef int16_t s16h __attribute__((vector_size(VECTOR / 2)));
typedef int8_t s8q __attribute__((vector_size(VECTOR / 4)));
typedef uint8_t u8q __attribute__((vector_size(VECTOR / 4)));

#define LOADER(name, kind)                                                                   \
    typedef kind name##_any __attribute__((UNALIGNED));                                      \
    INLINE kind load_##name(const void *from) { return *(const name##_any *)from; }          \
    INLINE void store_##name(void *to, kind x) { *(name##_any *)to = x; }
LOADER(u8v, u8v)
LOADER(s16v, s16v)
LOADER(s32v, s32v)
LOADER(f32v, f32v)
LOADER(s8h, s8h)
LOADER(u8h, u8h)
LOADER(s16h, s16h)
LOADER(s8q, s8q)
LOADER(u8q, u8q)

INLINE s16v all16(int16_t x) { return x - (s16v){0}; }
INLINE s32v all32(int32_t x) { return x - (s32v){0}; }
INLINE s32v pick32(s32v mask, s32v yes, s32v no) { return (mask & yes) | (~mask & no); }

#if defined(__AVX512BW__) && VECTOR == 64
INLINE s32v most32(s32v x, s32v y) { return (s32v)_mm512_max_epi32((__m512i)x, (__m512i)y); }
INLINE s32v least32(s32v x, s32v y) { return (s32v)_mm512_min_epi32((__m512i)x, (__m512i)y); }
INLINE f32v mostf(f32v x, f32v y) { return (f32v)_mm512_max_ps((__m512)x, (__m512)y); }
INLINE f32v leastf(f32v x, f32v y) { return (f32v)_mm512_min_ps((__m512)x, (__m512)y); }
INLINE s16v pairs8(s16v x, s16v w) { return (s16v)_mm512_maddubs_epi16((__m512i)x, (__m512i)w); }
INLINE s32v pairs16(s32v x, s32v w) { return (s32v)_mm512_madd_epi16((__m512i)x, (__m512i)w); }
INLINE uint64_t nonzero64(const void *from) { return _mm512_test_epi8_mask(_mm512_loadu_si512(from), _mm512_loadu_si512(from)); }
#elif defined(__AVX2__) && VECTOR == 32
INLINE s32v most32(s32v x, s32v y) { return (s32v)_mm256_max_epi32((__m256i)x, (__m256i)y); }
INLINE s32v least32(s32v x, s32v y) { return (s32v)_mm256_min_epi32((__m256i)x, (__m256i)y); }
INLINE f32v mostf(f32v x, f32v y) { return (f32v)_mm256_max_ps((__m256)x, (__m256)y); }
INLINE f32v leastf(f32v x, f32v y) { return (f32v)_mm256_min_ps((__m256)x, (__m256)y); }
INLINE s16v pairs8(s16v x, s16v w) { return (s16v)_mm256_maddubs_epi16((__m256i)x, (__m256i)w); }
INLINE s32v pairs16(s32v x, s32v w) { return (s32v)_mm256_madd_epi16((__m256i)x, (__m256i)w); }
INLINE uint64_t nonzero64(const void *from) {
    __m256i zero = _mm256_setzero_si256();
    const __m256i *at = from;
    uint32_t low = ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256(at), zero));
    uint32_t high = ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256(at + 1), zero));
    return low | (uint64_t)high << 32;
}
#else
INLINE s32v most32(s32v x, s32v y) { return pick32(x > y, x, y); }
INLINE s32v least32(s32v x, s32v y) { return pick32(x < y, x, y); }
INLINE f32v mostf(f32v x, f32v y) { return (f32v)pick32(x > y, (s32v)x, (s32v)y); }
INLINE f32v leastf(f32v x, f32v y) { return (f32v)pick32(x < y, (s32v)x, (s32v)y); }
INLINE s16v pairs8(s16v x, s16v w) {
    /* Products of bytes fit 16 bits, and so does their sum: this is proven for each pair. */
    s16v low = (s16v)((s16v)(w << 8) >> 8), high = w >> 8;
    return (x & 255) * low + ((x >> 8) & 255) * high;
}
#if defined(__AARCH64EL__) && VECTOR == 16
INLINE s32v pairs16(s32v x, s32v w) {
    int32x4_t low = vmull_s16(vget_low_s16((int16x8_t)x), vget_low_s16((int16x8_t)w));
    return (s32v)vpaddq_s32(low, vmull_high_s16((int16x8_t)x, (int16x8_t)w));
}
/* A bit for each byte: each keeps the bit of its place in a group of eight, and sums of pairs bring them together. */
INLINE uint64_t nonzero64(const void *from) {
    const uint8x16_t place = (uint8x16_t)vdupq_n_u64(0x8040201008040201);
    const uint8_t *at = from;
    uint8x16_t mark[4];
    UNROLL for (int k = 0; k < 4; k++) {
        uint8x16_t x = vld1q_u8(at + 16 * k);
        mark[k] = vandq_u8(vtstq_u8(x, x), place);
    }
    uint8x16_t found = vpaddq_u8(vpaddq_u8(mark[0], mark[1]), vpaddq_u8(mark[2], mark[3]));
    return vgetq_lane_u64((uint64x2_t)vpaddq_u8(found, found), 0);
}
#else
INLINE s32v pairs16(s32v x, s32v w) {
    s32v x_low = (x << 16) >> 16, w_low = (w << 16) >> 16;
    return x_low * w_low + (x >> 16) * (w >> 16);
}
INLINE uint64_t nonzero64(const void *from) {
    const uint8_t *at = from;
    uint64_t found = 0;
    for (int i = 0; i < 64; i++) found |= (uint64_t)(at[i] != 0) << i;
    return found;
}
#endif
#endif

#if defined(__AVX512VNNI__) && VECTOR == 64
INLINE s32v quads8(s32v sum, s32v x, s32v w) { return (s32v)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)x, (__m512i)w); }
INLINE s32v add_pairs16(s32v sum, s32v x, s32v w) {
    return (s32v)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)x, (__m512i)w);
}
#else
INLINE s32v add_pairs16(s32v sum, s32v x, s32v w) { return sum + pairs16(x, w); }
#if defined(__AARCH64EL__) && VECTOR == 16
INLINE s32v quads8(s32v sum, s32v x, s32v w) {
    return (s32v)vpadalq_s16((int32x4_t)sum, (int16x8_t)pairs8((s16v)x, (s16v)w));
}
#else
INLINE s32v quads8(s32v sum, s32v x, s32v w) {
    s32v ones = all32(0x00010001);
    return sum + pairs16((s32v)pairs8((s16v)x, (s16v)w), ones);
}
#endif
#endif

INLINE u8v most8(u8v x, u8v y) {
#if defined(__AVX512BW__) && VECTOR == 64
    return (u8v)_mm512_max_epu8((__m512i)x, (__m512i)y);
#elif defined(__AVX2__) && VECTOR == 32
    return (u8v)_mm256_max_epu8((__m256i)x, (__m256i)y);
#elif defined(__SSE2__) && VECTOR == 16
    return (u8v)_mm_max_epu8((__m128i)x, (__m128i)y);
#elif defined(__AARCH64EL__) && VECTOR == 16
    return (u8v)vmaxq_u8((uint8x16_t)x, (uint8x16_t)y);
#else
    const u8v larger = (u8v)(x > y);
    return (x & larger) | (y & ~larger);
#endif
}

/* A bit for each of 64 bytes that is above a number. */
INLINE uint64_t above64(const uint8_t *from, int32_t x) {
#if defined(__AVX512BW__) && VECTOR == 64
    return _mm512_cmpgt_epu8_mask(_mm512_loadu_si512(from), _mm512_set1_epi8((char)x));
#else
    uint8_t above[64];
    for (int i = 0; i < 64; i += VECTOR) store_u8v(above + i, (u8v)(load_u8v(from + i) > (uint8_t)x));
    return nonzero64(above);
#endif
}

/* Whether any bit is set, also of marks of 16 bits. */
INLINE int any_bit(s32v x) {
#if defined(__AVX512BW__) && VECTOR == 64
    return _mm512_test_epi32_mask((__m512i)x, (__m512i)x) != 0;
#elif defined(__AVX2__) && VECTOR == 32
    return !_mm256_testz_si256((__m256i)x, (__m256i)x);
#elif defined(__AARCH64EL__) && VECTOR == 16
    return vmaxvq_u32((uint32x4_t)x) != 0;
#else
    int32_t found = 0;
    for (int i = 0; i < LANES32; i++) found |= x[i];
    return found != 0;
#endif
}

INLINE char *at(const struct run *run, int64_t place) { return run->scratch + place; }
INLINE char *buffer(const struct run *run, int32_t value) { return at(run, run->net->value[value].place); }

/* Load numbers of fewer bits, and store numbers that fit fewer. */
#if defined(__AVX512BW__) && VECTOR == 64
INLINE s16v load_8_as_16(const void *from) { return (s16v)_mm512_cvtepi8_epi16(_mm256_loadu_si256(from)); }
INLINE s32v load_8_as_32(const void *from) { return (s32v)_mm512_cvtepi8_epi32(_mm_loadu_si128(from)); }
INLINE s32v load_u8_as_32(const void *from) { return (s32v)_mm512_cvtepu8_epi32(_mm_loadu_si128(from)); }
INLINE s32v load_16_as_32(const void *from) { return (s32v)_mm512_cvtepi16_epi32(_mm256_loadu_si256(from)); }
INLINE void narrow16(void *to, s16v x) { _mm256_storeu_si256(to, _mm512_cvtepi16_epi8((__m512i)x)); }
INLINE void narrow32_to_8(void *to, s32v x) { _mm_storeu_si128(to, _mm512_cvtepi32_epi8((__m512i)x)); }
INLINE void narrow32_to_16(void *to, s32v x) { _mm256_storeu_si256(to, _mm512_cvtepi32_epi16((__m512i)x)); }
#elif defined(__AVX2__) && VECTOR == 32
INLINE s16v load_8_as_16(const void *from) { return (s16v)_mm256_cvtepi8_epi16(_mm_loadu_si128(from)); }
INLINE s32v load_8_as_32(const void *from) { return (s32v)_mm256_cvtepi8_epi32(_mm_loadl_epi64(from)); }
INLINE s32v load_u8_as_32(const void *from) { return (s32v)_mm256_cvtepu8_epi32(_mm_loadl_epi64(from)); }
INLINE s32v load_16_as_32(const void *from) { return (s32v)_mm256_cvtepi16_epi32(_mm_loadu_si128(from)); }
INLINE void narrow16(void *to, s16v x) {
    __m128i low = _mm256_castsi256_si128((__m256i)x), high = _mm256_extracti128_si256((__m256i)x, 1);
    _mm_storeu_si128(to, _mm_packus_epi16(low, high));
}
INLINE __m128i halved(s32v x) {
    return _mm_packs_epi32(_mm256_castsi256_si128((__m256i)x), _mm256_extracti128_si256((__m256i)x, 1));
}
INLINE void narrow32_to_8(void *to, s32v x) {
    __m128i half = halved(x);
    _mm_storel_epi64(to, _mm_packus_epi16(half, half));
}
INLINE void narrow32_to_16(void *to, s32v x) { _mm_storeu_si128(to, halved(x)); }
#elif defined(__AARCH64EL__) && VECTOR == 16
INLINE int16x8_t bytes4(const void *from) {
    int32_t four;
    memcpy(&four, from, 4);
    return vmovl_s8((int8x8_t)vdup_n_s32(four));
}
INLINE uint16x8_t unsigned4(const void *from) {
    uint32_t four;
    memcpy(&four, from, 4);
    return vmovl_u8((uint8x8_t)vdup_n_u32(four));
}
INLINE s16v load_8_as_16(const void *from) { return (s16v)vmovl_s8(vld1_s8(from)); }
INLINE s32v load_8_as_32(const void *from) { return (s32v)vmovl_s16(vget_low_s16(bytes4(from))); }
INLINE s32v load_u8_as_32(const void *from) { return (s32v)vmovl_u16(vget_low_u16(unsigned4(from))); }
INLINE s32v load_16_as_32(const void *from) { return (s32v)vmovl_s16(vld1_s16(from)); }
INLINE void narrow16(void *to, s16v x) { vst1_s8(to, vmovn_s16((int16x8_t)x)); }
INLINE void narrow32_to_16(void *to, s32v x) { vst1_s16(to, vmovn_s32((int32x4_t)x)); }
INLINE void narrow32_to_8(void *to, s32v x) {
    int16x4_t half = vmovn_s32((int32x4_t)x);
    int32_t four = vget_lane_s32((int32x2_t)vmovn_s16(vcombine_s16(half, half)), 0);
    memcpy(to, &four, 4);
}
#else
INLINE s16v load_8_as_16(const void *from) { return __builtin_convertvector(load_s8h(from), s16v); }
INLINE s32v load_8_as_32(const void *from) { return __builtin_convertvector(load_s8q(from), s32v); }
INLINE s32v load_u8_as_32(const void *from) { return __builtin_convertvector(load_u8q(from), s32v); }
INLINE s32v load_16_as_32(const void *from) { return __builtin_convertvector(load_s16h(from), s32v); }
INLINE void narrow16(void *to, s16v x) { store_u8h(to, __builtin_convertvector(x, u8h)); }
INLINE void narrow32_to_8(void *to, s32v x) { store_u8q(to, __builtin_convertvector(x, u8q)); }
INLINE void narrow32_to_16(void *to, s32v x) { store_s16h(to, __builtin_convertvector(x, s16h)); }
#endif

/* Vectors of marks, 0 or -1: 32 bits as 16, and those of 64 neurons as bits. */
#if defined(__AVX512BW__) && VECTOR == 64
INLINE s16v least16(s16v x, s16v y) { return (s16v)_mm512_min_epi16((__m512i)x, (__m512i)y); }
INLINE s16v most16(s16v x, s16v y) { return (s16v)_mm512_max_epi16((__m512i)x, (__m512i)y); }
INLINE s16v joined16(s32v x, s32v y) {
    const __m512i order = _mm512_set_epi64(7, 5, 3, 1, 6, 4, 2, 0);
    return (s16v)_mm512_permutexvar_epi64(order, _mm512_packs_epi32((__m512i)x, (__m512i)y));
}
INLINE uint64_t mask64(const s16v *mark) {
    return _mm512_movepi16_mask((__m512i)mark[0]) | (uint64_t)_mm512_movepi16_mask((__m512i)mark[1]) << 32;
}
#elif defined(__AVX2__) && VECTOR == 32
INLINE s16v least16(s16v x, s16v y) { return (s16v)_mm256_min_epi16((__m256i)x, (__m256i)y); }
INLINE s16v most16(s16v x, s16v y) { return (s16v)_mm256_max_epi16((__m256i)x, (__m256i)y); }
INLINE s16v joined16(s32v x, s32v y) {
    return (s16v)_mm256_permute4x64_epi64(_mm256_packs_epi32((__m256i)x, (__m256i)y), 0xd8);
}
INLINE uint64_t mask32(s16v x, s16v y) {
    const __m256i both = _mm256_packs_epi16((__m256i)x, (__m256i)y);
    return (uint32_t)_mm256_movemask_epi8(_mm256_permute4x64_epi64(both, 0xd8));
}
INLINE uint64_t mask64(const s16v *mark) { return mask32(mark[0], mark[1]) | mask32(mark[2], mark[3]) << 32; }
#elif defined(__SSE2__) && VECTOR == 16
INLINE s16v least16(s16v x, s16v y) { return (s16v)_mm_min_epi16((__m128i)x, (__m128i)y); }
INLINE s16v most16(s16v x, s16v y) { return (s16v)_mm_max_epi16((__m128i)x, (__m128i)y); }
INLINE s16v joined16(s32v x, s32v y) { return (s16v)_mm_packs_epi32((__m128i)x, (__m128i)y); }
INLINE uint64_t mask64(const s16v *mark) {
    uint64_t found = 0;
    UNROLL for (int k = 0; k < 4; k++)
        found |= (uint64_t)_mm_movemask_epi8(_mm_packs_epi16((__m128i)mark[2 * k], (__m128i)mark[2 * k + 1])) << 16 * k;
    return found;
}
#else
INLINE s16v least16(s16v x, s16v y) {
    const s16v less = x < y;
    return (x & less) | (y & ~less);
}
INLINE s16v most16(s16v x, s16v y) {
    const s16v more = x > y;
    return (x & more) | (y & ~more);
}
INLINE s16v joined16(s32v x, s32v y) {
    int16_t both[LANES16];
    narrow32_to_16(both, x);
    narrow32_to_16(both + LANES32, y);
    return load_s16v(both);
}
INLINE uint64_t mask64(const s16v *mark) {
    uint8_t bytes[64];
    UNROLL for (int k = 0; k < 64 / LANES16; k++) narrow16(bytes + k * LANES16, mark[k]);
    return nonzero64(bytes);
}
#endif

/* Which of a vector of 64-bit words are not zero. */
INLINE uint64_t nonzero_words(const uint64_t *from) {
#if defined(__AVX512BW__) && VECTOR == 64
    const __m512i x = _mm512_loadu_si512(from);
    return _mm512_test_epi64_mask(x, x);
#elif defined(__AVX2__) && VECTOR == 32
    const __m256i x = _mm256_cmpeq_epi64(_mm256_loadu_si256((const __m256i *)from), _mm256_setzero_si256());
    return 15 & ~(uint64_t)(uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(x));
#else
    uint64_t found = 0;
    UNROLL for (int k = 0; k < VECTOR / 8; k++) found |= (uint64_t)(from[k] != 0) << k;
    return found;
#endif
}

/* Counters of 8 bits whose bits lie apart, 64 of them: words of their lowest bits and so on, so many bytes apart. */
INLINE void counted64(const char *from, int64_t apart, uint8_t *to) {
#if defined(__AVX512BW__) && VECTOR == 64
    __m512i found = _mm512_setzero_si512();
    for (int bit = 0; bit < 8; bit++) {
        uint64_t word;
        memcpy(&word, from + bit * apart, 8);
        found = _mm512_or_si512(found, _mm512_maskz_set1_epi8(word, (char)(1 << bit)));
    }
    _mm512_storeu_si512(to, found);
#elif defined(__AVX2__) && VECTOR == 32
    const __m256i bytes = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i places = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    for (int half = 0; half < 2; half++) {
        __m256i found = _mm256_setzero_si256();
        for (int bit = 0; bit < 8; bit++) {
            int32_t word;
            memcpy(&word, from + bit * apart + 4 * half, 4);
            const __m256i own = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(word), bytes), places);
            const __m256i marks = _mm256_cmpeq_epi8(own, places);
            found = _mm256_or_si256(found, _mm256_and_si256(marks, _mm256_set1_epi8((char)(1 << bit))));
        }
        _mm256_storeu_si256((__m256i *)(to + 32 * half), found);
    }
#else
    uint64_t word[8];
    for (int bit = 0; bit < 8; bit++) memcpy(&word[bit], from + bit * apart, 8);
    for (int group = 0; group < 8; group++) { /* transpose 8 x 8 bits */
        uint64_t x = 0;
        for (int bit = 0; bit < 8; bit++) x |= (word[bit] >> 8 * group & 255) << 8 * bit;
        uint64_t swapped = (x ^ x >> 7) & 0x00aa00aa00aa00aa;
        x ^= swapped ^ swapped << 7;
        swapped = (x ^ x >> 14) & 0x0000cccc0000cccc;
        x ^= swapped ^ swapped << 14;
        swapped = (x ^ x >> 28) & 0x00000000f0f0f0f0;
        x ^= swapped ^ swapped << 28;
        for (int i = 0; i < 8; i++) to[8 * group + i] = (uint8_t)(x >> 8 * i);
    }
#endif
}

/* Store four vectors as bytes. */
INLINE void narrow_row(void *to, const s32v x[4]) {
#if defined(__AVX2__) && VECTOR == 32
    const __m256i low = _mm256_packs_epi32((__m256i)x[0], (__m256i)x[1]);
    const __m256i high = _mm256_packs_epi32((__m256i)x[2], (__m256i)x[3]);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    store_u8v(to, (u8v)_mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order));
#else
    UNROLL for (int k = 0; k < 4; k++) narrow32_to_8((uint8_t *)to + k * LANES32, x[k]);
#endif
}

/* Return ones for the first elements of a vector, zeros for the rest. */
INLINE u8v first_bytes(int64_t count) {
    u8v place;
    UNROLL for (int i = 0; i < VECTOR; i++) place[i] = (uint8_t)i;
    return (u8v)(place < (uint8_t)(count < VECTOR ? count : VECTOR));
}

/* ---- elements of any type ---- */

INLINE int32_t element(const void *from, int32_t type, int64_t i) {
    switch (type) {
    case U8: return ((const uint8_t *)from)[i];
    case I16: return ((const int16_t *)from)[i];
    default: return ((const int32_t *)from)[i];
    }
}

INLINE void put(void *to, int32_t type, int64_t i, int32_t x) {
    switch (type) {
    case U8: ((uint8_t *)to)[i] = (uint8_t)x; break;
    case I16: ((int16_t *)to)[i] = (int16_t)x; break;
    default: ((int32_t *)to)[i] = x;
    }
}

/* Store a vector of numbers as a type that holds them. */
INLINE void put32(void *to, int32_t type, int64_t i, s32v x) {
    switch (type) {
    case U8: narrow32_to_8((uint8_t *)to + i, x); break;
    case I16: narrow32_to_16((int16_t *)to + i, x); break;
    default: store_s32v((int32_t *)to + i, x);
    }
}

INLINE s32v get32(const void *from, int32_t type, int64_t i) {
    switch (type) {
    case U8: return load_u8_as_32((const uint8_t *)from + i);
    case I16: return load_16_as_32((const int16_t *)from + i);
    default: return load_s32v((const int32_t *)from + i);
    }
}

/* ---- passes over many vectors ---- */

#define SIZES(each, ...)                                                                                            \
    switch (n) {                                                                                                    \
    case 1: each(__VA_ARGS__, 1); break;                                                                            \
    case 2: each(__VA_ARGS__, 2); break;                                                                            \
    case 3: each(__VA_ARGS__, 3); break;                                                                            \
    MORE_SIZES(each, __VA_ARGS__)                                                                                   \
    default: each(__VA_ARGS__, MOST_VECTORS);                                                                       \
    }

/* How many vectors of sums stay in registers in the next pass over a list, of those that are left. */
INLINE int64_t vectors_now(int64_t left) {
    return left <= MOST_VECTORS ? left : left < 2 * MOST_VECTORS ? (left + 1) / 2 : MOST_VECTORS;
}
