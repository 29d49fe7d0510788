/* Membranes whose spikes become bits, a row of positions at once. Included by kernels.h alone. */

/* The potentials of a row between two steps: the smallest and the largest of each lane. */
struct ends { s16v low, high; };

#define PARTS (64 / LANES16) /* vectors of a word of bits */

/* Where a word's sums lie. Of the last word of a row, those behind it are other rows': they are left out. */
INLINE const int16_t *sums_of_word(const int16_t *sums, int64_t i, int64_t length, int16_t *copy) {
    if (length - i >= 64) return sums + i;
    memset(copy, 0, 128);
    memcpy(copy, sums + i, (size_t)(length - i) * 2);
    return copy;
}

/* Set a word's sums back to zero. */
INLINE void clear_word(int16_t *sums, int64_t i, int64_t length) {
    if (length - i < 64) {
        memset(sums + i, 0, (size_t)(length - i) * 2);
        return;
    }
    UNROLL for (int k = 0; k < PARTS; k++) store_s16v(sums + i + k * LANES16, (s16v){0});
}

INLINE void put_bytes(uint8_t *to, const s16v *fired) {
    UNROLL for (int k = 0; k < PARTS; k++) narrow16(to + k * LANES16, fired[k] & 1);
}

/* What a row of membranes works on; sums are cleared where their layer says so. */
struct row { int16_t *sums; int64_t place; uint64_t *bits; uint8_t *bytes; };

INLINE struct ends fire_16(const struct fire *op, struct row row, int16_t *v, const int zeroes, const int clears) {
    struct ends ends = {{0}, {0}};
    const int16_t *bar = op->bar16 + row.place, *taken = op->taken16 + row.place;
    const int64_t length = op->length;
    int16_t copy[64];
    for (int64_t i = 0; i < length; i += 64) {
        const int16_t *from = sums_of_word(row.sums, i, length, copy);
        s16v fired[PARTS];
        UNROLL for (int k = 0; k < PARTS; k++) {
            const int64_t j = i + k * LANES16;
            s16v x = load_s16v(v + j) + load_s16v(from + k * LANES16);
            fired[k] = x > load_s16v(bar + j);
            if (zeroes) x &= ~fired[k];
            else x -= load_s16v(taken + j) & fired[k];
            store_s16v(v + j, x);
            ends.low = least16(ends.low, x), ends.high = most16(ends.high, x);
        }
        if (clears) clear_word(row.sums, i, length);
        *row.bits++ = mask64(fired);
        if (row.bytes) put_bytes(row.bytes + i, fired);
    }
    return ends;
}

/* The same with potentials of 32 bits; return whether any neuron may change without input. */
INLINE int fire_32(const struct fire *op, const struct membrane *membrane, struct row row, int32_t *v, const int decays,
                   const int clears) {
    const int32_t *bar = op->bar + row.place, *taken = op->taken + row.place, *kept = op->kept + row.place;
    const int32_t *least = op->least + row.place, saturates = membrane->saturates, shift = op->shift;
    const int32_t unit = (int32_t)membrane->unit, decay_bits = membrane->decay_bits, one_product = membrane->one_product;
    const s32v zeroes = all32(membrane->reset == 1 ? -1 : 0), highest = all32((int32_t)membrane->highest);
    const int64_t length = op->length;
    s32v stirred = {0};
    int16_t copy[64];
    for (int64_t i = 0; i < length; i += 64) {
        const int16_t *from = sums_of_word(row.sums, i, length, copy);
        s16v fired[PARTS];
        UNROLL for (int k = 0; k < PARTS; k++) {
            s32v half[2];
            UNROLL for (int h = 0; h < 2; h++) {
                const int64_t inside = (2 * k + h) * LANES32, j = i + inside;
                s32v x = load_s32v(v + j), current = load_16_as_32(from + inside);
                if (unit != 1) current *= unit;
                if (decays) {
                    if (shift) {
                        const s32v sign = x >> 31;
                        x = ((((x ^ sign) - sign) >> shift) ^ sign) - sign;
                    } else {
                        x = decayed(x, load_s32v(kept + j), decay_bits, one_product);
                    }
                }
                x += current;
                if (saturates) x = least32(most32(x, load_s32v(least + j)), highest);
                const s32v enough = x > load_s32v(bar + j);
                x = (x - (load_s32v(taken + j) & enough)) & ~(enough & zeroes);
                store_s32v(v + j, x);
                stirred |= decays ? x : (s32v)(x > load_s32v(bar + j));
                half[h] = enough;
            }
            fired[k] = joined16(half[0], half[1]);
        }
        if (clears) clear_word(row.sums, i, length);
        *row.bits++ = mask64(fired);
        if (row.bytes) put_bytes(row.bytes + i, fired);
    }
    return any_bit(stirred);
}

