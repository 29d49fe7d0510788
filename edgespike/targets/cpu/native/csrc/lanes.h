/* Many samples at once, each in a lane of its own: for small nets, where the operations around the products take most of
   the time. Included by kernels.h alone.

   A row holds an element of LANES samples; rows of all types have the same order of samples. Layers are lists of weights
   (struct lanes in net.h): a weight is loaded once for all lanes. Samples that are missing in the last lanes are zeros,
   and what they lead to is left out where events are counted and values are given out. */

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define LANES VECTOR
#define VECTORS32 4 /* of a row of 32 bits; a row of 16 bits has half as many */
#define AT_A_TIME 2 /* vectors of a row whose sums stay in registers */

/* Two vectors of n elements, element by element. */
#if defined(__clang__) || __GNUC__ >= 12
#define MIXED(type, x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define MIXED(type, x, y, ...) __builtin_shuffle(x, y, (type){__VA_ARGS__})
#endif
#define ZIP1(i, n) (i), (i) + (n)
#define ZIP2(i, n) ZIP1(i, n), ZIP1((i) + 1, n)
#define ZIP4(i, n) ZIP2(i, n), ZIP2((i) + 2, n)
#define ZIP8(i, n) ZIP4(i, n), ZIP4((i) + 4, n)
#define ZIP16(i, n) ZIP8(i, n), ZIP8((i) + 8, n)
#define ZIP32(i, n) ZIP16(i, n), ZIP16((i) + 16, n)
#if VECTOR == 64
#define ZIP_BYTES ZIP32
#define ZIP_PAIRS ZIP16
#elif VECTOR == 32
#define ZIP_BYTES ZIP16
#define ZIP_PAIRS ZIP8
#else
#define ZIP_BYTES ZIP8
#define ZIP_PAIRS ZIP4
#endif

struct two { s16v low, high; };

INLINE struct two zip8(u8v x, u8v y) {
    return (struct two){(s16v)MIXED(u8v, x, y, ZIP_BYTES(0, VECTOR)),
                        (s16v)MIXED(u8v, x, y, ZIP_BYTES(VECTOR / 2, VECTOR))};
}

INLINE struct two zip16(s16v x, s16v y) {
    return (struct two){MIXED(s16v, x, y, ZIP_PAIRS(0, VECTOR / 2)), MIXED(s16v, x, y, ZIP_PAIRS(VECTOR / 4, VECTOR / 2))};
}

INLINE s16v get16(const void *from, int32_t type, int64_t i) {
    if (type == U8) return __builtin_convertvector(load_u8h((const uint8_t *)from + i), s16v);
    return load_s16v((const int16_t *)from + i);
}

INLINE char *row_of(const struct run *run, const struct value *value, int64_t element) {
    return at(run, value->lanes_place + element * LANES * es_bytes_of(value->type));
}

INLINE void copy_row(void *to, int32_t to_type, const void *from, int32_t from_type) {
    if (to_type == from_type) memcpy(to, from, (size_t)(LANES * es_bytes_of(to_type)));
    else
        for (int64_t i = 0; i < LANES; i += LANES32) put32(to, to_type, i, get32(from, from_type, i));
}

/* ---- products ---- */

/* Bring the elements of a layer's source together that are multiplied at once. */
static const char *mix_source(const struct run *run, const struct op *node) {
    const struct value *source = &run->net->value[node->input[0]];
    const char *from = at(run, source->lanes_place);
    const int32_t type = source->type, product = node->lanes.product;
    const int64_t size = source->size, row = LANES * es_bytes_of(type);
    if (product == SINGLES && type == I32) return from;
    char *image = at(run, run->net->image_place), *to = image;
    const u8v nothing = {0};
    switch (product) {
    case PAIRS8:
        for (int64_t e = 0; e < size; e += 2, to += 2 * VECTOR) {
            const struct two mixed = zip8(load_u8v(from + e * row), e + 1 < size ? load_u8v(from + (e + 1) * row) : nothing);
            store_s16v(to, mixed.low);
            store_s16v(to + VECTOR, mixed.high);
        }
        return image;
    case QUADS8:
        for (int64_t e = 0; e < size; e += 4, to += 4 * VECTOR) {
            u8v x[4];
            for (int k = 0; k < 4; k++) x[k] = e + k < size ? load_u8v(from + (e + k) * row) : nothing;
            const struct two first = zip8(x[0], x[1]), second = zip8(x[2], x[3]);
            const struct two low = zip16(first.low, second.low), high = zip16(first.high, second.high);
            store_s16v(to, low.low);
            store_s16v(to + VECTOR, low.high);
            store_s16v(to + 2 * VECTOR, high.low);
            store_s16v(to + 3 * VECTOR, high.high);
        }
        return image;
    case PAIRS16:
        for (int64_t e = 0; e < size; e += 2, to += 4 * VECTOR)
            for (int half = 0; half < 2; half++) {
                const s16v x = get16(from + e * row, type, half * LANES16);
                const s16v y = e + 1 < size ? get16(from + (e + 1) * row, type, half * LANES16) : (s16v)nothing;
                const struct two mixed = zip16(x, y);
                store_s16v(to + 2 * half * VECTOR, mixed.low);
                store_s16v(to + (2 * half + 1) * VECTOR, mixed.high);
            }
        return image;
    default:
        for (int64_t e = 0; e < size; e++, to += 4 * VECTOR) copy_row(to, I32, from + e * row, type);
        return image;
    }
}

