/* The kernels, for one width of vectors: included by each kernels_*.c, which defines VECTOR (bytes) and SET.

   Sums are computed modulo 2^16 or 2^32. That is exact, whatever overflows on the way, where the final sum is proven
   to fit. Elements of all buffers are ordered by position, channels last. Kernels read and write whole vectors, up to
   SLACK bytes behind a buffer. */

/* In this order: each uses what is in those before it. */
#include "vectors.h"
#include "neurons.h"
#include "events.h"
#include "products.h"
#include "tiles.h"
#include "fire.h"

/* ---- operations ---- */

/* Whether an operation runs at a step. */
INLINE int runs_now(const struct run *run, const struct op *node, int64_t step) {
    if (node->when == LAST && !run->kept && step + 1 < run->net->steps) return 0;
    return !(node->when == ONCE && step && !run->step_stride);
}

#include "lanes.h"

/* Add what else the sums of a layer begin with to its bias, in 32 bits and, where that is asked for, in 16. */
INLINE void add_to_bias(const struct run *run, const struct linear *op, const int in16) {
    const struct value *value = &run->net->value[op->addend];
    const char *from = at(run, value->place);
    int32_t *wide = (int32_t *)at(run, op->addend_place);
    int16_t *narrow = (int16_t *)(wide + op->padded);
    s32v place;
    for (int i = 0; i < LANES32; i++) place[i] = i;
    for (int32_t i = 0; i < op->padded; i += LANES32) {
        s32v x = value->type == I16 ? load_16_as_32((const int16_t *)from + i) : get32(from, value->type, i);
        if (i + LANES32 > op->outputs) x &= place < op->outputs - i; /* behind the value is anything */
        store_s32v(wide + i, load_s32v(op->bias32 + i) + x);
    }
    for (int32_t i = 0; in16 && i < op->padded; i += LANES32)
        narrow32_to_16(narrow + i, (load_s32v(wide + i) << 16) >> 16);
}

/* Return a layer whose bias holds what else its sums begin with. */
static const struct linear *with_addend(const struct run *run, const struct linear *op, struct linear *own) {
    add_to_bias(run, op, 1);
    *own = *op;
    own->bias32 = (int32_t *)at(run, op->addend_place);
    own->bias = own->bias32 + op->padded;
    own->biased = 1;
    for (int32_t i = 0; i < op->outputs; i++) {
        const int32_t x = own->bias32[i], size = x < 0 ? -x : x;
        own->largest_bias = size > own->largest_bias ? size : own->largest_bias;
    }
    return own;
}

/* A layer that multiplies all of its source. */
static void run_few(const struct run *run, const struct op *node) {
    const struct linear *op = &node->linear;
    const struct value *source = &run->net->value[node->input[0]], *output = &run->net->value[node->output];
    const char *from = at(run, source->place);
    char *to = at(run, run->net->temporary_place);
    const void *bias = op->wide ? (const void *)op->bias32 : op->bias;
    if (op->addend >= 0) {
        const int32_t *sums = (const int32_t *)at(run, op->addend_place);
        add_to_bias(run, op, !op->wide);
        bias = op->wide ? sums : sums + op->padded;
    }
    switch (op->product) {
    case PAIRS8: multiply_all_pairs8(from, source->size, op->weight, bias, to, op->few); break;
    case QUADS8: multiply_all_quads8(from, source->size, op->weight, bias, to, op->few); break;
    case PAIRS16: multiply_all_pairs16(from, source->size, op->weight, bias, to, op->few); break;
    default: multiply_all_singles(from, source->size, op->weight, bias, to, op->few);
    }
    finish(run, &node->cell, 0, (struct sums){to, op->wide}, at(run, output->place), output->type);
}

/* What a layer adds for its events: lists of them, or a plane of sums where they are added already. */
struct arrived { struct lists from; struct line *line; const char *plane; int32_t wide, listed; };