#define FIRE_32(name, decays, clears)                                                                               \
    static int name(const struct fire *op, const struct membrane *membrane, struct row row, int32_t *v) {           \
        return fire_32(op, membrane, row, v, decays, clears);                                                       \
    }
FIRE_32(fire_keeping, 0, 0)
FIRE_32(fire_keeping_clearing, 0, 1)
FIRE_32(fire_leaking, 1, 0)
FIRE_32(fire_leaking_clearing, 1, 1)

INLINE void begin_sums(int16_t *sums, const int16_t *begins, int64_t length) {
    int64_t i = 0;
    for (; i + LANES16 <= length; i += LANES16) store_s16v(sums + i, load_s16v(begins + i));
    memcpy(sums + i, begins + i, (size_t)(length - i) * 2);
}

/* Sums of all rows, so far apart; which rows have any but what sums begin with, or NULL; what they begin with. */
struct plane { int16_t *sums; int64_t stride; uint8_t *touched; const int16_t *begins; };

/* Step the neurons of all rows. */
INLINE void fire_rows(const struct run *run, const struct op *node, const struct plane plane, const int zeroes,
                      const int clears) {
    const struct cell *cell = &node->cell;
    const struct fire *op = &cell->fire;
    const struct membrane *membrane = &cell->membrane;
    const struct value *output = &run->net->value[node->output];
    const int64_t lanes = op->lanes, length = op->length, step = op->row, words = output->words, rows = output->height;
    const int rests = plane.touched && membrane->rests && !node->linear.biased;
    const int bytes = output->read || run->kept;
    const s16v lowest = all16(op->lowest), highest = all16(op->highest), quiet = all16(op->quiet);
    uint8_t *wide = (uint8_t *)at(run, op->wide_place), *stirred = (uint8_t *)at(run, op->stirred_place);
    int16_t *v16 = (int16_t *)at(run, op->v16_place);
    int32_t *v = (int32_t *)at(run, op->v_place);
    char *kept = at(run, op->ends_place);
    struct row row = {plane.sums, 0, (uint64_t *)at(run, output->bits_place), bytes ? (uint8_t *)at(run, output->place) : NULL};
    for (int64_t y = 0; y < rows; y++) {
        if (rests && !plane.touched[y] && !stirred[y]) {
            for (int64_t k = 0; k < words; k++) row.bits[k] = 0;
            if (bytes) memset(row.bytes, 0, (size_t)length);
        } else {
            if (!wide[y]) {
                const s16v low = load_s16v(kept), high = load_s16v(kept + VECTOR);
                if (any_bit((s32v)((low < lowest) | (high > highest)))) {
                    wide[y] = 1;
                    for (int64_t i = 0; i < lanes; i += LANES32)
                        store_s32v(v + y * lanes + i, load_16_as_32(v16 + y * lanes + i));
                }
            }
            if (!wide[y]) {
                const struct ends ends = fire_16(op, row, v16 + y * lanes, zeroes, clears);
                store_s16v(kept, ends.low), store_s16v(kept + VECTOR, ends.high);
                stirred[y] = (uint8_t)any_bit((s32v)(ends.high >= quiet));
            } else {
                const int leaks = membrane->decays;
                stirred[y] = (uint8_t)(clears ? (leaks ? fire_leaking_clearing : fire_keeping_clearing)
                                              : (leaks ? fire_leaking : fire_keeping))(op, membrane, row, v + y * lanes);
            }
            if (plane.touched) {
                if (!clears && plane.touched[y]) begin_sums(row.sums, plane.begins, length);
                plane.touched[y] = 0;
            }
        }
        row.sums += plane.stride, row.place += step, row.bits += words, kept += 2 * VECTOR;
        if (bytes) row.bytes += length;
    }
}