/* Add the products of some entries to some vectors of the sums of a block. */
INLINE void add_entries(const struct lanes *op, int64_t entry, int64_t end, const char *from, s32v sum[BLOCK][AT_A_TIME],
                        const int product) {
    for (; entry < end; entry++) {
        const char *factor = from + op->place[entry];
        const int32_t *weight = op->weight + entry * BLOCK;
        s32v x[AT_A_TIME];
        UNROLL for (int k = 0; k < AT_A_TIME; k++) x[k] = load_s32v(factor + k * VECTOR);
        UNROLL for (int o = 0; o < BLOCK; o++) {
            const s32v w = all32(weight[o]);
            UNROLL for (int k = 0; k < AT_A_TIME; k++) {
                switch (product) {
                case PAIRS8: sum[o][k] = (s32v)((s16v)sum[o][k] + pairs8((s16v)x[k], (s16v)w)); break;
                case QUADS8: sum[o][k] = quads8(sum[o][k], x[k], w); break;
                case PAIRS16: sum[o][k] = add_pairs16(sum[o][k], x[k], w); break;
                default: sum[o][k] += x[k] * w;
                }
            }
        }
    }
}

INLINE s16v add_saturated(s16v x, s16v y) {
#if defined(__AVX512BW__) && VECTOR == 64
    return (s16v)_mm512_adds_epi16((__m512i)x, (__m512i)y);
#elif defined(__AVX2__) && VECTOR == 32
    return (s16v)_mm256_adds_epi16((__m256i)x, (__m256i)y);
#elif defined(__SSE2__) && VECTOR == 16
    return (s16v)_mm_adds_epi16((__m128i)x, (__m128i)y);
#else
    const s16v sum = x + y, beyond = ((x ^ sum) & (y ^ sum)) >> 15, end = (x >> 15) ^ INT16_MAX;
    return (beyond & end) | (~beyond & sum);
#endif
}

#define EACH_SUM(o, k) UNROLL for (int o = 0; o < BLOCK; o++) UNROLL for (int k = 0; k < AT_A_TIME; k++)

/* Sum the blocks of some neurons in 16 bits. A second group is added to the first and saturates: what neurons make of a
   sum beyond 16 bits is known to be the same as at their end. The rows of the last block may be more than its neurons:
   those of the next block replace them. */
static void sum_blocks16(const struct lanes *op, const char *image, int64_t block, int64_t neurons, const int16_t *addend,
                         int16_t *to) {
    int32_t here;
    for (int64_t neuron = 0; neuron < neurons; neuron += here, block++, to += (int64_t)here * LANES) {
        const int32_t *bias = op->bias + block * BLOCK;
        const int32_t first = op->groups[block], last = op->groups[block + 1];
        for (int32_t group = first; group < last; group++) {
            s32v sum[BLOCK][AT_A_TIME];
            if (group > first) EACH_SUM(o, k) sum[o][k] = (s32v){0};
            else if (addend) EACH_SUM(o, k) sum[o][k] = (s32v)(load_s16v(addend + (o * 2 + k) * LANES16) + (int16_t)bias[o]);
            else EACH_SUM(o, k) sum[o][k] = (s32v)all16((int16_t)bias[o]);
            add_entries(op, group ? op->ends[group - 1] : 0, op->ends[group], image, sum, PAIRS8);
            if (group > first)
                EACH_SUM(o, k) sum[o][k] = (s32v)add_saturated((s16v)sum[o][k], load_s16v(to + (o * 2 + k) * LANES16));
            EACH_SUM(o, k) store_s32v(to + (o * 2 + k) * LANES16, sum[o][k]);
        }
        if (addend) addend += op->neurons[block] * LANES;
        here = op->neurons[block];
    }
}