static struct arrived arrive(const struct run *run, const struct linear *op, const struct value *source) {
    struct found found = {0, 0};
    struct arrived to = {0};
    to.listed = op->scatters && list_all(run, op, source, &found) && is_sparse(op, found, is_wide(op, found));
    if (!to.listed) found = scan(run, op, source);
    to.from = lists_of(run, op);
    to.line = (struct line *)(at(run, run->net->temporary_place) + 8 * run->net->most_padded + SLACK);
    to.wide = is_wide(op, found);
    const int sparse = to.listed || is_sparse(op, found, to.wide);
    if (to.listed) scatter_all(run, op, source, found, to.wide);
    else if (sparse) scatter_rows(run, op, source->channels, to.wide);
    else place(run, op, source->channels);
    if (sparse) to.plane = at(run, op->plane_place);
    return to;
}

/* Sum a row of positions of a layer whose sums fit 16 bits. */
static void sum_row16(const struct run *run, const struct linear *op, const struct value *source, const char *image,
                      const struct arrived *arrived, int32_t y, int32_t width, int16_t *to) {
    const int32_t channels = source->channels, padded = op->padded;
    int32_t x = 0;
    if (op->window)
        for (; x < width; x += WINDOWS, to += WINDOWS * padded)
            sum_windows(op, image, channels, y, x, width - x < WINDOWS ? width - x : WINDOWS, (char *)to);
    else if (!es_listed(op))
        for (; x < width; x++, to += padded) sum_products(run, op, image, channels, y, x, to);
    else if (arrived->plane)
        memcpy(to, arrived->plane + (int64_t)y * op->width * padded * 2, (size_t)width * (size_t)padded * 2);
    else {
        int32_t *wide = (int32_t *)at(run, run->net->wide_place);
        const int lines = find_lines(op, &arrived->from, channels, y, arrived->line);
        for (; x < width; x++, to += padded) {
            const struct sums sums =
                sum_events(op, &arrived->from, arrived->line, lines, (uint32_t)channels, (uint32_t)x, to, wide);
            for (int32_t i = 0; sums.wide && i < padded; i += LANES32) narrow32_to_16(to + i, load_s32v(wide + i));
        }
    }
}

/* A layer with thresholds that never fall, and the maxima of their levels: the level of the largest sum. */
static void run_pooled(const struct run *run, const struct op *node) {
    const struct linear *op = &node->linear;
    const struct pool *pool = &node->pooled->pool;
    const struct value *source = &run->net->value[node->input[0]], *output = &run->net->value[node->pooled->output];
    const int32_t padded = op->padded, across = pool->kernel_x, width = output->width;
    const int listed = es_listed(op);
    const char *image = listed ? NULL : image_of(run, op, source);
    const struct arrived arrived = listed ? arrive(run, op, source) : (struct arrived){0};
    int16_t *row = (int16_t *)at(run, node->row_place), *largest = (int16_t *)at(run, node->largest_place);
    char *to = at(run, output->place);
    for (int32_t y = 0; y < output->height; y++) {
        for (int32_t inside = 0; inside < pool->kernel_y; inside++) {
            sum_row16(run, op, source, image, &arrived, y * pool->kernel_y + inside, width * across, row);
            const int16_t *from = row;
            for (int32_t x = 0; x < width; x++, from += across * padded)
                for (int32_t i = 0; i < padded; i += LANES16) {
                    s16v most = load_s16v(from + i);
                    for (int32_t j = 1; j < across; j++) most = most16(most, load_s16v(from + j * padded + i));
                    int16_t *own = largest + x * padded + i;
                    store_s16v(own, inside ? most16(most, load_s16v(own)) : most);
                }
        }
        threshold_rows16(&node->cell, largest, width, to, output->type);
        to += width * output->channels;
    }
}