#define FIRE(name, zeroes, clears)                                                                                  \
    static void name(const struct run *run, const struct op *node, struct plane plane) {                            \
        fire_rows(run, node, plane, zeroes, clears);                                                                \
    }
FIRE(fire_subtracting, 0, 0)
FIRE(fire_subtracting_clearing, 0, 1)
FIRE(fire_zeroing, 1, 0)
FIRE(fire_zeroing_clearing, 1, 1)

/* Step the neurons of a layer. Sums are cleared on the way, unless something reads them or a bias takes their place. */
static void fire(const struct run *run, const struct op *node, struct plane plane) {
    const int clears = plane.touched && !node->linear.biased;
    if (node->cell.membrane.reset == 1) (clears ? fire_zeroing_clearing : fire_zeroing)(run, node, plane);
    else (clears ? fire_subtracting_clearing : fire_subtracting)(run, node, plane);
}

/* Begin a sample. */
static void rest_fire(const struct run *run, const struct cell *cell, int64_t rows) {
    const struct fire *op = &cell->fire;
    const size_t neurons = (size_t)(rows * op->lanes);
    memset(at(run, op->wide_place), !op->narrow, (size_t)rows);
    memset(at(run, op->stirred_place), 0, (size_t)rows);
    if (op->narrow) {
        memset(at(run, op->v16_place), 0, neurons * 2);
        memset(at(run, op->ends_place), 0, (size_t)rows * 2 * VECTOR);
    } else {
        memset(at(run, op->v_place), 0, neurons * 4);
    }
}

/* ---- bits of values that are written as bytes ---- */

static void pack_value(const struct run *run, const struct value *value) {
    const int64_t elements = (int64_t)value->width * value->channels;
    const char *from = at(run, value->place);
    uint64_t *to = (uint64_t *)at(run, value->bits_place);
    for (int32_t y = 0; y < value->height; y++, from += elements, to += value->words)
        for (int64_t k = 0; k < value->words; k++) to[k] = nonzero64(from + 64 * k) & low_bits(elements - 64 * k);
}

/* Which of some bytes, at most 64, are not zero; no others are read. */
INLINE uint64_t nonzero(const uint8_t *from, int64_t count) {
    uint8_t copy[64] = {0};
    if (count >= 64) return nonzero64(from);
    memcpy(copy, from, (size_t)count);
    return nonzero64(copy);
}

/* Put the bits of channels, each a plane by itself, side by side. */
INLINE void interleave(const struct run *run, const int64_t channels) {
    const struct value *value = &run->net->value[run->net->input];
    const int64_t height = value->height, width = value->width, words = value->words, rooms = height * width / 64 + 2;
    uint64_t *to = (uint64_t *)at(run, value->bits_place);
    const uint64_t *entered = (const uint64_t *)at(run, run->net->entered_place);
#if defined(__BMI2__)
    if (64 % channels == 0) {
        const int64_t in_word = 64 / channels;
        uint64_t pattern = 0;
        for (int64_t bit = 0; bit < 64; bit += channels) pattern |= (uint64_t)1 << bit;
        for (int64_t y = 0, first = 0; y < height; y++, first += width)
            for (int64_t x = 0; x < width; x += in_word) {
                const uint64_t *bits = entered + ((first + x) >> 6);
                const int by = (int)((first + x) & 63);
                uint64_t word = 0;
                for (int64_t c = 0; c < channels; c++, bits += rooms)
                    word |= _pdep_u64(bits[0] >> by | bits[1] << 1 << (63 - by), pattern) << c;
                *to++ = word & low_bits((width - x) * channels);
            }
        return;
    }
#endif
    memset(to, 0, (size_t)(height * words) * 8);
    for (int64_t y = 0; y < height; y++, to += words)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t x = 0; x < width; x += 64)
                for (uint64_t left = bits_from(entered + c * rooms, y * width + x) & low_bits(width - x); left;
                     left &= left - 1) {
                    const int64_t bit = (x + __builtin_ctzll(left)) * channels + c;
                    to[bit >> 6] |= (uint64_t)1 << (bit & 63);
                }
}