/* Sum the blocks of some neurons in 32 bits: groups of products whose sums fit 16 bits, or at once. */
INLINE void sum_blocks(const struct lanes *op, const char *image, int64_t block, int64_t neurons, int32_t *to,
                       const int product) {
    int32_t here;
    for (int64_t neuron = 0; neuron < neurons; neuron += here, block++, to += (int64_t)here * LANES) {
        const int32_t *bias = op->bias + block * BLOCK;
        s32v sum[BLOCK][AT_A_TIME];
        here = op->neurons[block];
        for (int32_t group = op->groups[block]; product == PAIRS8 && group < op->groups[block + 1]; group++) {
            int16_t narrow[BLOCK * LANES];
            EACH_SUM(o, k) sum[o][k] = (s32v){0};
            add_entries(op, group ? op->ends[group - 1] : 0, op->ends[group], image, sum, PAIRS8);
            EACH_SUM(o, k) store_s32v(narrow + (o * 2 + k) * LANES16, sum[o][k]);
            for (int o = 0; o < BLOCK; o++) {
                const s32v own = all32(bias[o]);
                UNROLL for (int k = 0; k < VECTORS32; k++) {
                    const int64_t place = o * LANES + k * LANES32;
                    const s32v before = group == op->groups[block] ? own : load_s32v(to + place);
                    store_s32v(to + place, before + load_16_as_32(narrow + place));
                }
            }
        }
        for (int part = 0; product != PAIRS8 && part < VECTORS32; part += AT_A_TIME) {
            const int32_t group = op->groups[block];
            EACH_SUM(o, k) sum[o][k] = all32(bias[o]);
            add_entries(op, group ? op->ends[group - 1] : 0, op->ends[group], image + part * VECTOR, sum, product);
            EACH_SUM(o, k) store_s32v(to + o * LANES + (part + k) * LANES32, sum[o][k]);
        }
    }
}

#define BLOCKS_SUMMER(name, product)                                                                                \
    static void name(const struct lanes *op, const char *image, int64_t block, int64_t neurons, int32_t *to) {      \
        sum_blocks(op, image, block, neurons, to, product);                                                         \
    }
BLOCKS_SUMMER(sum_blocks_pairs8, PAIRS8)
BLOCKS_SUMMER(sum_blocks_quads8, QUADS8)
BLOCKS_SUMMER(sum_blocks_pairs16, PAIRS16)
BLOCKS_SUMMER(sum_blocks_singles, SINGLES)

/* ---- thresholds ---- */

/* Store a row of 32 bits, of numbers that fit its type. */
INLINE void put_row(void *to, int32_t type, const s32v x[VECTORS32]) {
    if (type == U8) narrow_row(to, x);
    else UNROLL for (int k = 0; k < VECTORS32; k++) put32(to, type, k * LANES32, x[k]);
}

INLINE void put_levels(const struct threshold *op, void *to, int32_t type, s32v x[VECTORS32]) {
    if (op->unit != 1 || op->offset)
        UNROLL for (int k = 0; k < VECTORS32; k++) x[k] = x[k] * op->unit + op->offset;
    put_row(to, type, x);
}

/* Store levels of 16 bits. */
INLINE void put_levels16(const struct threshold *op, void *to, int32_t type, const s16v x[2]) {
    if (type == U8 && op->unit == 1 && op->offset == 0) {
        narrow16(to, x[0]);
        narrow16((uint8_t *)to + LANES16, x[1]);
        return;
    }
    int16_t levels[LANES];
    store_s16v(levels, x[0]);
    store_s16v(levels + LANES16, x[1]);
    s32v wide[VECTORS32];
    UNROLL for (int k = 0; k < VECTORS32; k++) wide[k] = load_16_as_32(levels + k * LANES32);
    put_levels(op, to, type, wide);
}

/* Take one of eight numbers of 16 bits for each element: rows of two bytes each, 0..7 in the index. */
#if defined(__AVX512BW__) && VECTOR == 64
#define SEARCHES 1
INLINE s16v one_of_eight(const int16_t *from, s16v index) {
    const __m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)from));
    return (s16v)_mm512_shuffle_epi8(table, (__m512i)(index * 0x0202 + 0x0100));
}
#elif defined(__AVX2__) && VECTOR == 32
#define SEARCHES 1
INLINE s16v one_of_eight(const int16_t *from, s16v index) {
    const __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)from));
    return (s16v)_mm256_shuffle_epi8(table, (__m256i)(index * 0x0202 + 0x0100));
}
#elif defined(__AARCH64EL__) && VECTOR == 16
#define SEARCHES 1
INLINE s16v one_of_eight(const int16_t *from, s16v index) {
    return (s16v)vqtbl1q_u8(vld1q_u8((const void *)from), (uint8x16_t)(index * 0x0202 + 0x0100));
}
#else
#define SEARCHES 0
INLINE s16v one_of_eight(const int16_t *from, s16v index) {
    s16v found;
    for (int i = 0; i < LANES16; i++) found[i] = from[index[i] & 7];
    return found;
}
#endif