/* A layer with thresholds, whose sums fit 16 bits. */
static void run_thresholds(const struct run *run, const struct op *node) {
    const struct linear *op = &node->linear;
    const struct value *source = &run->net->value[node->input[0]], *output = &run->net->value[node->output];
    const int listed = es_listed(op);
    const char *image = listed ? NULL : image_of(run, op, source);
    const struct arrived arrived = listed ? arrive(run, op, source) : (struct arrived){0};
    int16_t *row = (int16_t *)at(run, node->row_place);
    char *to = at(run, output->place);
    for (int32_t y = 0; y < op->height; y++) {
        sum_row16(run, op, source, image, &arrived, y, op->width, row);
        threshold_rows16(&node->cell, row, op->width, to, output->type);
        to += (int64_t)output->width * output->channels * es_bytes_of(output->type);
    }
}

/* Sum products of numbers. */
static void run_products(const struct run *run, const struct op *node, const struct linear *op) {
    const struct value *source = &run->net->value[node->input[0]], *output = &run->net->value[node->output];
    const int64_t row_bytes = (int64_t)output->channels * es_bytes_of(output->type);
    const char *image = image_of(run, op, source);
    char *to = at(run, output->place), *row = at(run, op->window ? op->window_place : run->net->temporary_place);
    const int32_t positions = op->window ? WINDOWS : 1;
    const int64_t bytes = (int64_t)op->padded * (op->wide ? 4 : 2);
    int64_t position = 0;
    for (int32_t y = 0; y < op->height; y++)
        for (int32_t x = 0; x < op->width; x += positions) {
            const int32_t here = op->width - x < positions ? op->width - x : positions;
            struct sums sums = {row, op->wide};
            if (op->window) sum_windows(op, image, source->channels, y, x, here, row);
            else if (op->product == CHANNELS) sums = sum_channels(run, op, image, source->type, source->channels, y, x);
            else sum_products(run, op, image, source->channels, y, x, row);
            for (int32_t k = 0; k < here; k++, position++, to += row_bytes)
                finish(run, &node->cell, position, (struct sums){(const char *)sums.from + k * bytes, sums.wide}, to,
                       output->type);
        }
}

