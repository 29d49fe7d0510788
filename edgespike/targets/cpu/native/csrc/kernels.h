/* The kernels, for one width of vectors: included by each kernels_*.c, which defines VECTOR (bytes) and SET.

   Sums are computed modulo 2^16 or 2^32. That is exact, whatever overflows on the way, where the final sum is proven
   to fit. Elements of all buffers are ordered by position, channels last. Kernels read and write whole vectors, up to
   SLACK bytes behind a buffer. */
#include <string.h>

#include "net.h"

#if defined(__AVX2__)
#include <immintrin.h>
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

INLINE int any32(s32v mask) {
#if defined(__AVX512BW__) && VECTOR == 64
    return _mm512_movepi32_mask((__m512i)mask) != 0;
#elif defined(__AVX2__) && VECTOR == 32
    return _mm256_movemask_epi8((__m256i)mask) != 0;
#elif defined(__AARCH64EL__) && VECTOR == 16
    return vmaxvq_u32((uint32x4_t)mask) != 0;
#else
    int32_t found = 0;
    for (int i = 0; i < LANES32; i++) found |= mask[i];
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

/* ---- neurons ---- */

/* Sums of a position: padded channels, of 16 or of 32 bits. */
struct sums { const void *from; int wide; };

INLINE s32v sums32(struct sums sums, int64_t i) {
    return sums.wide ? load_s32v((const int32_t *)sums.from + i) : load_16_as_32((const int16_t *)sums.from + i);
}

INLINE void reached_of_16(const struct threshold *op, int32_t padded, const int16_t *x, uint8_t *to) {
    for (int32_t i = 0; i < padded; i += LANES16) {
        s16v values = load_s16v(x + i), count = {0};
        for (int32_t level = 0; level < op->levels; level++)
            count -= values >= load_s16v(op->theta16 + (int64_t)level * padded + i);
        if (op->flips) {
            s16v flipped;
            for (int j = 0; j < LANES16; j++) flipped[j] = (int16_t)op->flipped[i + j];
            count = (flipped & ((int16_t)op->levels - count)) | (~flipped & count);
        }
        narrow16(to + i, count);
    }
}

static void threshold_row(const struct cell *cell, struct sums sums, void *to, int32_t type) {
    const struct threshold *op = &cell->threshold;
    const int32_t padded = cell->padded;
    if (!sums.wide && op->theta16 && op->method == COMPARE && type == U8 && op->unit == 1 && op->offset == 0) {
        reached_of_16(op, padded, sums.from, to);
        return;
    }
    const int32_t method = op->method, levels = op->levels, unit = op->unit, offset = op->offset;
    const int flips = op->flips && (method == COMPARE || method == SEARCH);
    const int32_t *theta = op->theta, *flipped = op->flipped;
    const float *slope = op->slope, *shift = op->shift;
    const f32v zero = {0}, most = __builtin_convertvector(all32(levels), f32v);
    for (int32_t i = 0; i < padded; i += LANES32) {
        s32v x = sums32(sums, i), count = {0};
        if (method == LINE || method == NEAR) {
            f32v line = __builtin_convertvector(x, f32v) * load_f32v(slope + i);
            line = leastf(mostf(line + load_f32v(shift + i), zero), most);
            count = __builtin_convertvector(line, s32v);
        }
        if (method == NEAR) {
            s32v sign = load_s32v(flipped + i), turned = (x ^ sign) - sign; /* -1: what is counted falls */
            s32v next;
            for (int j = 0; j < LANES32; j++) next[j] = theta[(int64_t)(i + j) * (levels + 1) + count[j]];
            count -= turned >= next;
        } else if (method == COMPARE) {
            for (int32_t level = 0; level < levels; level++) count -= x >= load_s32v(theta + (int64_t)level * padded + i);
        } else if (method == SEARCH) {
            for (int j = 0; j < LANES32; j++) { /* thresholds of a channel lie side by side */
                const int32_t *own = theta + (int64_t)(i + j) * levels;
                int32_t low = 0, high = levels;
                while (low < high) {
                    const int32_t middle = (low + high) / 2;
                    if (x[j] >= own[middle]) low = middle + 1;
                    else high = middle;
                }
                count[j] = low;
            }
        }
        if (flips) count = pick32(load_s32v(flipped + i), levels - count, count);
        put32(to, type, i, count * unit + offset);
    }
}

/* Multiply by kept / 2^bits, towards zero. */
INLINE s32v decayed(s32v v, s32v kept, int32_t bits, int one_product) {
    s32v negative = v >> 31, size = (v ^ negative) - negative, left;
    if (one_product) {
        left = (size * kept) >> bits;
    } else {
        s32v part = size & (((int32_t)1 << bits) - 1);
        left = (size >> bits) * kept + (s32v)((u32v)(part * kept) >> bits);
    }
    return (left ^ negative) - negative;
}

/* What a membrane does, where it is known when the kernel is compiled. */
enum known { ANY, PLAIN_MEMBRANE, USUAL_MEMBRANE /* plain; it reaches its threshold, which is subtracted, and is stored as bytes */ };

/* Step the neurons of some positions that lie side by side, at most 64, whose sums have 32 bits; return at which of them
   a neuron may change without input. What is known of the operation is read before anything is written: compilers must
   take it for changed after that. */
INLINE uint64_t membrane_step(const struct run *run, const struct cell *cell, int64_t position, int64_t positions,
                              const int32_t *sums, char *to, const int32_t type, const int decays, const int known) {
    const struct membrane *op = &cell->membrane;
    const int plain = known != ANY, usual = known == USUAL_MEMBRANE;
    const int32_t padded = cell->padded, comparison = !usual && op->comparison, reset = usual ? 2 : op->reset;
    const int32_t when = plain ? 0 : op->when, decay_bits = op->decay_bits, one_product = op->one_product;
    const int32_t saturates = op->saturates, unit = (int32_t)op->unit, back = (int32_t)op->back;
    const int biased = !plain && op->biased, decays_current = !plain && op->decays_current;
    const int emits_potential = !plain && op->emits_potential, current_saturates = op->current_saturates;
    const int single = op->most_spikes == 1;
    const int64_t most_spikes = op->most_spikes, row = op->per_neuron ? padded : 0, bytes = es_bytes_of(type);
    const int32_t channels = cell->channels;
    const int32_t *thetas = op->theta + position * row, *kept = op->kept + position * row;
    const int32_t *kept_current = op->kept_current + position * row, *bias = op->bias + position * row;
    const int32_t *least = op->least + position * row;
    int32_t *v_row = (int32_t *)at(run, op->v_place) + position * padded;
    int32_t *current_row = (int32_t *)at(run, op->current_place) + position * padded;
    int32_t *fired_row = (int32_t *)at(run, op->fired_place) + position * padded;
    const s32v zero = {0}, highest = all32((int32_t)op->highest);
    uint64_t found = 0;
    for (int64_t p = 0; p < positions; p++) {
        s32v stirred = zero;
        for (int32_t i = 0; i < padded; i += LANES32) {
            s32v v = load_s32v(v_row + i), theta = load_s32v(thetas + i), reached = theta;
            s32v current = load_s32v(sums + i);
            if (unit != 1) current = current * unit;
            if (when == 2) {
                s32v above = comparison ? v > theta : v >= theta;
                reached = theta + (theta & above);
            }
            if (decays) v = decayed(v, load_s32v(kept + i), decay_bits, one_product);
            if (decays_current) {
                current += decayed(load_s32v(current_row + i), load_s32v(kept_current + i), decay_bits, 0);
                if (current_saturates) current = least32(most32(current, -highest), highest);
                store_s32v(current_row + i, current);
                stirred |= current;
            }
            v += current;
            if (biased) v += load_s32v(bias + i);
            if (when == 1) {
                s32v fired = load_s32v(fired_row + i);
                if (reset == 1) v &= fired == zero;
                else if (reset == 2) v -= fired * theta;
            }
            if (saturates) v = least32(most32(v, load_s32v(least + i)), highest);
            s32v enough = comparison ? v > reached : v >= reached, fired = -enough, once = theta & enough, left = v - once;
            int several = 0;
            if (!single) several = any32(comparison ? v - reached > reached : v - reached >= reached);
            if (several) {
                for (int j = 0; j < LANES32; j++)
                    if (enough[j]) {
                        int64_t times = (v[j] - comparison) / reached[j];
                        fired[j] = (int32_t)(times < most_spikes ? times : most_spikes);
                    }
                left = v - fired * theta;
            }
            put32(to, type, i, emits_potential ? v * back : fired);
            if (when == 1) {
                store_s32v(fired_row + i, fired);
                stirred |= fired;
            } else if (reset == 1) {
                v &= ~enough;
            } else if (reset == 2) {
                v = left;
            }
            store_s32v(v_row + i, v);
            stirred |= decays ? v : comparison ? v > theta : v >= theta;
        }
        found |= (uint64_t)any32(stirred != zero) << p;
        sums += padded, v_row += padded, current_row += padded, fired_row += padded, to += channels * bytes;
        thetas += row, kept += row, kept_current += row, bias += row, least += row;
    }
    return found;
}

static int64_t decayed64(int64_t v, int64_t kept, int32_t bits) {
    int64_t size = v < 0 ? -v : v, mask = ((int64_t)1 << bits) - 1;
    int64_t left = (size >> bits) * kept + ((size & mask) * kept >> bits);
    return v < 0 ? -left : left;
}

/* The same in 64 bits, neuron by neuron. */
static int membrane_wide(const struct run *run, const struct cell *cell, int64_t position, const int32_t *sums, char *to,
                         int32_t type) {
    const struct membrane *op = &cell->membrane;
    const int64_t row = position * cell->padded, own = op->per_neuron ? row : 0;
    int64_t *v_row = (int64_t *)at(run, op->v_place) + row;
    int64_t *current_row = (int64_t *)at(run, op->current_place) + row;
    int64_t *fired_row = (int64_t *)at(run, op->fired_place) + row;
    int stirred = 0;
    for (int32_t i = 0; i < cell->channels; i++) {
        int64_t v = v_row[i], theta = op->theta64[own + i], reached = theta;
        int64_t x = sums[i] * op->unit;
        if (op->when == 2 && (op->comparison ? v > theta : v >= theta)) reached = 2 * theta;
        if (op->decays) v = decayed64(v, op->kept64[own + i], op->decay_bits);
        if (op->decays_current) {
            x += decayed64(current_row[i], op->kept_current64[own + i], op->decay_bits);
            if (op->current_saturates) {
                if (x > op->highest) x = op->highest;
                if (x < -op->highest) x = -op->highest;
            }
            current_row[i] = x;
            stirred |= x != 0;
        }
        v += x;
        if (op->biased) v += op->bias64[own + i];
        if (op->when == 1) {
            if (op->reset == 1 && fired_row[i]) v = 0;
            else if (op->reset == 2) v -= fired_row[i] * theta;
        }
        if (op->saturates) {
            if (v < op->least64[own + i]) v = op->least64[own + i];
            if (v > op->highest) v = op->highest;
        }
        int64_t fired = 0;
        if (op->comparison ? v > reached : v >= reached) {
            fired = (v - op->comparison) / reached;
            if (fired > op->most_spikes) fired = op->most_spikes;
        }
        put(to, type, i, (int32_t)(op->emits_potential ? v * op->back : fired));
        if (op->when != 1) {
            if (op->reset == 1 && fired) v = 0;
            else if (op->reset == 2) v -= fired * theta;
        } else {
            fired_row[i] = fired;
            stirred |= fired != 0;
        }
        v_row[i] = v;
        stirred |= op->decays ? v != 0 : op->comparison ? v > theta : v >= theta;
    }
    return stirred;
}

#define MEMBRANE_KERNEL(name, type, decays, known)                                                                  \
    static uint64_t name(const struct run *run, const struct cell *cell, int64_t position, int64_t positions,       \
                         const int32_t *sums, char *to) {                                                           \
        return membrane_step(run, cell, position, positions, sums, to, type, decays, known);                        \
    }
MEMBRANE_KERNEL(membrane_usual, U8, 0, USUAL_MEMBRANE)
MEMBRANE_KERNEL(membrane_usual_leaky, U8, 1, USUAL_MEMBRANE)
MEMBRANE_KERNEL(membrane_plain_8, U8, cell->membrane.decays, PLAIN_MEMBRANE)
MEMBRANE_KERNEL(membrane_plain_16, I16, cell->membrane.decays, PLAIN_MEMBRANE)
MEMBRANE_KERNEL(membrane_any_8, U8, cell->membrane.decays, ANY)
MEMBRANE_KERNEL(membrane_any_16, I16, cell->membrane.decays, ANY)
MEMBRANE_KERNEL(membrane_any_32, I32, cell->membrane.decays, ANY)

/* Step the neurons of some positions that lie side by side, at most 64; return which may change without input. */
static uint64_t membrane_row(const struct run *run, const struct cell *cell, int64_t position, int64_t positions,
                             const int32_t *sums, char *to, int32_t type) {
    const struct membrane *op = &cell->membrane;
    if (op->wide) {
        uint64_t found = 0;
        for (int64_t p = 0; p < positions; p++)
            found |= (uint64_t)membrane_wide(run, cell, position + p, sums + p * cell->padded,
                                             to + p * cell->channels * es_bytes_of(type), type) << p;
        return found;
    }
    if (op->plain && type == U8 && op->reset == 2 && !op->comparison)
        return (op->decays ? membrane_usual_leaky : membrane_usual)(run, cell, position, positions, sums, to);
    if (op->plain && type != I32)
        return (type == U8 ? membrane_plain_8 : membrane_plain_16)(run, cell, position, positions, sums, to);
    return (type == U8    ? membrane_any_8
            : type == I16 ? membrane_any_16
                          : membrane_any_32)(run, cell, position, positions, sums, to);
}

/* Return sums of 32 bits. */
INLINE const int32_t *widened(const struct cell *cell, struct sums sums, int32_t *to) {
    if (sums.wide) return sums.from;
    for (int32_t i = 0; i < cell->padded; i += LANES32) store_s32v(to + i, sums32(sums, i));
    return to;
}

/* Write a position's values. */
INLINE void finish(const struct run *run, const struct cell *cell, int64_t position, struct sums sums, char *to,
                   int32_t type) {
    switch (cell->kind) {
    case THRESHOLD: threshold_row(cell, sums, to, type); break;
    case MEMBRANE: {
        int32_t *row = (int32_t *)at(run, run->net->wide_place);
        membrane_row(run, cell, position, 1, widened(cell, sums, row), to, type);
        break;
    }
    default:
        for (int32_t i = 0; i < cell->padded; i += LANES32) put32(to, type, i, sums32(sums, i));
    }
}

/* ---- lists of events ---- */

/* Add the places of a word's bits to a list. */
INLINE uint32_t *list_bits(uint32_t *list, uint64_t word, uint32_t first) {
    while (word) {
        *list++ = first + (uint32_t)__builtin_ctzll(word);
        word &= word - 1;
    }
    return list;
}

INLINE uint64_t low_bits(int64_t count) { return count >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << count) - 1; }