/* Find at most 63 levels: which eight of them from seven thresholds, and which of these from seven more. */
INLINE s16v searched(const int16_t *search, s16v x) {
    s16v eight = {0}, one = {0};
    UNROLL for (int k = 0; k < 7; k++) eight -= x > all16(search[k]);
    UNROLL for (int k = 0; k < 7; k++) one -= x > one_of_eight(search + 8 * (k + 1), eight);
    return eight * 8 + one;
}

static void search_row(const struct threshold *op, int32_t channel, const void *from, int32_t from_type, void *to,
                       int32_t type) {
    const int16_t *search = op->search + (int64_t)channel * SEARCHED;
    const int flips = op->flips && op->flipped[channel];
    int16_t narrow[LANES];
    s16v x[2], level[2];
    if (from_type == I32) { /* what 16 bits do not hold is beyond all thresholds, on the same side */
        const s32v most = all32(INT16_MAX);
        for (int64_t i = 0; i < LANES; i += LANES32)
            narrow32_to_16(narrow + i, least32(most32(load_s32v((const int32_t *)from + i), -most), most));
        from = narrow;
    }
    UNROLL for (int k = 0; k < 2; k++) {
        x[k] = get16(from, from_type == U8 ? U8 : I16, k * LANES16);
        if (flips && op->method == NEAR) { /* what is counted falls */
            const s16v least = all16(-INT16_MAX), low = x[k] < least;
            x[k] = -((low & least) | (~low & x[k]));
        }
        level[k] = searched(search, x[k]);
        if (flips && op->method != NEAR) level[k] = (int16_t)op->levels - level[k];
    }
    put_levels16(op, to, type, level);
}

static void compare_row16(const struct threshold *op, int32_t padded, int32_t channel, const int16_t *from, void *to,
                          int32_t type) {
    const s16v x[2] = {load_s16v(from), load_s16v(from + LANES16)};
    s16v level[2] = {{0}, {0}};
    const int16_t *theta = op->theta16 + channel;
    for (int32_t k = 0; k < op->levels; k++, theta += padded) {
        const s16v reached = all16(*theta);
        level[0] -= x[0] >= reached;
        level[1] -= x[1] >= reached;
    }
    if (op->flips && op->flipped[channel])
        for (int k = 0; k < 2; k++) level[k] = (int16_t)op->levels - level[k];
    put_levels16(op, to, type, level);
}

/* Levels of a line, before what may follow it. */
INLINE s32v on_line(s32v x, f32v slope, f32v shift, f32v levels) {
    const f32v zero = {0}, line = __builtin_convertvector(x, f32v) * slope;
    return __builtin_convertvector(leastf(mostf(line + shift, zero), levels), s32v);
}

INLINE f32v allf(float x) {
    f32v all = {0}; /* an expression of both may be computed in double, which compilers refuse */
    UNROLL for (int i = 0; i < LANES32; i++) all[i] = x;
    return all;
}

INLINE void line_rows(const struct cell *cell, int32_t channel, int64_t rows, const char *from, const int32_t from_type,
                      char *to, const int32_t type, const int simple) {
    const struct threshold *op = &cell->threshold;
    const int32_t channels = cell->channels;
    const float *slope = op->slope, *shift = op->shift;
    const f32v levels = __builtin_convertvector(all32(op->levels), f32v);
    const int64_t from_row = LANES * es_bytes_of(from_type), to_row = LANES * es_bytes_of(type);
    for (int64_t row = 0; row < rows; row++, from += from_row, to += to_row) {
        const f32v own_slope = allf(slope[channel]), own_shift = allf(shift[channel]);
        s32v level[VECTORS32];
        UNROLL for (int k = 0; k < VECTORS32; k++)
            level[k] = on_line(get32(from, from_type, k * LANES32), own_slope, own_shift, levels);
        if (simple) put_row(to, U8, level);
        else put_levels(op, to, type, level);
        if (++channel == channels) channel = 0;
    }
}

static void line_rows_16_to_8(const struct cell *cell, int32_t channel, int64_t rows, const char *from, char *to) {
    line_rows(cell, channel, rows, from, I16, to, U8, 1);
}
static void line_rows_32_to_8(const struct cell *cell, int32_t channel, int64_t rows, const char *from, char *to) {
    line_rows(cell, channel, rows, from, I32, to, U8, 1);
}
static void line_rows_of_any(const struct cell *cell, int32_t channel, int64_t rows, const char *from,
                             int32_t from_type, char *to, int32_t type) {
    line_rows(cell, channel, rows, from, from_type, to, type, 0);
}