/* Pack a sample of bytes, and put channels last. */
static void enter_bits(const struct run *run, const uint8_t *samples) {
    const struct value *value = &run->net->value[run->net->input];
    const int64_t channels = value->channels, positions = (int64_t)value->height * value->width, words = value->words;
    if (channels == 1 || positions == 1) {
        const int64_t elements = value->width * channels;
        uint64_t *to = (uint64_t *)at(run, value->bits_place);
        for (int64_t y = 0, first = 0; y < value->height; y++, first += elements)
            for (int64_t k = 0; k < words; k++)
                *to++ = nonzero(samples + first + 64 * k, value->size - first - 64 * k) & low_bits(elements - 64 * k);
        return;
    }
    uint64_t *entered = (uint64_t *)at(run, run->net->entered_place);
    for (int64_t c = 0; c < channels; c++, samples += positions) {
        for (int64_t p = 0; p < positions; p += 64) {
            __builtin_prefetch(samples + run->step_stride + p); /* of the next step */
            *entered++ = nonzero(samples + p, positions - p);
        }
        *entered++ = 0;
        if (positions % 64 == 0) *entered++ = 0;
    }
    if (channels == 2) interleave(run, 2); /* what the compiler knows, it computes at once */
    else interleave(run, channels);
}

/* ---- sums of events from bits ---- */

#define COUNTED_BITS 8 /* of a counter */
#define COUNTED_MOST 255
#define COUNTED_FEW 8 /* samples of a call from which on counters are worth it */

/* Add bits to counters, whose own bits lie apart: for each vector of bits, their lowest bits, then the next ones. The
   first ones are added whether anything is carried or not: that is hard to predict. */
INLINE void add_bits(const char *bits, char *counters, int64_t blocks) {
    for (int64_t k = 0; k < blocks; k++, bits += VECTOR, counters += COUNTED_BITS * VECTOR) {
        s32v more = load_s32v(bits);
        UNROLL for (int bit = 0; bit < 3; bit++) {
            const s32v before = load_s32v(counters + bit * VECTOR);
            store_s32v(counters + bit * VECTOR, before ^ more);
            more &= before;
        }
        for (int bit = 3; bit < COUNTED_BITS && any_bit(more); bit++) {
            const s32v before = load_s32v(counters + bit * VECTOR);
            store_s32v(counters + bit * VECTOR, before ^ more);
            more &= before;
        }
    }
}

static void count_packed(const struct run *run, const struct source *source, int64_t step) {
    char *counters = at(run, source->places) + step * source->blocks * (COUNTED_BITS * VECTOR);
    add_bits(at(run, run->net->value[source->value].bits_place), counters, source->blocks);
}

/* Where the counter of a word's first bit begins. */
INLINE const char *counter_of(const char *counters, int64_t word) {
    const int64_t in_vector = VECTOR / 8;
    return counters + word / in_vector * (COUNTED_BITS * VECTOR) + word % in_vector * 8;
}