/* Move the bits of a pattern together, which has every n-th bit. */
INLINE uint64_t every(uint64_t word, uint64_t pattern, int32_t n) {
#if defined(__BMI2__)
    (void)n;
    return _pext_u64(word, pattern);
#else
    uint64_t found = 0;
    (void)pattern;
    for (int32_t i = 0; i * n < 64; i++) found |= (word >> (i * n) & 1) << i;
    return found;
#endif
}

#define FEW 4 /* Events of so many spikes are listed so many times; rows with more of them hold numbers as well. */

/* What is known of a row's list: where each position begins; only where the row does; and numbers of spikes beside it. */
enum list_kind { PLACED, BITS, NUMBERED };

struct lists {
    uint32_t *list, *starts, *rows;
    int32_t *number;
    uint8_t *kind;
    uint64_t *active;
};

INLINE struct lists lists_of(const struct run *run, const struct linear *op) {
    struct lists found = {
        (uint32_t *)at(run, op->list_place),
        (uint32_t *)at(run, op->starts_place),
        (uint32_t *)at(run, op->rows_place),
        (int32_t *)at(run, op->list_place) + op->list_room,
        (uint8_t *)at(run, op->kinds_place),
        (uint64_t *)at(run, op->active_place),
    };
    return found;
}

/* Say where each position's events begin: the list of a row of bits begins at a place. */
INLINE void find_starts(const uint64_t *bits, const struct linear *op, int32_t channels, uint32_t count,
                        uint32_t *starts) {
    const int32_t left = op->left, width = op->source_width, padded_width = op->padded_width;
    for (int32_t x = 0; x < left; x++) starts[x] = count;
    starts += left;
    if (channels <= 64 && 64 % channels == 0) {
        const int32_t in_word = 64 / channels;
        for (int32_t x = 0; x < width; x += in_word, bits++) {
            const uint64_t word = *bits;
            const int32_t here = width - x < in_word ? width - x : in_word;
            for (int32_t j = 0; j < here; j++)
                starts[x + j] = count + (uint32_t)__builtin_popcountll(word & (((uint64_t)1 << (j * channels)) - 1));
            count += (uint32_t)__builtin_popcountll(word);
        }
    } else {
        int64_t bit = 0;
        for (int32_t x = 0; x < width; x++) {
            starts[x] = count;
            for (int64_t end = bit + channels; bit < end;) {
                const int64_t most = 64 - (bit & 63), taken = end - bit < most ? end - bit : most;
                count += (uint32_t)__builtin_popcountll(bits[bit >> 6] >> (bit & 63) & low_bits(taken));
                bit += taken;
            }
        }
    }
    for (int32_t x = width; x <= padded_width - left; x++) starts[x] = count;
}