static void any_threshold_row(const struct threshold *op, int32_t padded, int32_t channel, const void *from,
                              int32_t from_type, void *to, int32_t type) {
    const int32_t levels = op->levels, flipped = op->flipped[channel];
    s32v level[VECTORS32];
    for (int k = 0; k < VECTORS32; k++) {
        const s32v x = get32(from, from_type, k * LANES32);
        s32v count = {0};
        if (op->method == COMPARE) {
            for (int32_t i = 0; i < levels; i++) count -= x >= all32(op->theta[(int64_t)i * padded + channel]);
        } else if (op->method == NEAR) {
            const int32_t *theta = op->theta + (int64_t)channel * (levels + 1);
            const s32v turned = (x ^ flipped) - flipped;
            s32v next;
            count = on_line(x, allf(op->slope[channel]), allf(op->shift[channel]),
                            __builtin_convertvector(all32(levels), f32v));
            for (int j = 0; j < LANES32; j++) next[j] = theta[count[j]];
            count -= turned >= next;
        } else {
            const int32_t *theta = op->theta + (int64_t)channel * levels;
            for (int j = 0; j < LANES32; j++) {
                int32_t low = 0, high = levels;
                while (low < high) {
                    const int32_t middle = (low + high) / 2;
                    if (x[j] >= theta[middle]) low = middle + 1;
                    else high = middle;
                }
                count[j] = low;
            }
        }
        level[k] = flipped && op->method != NEAR ? levels - count : count;
    }
    put_levels(op, to, type, level);
}

/* Find the levels of some neurons that lie side by side, the first of which is of a channel. */
static void lanes_threshold(const struct cell *cell, int32_t channel, int64_t neurons, const char *from,
                            int32_t from_type, char *to, int32_t type) {
    const struct threshold *op = &cell->threshold;
    const int64_t from_row = LANES * es_bytes_of(from_type), to_row = LANES * es_bytes_of(type);
    if (op->method == LINE) {
        const int simple = type == U8 && op->unit == 1 && op->offset == 0;
        if (simple && from_type == I16) line_rows_16_to_8(cell, channel, neurons, from, to);
        else if (simple && from_type == I32) line_rows_32_to_8(cell, channel, neurons, from, to);
        else line_rows_of_any(cell, channel, neurons, from, from_type, to, type);
        return;
    }
    const int searches = SEARCHES && op->search, compares = op->method == COMPARE && op->theta16 && from_type == I16;
    for (int64_t k = 0; k < neurons; k++, from += from_row, to += to_row) {
        if (searches) search_row(op, channel, from, from_type, to, type);
        else if (compares) compare_row16(op, cell->padded, channel, (const int16_t *)from, to, type);
        else any_threshold_row(op, cell->padded, channel, from, from_type, to, type);
        if (++channel == cell->channels) channel = 0;
    }
}

/* ---- operations ---- */

INLINE void copy_rows(char *to, int32_t to_type, const char *from, int32_t from_type, int64_t rows) {
    if (to_type == from_type) memcpy(to, from, (size_t)(rows * LANES * es_bytes_of(to_type)));
    else
        for (int64_t i = 0; i < rows * LANES; i += LANES32) put32(to, to_type, i, get32(from, from_type, i));
}

/* From sums of some neurons that lie side by side to their values. */
static void finish_rows(const struct run *run, const struct op *node, int64_t neuron, int64_t neurons, const char *from,
                        int32_t from_type) {
    const struct cell *cell = &node->cell;
    const struct value *output = &run->net->value[node->output];
    char *to = row_of(run, output, neuron);
    if (cell->kind == THRESHOLD) {
        lanes_threshold(cell, (int32_t)(neuron % cell->channels), neurons, from, from_type, to, output->type);
    } else if (cell->kind == MEMBRANE) {
        int32_t *wide = (int32_t *)at(run, run->net->wide_sums_place);
        if (from_type != I32) copy_rows((char *)wide, I32, from, from_type, neurons);
        membrane_row(run, &node->lanes_cell, neuron, neurons, from_type == I32 ? (const int32_t *)from : wide, to,
                     output->type);
    } else {
        copy_rows(to, output->type, from, from_type, neurons);
    }
}

/* Return what else the sums of some neurons begin with, in 16 bits; NULL if there is nothing. */
INLINE const int16_t *addend16(const struct run *run, const struct op *node, int64_t neuron, int64_t neurons) {
    if (node->linear.addend < 0) return NULL;
    const struct value *value = &run->net->value[node->linear.addend];
    const char *from = row_of(run, value, neuron);
    if (value->type == I16) return (const int16_t *)from;
    int16_t *to = (int16_t *)at(run, run->net->wide_sums_place);
    for (int64_t i = 0; i < neurons * LANES; i += LANES32)
        narrow32_to_16(to + i, (get32(from, value->type, i) << 16) >> 16);
    return to;
}