static void run_linear(const struct run *run, const struct op *node) {
    struct linear own;
    const struct linear *op = node->linear.addend < 0 ? &node->linear : with_addend(run, &node->linear, &own);
    const struct cell *cell = &node->cell;
    const struct value *source = &run->net->value[node->input[0]], *output = &run->net->value[node->output];
    const int64_t row_bytes = (int64_t)output->channels * es_bytes_of(output->type);
    char *to = at(run, output->place), *sums_to = at(run, run->net->temporary_place);
    if (op->tiles.on || op->flat.on) {
        run_packed(run, node);
        return;
    }
    if (!es_listed(op)) {
        run_products(run, node, op);
        return;
    }
    const struct arrived arrived = arrive(run, op, source);
    const struct lists *from = &arrived.from;
    const char *plane = arrived.plane;
    const int wide = arrived.wide;
    const uint64_t *reached = (const uint64_t *)at(run, op->reached_place);
    const int64_t plane_bytes = (int64_t)op->padded * (wide ? 4 : 2);
    const int rests = op->masked && cell->kind == MEMBRANE && cell->membrane.rests && !op->biased;
    uint64_t *stirred = (uint64_t *)at(run, rests ? cell->membrane.active_place : 0);
    int32_t *sums_row = (int32_t *)at(run, run->net->wide_place);
    const uint32_t channels = (uint32_t)source->channels;
    struct line *line = arrived.line;
    for (int32_t y = 0; y < op->height; y++, to += row_bytes * op->width) {
        const int64_t position = (int64_t)y * op->width;
        const int lines = plane ? 0 : find_lines(op, from, source->channels, y, line);
        if (rests) {
            uint64_t active = (arrived.listed ? reached[y] : active_row(op, from, y)) | stirred[y], left = 0;
            memset(to, 0, (size_t)(row_bytes * op->width));
            while (active) { /* a run of positions that lie side by side */
                const int32_t x = (int32_t)__builtin_ctzll(active);
                const uint64_t ended = ~(active >> x);
                const int32_t positions = ended ? (int32_t)__builtin_ctzll(ended) : 64;
                const int32_t *sums32 = sums_row;
                if (plane && wide) sums32 = (const int32_t *)(plane + (position + x) * plane_bytes);
                for (int32_t k = 0; sums32 == sums_row && k < positions; k++) {
                    int32_t *row = sums_row + (int64_t)k * op->padded;
                    const struct sums sums =
                        plane ? (struct sums){plane + (position + x + k) * plane_bytes, 0}
                              : sum_events(op, from, line, lines, channels, (uint32_t)(x + k), sums_to, row);
                    widened(cell, sums, row);
                }
                left |= membrane_row(run, cell, position + x, positions, sums32, to + row_bytes * x, output->type) << x;
                active &= ~(low_bits(positions) << x);
            }
            stirred[y] = left;
            continue;
        }
        const uint64_t active = op->masked && !plane ? active_row(op, from, y) : ~(uint64_t)0;
        for (int32_t x = 0; x < op->width; x++) {
            struct sums sums = {op->wide ? (const void *)op->bias32 : op->bias, op->wide};
            if (plane) sums = (struct sums){plane + (position + x) * plane_bytes, wide};
            else if (!op->masked || (active >> x & 1))
                sums = sum_events(op, from, line, lines, channels, (uint32_t)x, sums_to, sums_row);
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
                        for (int32_t xx = x0; xx < x1; xx++)
                            found = most8(found, load_u8v(from + ((int64_t)yy * source->width + xx) * channels + c));
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
        if (step == 0 || node->mode == MODE_LAST) total[i] = x;
        else if (node->mode == MODE_SUM) total[i] += x;
        else if (x > total[i]) total[i] = x;
    }
}

/* ---- sums of events ---- */

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

/* Add sums of 8 bits to those of 32; the first ones are written where all sums are of 8 bits. */
static void empty_sums(const struct run *run, int first) {
    const uint8_t *sums = (const uint8_t *)at(run, run->net->sums_place);
    if (first && run->net->bytes_alone)
        for (int64_t i = 0; i < run->net->events; i++) run->events[i] = sums[i];
    else
        for (int64_t i = 0; i < run->net->events; i++) run->events[i] += sums[i];
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
        if (node->kind == LINEAR && node->counted) begin_counts(run, node);
        if (node->cell.kind != MEMBRANE) continue;
        if (node->cell.fire.on) {
            rest_fire(run, &node->cell, net->value[node->output].height);
            continue;
        }
        const struct membrane *op = &node->cell.membrane;
        const size_t bytes = (size_t)node->cell.positions * (size_t)node->cell.padded * (op->wide ? 8 : 4);
        memset(at(run, op->v_place), 0, bytes);
        if (op->decays_current) memset(at(run, op->current_place), 0, bytes);
        if (op->when == NEXT_STEP) memset(at(run, op->fired_place), 0, bytes);
        memset(at(run, op->active_place), 0, (size_t)node->cell.positions * 8);
    }
    for (int32_t k = 0; k < net->delays; k++) {
        const struct delay *delay = &net->delay[k];
        const struct value *output = &net->value[delay->output];
        for (int64_t i = 0; i < output->size; i++) put(at(run, output->place), output->type, i, delay->initial);
        if (output->packed) pack_value(run, output);
    }
}

static void run_step(const struct run *run, int64_t step) {
    const es_net *net = run->net;
    const int alone = !run->kept && !run->events; /* nothing but answers is asked for */
    for (int32_t k = 0; k < net->ops; k++) {
        const struct op *node = &net->op[k];
        const int counted = node->kind == LINEAR && node->counted && !run->kept;
        if (counted) add_to_counts(run, node);
        if (counted || !runs_now(run, node, step) || (node->taken && alone)) continue;
        const struct op *pooled = alone ? node->pooled : NULL;
        switch (node->kind) {
        case LINEAR:
            (pooled              ? run_pooled
             : node->linear.few  ? run_few
             : node->by_rows     ? run_thresholds
                                 : run_linear)(run, node);
            break;
        case CELL: run_cell(run, node); break;
        case MAX_POOL:
        case SUM_POOL: run_pool(run, node); break;
        case READOUT: if (run->kept || !node->counted) run_readout(run, node, step); break;
        default: run_elements(run, node);
        }
        const struct value *written = &net->value[(pooled ? pooled : node)->output];
        if (written->packed && !node->cell.fire.on) pack_value(run, written);
    }
}