/* Return at which positions of a row of bits any is set; rows of at most 64 positions. */
INLINE uint64_t active_positions(const uint64_t *bits, const struct linear *op, int32_t channels) {
    const int32_t left = op->left, width = op->source_width;
    uint64_t found = 0;
    if (channels <= 64 && 64 % channels == 0) {
        const int32_t in_word = 64 / channels;
        for (int32_t x = 0; x < width; x += in_word, bits++) {
            uint64_t word = *bits;
            for (int32_t by = 1; by < channels; by *= 2) word |= word >> by;
            found |= every(word, op->channel_bits, channels) << ((left + x) & 63);
        }
        return found;
    }
    int64_t bit = 0;
    for (int32_t x = 0; x < width; x++) {
        uint64_t here = 0;
        for (int64_t end = bit + channels; bit < end;) {
            const int64_t most = 64 - (bit & 63), taken = end - bit < most ? end - bit : most;
            here |= bits[bit >> 6] >> (bit & 63) & low_bits(taken);
            bit += taken;
        }
        found |= (uint64_t)(here != 0) << ((left + x) & 63);
    }
    return found;
}

/* List a row's events of single spikes. */
static uint32_t scan_bits(const struct linear *op, const struct lists *to, const uint8_t *row, uint32_t count,
                          int32_t channels, uint64_t *bits) {
    const int64_t elements = (int64_t)op->source_width * channels, words = (elements + 63) / 64;
    uint32_t *const list = to->list, *end = list + count;
    const uint32_t first = (uint32_t)(op->left * channels);
    for (int64_t k = 0; k < words; k++) {
        bits[k] = nonzero64(row + 64 * k) & low_bits(elements - 64 * k);
        end = list_bits(end, bits[k], first + (uint32_t)(64 * k));
    }
    return (uint32_t)(end - list);
}

static int is_binary(const uint8_t *row, int64_t elements) {
    u8v any = {0};
    int64_t i = 0;
    for (; i + VECTOR <= elements; i += VECTOR) any |= load_u8v(row + i);
    uint8_t rest = 0;
    for (; i < elements; i++) rest |= row[i];
    u8v more = any & (uint8_t)254;
    return rest <= 1 && !any32((s32v)more != (s32v){0});
}

/* List a row's events of any numbers of spikes. */
static uint32_t scan_numbers(const struct linear *op, const struct lists *to, const void *row, int32_t type,
                             uint32_t count, uint32_t *starts, int32_t channels, uint64_t *active, uint8_t *big) {
    const int64_t elements = (int64_t)op->source_width * channels;
    int32_t most = 0;
    if (type == U8) {
        uint8_t largest = 0;
        for (int64_t i = 0; i < elements; i++) {
            const uint8_t x = ((const uint8_t *)row)[i];
            largest = x > largest ? x : largest;
        }
        most = largest;
    } else if (type == I16) {
        int16_t largest = 0, smallest = 0;
        for (int64_t i = 0; i < elements; i++) {
            const int16_t x = ((const int16_t *)row)[i];
            largest = x > largest ? x : largest;
            smallest = x < smallest ? x : smallest;
        }
        most = smallest < 0 ? FEW + 1 : largest;
    } else {
        for (int64_t i = 0; i < elements; i++) {
            const int32_t x = element(row, type, i);
            if (x > most || x < 0) most = x < 0 ? FEW + 1 : x;
        }
    }
    *big = most > FEW;
    uint64_t found = 0;
    int32_t x = 0; /* where the next start is written */
    for (int64_t first = 0; first < elements; first += 64) {
        const int64_t left = elements - first;
        uint64_t word = 0;
        if (type == U8) {
            word = nonzero64((const uint8_t *)row + first) & low_bits(left);
        } else {
            uint8_t marks[64];
            const int64_t here = left < 64 ? left : 64;
            if (type == I16)
                for (int64_t i = 0; i < here; i++) marks[i] = ((const int16_t *)row)[first + i] != 0;
            else
                for (int64_t i = 0; i < here; i++) marks[i] = ((const int32_t *)row)[first + i] != 0;
            word = nonzero64(marks) & low_bits(here);
        }
        for (; word; word &= word - 1) {
            const int64_t i = first + __builtin_ctzll(word);
            const int32_t number = element(row, type, i), here = op->left + (int32_t)(i / channels);
            for (; x <= here; x++) starts[x] = count;
            found |= (uint64_t)1 << (here & 63);
            for (int32_t times = *big ? 1 : number; times; times--) {
                to->list[count] = (uint32_t)(op->left * channels + i);
                to->number[count++] = *big ? number : 1;
            }
        }
    }
    for (; x <= op->padded_width; x++) starts[x] = count;
    *active = found;
    return count;
}

/* What a scan finds besides the lists. */
struct found { uint32_t events; int numbered; };

/* List the events of all rows. Of rows of single spikes only the begin and the end are known, until they are placed. */
static struct found scan(const struct run *run, const struct linear *op, const struct value *source) {
    const struct lists to = lists_of(run, op);
    const char *from = at(run, source->place);
    const int32_t channels = source->channels, width = op->padded_width;
    const int64_t row_bytes = (int64_t)source->width * channels * es_bytes_of(source->type);
    const int64_t elements = (int64_t)op->source_width * channels, words = (elements + 63) / 64;
    uint64_t *bits = (uint64_t *)at(run, op->bits_place);
    struct found found = {0, 0};
    for (int32_t r = 0; r < op->padded_height; r++) {
        uint32_t *starts = to.starts + (int64_t)r * (width + 1), count = found.events;
        const int32_t y = r - op->top;
        const void *row = from + y * row_bytes;
        uint64_t active = 0;
        uint8_t kind = PLACED;
        if (y < 0 || y >= op->source_height) {
            starts[0] = starts[width] = count;
        } else if (source->type == U8 && is_binary(row, elements)) {
            uint64_t *own = bits + y * words;
            found.events = scan_bits(op, &to, row, count, channels, own);
            if (op->masked && found.events != count) active = active_positions(own, op, channels);
            starts[0] = count;
            starts[width] = found.events;
            kind = found.events == count ? PLACED : BITS;
        } else {
            uint8_t big;
            found.events = scan_numbers(op, &to, row, source->type, count, starts, channels, &active, &big);
            kind = big ? NUMBERED : PLACED;
            found.numbered |= big;
        }
        to.kind[r] = kind;
        to.active[r] = active;
    }
    return found;
}