static void lanes_linear(const struct run *run, const struct op *node) {
    const struct lanes *op = &node->lanes;
    const struct value *output = &run->net->value[node->output];
    const char *image = mix_source(run, node);
    char *sums = at(run, run->net->block_place);
    int64_t neurons;
    for (int64_t neuron = 0, block = 0; neuron < output->size; neuron += neurons) {
        const int64_t first = block;
        for (neurons = 0; block < op->blocks && neurons + op->neurons[block] <= NEURONS_AT_ONCE; block++)
            neurons += op->neurons[block];
        if (!op->wide) {
            sum_blocks16(op, image, first, neurons, addend16(run, node, neuron, neurons), (int16_t *)sums);
            finish_rows(run, node, neuron, neurons, sums, I16);
            continue;
        }
        int32_t *wide = (int32_t *)sums;
        switch (op->product) {
        case PAIRS8: sum_blocks_pairs8(op, image, first, neurons, wide); break;
        case QUADS8: sum_blocks_quads8(op, image, first, neurons, wide); break;
        case PAIRS16: sum_blocks_pairs16(op, image, first, neurons, wide); break;
        default: sum_blocks_singles(op, image, first, neurons, wide);
        }
        if (node->linear.addend >= 0) {
            const struct value *value = &run->net->value[node->linear.addend];
            const char *from = row_of(run, value, neuron);
            for (int64_t i = 0; i < neurons * LANES; i += LANES32)
                store_s32v(wide + i, load_s32v(wide + i) + get32(from, value->type, i));
        }
        finish_rows(run, node, neuron, neurons, sums, I32);
    }
}

static void lanes_cell(const struct run *run, const struct op *node) {
    const struct value *source = &run->net->value[node->input[0]];
    int64_t neurons;
    for (int64_t i = 0; i < source->size; i += neurons) {
        neurons = source->size - i < NEURONS_AT_ONCE ? source->size - i : NEURONS_AT_ONCE;
        finish_rows(run, node, i, neurons, row_of(run, source, i), source->type);
    }
}

static void lanes_pool(const struct run *run, const struct op *node) {
    const struct value *source = &run->net->value[node->input[0]], *output = &run->net->value[node->output];
    const struct pool *op = &node->pool;
    const int32_t channels = output->channels;
    int64_t place = 0;
    for (int32_t y = 0; y < output->height; y++)
        for (int32_t x = 0; x < output->width; x++)
            for (int32_t c = 0; c < channels; c++, place++) {
                int32_t y0 = y * op->step_y - op->top, x0 = x * op->step_x - op->left;
                int32_t y1 = y0 + op->kernel_y, x1 = x0 + op->kernel_x;
                if (y0 < 0) y0 = 0;
                if (x0 < 0) x0 = 0;
                if (y1 > source->height) y1 = source->height;
                if (x1 > source->width) x1 = source->width;
                s32v found[VECTORS32] = {{0}};
                for (int32_t yy = y0; yy < y1; yy++)
                    for (int32_t xx = x0; xx < x1; xx++) {
                        const char *from = row_of(run, source, ((int64_t)yy * source->width + xx) * channels + c);
                        UNROLL for (int k = 0; k < VECTORS32; k++) {
                            const s32v next = get32(from, source->type, k * LANES32);
                            found[k] = node->kind == MAX_POOL ? most32(found[k], next) : found[k] + next;
                        }
                    }
                put_row(row_of(run, output, place), output->type, found);
            }
}

static void lanes_elements(const struct run *run, const struct op *node) {
    const struct value *value = run->net->value, *output = &value[node->output], *first = &value[node->input[0]];
    if (node->kind == RESHAPE) {
        for (int64_t i = 0; i < output->size; i++)
            copy_row(row_of(run, output, i), output->type, row_of(run, first, node->order[i]), first->type);
        return;
    }
    if (node->kind == CONCATENATE) {
        const int64_t positions = (int64_t)output->height * output->width;
        int64_t place = 0;
        for (int32_t k = 0; k < node->inputs; k++) {
            const struct value *input = &value[node->input[k]];
            const int32_t channels = input->channels;
            for (int64_t p = 0; p < positions; p++)
                for (int32_t c = 0; c < channels; c++)
                    copy_row(row_of(run, output, p * output->channels + place + c), output->type,
                             row_of(run, input, p * channels + c), input->type);
            place += channels;
        }
        return;
    }
    for (int64_t i = 0; i < output->size * LANES; i += LANES32) {
        s32v x = get32(at(run, first->lanes_place), first->type, i);
        for (int32_t k = 1; k < node->inputs; k++) {
            const struct value *input = &value[node->input[k]];
            const s32v y = get32(at(run, input->lanes_place), input->type, i);
            x = node->kind == ADD ? x + y : x * y;
        }
        put32(at(run, output->lanes_place), output->type, i, x);
    }
}