/* Add what counters hold to the sums of events. */
static void empty_counters(const struct run *run, const struct source *source) {
    const struct value *value = &run->net->value[source->value];
    const int64_t words = value->words, elements = (int64_t)value->width * value->channels;
    uint32_t *sums = run->events + source->first;
    char *counters = at(run, source->places);
    for (int64_t step = 0; step < run->net->steps; step++, counters += source->blocks * (COUNTED_BITS * VECTOR))
        for (int64_t y = 0; y < value->height; y++)
            for (int64_t k = 0; k < words; k++) {
                const int64_t here = elements - 64 * k < 64 ? elements - 64 * k : 64;
                uint8_t count[64];
                counted64(counter_of(counters, y * words + k), VECTOR, count);
                if (here == 64) {
                    UNROLL for (int i = 0; i < 64; i += LANES32)
                        store_s32v(sums + i, load_s32v(sums + i) + load_u8_as_32(count + i));
                } else {
                    for (int64_t i = 0; i < here; i++) sums[i] += count[i];
                }
                sums += here;
            }
    memset(at(run, source->places), 0, (size_t)(run->net->steps * source->blocks * (COUNTED_BITS * VECTOR)));
}

/* Add bits to sums of events one by one. */
static void count_bits(const struct run *run, const struct source *source, int64_t step) {
    const struct value *value = &run->net->value[source->value];
    const uint64_t *bits = (const uint64_t *)at(run, value->bits_place);
    uint32_t *sums = run->events + source->first + step * value->size;
    const int64_t elements = (int64_t)value->width * value->channels;
    for (int32_t y = 0; y < value->height; y++, sums += elements)
        for (int64_t k = 0; k < value->words; k++)
            for (uint64_t word = *bits++; word; word &= word - 1) sums[64 * k + __builtin_ctzll(word)]++;
}

/* ---- a readout that sums over steps: the product of the numbers of spikes ---- */

static void add_to_counts(const struct run *run, const struct op *node) {
    const struct value *source = &run->net->value[node->input[0]];
    if (node->counted_blocks) {
        add_bits(at(run, source->bits_place), at(run, node->counts_place), node->counted_blocks);
        return;
    }
    const char *from = at(run, source->place);
    int32_t *counts = (int32_t *)at(run, node->counts_place);
    for (int64_t i = 0; i < source->size; i += LANES32)
        store_s32v(counts + i, load_s32v(counts + i) + get32(from, source->type, i));
}

static void begin_counts(const struct run *run, const struct op *node) {
    const int64_t packed = node->counted_blocks * (COUNTED_BITS * VECTOR);
    memset(at(run, node->counts_place), 0, (size_t)(packed ? packed : run->net->value[node->input[0]].size * 4 + SLACK));
}

/* Add rows of weights times numbers, n vectors of sums in registers. */
INLINE void add_numbers(const struct linear *op, int64_t row, const int32_t *number, int64_t numbers, int64_t place,
                        int32_t *to, const int n) {
    const int64_t padded = op->padded, bits = op->weight_bits;
    const char *weight = (const char *)op->weight + (row * padded + place) * bits / 8;
    s32v sum[4];
    UNROLL for (int k = 0; k < n; k++) sum[k] = load_s32v(to + place + k * LANES32);
    for (int64_t i = 0; i < numbers; i++, weight += padded * bits / 8)
        UNROLL for (int k = 0; k < n; k++) {
            const int lane = k * LANES32;
            const s32v weights = bits == 8    ? load_8_as_32(weight + lane)
                                 : bits == 16 ? load_16_as_32(weight + 2 * lane)
                                              : load_s32v(weight + 4 * lane);
            sum[k] += weights * number[i];
        }
    UNROLL for (int k = 0; k < n; k++) store_s32v(to + place + k * LANES32, sum[k]);
}

static void add_products(const struct linear *op, int64_t row, const int32_t *number, int64_t numbers, int32_t *to) {
    for (int64_t place = 0; place < op->padded; place += 2 * LANES32) /* rows are whole vectors of 16 bits */
        add_numbers(op, row, number, numbers, place, to, 2);
}