/* Say where the events of each position begin, in the rows where only their bits are known. */
static void place(const struct run *run, const struct linear *op, int32_t channels) {
    const struct lists to = lists_of(run, op);
    const int64_t words = ((int64_t)op->source_width * channels + 63) / 64;
    const uint64_t *bits = (const uint64_t *)at(run, op->bits_place);
    for (int32_t r = op->top; r < op->top + op->source_height; r++) {
        uint32_t *starts = to.starts + (int64_t)r * (op->padded_width + 1);
        if (to.kind[r] == BITS) find_starts(bits + (r - op->top) * words, op, channels, starts[0], starts);
    }
}

/* Return at which positions of an output row any event arrives; rows of at most 64 positions. */
INLINE uint64_t active_row(const struct linear *op, const struct lists *from, int32_t y) {
    uint64_t found = 0;
    for (int32_t s = 0; s < op->segments; s++) {
        const struct segment *segment = &op->segment[s];
        uint64_t row = from->active[y * op->step_y + segment->row] >> segment->column;
        if (!row) continue;
        int32_t done = 1;
        while (2 * done <= segment->width) { row |= row >> done; done *= 2; }
        if (done < segment->width) row |= row >> (segment->width - done);
        found |= row;
    }
    if (op->step_x == 1) return found & low_bits(op->width);
    return every(found, op->step_bits, op->step_x) & low_bits(op->width);
}

/* A row of the source that a row of the output reads: where its events begin, and to which rows of weights they lead. */
struct line { const uint32_t *starts; int32_t width, numbered; uint32_t first; };

/* ---- sums of rows of weights ---- */

enum rows { ROWS16, ROWS8, ROWS16_WIDE, ROWS8_WIDE, ROWS32 };

#define AT_ONCE 4 /* Lists of rows are filled up to a multiple of this with the row of zeros. */

/* Add up n vectors of sums over listed rows; the first output is at a place. */
INLINE void add_rows(const uint32_t *list, int64_t count, const char *weight, int64_t padded, int64_t place,
                     const void *bias, void *to, const int n, const int rows) {
    const int64_t bytes = rows == ROWS32 ? 4 : rows == ROWS8 || rows == ROWS8_WIDE ? 1 : 2, stride = padded * bytes;
    const int64_t from = place * (rows >= ROWS16_WIDE ? 4 : 2);
    s32v sum[MOST_VECTORS];
    UNROLL for (int k = 0; k < n; k++) sum[k] = load_s32v((const char *)bias + from + k * VECTOR);
    weight += place * bytes;
    for (int64_t event = 0; event < count; event += AT_ONCE) {
        UNROLL for (int e = 0; e < AT_ONCE; e++) {
            const char *row = weight + list[event + e] * stride;
            UNROLL for (int k = 0; k < n; k++) {
                switch (rows) {
                case ROWS16: sum[k] = (s32v)((s16v)sum[k] + load_s16v(row + k * VECTOR)); break;
                case ROWS8:
                    sum[k] = (s32v)((s16v)sum[k] + load_8_as_16(row + k * (VECTOR / 2)));
                    break;
                case ROWS16_WIDE: sum[k] += load_16_as_32(row + k * (VECTOR / 2)); break;
                case ROWS8_WIDE: sum[k] += load_8_as_32(row + k * (VECTOR / 4)); break;
                default: sum[k] += load_s32v(row + k * VECTOR);
                }
            }
        }
    }
    UNROLL for (int k = 0; k < n; k++) store_s32v((char *)to + from + k * VECTOR, sum[k]);
}

#if MOST_VECTORS > 4
#define MORE_SIZES(each, ...)                                                                                       \
    case 4: each(__VA_ARGS__, 4); break;                                                                            \
    case 5: each(__VA_ARGS__, 5); break;                                                                            \
    case 6: each(__VA_ARGS__, 6); break;                                                                            \
    case 7: each(__VA_ARGS__, 7); break;                                                                            \
    case 8: each(__VA_ARGS__, 8); break;                                                                            \
    case 9: each(__VA_ARGS__, 9); break;                                                                            \
    case 10: each(__VA_ARGS__, 10); break;                                                                          \
    case 11: each(__VA_ARGS__, 11); break;
#else
#define MORE_SIZES(each, ...)
#endif
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

#define ADD_ROWS(kind, n) add_rows(list, count, weight, padded, place, bias, to, n, kind)
#define ADDER(name, kind, lanes)                                                                                    \
    static void name(const uint32_t *list, int64_t count, const char *weight, int64_t padded, const void *bias,     \
                     void *to) {                                                                                    \
        for (int64_t place = 0, n; place < padded; place += n * (lanes)) {                                          \
            n = vectors_now((padded - place) / (lanes));                                                            \
            SIZES(ADD_ROWS, kind)                                                                                   \
        }                                                                                                           \
    }
ADDER(add_rows16, ROWS16, LANES16)
ADDER(add_rows8, ROWS8, LANES16)
ADDER(add_rows16_wide, ROWS16_WIDE, LANES32)
ADDER(add_rows8_wide, ROWS8_WIDE, LANES32)
ADDER(add_rows32, ROWS32, LANES32)

/* Add a row of weights times a number. */
INLINE void add_number(const struct linear *op, int64_t row, int32_t number, int32_t *to) {
    for (int64_t i = 0; i < op->padded; i += LANES32) {
        const int64_t place = row * op->padded + i;
        const char *weight = op->weight;
        s32v weights = op->weight_bits == 8    ? load_8_as_32(weight + place)
                       : op->weight_bits == 16 ? load_16_as_32(weight + 2 * place)
                                               : load_s32v(weight + 4 * place);
        store_s32v(to + i, load_s32v(to + i) + weights * number);
    }
}

/* Find the rows of the source with events that a row of the output reads. */
INLINE int find_lines(const struct linear *op, const struct lists *from, int32_t channels, int32_t y, struct line *line) {
    int lines = 0;
    for (int32_t s = 0; s < op->segments; s++) {
        const struct segment *segment = &op->segment[s];
        const int64_t row = (int64_t)y * op->step_y + segment->row;
        const uint32_t *starts = from->starts + row * (op->padded_width + 1);
        if (starts[0] == starts[op->padded_width]) continue;
        line[lines].starts = starts + segment->column;
        line[lines].width = segment->width;
        line[lines].numbered = from->kind[row] == NUMBERED;
        line[lines].first = (uint32_t)segment->first - (uint32_t)segment->column * (uint32_t)channels;
        lines++;
    }
    return lines;
}

static struct sums sum_numbers(const struct linear *op, const struct lists *from, const struct line *line, int lines,
                               uint32_t channels, uint32_t place, int32_t *to) {
    memcpy(to, op->bias32, (size_t)op->padded * 4);
    for (int k = 0; k < lines; k++)
        for (uint32_t i = line[k].starts[place]; i < line[k].starts[place + (uint32_t)line[k].width]; i++)
            add_number(op, from->list[i] + line[k].first - place * channels, line[k].numbered ? from->number[i] : 1, to);
    return (struct sums){to, 1};
}