static void lanes_readout(const struct run *run, const struct op *node, int64_t step) {
    const struct value *source = &run->net->value[node->input[0]];
    int64_t *total = (int64_t *)at(run, run->net->total_place);
    for (int64_t i = 0; i < source->size; i++, total += LANES) {
        int32_t row[LANES];
        copy_row(row, I32, row_of(run, source, i), source->type);
        if (step == 0 || node->mode == 1)
            for (int l = 0; l < LANES; l++) total[l] = row[l];
        else if (node->mode == 0)
            for (int l = 0; l < LANES; l++) total[l] += row[l];
        else
            for (int l = 0; l < LANES; l++) total[l] = row[l] > total[l] ? row[l] : total[l];
    }
}

/* ---- samples ---- */

typedef uint8_t u8s __attribute__((vector_size(16)));
LOADER(u8s, u8s)

/* Turn 16 rows of 16 bytes: each of four rounds puts two rows together that are eight apart. */
INLINE void turn16(const uint8_t *from, int64_t from_row, uint8_t *to, int64_t to_row) {
    u8s x[16], y[16];
    UNROLL for (int i = 0; i < 16; i++) x[i] = load_u8s(from + i * from_row);
    UNROLL for (int round = 0; round < 4; round++) {
        UNROLL for (int i = 0; i < 8; i++) {
            y[2 * i] = MIXED(u8s, x[i], x[i + 8], ZIP8(0, 16));
            y[2 * i + 1] = MIXED(u8s, x[i], x[i + 8], ZIP8(8, 16));
        }
        UNROLL for (int i = 0; i < 16; i++) x[i] = y[i];
    }
    UNROLL for (int i = 0; i < 16; i++) store_u8s(to + i * to_row, x[i]);
}

INLINE int32_t sample_element(const void *from, int32_t type, int64_t i) {
    switch (type) {
    case U8: return ((const uint8_t *)from)[i];
    case I8: return ((const int8_t *)from)[i];
    case I16: return ((const int16_t *)from)[i];
    case I32: return ((const int32_t *)from)[i];
    case U16: return ((const uint16_t *)from)[i];
    case U32: return (int32_t)((const uint32_t *)from)[i];
    default: return (int32_t)((const int64_t *)from)[i];
    }
}

/* Enter the same step of some samples, channels last. */
static void enter_lanes(const struct run *run, const char *samples, int64_t count) {
    const struct value *value = &run->net->value[run->net->input];
    const int64_t positions = (int64_t)value->height * value->width, channels = value->channels, size = value->size;
    char *to = at(run, value->lanes_place);
    const int turns = value->type == U8 && run->type <= I8 && (positions == 1 || channels == 1) && size >= 16;
    int64_t lane = 0;
    for (; turns && lane + 16 <= count; lane += 16) {
        const uint8_t *from = (const uint8_t *)samples + lane * run->sample_stride;
        for (int64_t i = 0; i < size; i += 16) {
            const int64_t first = i + 16 <= size ? i : size - 16; /* the last rows again, where they are fewer */
            turn16(from + first, run->sample_stride, (uint8_t *)to + first * LANES + lane, LANES);
        }
    }
    for (; lane < LANES; lane++) {
        const char *from = samples + lane * run->sample_stride;
        for (int64_t c = 0; c < channels; c++)
            for (int64_t p = 0; p < positions; p++)
                put(to, value->type, (p * channels + c) * LANES + lane,
                    lane < count ? sample_element(from, run->type, c * positions + p) : 0);
    }
}

/* Count in the first lanes which bytes are not zero. */
INLINE uint32_t nonzero_in(const char *row, uint64_t lanes) {
#if defined(__AVX512BW__) && VECTOR == 64
    return (uint32_t)__builtin_popcountll(nonzero64(row) & lanes);
#elif defined(__AVX2__) && VECTOR == 32
    const __m256i equal = _mm256_cmpeq_epi8(_mm256_loadu_si256((const void *)row), _mm256_setzero_si256());
    return (uint32_t)__builtin_popcount(~(uint32_t)_mm256_movemask_epi8(equal) & (uint32_t)lanes);
#elif defined(__SSE2__) && VECTOR == 16
    const __m128i equal = _mm_cmpeq_epi8(_mm_loadu_si128((const void *)row), _mm_setzero_si128());
    uint32_t bits = ~(uint32_t)_mm_movemask_epi8(equal) & (uint32_t)lanes & 0xffff;
    bits -= bits >> 1 & 0x5555;
    bits = (bits & 0x3333) + (bits >> 2 & 0x3333);
    return ((bits + (bits >> 4)) & 0x0f0f) * 0x0101 >> 8 & 255;
#else
    const uint8_t *byte = (const uint8_t *)row;
    uint32_t found = 0;
    for (int l = 0; l < LANES; l++) found += (uint32_t)(byte[l] != 0) & (uint32_t)(lanes >> l);
    return found;
#endif
}