static void sum_counts(const struct run *run, const struct op *node, int64_t *total) {
    const struct linear *op = &node->linear;
    const struct value *source = &run->net->value[node->input[0]];
    int32_t *row = (int32_t *)at(run, run->net->temporary_place);
    for (int64_t i = 0; i < op->padded; i += LANES32)
        store_s32v(row + i, load_s32v(op->bias32 + i) * (int32_t)run->net->steps);
    if (node->counted_blocks) {
        const int64_t elements = (int64_t)source->width * source->channels;
        const char *counters = at(run, node->counts_place);
        for (int64_t y = 0, word = 0; y < source->height; y++)
            for (int64_t i = 0; i < elements; i += 64) {
                uint8_t count[64];
                int32_t number[64];
                counted64(counter_of(counters, word++), VECTOR, count);
                UNROLL for (int j = 0; j < 64; j += LANES32) store_s32v(number + j, load_u8_as_32(count + j));
                add_products(op, op->flat.first[y] + i, number, elements - i < 64 ? elements - i : 64, row);
            }
    } else {
        add_products(op, 0, (const int32_t *)at(run, node->counts_place), source->size, row);
    }
    for (int32_t i = 0; i < op->outputs; i++) total[i] = row[i];
}

/* ---- layers that read bits ---- */

/* Lay out all planes for the first step. */
static void begin_planes(const struct run *run) {
    const es_net *net = run->net;
    for (int32_t k = 0; k < net->values; k++) {
        const struct value *value = &net->value[k];
        if (value->packed) memset(at(run, value->bits_place) - ALIGNED, 0, (size_t)(value->height * value->words) * 8 + ALIGNED + SLACK);
    }
    for (int32_t k = 0; k < net->ops; k++) {
        const struct linear *op = &net->op[k].linear;
        const struct tiles *tiles = &op->tiles;
        if (net->op[k].kind != LINEAR || !tiles->on) continue;
        memset(at(run, tiles->touched_place), 0, (size_t)tiles->plane_rows);
        int16_t *plane = (int16_t *)at(run, tiles->plane_place);
        memset(plane, 0, (size_t)(tiles->plane_rows * tiles->stride) * 2 + SLACK);
        plane += tiles->first_y * tiles->stride + (int64_t)tiles->first_x * op->outputs;
        for (int32_t y = 0; y < op->height; y++, plane += tiles->stride)
            memcpy(plane, tiles->begins, (size_t)op->width * (size_t)op->outputs * 2);
    }
}

static void run_packed(const struct run *run, const struct op *node) {
    const struct linear *op = &node->linear;
    const struct cell *cell = &node->cell;
    const struct tiles *tiles = &op->tiles;
    const struct value *source = &run->net->value[node->input[0]], *output = &run->net->value[node->output];
    struct plane plane = {0};
    if (op->flat.on) {
        plane.sums = sum_flat(run, op, source);
    } else {
        sum_tiles(run, op, source);
        plane.stride = tiles->stride, plane.begins = tiles->begins;
        plane.touched = (uint8_t *)at(run, tiles->touched_place) + tiles->first_y;
        plane.sums = (int16_t *)at(run, tiles->plane_place) + tiles->first_y * plane.stride + (int64_t)tiles->first_x * op->outputs;
    }
    if (cell->fire.on) {
        fire(run, node, plane);
        return;
    }
    const int64_t bytes = output->channels * es_bytes_of(output->type), length = (int64_t)op->width * op->outputs;
    char *to = at(run, output->place);
    for (int64_t y = 0, position = 0; y < op->height; y++, plane.sums += plane.stride) {
        for (int64_t x = 0; x < op->width; x++, position++, to += bytes)
            finish(run, cell, position, (struct sums){plane.sums + x * op->outputs, 0}, to, output->type);
        if (plane.touched && plane.touched[y]) {
            begin_sums(plane.sums, plane.begins, length);
            plane.touched[y] = 0;
        }
    }
}