static void run_sample(const struct run *run, int64_t sample) {
    const es_net *net = run->net;
    const char *samples = (const char *)run->samples + sample * run->sample_stride;
    rest(run);
    for (int64_t step = 0; step < net->steps; step++) {
        const int repeated = step && !run->step_stride;
        if (!repeated) {
            const struct value *input = &net->value[net->input];
            const char *given = samples + step * run->step_stride;
            const int as_bits = input->packed && run->type <= I8;
            if (as_bits) enter_bits(run, (const uint8_t *)given);
            if (!as_bits || input->read || run->kept) enter(run, given);
            if (input->packed && !as_bits) pack_value(run, input);
        }
        run_step(run, step);
        for (int32_t k = 0; run->events && k < net->sources; k++) {
            const struct source *source = &net->source[k];
            if (source->blocks && run->count >= COUNTED_FEW) count_packed(run, source, step);
            else if (net->value[source->value].packed) count_bits(run, source, step);
            else count_events(run, source, step);
        }
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
            if (output->packed) pack_value(run, output);
        }
    }
    int64_t *total = (int64_t *)buffer(run, net->readout);
    for (int32_t k = 0; !run->kept && k < net->ops; k++)
        if (net->op[k].kind == LINEAR && net->op[k].counted) sum_counts(run, &net->op[k], total);
    if (run->answers) memcpy(run->answers + sample * net->classes, total, (size_t)net->classes * 8);
}

static void run_samples(const struct run *run) {
    const es_net *net = run->net;
    begin_planes(run);
    for (int32_t k = 0; k < net->ops; k++) {
        const struct linear *op = &net->op[k].linear;
        if (net->op[k].kind != LINEAR || es_listed(op)) continue;
        const struct value *source = &net->value[net->op[k].input[0]];
        const int64_t bytes = es_bytes_of(image_type(op, source)), channels = source->channels;
        memset(at(run, op->image_place), 0, (size_t)(bytes * channels * op->padded_width * op->padded_height + SLACK));
    }
    const int bytes_sum = run->events && net->bytes_sum, counters = run->events && run->count >= COUNTED_FEW;
    if (run->events && !net->bytes_alone) memset(run->events, 0, (size_t)net->events * 4);
    for (int32_t k = 0; counters && k < net->sources; k++)
        memset(at(run, net->source[k].places), 0, (size_t)(net->steps * net->source[k].blocks * (COUNTED_BITS * VECTOR)));
    int64_t held = 0, counted = 0;
    int first = 1;
    for (int64_t sample = 0; sample < run->count;) {
        const int64_t left = run->count - sample;
        if (net->lanes && left >= net->lanes) {
            const int64_t together = left < LANES ? left : LANES;
            run_lanes(run, sample, together);
            sample += together;
        } else {
            if (bytes_sum && !held) memset(at(run, net->sums_place), 0, (size_t)net->events);
            run_sample(run, sample++);
            held++, counted++;
        }
        const int last = sample == run->count;
        if (bytes_sum && held && (last || held == net->bytes_sum)) {
            empty_sums(run, first);
            held = first = 0;
        }
        if (counters && counted && (last || counted == COUNTED_MOST)) {
            for (int32_t k = 0; k < net->sources; k++)
                if (net->source[k].blocks) empty_counters(run, &net->source[k]);
            counted = 0;
        }
    }
}

#if defined(__AVX512VNNI__) && VECTOR == 64
#define QUADS 1
#else
#define QUADS 0
#endif

const struct kernels SET = {SET_NAME, SET_AVAILABLE, VECTOR, QUADS, run_samples};