/* Sum what arrives at an output position; where 32 bits are needed, in memory that is given. */
INLINE struct sums sum_events(const struct run *run, const struct linear *op, const struct lists *from,
                              const struct line *line, int lines, uint32_t channels, uint32_t x, int32_t *wide) {
    char *to = at(run, run->net->temporary_place);
    const uint32_t place = x * (uint32_t)op->step_x, shift = place * channels;
    const uint32_t *events = from->list;
    uint32_t *list = from->rows;
    int64_t count = 0;
    int32_t numbered = 0;
    for (int k = 0; k < lines; k++) {
        const uint32_t begin = line[k].starts[place], end = line[k].starts[place + (uint32_t)line[k].width];
        const s32v first = all32((int32_t)(line[k].first - shift));
        for (int64_t i = 0; i < (int64_t)(end - begin); i += LANES32)
            store_s32v(list + count + i, load_s32v(events + begin + i) + first);
        count += end - begin;
        numbered |= begin != end ? line[k].numbered : 0;
    }
    if (numbered) return sum_numbers(op, from, line, lines, channels, place, wide);
    for (int i = 0; i < AT_ONCE; i++) list[count + i] = (uint32_t)op->rows;
    const int small = !op->wide || count * op->largest_weight + op->largest_bias <= INT16_MAX;
    switch (op->weight_bits) {
    case 8:
        if (small) add_rows8(list, count, op->weight, op->padded, op->bias, to);
        else add_rows8_wide(list, count, op->weight, op->padded, op->bias32, wide);
        return (struct sums){small ? (void *)to : wide, !small};
    case 16:
        if (small) add_rows16(list, count, op->weight, op->padded, op->bias, to);
        else add_rows16_wide(list, count, op->weight, op->padded, op->bias32, wide);
        return (struct sums){small ? (void *)to : wide, !small};
    default:
        add_rows32(list, count, op->weight, op->padded, op->bias32, wide);
        return (struct sums){wide, 1};
    }
}

/* ---- sums by adding each event to all outputs that it leads to ---- */

#define MOST_SCATTERED 4 /* vectors of sums of a position */

INLINE void scatter(const uint32_t *event, const uint32_t *end, const struct reach *reach, const char *weight,
                    int64_t stride, int64_t back, char *row, int64_t position, const int n, const int rows) {
    for (; event < end; event++) {
        const struct reach found = reach[*event];
        const char *from = weight + found.first * stride;
        char *to = row + found.low * position;
        for (int k = 0; k < found.count; k++, to += position, from -= back) {
            UNROLL for (int i = 0; i < n; i++) {
                char *sum = to + i * VECTOR;
                switch (rows) {
                case ROWS16: store_s16v(sum, load_s16v(sum) + load_s16v(from + i * VECTOR)); break;
                case ROWS8: store_s16v(sum, load_s16v(sum) + load_8_as_16(from + i * (VECTOR / 2))); break;
                case ROWS16_WIDE: store_s32v(sum, load_s32v(sum) + load_16_as_32(from + i * (VECTOR / 2))); break;
                case ROWS8_WIDE: store_s32v(sum, load_s32v(sum) + load_8_as_32(from + i * (VECTOR / 4))); break;
                default: store_s32v(sum, load_s32v(sum) + load_s32v(from + i * VECTOR));
                }
            }
        }
    }
}

#define SCATTERER(name, rows)                                                                                       \
    static void name(const uint32_t *event, const uint32_t *end, const struct reach *reach, const char *weight,     \
                     int64_t stride, int64_t back, char *row, int64_t position, int64_t n) {                        \
        switch (n) {                                                                                                \
        case 1: scatter(event, end, reach, weight, stride, back, row, position, 1, rows); break;                    \
        case 2: scatter(event, end, reach, weight, stride, back, row, position, 2, rows); break;                    \
        case 3: scatter(event, end, reach, weight, stride, back, row, position, 3, rows); break;                    \
        default: scatter(event, end, reach, weight, stride, back, row, position, 4, rows);                          \
        }                                                                                                           \
    }
SCATTERER(scatter16, ROWS16)
SCATTERER(scatter8, ROWS8)
SCATTERER(scatter16_wide, ROWS16_WIDE)
SCATTERER(scatter8_wide, ROWS8_WIDE)
SCATTERER(scatter32, ROWS32)

/* Whether it takes less to add events to a plane of sums than to gather them for each output; measured on Zen 3. */
INLINE int is_sparse(const struct linear *op, struct found found, int wide) {
    const int64_t vectors = op->padded / (wide ? LANES32 : LANES16);
    if (!op->scatters || found.numbered || vectors > MOST_SCATTERED) return 0;
    const double adds = found.events * op->adds, positions = (double)op->height * op->width;
    const double gathered = adds < positions ? adds : positions;
    return adds * (2 + 2 * (double)vectors) < gathered * (50 + 10 * op->segments);
}

/* Sum what arrives at all outputs; return whether the sums have 32 bits. */
static void scatter_events(const struct run *run, const struct linear *op, int32_t channels, int wide) {
    const struct lists from = lists_of(run, op);
    const int64_t positions = (int64_t)op->height * op->width, position = (int64_t)op->padded * (wide ? 4 : 2);
    const int64_t stride = (int64_t)op->padded * op->weight_bits / 8, back = (int64_t)op->step_x * channels * stride;
    const int64_t vectors = position / VECTOR;
    char *plane = at(run, op->plane_place);
    const char *weight = op->weight;
    if (!op->biased) memset(plane, 0, (size_t)(positions * position));
    else
        for (int64_t p = 0; p < positions; p++)
            memcpy(plane + p * position, wide ? (const void *)op->bias32 : op->bias, (size_t)position);
    for (int32_t r = 0; r < op->padded_height; r++) {
        const uint32_t *starts = from.starts + (int64_t)r * (op->padded_width + 1);
        const uint32_t *event = from.list + starts[0], *end = from.list + starts[op->padded_width];
        if (event == end) continue;
        for (int32_t k = op->targets[r]; k < op->targets[r + 1]; k++) {
            const char *own = weight + op->target[k].first * stride;
            char *row = plane + (int64_t)op->target[k].y * op->width * position;
            (op->weight_bits == 8    ? (wide ? scatter8_wide : scatter8)
             : op->weight_bits == 16 ? (wide ? scatter16_wide : scatter16)
                                     : scatter32)(event, end, op->reach, own, stride, back, row, position, vectors);
        }
    }
}

/* ---- products of numbers ---- */

/* What is multiplied at once: a place in the weights, and a number, a pair or four of them. */
struct factor { uint32_t x, group; };

INLINE void multiply(const struct factor *factor, int64_t factors, const char *weight, int64_t padded, int64_t place,
                     const void *bias, void *to, const int product, const int n) {
    const int64_t lane = product == PAIRS8 ? 2 : 4, stride = padded * lane;
    s32v sum[MOST_VECTORS];
    UNROLL for (int k = 0; k < n; k++) sum[k] = load_s32v((const char *)bias + place * lane + k * VECTOR);
    for (int64_t f = 0; f < factors; f++) {
        const char *row = weight + factor[f].group * stride + place * lane;
        const s16v pair = all16((int16_t)factor[f].x);
        const s32v whole = all32((int32_t)factor[f].x);
        UNROLL for (int k = 0; k < n; k++) {
            s32v w = load_s32v(row + k * VECTOR);
            switch (product) {
            case PAIRS8: sum[k] = (s32v)((s16v)sum[k] + pairs8(pair, (s16v)w)); break;
            case QUADS8: sum[k] = quads8(sum[k], whole, w); break;
            case PAIRS16: sum[k] = add_pairs16(sum[k], whole, w); break;
            default: sum[k] += whole * w;
            }
        }
    }
    UNROLL for (int k = 0; k < n; k++) store_s32v((char *)to + place * lane + k * VECTOR, sum[k]);
}

#define MULTIPLY_ROWS(product, n) multiply(factor, factors, weight, padded, place, bias, to, product, n)
#define MULTIPLIER(name, product, lanes)                                                                            \
    static void name(const struct factor *factor, int64_t factors, const char *weight, int64_t padded,              \
                     const void *bias, void *to) {                                                                  \
        for (int64_t place = 0, n; place < padded; place += n * (lanes)) {                                          \
            n = vectors_now((padded - place) / (lanes));                                                            \
            SIZES(MULTIPLY_ROWS, product)                                                                           \
        }                                                                                                           \
    }