static void count_lanes(const struct run *run, const struct source *source, int64_t step, int64_t count) {
    const struct value *value = &run->net->value[source->value];
    uint32_t *sums = run->events + source->first + step * value->size;
    if (value->type == U8 && (source->graded || !value->several)) {
        const uint64_t lanes = low_bits(count);
        const char *row = row_of(run, value, 0);
        for (int64_t i = 0; i < value->size; i++, row += LANES) sums[i] += nonzero_in(row, lanes);
        return;
    }
    for (int64_t i = 0; i < value->size; i++) {
        int32_t row[LANES];
        copy_row(row, I32, row_of(run, value, i), value->type);
        for (int64_t l = 0; l < count; l++) sums[i] += source->graded ? (uint32_t)(row[l] != 0) : (uint32_t)row[l];
    }
}

/* Write what is kept of a step. */
static void keep_lanes(const struct run *run, int32_t place, int64_t sample, int64_t step, int64_t count) {
    const struct es_net *net = run->net;
    const struct value *value = &net->value[net->kept_value[place]];
    const int64_t size = value->size;
    for (int64_t l = 0; l < count; l++) {
        const int64_t first = ((sample + l) * net->steps + step) * size;
        if (value->type == I64) {
            const int64_t *total = (const int64_t *)at(run, net->total_place);
            for (int64_t i = 0; i < size; i++) ((int64_t *)run->kept[place])[first + i] = total[i * LANES + l];
            continue;
        }
        const char *from = at(run, value->lanes_place);
        for (int64_t i = 0; i < size; i++)
            put(run->kept[place], value->type, first + i, element(from, value->type, i * LANES + l));
    }
}

static void rest_lanes(const struct run *run) {
    const es_net *net = run->net;
    for (int32_t k = 0; k < net->ops; k++) {
        const struct cell *cell = &net->op[k].lanes_cell;
        if (cell->kind != MEMBRANE) continue;
        const struct membrane *op = &cell->membrane;
        const size_t bytes = (size_t)cell->positions * LANES * (op->wide ? 8 : 4);
        memset(at(run, op->v_place), 0, bytes);
        if (op->decays_current) memset(at(run, op->current_place), 0, bytes);
        if (op->when == 1) memset(at(run, op->fired_place), 0, bytes);
    }
    for (int32_t k = 0; k < net->delays; k++) {
        const struct value *output = &net->value[net->delay[k].output];
        for (int64_t i = 0; i < output->size * LANES; i += LANES32)
            put32(at(run, output->lanes_place), output->type, i, all32(net->delay[k].initial));
    }
}

/* Run some samples, at most as many as there are lanes. */
static void run_lanes(const struct run *run, int64_t sample, int64_t count) {
    const es_net *net = run->net;
    const char *samples = (const char *)run->samples + sample * run->sample_stride;
    rest_lanes(run);
    for (int64_t step = 0; step < net->steps; step++) {
        const int repeated = step && !run->step_stride;
        if (!repeated) enter_lanes(run, samples + step * run->step_stride, count);
        for (int32_t k = 0; k < net->ops; k++) {
            const struct op *node = &net->op[k];
            if (!runs_now(run, node, step)) continue;
            switch (node->kind) {
            case LINEAR: lanes_linear(run, node); break;
            case CELL: lanes_cell(run, node); break;
            case MAX_POOL:
            case SUM_POOL: lanes_pool(run, node); break;
            case READOUT: lanes_readout(run, node, step); break;
            default: lanes_elements(run, node);
            }
        }
        for (int32_t k = 0; run->events && k < net->sources; k++) count_lanes(run, &net->source[k], step, count);
        for (int32_t k = 0; run->kept && k < net->kept; k++) keep_lanes(run, k, sample, step, count);
        for (int32_t k = 0; k < net->delays; k++) {
            const struct value *from = &net->value[net->delay[k].source], *output = &net->value[net->delay[k].output];
            copy_rows(row_of(run, output, 0), output->type, row_of(run, from, 0), from->type, output->size);
        }
    }
    const int64_t *total = (const int64_t *)at(run, net->total_place);
    for (int64_t l = 0; run->answers && l < count; l++)
        for (int64_t i = 0; i < net->classes; i++) run->answers[(sample + l) * net->classes + i] = total[i * LANES + l];
}
