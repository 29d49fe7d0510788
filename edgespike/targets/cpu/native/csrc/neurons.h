/* Thresholds and membranes: from sums to values. Included by kernels.h alone. */

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

/* Levels of a line, as bytes. */
INLINE void line_row(const struct cell *cell, struct sums sums, uint8_t *to, const int wide) {
    const struct threshold *op = &cell->threshold;
    const int32_t padded = cell->padded;
    const float *slope = op->slope, *shift = op->shift;
    const f32v zero = {0}, most = __builtin_convertvector(all32(op->levels), f32v);
    int32_t i = 0;
    for (; i + 4 * LANES32 <= padded; i += 4 * LANES32) {
        s32v level[4];
        UNROLL for (int k = 0; k < 4; k++) {
            const int32_t at = i + k * LANES32;
            const f32v x = __builtin_convertvector(sums32((struct sums){sums.from, wide}, at), f32v);
            const f32v line = leastf(mostf(x * load_f32v(slope + at) + load_f32v(shift + at), zero), most);
            level[k] = __builtin_convertvector(line, s32v);
        }
        narrow_row(to + i, level);
    }
    for (; i < padded; i += LANES32) {
        const f32v x = __builtin_convertvector(sums32((struct sums){sums.from, wide}, i), f32v);
        const f32v line = leastf(mostf(x * load_f32v(slope + i) + load_f32v(shift + i), zero), most);
        narrow32_to_8(to + i, __builtin_convertvector(line, s32v));
    }
}

/* Whether levels are found by comparing sums of 16 bits, and stored as they are in bytes. */
INLINE int compares_16(const struct threshold *op, int32_t type) {
    return op->theta16 && op->method == COMPARE && type == U8 && op->unit == 1 && op->offset == 0;
}

static void threshold_row(const struct cell *cell, struct sums sums, void *to, int32_t type) {
    const struct threshold *op = &cell->threshold;
    const int32_t padded = cell->padded;
    if (!sums.wide && compares_16(op, type)) {
        reached_of_16(op, padded, sums.from, to);
        return;
    }
    if (op->method == LINE && type == U8 && op->unit == 1 && op->offset == 0) {
        if (sums.wide) line_row(cell, sums, to, 1);
        else line_row(cell, sums, to, 0);
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

/* The same for positions that lie side by side, whose sums have 16 bits. */
static void threshold_rows16(const struct cell *cell, const int16_t *sums, int64_t positions, char *to, int32_t type) {
    const struct threshold *op = &cell->threshold;
    const int64_t padded = cell->padded, bytes = cell->channels * es_bytes_of(type);
    if (compares_16(op, type)) /* in place: a call takes as long as a position */
        for (int64_t p = 0; p < positions; p++, sums += padded, to += bytes)
            reached_of_16(op, (int32_t)padded, sums, (uint8_t *)to);
    else
        for (int64_t p = 0; p < positions; p++, sums += padded, to += bytes)
            threshold_row(cell, (struct sums){sums, 0}, to, type);
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
    const int32_t padded = cell->padded, comparison = !usual && op->comparison, reset = usual ? RESET_SUBTRACT : op->reset;
    const int32_t when = plain ? SAME_STEP : op->when, decay_bits = op->decay_bits, one_product = op->one_product;
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
                if (reset == RESET_ZERO) v &= fired == zero;
                else if (reset == RESET_SUBTRACT) v -= fired * theta;
            }
            if (saturates) v = least32(most32(v, load_s32v(least + i)), highest);
            s32v enough = comparison ? v > reached : v >= reached, fired = -enough, once = theta & enough, left = v - once;
            int several = 0;
            if (!single) several = any_bit(comparison ? v - reached > reached : v - reached >= reached);
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
            } else if (reset == RESET_ZERO) {
                v &= ~enough;
            } else if (reset == RESET_SUBTRACT) {
                v = left;
            }
            store_s32v(v_row + i, v);
            stirred |= decays ? v : comparison ? v > theta : v >= theta;
        }
        found |= (uint64_t)any_bit(stirred != zero) << p;
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
        if (op->when == SAME_STEP_RAISED && (op->comparison ? v > theta : v >= theta)) reached = 2 * theta;
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
        if (op->when == NEXT_STEP) {
            if (op->reset == RESET_ZERO && fired_row[i]) v = 0;
            else if (op->reset == RESET_SUBTRACT) v -= fired_row[i] * theta;
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
        if (op->when != NEXT_STEP) {
            if (op->reset == RESET_ZERO && fired) v = 0;
            else if (op->reset == RESET_SUBTRACT) v -= fired * theta;
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
    if (op->plain && type == U8 && op->reset == RESET_SUBTRACT && !op->comparison)
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