MULTIPLIER(multiply_pairs8, PAIRS8, LANES16)
MULTIPLIER(multiply_quads8, QUADS8, LANES32)
MULTIPLIER(multiply_pairs16, PAIRS16, LANES32)
MULTIPLIER(multiply_singles, SINGLES, LANES32)

INLINE uint32_t load_factor(const char *from, const int bytes) {
    uint16_t half;
    uint32_t whole;
    if (bytes == 2) {
        memcpy(&half, from, 2);
        return half;
    }
    memcpy(&whole, from, 4);
    return whole;
}

/* List the factors of a segment that are not zero. */
INLINE int64_t list_factors(struct factor *to, const char *from, int64_t groups, uint32_t first, const int bytes) {
    int64_t count = 0;
    for (int64_t g = 0; g < groups; g++) { /* without a branch: whether a factor is zero is hard to predict */
        uint32_t x = load_factor(from + g * bytes, bytes);
        to[count].x = x;
        to[count].group = first + (uint32_t)g;
        count += x != 0;
    }
    return count;
}

INLINE int32_t image_type(const struct linear *op, const struct value *source) {
    switch (op->product) {
    case PAIRS16: return I16;
    case SINGLES: return I32;
    case CHANNELS: return source->type;
    default: return U8;
    }
}

/* Return where a product's source begins: itself, or its copy with a border and in the type that is multiplied. */
static const char *image_of(const struct run *run, const struct linear *op, const struct value *source) {
    const char *from = at(run, source->place);
    const int32_t channels = source->channels;
    const int32_t type = image_type(op, source);
    const int whole = op->padded_width == source->width && op->padded_height == source->height;
    if (whole && type == source->type) return from;
    char *image = at(run, op->image_place);
    const int64_t bytes = es_bytes_of(type), elements = (int64_t)op->source_width * channels;
    for (int32_t y = 0; y < op->source_height; y++) {
        char *to = image + ((int64_t)(y + op->top) * op->padded_width + op->left) * channels * bytes;
        const int64_t first = (int64_t)y * source->width * channels;
        if (type == source->type) {
            memcpy(to, from + first * bytes, (size_t)(elements * bytes));
        } else {
            for (int64_t i = 0; i < elements; i++) put(to, type, i, element(from, source->type, first + i));
        }
    }
    return image;
}

INLINE struct sums sum_products(const struct run *run, const struct linear *op, const char *image, int32_t channels,
                                int32_t y, int32_t x) {
    char *to = at(run, run->net->temporary_place);
    struct factor *factor = (struct factor *)(to + 8 * run->net->most_padded + SLACK);
    const int64_t bytes = op->product == PAIRS16 ? 2 : op->product == SINGLES ? 4 : 1;
    const int64_t corner = ((int64_t)y * op->step_y * op->padded_width + (int64_t)x * op->step_x) * channels * bytes;
    int64_t factors = 0;
    for (int32_t s = 0; s < op->segments; s++) {
        const struct segment *segment = &op->segment[s];
        const char *from = image + corner + ((int64_t)segment->row * op->padded_width + segment->column) * channels * bytes;
        const int64_t length = segment->bytes;
        struct factor *next = factor + factors;
        const uint32_t first = (uint32_t)segment->first;
        switch (op->product) {
        case PAIRS8: factors += list_factors(next, from, (length + 1) / 2, first, 2); break;
        case QUADS8: factors += list_factors(next, from, (length + 3) / 4, first, 4); break;
        case PAIRS16: factors += list_factors(next, from, (length + 1) / 2, first, 4); break;
        default: factors += list_factors(next, from, length, first, 4);
        }
    }
    const void *bias = op->wide ? (const void *)op->bias32 : op->bias;
    switch (op->product) {
    case PAIRS8: multiply_pairs8(factor, factors, op->weight, op->padded, bias, to); break;
    case QUADS8: multiply_quads8(factor, factors, op->weight, op->padded, bias, to); break;
    case PAIRS16: multiply_pairs16(factor, factors, op->weight, op->padded, bias, to); break;
    default: multiply_singles(factor, factors, op->weight, op->padded, bias, to);
    }
    return (struct sums){to, op->wide};
}

/* Sum the products of each channel by itself. */
INLINE struct sums sum_channels(const struct run *run, const struct linear *op, const char *image, int32_t type,
                                int32_t channels, int32_t y, int32_t x) {
    int32_t *to = (int32_t *)at(run, run->net->temporary_place);
    const struct segment *segment = op->segment;
    const int32_t segments = op->segments, padded = op->padded, *weight = op->weight, *bias = op->bias32;
    const int64_t width = op->padded_width, corner = (int64_t)y * op->step_y * width + (int64_t)x * op->step_x;
    for (int32_t i = 0; i < padded; i += LANES32) {
        s32v sum = load_s32v(bias + i);
        for (int32_t s = 0; s < segments; s++) {
            const int64_t place = (corner + segment[s].row * width + segment[s].column) * channels + i;
            sum += get32(image, type, place) * load_s32v(weight + (int64_t)s * padded + i);
        }
        store_s32v(to + i, sum);
    }
    return (struct sums){to, 1};
}

/* ---- operations ---- */

static void run_linear(const struct run *run, const struct op *node) {
    const struct linear *op = &node->linear;
    const struct cell *cell = &node->cell;
    const struct value *source = &run->net->value[node->input[0]], *output = &run->net->value[node->output];
    const int64_t row_bytes = (int64_t)output->channels * es_bytes_of(output->type);
    char *to = at(run, output->place);
    if (op->product != EVENTS) {
        const char *image = image_of(run, op, source);
        int64_t position = 0;
        for (int32_t y = 0; y < op->height; y++)
            for (int32_t x = 0; x < op->width; x++, position++, to += row_bytes) {
                const struct sums sums = op->product == CHANNELS
                                             ? sum_channels(run, op, image, source->type, source->channels, y, x)
                                             : sum_products(run, op, image, source->channels, y, x);
                finish(run, cell, position, sums, to, output->type);
            }
        return;
    }
    const struct found found = scan(run, op, source);
    const struct lists from = lists_of(run, op);
    const int small = op->weight_bits <= 16 && (int64_t)found.events * op->largest_weight + op->largest_bias <= INT16_MAX;
    const int wide = op->wide && !small, sparse = is_sparse(op, found, wide);
    if (sparse) scatter_events(run, op, source->channels, wide);
    else place(run, op, source->channels);
    const char *plane = at(run, sparse ? op->plane_place : 0);
    const int64_t plane_bytes = (int64_t)op->padded * (wide ? 4 : 2);
    const int rests = op->masked && cell->kind == MEMBRANE && cell->membrane.rests && !op->biased;
    uint64_t *stirred = (uint64_t *)at(run, rests ? cell->membrane.active_place : 0);
    int32_t *sums_row = (int32_t *)at(run, run->net->wide_place);
    const uint32_t channels = (uint32_t)source->channels;
    struct line *line = (struct line *)(at(run, run->net->temporary_place) + 8 * run->net->most_padded + SLACK);
    for (int32_t y = 0; y < op->height; y++, to += row_bytes * op->width) {
        const int64_t position = (int64_t)y * op->width;
        const int lines = sparse ? 0 : find_lines(op, &from, source->channels, y, line);
        if (rests) {
            uint64_t active = active_row(op, &from, y) | stirred[y], left = 0;
            memset(to, 0, (size_t)(row_bytes * op->width));
            while (active) { /* a run of positions that lie side by side */
                const int32_t x = (int32_t)__builtin_ctzll(active);
                const uint64_t ended = ~(active >> x);
                const int32_t positions = ended ? (int32_t)__builtin_ctzll(ended) : 64;
                const int32_t *sums32 = sums_row;
                if (sparse && wide) sums32 = (const int32_t *)(plane + (position + x) * plane_bytes);
                for (int32_t k = 0; sums32 == sums_row && k < positions; k++) {
                    int32_t *row = sums_row + (int64_t)k * op->padded;
                    const struct sums sums =
                        sparse ? (struct sums){plane + (position + x + k) * plane_bytes, 0}
                               : sum_events(run, op, &from, line, lines, channels, (uint32_t)(x + k), row);
                    widened(cell, sums, row);
                }
                left |= membrane_row(run, cell, position + x, positions, sums32, to + row_bytes * x, output->type) << x;
                active &= ~(low_bits(positions) << x);
            }
            stirred[y] = left;
            continue;
        }
        const uint64_t active = op->masked ? active_row(op, &from, y) : ~(uint64_t)0;
        for (int32_t x = 0; x < op->width; x++) {
            struct sums sums = {op->wide ? (const void *)op->bias32 : op->bias, op->wide};
            if (sparse) sums = (struct sums){plane + (position + x) * plane_bytes, wide};
            else if (!op->masked || (active >> x & 1))
                sums = sum_events(run, op, &from, line, lines, channels, (uint32_t)x, sums_row);
            finish(run, cell, position + x, sums, to + row_bytes * x, output->type);
        }
    }
}

static void run_cell(const struct run *run, const struct op *node) {
    const struct value *source = &run->net->value[node->input[0]], *output = &run->net->value[node->output];
    const struct cell *cell = &node->cell;
    const char *from = at(run, source->place);
    char *to = at(run, output->place);
    int32_t *row = (int32_t *)at(run, run->net->temporary_place);
    for (int64_t position = 0; position < cell->positions; position++) {
        int32_t i = 0;
        for (; i < cell->channels; i += LANES32)
            store_s32v(row + i, get32(from, source->type, position * cell->channels + i));
        for (i = cell->channels; i < cell->padded; i++) row[i] = 0;
        finish(run, cell, position, (struct sums){row, 1},
               to + position * cell->channels * es_bytes_of(output->type), output->type);
    }
}

static void run_pool(const struct run *run, const struct op *node) {
    const struct value *source = &run->net->value[node->input[0]], *output = &run->net->value[node->output];
    const struct pool *op = &node->pool;
    const int most = node->kind == MAX_POOL;
    const char *from = at(run, source->place);
    char *to = at(run, output->place);
    const int32_t channels = output->channels;
    int64_t place = 0;
    for (int32_t y = 0; y < output->height; y++) {
        for (int32_t x = 0; x < output->width; x++, place += channels) {
            int32_t y0 = y * op->step_y - op->top, x0 = x * op->step_x - op->left;
            int32_t y1 = y0 + op->kernel_y, x1 = x0 + op->kernel_x;
            if (y0 < 0) y0 = 0;
            if (x0 < 0) x0 = 0;
            if (y1 > source->height) y1 = source->height;
            if (x1 > source->width) x1 = source->width;
            /* The border's zeros are below no value: events that are pooled are not negative. */
            if (most && source->type == U8) {
                for (int32_t c = 0; c < channels; c += VECTOR) {
                    u8v found = {0};
                    for (int32_t yy = y0; yy < y1; yy++)
                        for (int32_t xx = x0; xx < x1; xx++) {
                            u8v next = load_u8v(from + ((int64_t)yy * source->width + xx) * channels + c);
                            u8v larger = (u8v)(next > found);
                            found = (next & larger) | (found & ~larger);
                        }
                    store_u8v(to + place + c, found);
                }
                continue;
            }
            for (int32_t c = 0; c < channels; c += LANES32) {
                s32v found = {0};
                for (int32_t yy = y0; yy < y1; yy++)
                    for (int32_t xx = x0; xx < x1; xx++) {
                        s32v next = get32(from, source->type, ((int64_t)yy * source->width + xx) * channels + c);
                        found = most ? most32(found, next) : found + next;
                    }
                put32(to, output->type, place + c, found);
            }
        }
    }
}

static void run_elements(const struct run *run, const struct op *node) {
    const struct value *value = run->net->value, *output = &value[node->output];
    char *to = at(run, output->place);
    const struct value *first = &value[node->input[0]];
    const char *from = at(run, first->place);
    if (node->kind == RESHAPE) {
        for (int64_t i = 0; i < output->size; i++)
            put(to, output->type, i, element(from, first->type, node->order[i]));
        return;
    }
    if (node->kind == CONCATENATE) {
        const int64_t positions = (int64_t)output->height * output->width;
        int64_t place = 0;
        for (int32_t k = 0; k < node->inputs; k++) {
            const struct value *input = &value[node->input[k]];
            from = at(run, input->place);
            for (int64_t p = 0; p < positions; p++)
                for (int32_t c = 0; c < input->channels; c++)
                    put(to, output->type, p * output->channels + place + c,
                        element(from, input->type, p * input->channels + c));
            place += input->channels;
        }
        return;
    }
    for (int64_t i = 0; i < output->size; i += LANES32) {
        s32v x = get32(from, first->type, i);
        for (int32_t k = 1; k < node->inputs; k++) {
            const struct value *input = &value[node->input[k]];
            s32v y = get32(at(run, input->place), input->type, i);
            x = node->kind == ADD ? x + y : x * y;
        }
        put32(to, output->type, i, x);
    }
}

static void run_readout(const struct run *run, const struct op *node, int64_t step) {
    const struct value *source = &run->net->value[node->input[0]];
    int64_t *total = (int64_t *)at(run, run->net->value[node->output].place);
    const char *from = at(run, source->place);
    for (int64_t i = 0; i < source->size; i++) {
        const int64_t x = element(from, source->type, i);
        if (step == 0 || node->mode == 1) total[i] = x;
        else if (node->mode == 0) total[i] += x;
        else if (x > total[i]) total[i] = x;
    }
}

/* ---- a readout that sums over steps: the product of the numbers of spikes ---- */

static void add_to_counts(const struct run *run, const struct op *node) {
    const struct value *source = &run->net->value[node->input[0]];
    const char *from = at(run, source->place);
    int32_t *counts = (int32_t *)at(run, node->counts_place);
    for (int64_t i = 0; i < source->size; i += LANES32)
        store_s32v(counts + i, load_s32v(counts + i) + get32(from, source->type, i));
}

static void sum_counts(const struct run *run, const struct op *node, int64_t *total) {
    const struct linear *op = &node->linear;
    const struct value *source = &run->net->value[node->input[0]];
    const int32_t *counts = (const int32_t *)at(run, node->counts_place);
    int32_t *row = (int32_t *)at(run, run->net->temporary_place);
    for (int64_t i = 0; i < op->padded; i += LANES32)
        store_s32v(row + i, load_s32v(op->bias32 + i) * (int32_t)run->net->steps);
    for (int64_t i = 0; i < source->size; i++)
        if (counts[i]) add_number(op, i, counts[i], row);
    for (int32_t i = 0; i < op->outputs; i++) total[i] = row[i];
}

/* ---- sums of events ---- */

/* Return ones for the first elements of a vector, zeros for the rest. */
INLINE u8v first_bytes(int64_t count) {
    u8v place;
    UNROLL for (int i = 0; i < VECTOR; i++) place[i] = (uint8_t)i;
    return (u8v)(place < (uint8_t)(count < VECTOR ? count : VECTOR));
}

INLINE void add_bytes(uint8_t *sums, const uint8_t *from, int64_t size, const int graded) {
    const u8v zero = {0};
    for (int64_t i = 0; i < size; i += VECTOR) {
        u8v x = load_u8v(from + i);
        if (graded) x = (u8v)(x != zero) & 1;
        if (size - i < VECTOR) x &= first_bytes(size - i);
        store_u8v(sums + i, load_u8v(sums + i) + x);
    }
}

static void count_events(const struct run *run, const struct source *source, int64_t step) {
    const struct value *value = &run->net->value[source->value];
    const char *from = at(run, value->place);
    const int64_t size = value->size, first = source->first + step * size;
    const int graded = source->graded;
    if (run->net->bytes_sum && value->type == U8) {
        uint8_t *sums = (uint8_t *)at(run, run->net->sums_place) + first;
        if (graded) add_bytes(sums, (const uint8_t *)from, size, 1);
        else add_bytes(sums, (const uint8_t *)from, size, 0);
        return;
    }
    uint32_t *sums = run->events + first;
    if (value->type == U8) {
        for (int64_t i = 0; i < size; i += 64) {
            uint64_t word = nonzero64(from + i) & low_bits(size - i);
            for (; word; word &= word - 1) {
                const int64_t place = i + __builtin_ctzll(word);
                sums[place] += graded ? 1 : ((const uint8_t *)from)[place];
            }
        }
        return;
    }
    const s32v zero = {0};
    const int64_t whole = size / LANES32 * LANES32;
    for (int64_t i = 0; i < whole; i += LANES32) {
        const s32v x = get32(from, value->type, i), more = graded ? (s32v)(x == zero) + 1 : x;
        store_s32v(sums + i, load_s32v(sums + i) + more);
    }
    for (int64_t i = whole; i < size; i++) {
        const int32_t x = element(from, value->type, i);
        sums[i] += graded ? (uint32_t)(x != 0) : (uint32_t)x;
    }
}

/* Add sums of 8 bits to those of 32. */
static void empty_sums(const struct run *run) {
    uint8_t *sums = (uint8_t *)at(run, run->net->sums_place);
    for (int64_t i = 0; i < run->net->events; i++) run->events[i] += sums[i];
    memset(sums, 0, (size_t)run->net->events);
}

/* ---- samples ---- */

#define ENTER(from_type, to_type)                                                                                   \
    {                                                                                                               \
        const from_type *from = samples;                                                                            \
        to_type *to = (to_type *)buffer(run, run->net->input);                                                      \
        for (int32_t c = 0; c < channels; c++)                                                                      \
            for (int64_t p = 0; p < positions; p++) to[p * channels + c] = (to_type)from[c * positions + p];        \
        break;                                                                                                      \
    }
#define ENTER_AS(from_type)                                                                                         \
    switch (value->type) {                                                                                          \
    case U8: ENTER(from_type, uint8_t)                                                                              \
    case I16: ENTER(from_type, int16_t)                                                                             \
    default: ENTER(from_type, int32_t)                                                                              \
    }                                                                                                               \
    break;

/* Put channels last. */
static void enter(const struct run *run, const void *samples) {
    const struct value *value = &run->net->value[run->net->input];
    const int64_t positions = (int64_t)value->height * value->width;
    const int32_t channels = value->channels;
    if (value->type == U8 && run->type <= I8) {
        uint8_t *to = (uint8_t *)buffer(run, run->net->input);
        const uint8_t *from = samples;
        if (channels == 1 || positions == 1) {
            memcpy(to, from, (size_t)value->size);
            return;
        }
        memset(to, 0, (size_t)value->size);
        for (int32_t c = 0; c < channels; c++, from += positions) {
            int64_t p = 0;
            for (; p + 64 <= positions; p += 64)
                for (uint64_t word = nonzero64(from + p); word; word &= word - 1) {
                    const int64_t place = p + __builtin_ctzll(word);
                    to[place * channels + c] = from[place];
                }
            for (; p < positions; p++) to[p * channels + c] = from[p];
        }
        return;
    }
    switch (run->type) {
    case U8: ENTER_AS(uint8_t)
    case I8: ENTER_AS(int8_t)
    case I16: ENTER_AS(int16_t)
    case I32: ENTER_AS(int32_t)
    case U16: ENTER_AS(uint16_t)
    case U32: ENTER_AS(uint32_t)
    default: ENTER_AS(int64_t)
    }
}

static void rest(const struct run *run) {
    const es_net *net = run->net;
    for (int32_t k = 0; k < net->ops; k++) {
        const struct op *node = &net->op[k];
        if (node->kind == LINEAR && node->counted)
            memset(at(run, node->counts_place), 0, (size_t)(net->value[node->input[0]].size * 4 + SLACK));
        if (node->cell.kind != MEMBRANE) continue;
        const struct membrane *op = &node->cell.membrane;
        const size_t bytes = (size_t)node->cell.positions * (size_t)node->cell.padded * (op->wide ? 8 : 4);
        memset(at(run, op->v_place), 0, bytes);
        if (op->decays_current) memset(at(run, op->current_place), 0, bytes);
        if (op->when == 1) memset(at(run, op->fired_place), 0, bytes);
        memset(at(run, op->active_place), 0, (size_t)node->cell.positions * 8);
    }
    for (int32_t k = 0; k < net->delays; k++) {
        const struct delay *delay = &net->delay[k];
        const struct value *output = &net->value[delay->output];
        for (int64_t i = 0; i < output->size; i++) put(at(run, output->place), output->type, i, delay->initial);
    }
}

static void run_step(const struct run *run, int64_t step, int repeated) {
    const es_net *net = run->net;
    for (int32_t k = 0; k < net->ops; k++) {
        const struct op *node = &net->op[k];
        const int counted = node->kind == LINEAR && node->counted && !run->kept;
        if (counted) add_to_counts(run, node);
        if (counted || (repeated && node->constant)) continue;
        switch (node->kind) {
        case LINEAR: run_linear(run, node); break;
        case CELL: run_cell(run, node); break;
        case MAX_POOL:
        case SUM_POOL: run_pool(run, node); break;
        case READOUT: if (run->kept || !node->counted) run_readout(run, node, step); break;
        default: run_elements(run, node);
        }
    }
}

static void run_sample(const struct run *run, int64_t sample) {
    const es_net *net = run->net;
    const char *samples = (const char *)run->samples + sample * run->sample_stride;
    rest(run);
    for (int64_t step = 0; step < net->steps; step++) {
        const int repeated = step && !run->step_stride;
        if (!repeated) enter(run, samples + step * run->step_stride);
        run_step(run, step, repeated);
        for (int32_t k = 0; run->events && k < net->sources; k++) count_events(run, &net->source[k], step);
        for (int32_t k = 0; run->kept && k < net->kept; k++) {
            const struct value *value = &net->value[net->kept_value[k]];
            const int64_t bytes = value->size * es_bytes_of(value->type);
            memcpy((char *)run->kept[k] + (sample * net->steps + step) * bytes, at(run, value->place), (size_t)bytes);
        }
        for (int32_t k = 0; k < net->delays; k++) {
            const struct value *from = &net->value[net->delay[k].source], *output = &net->value[net->delay[k].output];
            char *to = at(run, output->place);
            if (from->type == output->type)
                memcpy(to, at(run, from->place), (size_t)(output->size * es_bytes_of(output->type)));
            else
                for (int64_t i = 0; i < output->size; i++)
                    put(to, output->type, i, element(at(run, from->place), from->type, i));
        }
    }
    int64_t *total = (int64_t *)buffer(run, net->readout);
    for (int32_t k = 0; !run->kept && k < net->ops; k++)
        if (net->op[k].kind == LINEAR && net->op[k].counted) sum_counts(run, &net->op[k], total);
    if (run->answers) memcpy(run->answers + sample * net->classes, total, (size_t)net->classes * 8);
}

static void run_samples(const struct run *run) {
    const es_net *net = run->net;
    for (int32_t k = 0; k < net->ops; k++) {
        const struct linear *op = &net->op[k].linear;
        if (net->op[k].kind != LINEAR || op->product == EVENTS) continue;
        const struct value *source = &net->value[net->op[k].input[0]];
        const int64_t bytes = es_bytes_of(image_type(op, source)), channels = source->channels;
        memset(at(run, op->image_place), 0, (size_t)(bytes * channels * op->padded_width * op->padded_height + SLACK));
    }
    const int bytes_sum = run->events && net->bytes_sum;
    if (bytes_sum) memset(at(run, net->sums_place), 0, (size_t)net->events);
    int64_t held = 0;
    for (int64_t sample = 0; sample < run->count; sample++) {
        if (bytes_sum && held == net->bytes_sum) {
            empty_sums(run);
            held = 0;
        }
        run_sample(run, sample);
        held++;
    }
    if (bytes_sum) empty_sums(run);
}

const struct kernels SET = {SET_NAME, SET_AVAILABLE, VECTOR, run_samples};
