/* Read a program into a network, lay out the scratch memory, and run samples. */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

#include "net.h"

#define MOST (SIZE_MAX >> 2 < (uint64_t)1 << 40 ? (int64_t)(SIZE_MAX >> 2) : (int64_t)1 << 40) /* bytes */

static const struct kernels *const all_kernels[] = {
#if defined(__x86_64__)
    &es_avx512, &es_avx2,
#endif
    &es_portable,
};

enum { ALL_KERNELS = sizeof all_kernels / sizeof *all_kernels };

const char *es_kernels(int place) {
    for (int k = 0; k < ALL_KERNELS; k++)
        if (all_kernels[k]->available() && place-- == 0) return all_kernels[k]->name;
    return NULL;
}

static const struct kernels *kernels_of(const char *name) {
    for (int k = 0; k < ALL_KERNELS; k++)
        if (!strcmp(all_kernels[k]->name, name) && all_kernels[k]->available()) return all_kernels[k];
    return NULL;
}

/* ---- memory of a network: freed at once ---- */

struct block { struct block *next; int64_t unused; };

static void *keep(es_net *net, int64_t bytes) {
    if (bytes < 0 || bytes > MOST) return NULL;
    const size_t whole = (sizeof(struct block) + (size_t)bytes + SLACK + 2 * ALIGNED - 1) / ALIGNED * ALIGNED;
    struct block *block = aligned_alloc(ALIGNED, whole);
    if (!block) return NULL;
    memset(block, 0, whole);
    block->next = net->memory;
    net->memory = block;
    return (char *)block + ALIGNED;
}

void es_free(es_net *net) {
    if (!net) return;
    for (struct block *block = net->memory; block;) {
        struct block *next = block->next;
        free(block);
        block = next;
    }
    free(net);
}

/* ---- reading ---- */

struct reader {
    const unsigned char *from, *end;
    es_net *net;
    const char *wrong; /* what was being read when something was wrong; NULL if nothing is */
    int64_t scratch;
};

static int64_t fail(struct reader *r, const char *what) {
    if (!r->wrong) r->wrong = what;
    return 0;
}

static int64_t number(struct reader *r, int64_t low, int64_t high, const char *what) {
    int64_t found;
    if (r->wrong || r->end - r->from < 8) return r->wrong ? 0 : fail(r, what);
    memcpy(&found, r->from, 8);
    r->from += 8;
    if (found < low || found > high) {
        fail(r, what);
        return low > 0 ? low : 0;
    }
    return found;
}

/* An array of int64, as many as expected, or NULL. It stays valid until the program is freed. */
static const unsigned char *array(struct reader *r, int64_t count, const char *what) {
    if (number(r, count, count, what) != count || r->wrong) return NULL;
    if (count > (r->end - r->from) / 8) {
        fail(r, what);
        return NULL;
    }
    const unsigned char *found = r->from;
    r->from += count * 8;
    return found;
}

static int64_t item(const unsigned char *from, int64_t i) {
    int64_t found;
    memcpy(&found, from + 8 * i, 8);
    return found;
}

static void *room(struct reader *r, int64_t bytes) {
    void *found = r->wrong ? NULL : keep(r->net, bytes);
    if (!found) fail(r, "memory is missing");
    return found;
}

/* Lay out scratch memory. */
static int64_t lay(struct reader *r, int64_t bytes) {
    if (bytes < 0 || bytes > MOST || r->scratch > MOST) return fail(r, "scratch memory is too large");
    const int64_t place = r->scratch;
    r->scratch += (bytes + SLACK + ALIGNED - 1) / ALIGNED * ALIGNED;
    return place;
}

static int64_t whole_vectors(const es_net *net, int64_t channels) {
    const int64_t lanes = net->kernels->vector / 2;
    return (channels + lanes - 1) / lanes * lanes;
}

/* Rows of int64 as rows of 32 or 64 bits, padded with a number. */
static void *rows(struct reader *r, int64_t count, int64_t channels, int64_t padded, int64_t filler, int bits,
                  const char *what) {
    const unsigned char *from = array(r, count * channels, what);
    char *to = room(r, count * padded * (bits / 8));
    for (int64_t i = 0; from && to && i < count; i++)
        for (int64_t c = 0; c < padded; c++) {
            const int64_t x = c < channels ? item(from, i * channels + c) : filler;
            if (bits == 32 && (x < INT32_MIN || x > INT32_MAX)) fail(r, what);
            if (bits == 32) ((int32_t *)to)[i * padded + c] = (int32_t)x;
            else ((int64_t *)to)[i * padded + c] = x;
        }
    return to;
}

static void read_threshold(struct reader *r, struct cell *cell) {
    struct threshold *op = &cell->threshold;
    const int32_t channels = cell->channels, padded = cell->padded;
    op->levels = (int32_t)number(r, 1, MOST_LEVELS, "levels");
    op->offset = (int32_t)number(r, INT32_MIN, INT32_MAX, "offset");
    op->unit = (int32_t)number(r, 1, INT32_MAX, "unit");
    op->method = (int32_t)number(r, COMPARE, NEAR, "method");
    op->flips = (int32_t)number(r, 0, 1, "flips");
    op->flipped = rows(r, 1, channels, padded, 0, 32, "flipped");
    if (op->method == LINE || op->method == NEAR) {
        const unsigned char *from = array(r, 2 * channels, "line");
        op->slope = room(r, padded * 4);
        op->shift = room(r, padded * 4);
        for (int32_t c = 0; !r->wrong && c < channels; c++) {
            int64_t line[2] = {item(from, c), item(from, channels + c)};
            double real[2];
            memcpy(real, line, sizeof real);
            op->slope[c] = (float)real[0];
            op->shift[c] = (float)real[1];
        }
    }
    if (op->method == LINE) return;
    if (op->method == SEARCH || op->method == NEAR) {
        const int64_t each = op->levels + (op->method == NEAR), own = channels * each;
        const int32_t *given = rows(r, channels, each, each, 0, 32, "theta");
        op->theta = room(r, padded * each * 4);
        if (r->wrong) return;
        memcpy(op->theta, given, (size_t)own * 4);
        for (int64_t i = own; i < padded * each; i++) op->theta[i] = INT32_MAX;
        return;
    }
    op->theta = rows(r, op->levels, channels, padded, INT32_MAX, 32, "theta");
    if (r->wrong) return;
    /* A sum of 16 bits reaches neither 2^15 nor, unless always, what is below -2^15. */
    int fits = op->levels <= INT16_MAX;
    for (int64_t i = 0; i < (int64_t)op->levels * padded; i++)
        if (op->theta[i] > INT16_MAX && i % padded < channels) fits = 0;
    if (!fits) return;
    op->theta16 = room(r, (int64_t)op->levels * padded * 2);
    for (int64_t i = 0; !r->wrong && i < (int64_t)op->levels * padded; i++) {
        const int32_t theta = op->theta[i];
        op->theta16[i] = (int16_t)(theta < INT16_MIN ? INT16_MIN : theta > INT16_MAX ? INT16_MAX : theta);
    }
}

static void read_membrane(struct reader *r, struct cell *cell) {
    struct membrane *op = &cell->membrane;
    op->emits_potential = (int32_t)number(r, 0, 1, "emits");
    op->comparison = (int32_t)number(r, 0, 1, "comparison");
    op->reset = (int32_t)number(r, RESET_NONE, RESET_SUBTRACT, "reset");
    op->when = (int32_t)number(r, SAME_STEP, SAME_STEP_RAISED, "reset time");
    op->decays = (int32_t)number(r, 0, 1, "decays");
    op->decays_current = (int32_t)number(r, 0, 1, "decays of currents");
    op->current_saturates = (int32_t)number(r, 0, 1, "currents saturate");
    op->saturates = (int32_t)number(r, 0, 1, "saturates");
    op->biased = (int32_t)number(r, 0, 1, "biased");
    op->wide = (int32_t)number(r, 0, 1, "wide");
    op->decay_bits = (int32_t)number(r, 1, MOST_DECAY_BITS, "decay bits");
    op->rests = (int32_t)number(r, 0, 1, "rests");
    op->one_product = (int32_t)number(r, 0, 1, "one product");
    op->per_neuron = (int32_t)number(r, 0, 1, "parameters");
    op->unit = number(r, 1, WIDE_LIMIT, "unit");
    op->back = number(r, 1, WIDE_LIMIT, "back");
    op->most_spikes = number(r, 1, INT32_MAX, "spikes");
    op->highest = number(r, 0, WIDE_LIMIT, "saturation");
    const int64_t count = op->per_neuron ? cell->positions : 1;
    const int bits = op->wide ? 64 : 32;
    void *theta = rows(r, count, cell->channels, cell->padded, INT32_MAX, bits, "theta");
    void *kept = rows(r, count, cell->channels, cell->padded, 0, bits, "kept");
    void *kept_current = rows(r, count, cell->channels, cell->padded, 0, bits, "kept currents");
    void *bias = rows(r, count, cell->channels, cell->padded, 0, bits, "bias");
    void *least = rows(r, count, cell->channels, cell->padded, 0, bits, "least");
    if (op->wide) {
        op->theta64 = theta, op->kept64 = kept, op->kept_current64 = kept_current;
        op->bias64 = bias, op->least64 = least;
        for (int64_t i = 0; !r->wrong && i < count * cell->padded; i++)
            if (op->theta64[i] < 1) fail(r, "theta");
    } else {
        op->theta = theta, op->kept = kept, op->kept_current = kept_current, op->bias = bias, op->least = least;
        if (op->highest > INT32_MAX || op->unit > INT32_MAX) fail(r, "32 bits");
        if ((op->decays && !op->one_product && op->decay_bits > SPLIT_BITS) || (op->decays_current && op->decay_bits > SPLIT_BITS))
            fail(r, "decay bits");
        for (int64_t i = 0; !r->wrong && i < count * cell->padded; i++)
            if (op->theta[i] < 1) fail(r, "theta");
    }
    op->plain = op->when == SAME_STEP && !op->decays_current && !op->biased && !op->emits_potential;
    const int64_t bytes = (int64_t)cell->positions * cell->padded * (bits / 8);
    op->v_place = lay(r, bytes);
    op->current_place = lay(r, op->decays_current ? bytes : 0);
    op->fired_place = lay(r, op->when == NEXT_STEP ? bytes : 0);
    op->active_place = lay(r, (int64_t)cell->positions * 8);
}

static void read_cell(struct reader *r, struct cell *cell, const struct value *output) {
    cell->kind = (int32_t)number(r, PLAIN, MEMBRANE, "cell");
    cell->channels = output->channels;
    cell->padded = (int32_t)whole_vectors(r->net, output->channels);
    cell->positions = output->height * output->width;
    if (cell->kind == THRESHOLD) read_threshold(r, cell);
    if (cell->kind == MEMBRANE) read_membrane(r, cell);
}

/* Write weights (rows, outputs) as a product wants them: groups of rows beside each other for each output. */
static void pack(struct reader *r, const struct linear *op, const unsigned char *from, int64_t first, int64_t count,
                 int64_t group, int bits, void *memory, int64_t at_group) {
    for (int64_t i = 0; i < count; i++)
        for (int64_t o = 0; o < op->outputs; o++) {
            const int64_t x = item(from, (first + i) * op->outputs + o);
            const int64_t place = ((at_group + i / group) * op->padded + o) * group + i % group;
            const int64_t limit = (int64_t)1 << (bits - 1);
            if (x < -limit || x >= limit) fail(r, "weights");
            if (bits == 8) ((int8_t *)memory)[place] = (int8_t)x;
            else if (bits == 16) ((int16_t *)memory)[place] = (int16_t)x;
            else ((int32_t *)memory)[place] = (int32_t)x;
        }
}

/* Return the largest level of a source of small numbers. */
static int32_t levels_of(struct reader *r, const struct value *source) {
    int32_t most = 1;
    for (int32_t c = 0; c < source->channels; c++) most = source->high[c] > most ? source->high[c] : most;
    if (source->type != U8 || source->negative || most > LARGEST_IN_BYTES) fail(r, "levels of a source");
    return r->wrong ? 1 : most;
}

/* Write weights times a level: the rows of an element lie side by side. */
static void pack_level(struct reader *r, const struct linear *op, const unsigned char *from, int32_t level) {
    const int64_t most = LARGEST_IN_BYTES / level;
    for (int64_t i = 0; i < op->rows; i++)
        for (int64_t o = 0; o < op->outputs; o++) {
            const int64_t x = item(from, i * op->outputs + o);
            if (x < -most || x > most) fail(r, "weights");
            else ((int8_t *)op->weight)[(i * op->times + level - 1) * op->row_bytes + o] = (int8_t)(x * level);
        }
}

/* Find where events lead, if all segments have the same columns. */
static void read_reach(struct reader *r, struct linear *op, int32_t channels) {
    const struct segment *segment = op->segment;
    const int64_t width = segment[0].width, elements = (int64_t)op->padded_width * channels;
    int same = op->height * op->width > 1 && op->width <= INT16_MAX && elements <= 1 << 16;
    for (int32_t s = 1; s < op->segments; s++)
        if (segment[s].column != segment[0].column || segment[s].width != width) same = 0;
    if (!same) return;
    op->reach = room(r, elements * (int64_t)sizeof *op->reach);
    op->targets = room(r, ((int64_t)op->padded_height + 1) * 4);
    op->target = room(r, (int64_t)op->height * op->segments * (int64_t)sizeof *op->target);
    op->plane_place = lay(r, (int64_t)op->height * op->width * op->padded * 4);
    op->reached_place = lay(r, (int64_t)op->height * 8);
    if (r->wrong) return;
    int64_t columns = 0, rows = 0;
    for (int32_t x = 0; x < op->padded_width; x++) {
        const int64_t last = x - segment[0].column, before = last - width; /* windows begin after that, at most here */
        const int64_t low = before < 0 ? 0 : before / op->step_x + 1;
        int64_t high = last < 0 ? -1 : last / op->step_x;
        if (high > op->width - 1) high = op->width - 1;
        for (int32_t c = 0; high >= low && c < channels; c++) {
            struct reach *reach = &op->reach[(int64_t)x * channels + c];
            reach->first = (int32_t)((last - low * op->step_x) * channels + c);
            reach->low = (int16_t)low;
            reach->count = (int16_t)(high - low + 1);
        }
        if (high >= low) columns += high - low + 1;
    }
    for (int32_t y = 0; y < op->padded_height; y++) {
        op->targets[y] = (int32_t)rows;
        for (int32_t s = 0; s < op->segments; s++) {
            const int64_t by = y - segment[s].row;
            if (by < 0 || by % op->step_y || by / op->step_y >= op->height) continue;
            op->target[rows].y = (int32_t)(by / op->step_y);
            op->target[rows++].first = segment[s].first;
        }
    }
    op->targets[op->padded_height] = (int32_t)rows;
    op->adds = (double)columns * (double)rows / ((double)op->source_height * op->source_width);
    op->scatters = 1;
}

/* Read which value sums begin with, if there is one. */
static void read_addend(struct reader *r, struct linear *op, const struct value *output) {
    const es_net *net = r->net;
    const int64_t count = number(r, 0, 1, "addend");
    op->addend = count ? (int32_t)number(r, 0, net->values - 1, "addend") : -1;
    if (r->wrong || !count) return;
    const struct value *value = &net->value[op->addend];
    if (value->type == I64 || value->size != output->size ||
        value->channels != output->channels || op->height * op->width != 1) fail(r, "addend");
    op->addend_place = lay(r, (int64_t)op->padded * 6);
}

/* Return how many vectors of sums a layer has that multiplies all of its source at once; 0 if it has more, or cannot. */
static int32_t few_vectors(const es_net *net, const struct linear *op, const struct value *source) {
    const int bits = op->product == PAIRS8 ? 16 : 32;
    const int32_t vectors = op->padded / (net->kernels->vector * 8 / bits);
    const int32_t type = op->product == PAIRS16 ? I16 : op->product == SINGLES ? I32 : U8;
    const int whole = op->segments == 1 && op->segment[0].bytes == source->size && op->height * op->width == 1 &&
                      op->padded_height == source->height && op->padded_width == source->width;
    const int numbers = !es_listed(op) && op->product != CHANNELS && op->wide == (bits == 32);
    return whole && numbers && source->type == type && vectors <= FEW_VECTORS ? vectors : 0;
}

#include "packed_load.h"

#define MOST_WINDOW 16 /* products of a small window: what is multiplied at once counts as one */

/* Return where the weights are, as they are written. */
static const unsigned char *read_linear(struct reader *r, struct op *node) {
    es_net *net = r->net;
    struct linear *op = &node->linear;
    const struct value *source = &net->value[node->input[0]], *output = &net->value[node->output];
    const int64_t most = MOST_ELEMENTS;
    op->product = (int32_t)number(r, EVENTS, CHANNELS, "product");
    op->wide = (int32_t)number(r, 0, 1, "wide");
    op->weight_bits = (int32_t)number(r, 8, 32, "weight bits");
    op->source_height = (int32_t)number(r, 1, source->height, "source height");
    op->source_width = (int32_t)number(r, 1, source->width, "source width");
    op->height = (int32_t)number(r, output->height, output->height, "height");
    op->width = (int32_t)number(r, output->width, output->width, "width");
    op->step_y = (int32_t)number(r, 1, most, "stride");
    op->step_x = (int32_t)number(r, 1, most, "stride");
    op->top = (int32_t)number(r, 0, most, "padding");
    op->left = (int32_t)number(r, 0, most, "padding");
    op->padded_height = (int32_t)number(r, op->top + op->source_height, most, "padded height");
    op->padded_width = (int32_t)number(r, op->left + op->source_width, most, "padded width");
    op->rows = (int32_t)number(r, 1, most, "rows");
    op->times = 1;
    op->outputs = output->channels;
    op->padded = (int32_t)whole_vectors(net, op->outputs);
    op->row_bytes = op->padded;
    op->segments = (int32_t)number(r, 1, most, "segments");
    const unsigned char *segments = array(r, 4 * (int64_t)op->segments, "segments");
    op->segment = room(r, (int64_t)op->segments * (int64_t)sizeof *op->segment);
    const int group = op->product == PAIRS8 || op->product == PAIRS16 ? 2 : op->product == QUADS8 ? 4 : 1;
    int64_t groups = 0;
    for (int32_t s = 0; !r->wrong && s < op->segments; s++) {
        const int64_t row = item(segments, 4 * s), column = item(segments, 4 * s + 1);
        const int64_t width = item(segments, 4 * s + 2), first = item(segments, 4 * s + 3);
        const int64_t last_y = (int64_t)(op->height - 1) * op->step_y, last_x = (int64_t)(op->width - 1) * op->step_x;
        const int64_t last = op->product == CHANNELS ? first + 1 : first + width * source->channels;
        if (row < 0 || column < 0 || width < 1 || row > most || column > most || width > most ||
            last_y + row >= op->padded_height || last_x + column + width > op->padded_width || first < 0 ||
            first > op->rows || last > op->rows || (op->product == CHANNELS && (width != 1 || first != s)))
            fail(r, "segment");
        op->segment[s].row = (int32_t)row;
        op->segment[s].column = (int32_t)column;
        op->segment[s].width = (int32_t)width;
        op->segment[s].bytes = (int32_t)(width * source->channels);
        op->segment[s].first = (int32_t)first;
        groups += (width * source->channels + group - 1) / group;
    }
    if (!r->wrong && (groups > most || (int64_t)op->padded_height * (op->padded_width + 1) > 2 * most)) fail(r, "size");
    const unsigned char *weights = array(r, (int64_t)op->rows * op->outputs, "weights");
    const int bits = op->weight_bits;
    const int narrow = op->product == LEVELS || op->product == PAIRS8;
    if (op->product == EVENTS ? bits == 32 && !op->wide : op->wide == narrow) fail(r, "wide");
    const int right = op->product == EVENTS                                    ? bits == 8 || bits == 16 || bits == 32
                      : op->product == PAIRS16                                 ? bits == 16
                      : op->product == SINGLES || op->product == CHANNELS      ? bits == 32
                                                                               : bits == 8;
    if (!right) fail(r, "weight bits");
    if (op->product == CHANNELS && source->channels != op->outputs) fail(r, "channels");
    if (r->wrong) return NULL;
    if (op->product == EVENTS || op->product == CHANNELS) {
        op->weight = room(r, ((int64_t)op->rows + 1) * op->padded * (bits / 8)); /* and a row of zeros */
        if (!r->wrong) pack(r, op, weights, 0, op->rows, 1, bits, op->weight, 0);
    } else if (op->product == LEVELS) {
        const int64_t vector = net->kernels->vector;
        op->times = levels_of(r, source);
        op->row_bytes = (op->padded + vector - 1) / vector * vector;
        op->weight = room(r, ((int64_t)op->rows * op->times + 1) * op->row_bytes);
        for (int32_t level = 1; !r->wrong && level <= op->times; level++) pack_level(r, op, weights, level);
    } else {
        op->weight = room(r, groups * group * op->padded * (bits / 8));
        int64_t at_group = 0;
        if (groups <= MOST_WINDOW && op->product != CHANNELS && op->height * op->width > 1) {
            op->window_groups = (int32_t)groups;
            op->window = room(r, groups * 8);
            op->window_place = lay(r, (int64_t)WINDOWS * op->padded * 4);
        }
        for (int32_t s = 0; !r->wrong && s < op->segments; s++) {
            const int64_t count = op->segment[s].bytes;
            const int64_t first = ((int64_t)op->segment[s].row * op->padded_width + op->segment[s].column) * source->channels;
            for (int64_t i = 0; op->window && i < count; i += group)
                op->window[at_group + i / group] = (first + i) * (bits / 8);
            pack(r, op, weights, op->segment[s].first, count, group, bits, op->weight, at_group);
            op->segment[s].first = (int32_t)at_group;
            at_group += (count + group - 1) / group;
        }
    }
    int64_t largest = 0;
    for (int64_t i = 0; i < (int64_t)op->rows * op->outputs; i++) {
        const int64_t x = item(weights, i), size = x < 0 ? -x : x;
        if (size > largest) largest = size;
    }
    if (op->product == LEVELS) largest *= op->times;
    if (!r->wrong && es_listed(op) && bits == 8 && largest && largest <= LARGEST_IN_BYTES)
        op->bytes_hold = INT8_MAX / (int32_t)largest / 4 * 4; /* listed rows are added four at a time */
    op->largest_weight = (int32_t)(largest > INT32_MAX ? INT32_MAX : largest);
    op->given = weights;
    op->given_segments = segments;
    op->bias32 = rows(r, 1, op->outputs, op->padded, 0, 32, "bias");
    read_addend(r, op, output);
    op->bias = room(r, (int64_t)op->padded * 2);
    for (int64_t o = 0; !r->wrong && o < op->outputs; o++) {
        const int64_t x = op->bias32[o], size = x < 0 ? -x : x;
        if (size > op->largest_bias) op->largest_bias = (int32_t)(size > INT32_MAX ? INT32_MAX : size);
        ((int16_t *)op->bias)[o] = (int16_t)x;
        op->biased |= x != 0;
    }
    op->few = few_vectors(r->net, op, source);
    op->masked = op->padded_width <= 64;
    for (int64_t bit = 0; bit < 64; bit += op->step_x) op->step_bits |= (uint64_t)1 << bit;
    for (int64_t bit = 0; bit < 64; bit += source->channels) op->channel_bits |= (uint64_t)1 << bit;
    const int64_t row = (int64_t)op->padded * (op->masked ? op->width : 1);
    if (row > net->most_wide) net->most_wide = row;
    if (es_listed(op)) {
        const int64_t elements = (int64_t)op->source_height * op->source_width * source->channels;
        if (elements > most) fail(r, "size");
        op->list_room = 4 * elements + SLACK;
        int64_t most_rows = SLACK; /* at one position: four times what its segments hold */
        for (int32_t s = 0; s < op->segments; s++) most_rows += 4 * (int64_t)op->segment[s].bytes;
        op->list_place = lay(r, 2 * 4 * op->list_room);
        op->rows_place = lay(r, 4 * most_rows);
        op->starts_place = lay(r, (int64_t)op->padded_height * (op->padded_width + 1) * 4);
        op->kinds_place = lay(r, op->padded_height);
        op->active_place = lay(r, (int64_t)op->padded_height * 8);
        op->bits_place = lay(r, ((int64_t)op->source_width * source->channels + 63) / 64 * 8 * op->source_height);
        if (!r->wrong && op->product == EVENTS) read_reach(r, op, source->channels);
        if (op->product == EVENTS && op->addend < 0) { /* which only sums that are kept whole begin with */
            read_tiles(r, op, source, weights);
            read_flat(r, op, source, weights);
        }
    } else {
        op->image_place = lay(r, 4 * (int64_t)op->padded_height * op->padded_width * source->channels);
    }
    const int64_t entries = es_listed(op) ? op->segments * (int64_t)(4 * 8)
                                          : (groups + 1) * (int64_t)(2 * sizeof(uint32_t));
    if (entries > net->temporary_place) net->temporary_place = entries; /* its size, until it is laid out */
    return weights;
}

static void read_op(struct reader *r, struct op *node) {
    es_net *net = r->net;
    node->kind = (int32_t)number(r, LINEAR, READOUT, "kind");
    node->when = (int32_t)number(r, ALWAYS, LAST, "when");
    node->output = (int32_t)number(r, 0, net->values - 1, "output");
    node->inputs = (int32_t)number(r, 1, MOST_NODES, "inputs");
    const unsigned char *inputs = array(r, node->inputs, "inputs");
    node->input = room(r, (int64_t)node->inputs * 4);
    for (int32_t k = 0; !r->wrong && k < node->inputs; k++) {
        const int64_t input = item(inputs, k);
        if (input < 0 || input >= net->values || net->value[input].type == I64) fail(r, "input");
        node->input[k] = (int32_t)(r->wrong ? 0 : input);
    }
    if (r->wrong) return;
    const struct value *output = &net->value[node->output], *source = &net->value[node->input[0]];
    if ((output->type == I64) != (node->kind == READOUT)) fail(r, "type of an output");
    if (output->channels > net->most_padded) net->most_padded = output->channels;
    switch (node->kind) {
    case LINEAR: {
        const unsigned char *weights = read_linear(r, node);
        if (!r->wrong) read_cell(r, &node->cell, output);
        read_fire(r, node, weights);
        node->counted = (int32_t)number(r, 0, 1, "counted");
        if (node->counted) {
            const struct linear *op = &node->linear;
            if (op->product != EVENTS || op->height * op->width != 1 || op->rows != source->size || node->cell.kind ||
                output->size != net->classes)
                fail(r, "counted");
            node->counts_place = lay(r, source->size * 4);
        }
        break;
    }
    case CELL:
        if (source->size != output->size || source->channels != output->channels) fail(r, "size");
        read_cell(r, &node->cell, output);
        break;
    case MAX_POOL:
    case SUM_POOL:
        node->pool.kernel_y = (int32_t)number(r, 1, MOST_ELEMENTS, "kernel");
        node->pool.kernel_x = (int32_t)number(r, 1, MOST_ELEMENTS, "kernel");
        node->pool.step_y = (int32_t)number(r, 1, MOST_ELEMENTS, "stride");
        node->pool.step_x = (int32_t)number(r, 1, MOST_ELEMENTS, "stride");
        node->pool.top = (int32_t)number(r, 0, MOST_ELEMENTS, "padding");
        node->pool.left = (int32_t)number(r, 0, MOST_ELEMENTS, "padding");
        if (source->channels != output->channels) fail(r, "channels");
        if (node->kind == MAX_POOL && source->type == U8 && output->type != U8) fail(r, "type of a maximum");
        if ((int64_t)output->height * node->pool.step_y > INT32_MAX / 2 ||
            (int64_t)output->width * node->pool.step_x > INT32_MAX / 2)
            fail(r, "stride");
        break;
    case ADD:
    case MULTIPLY:
        for (int32_t k = 0; k < node->inputs; k++)
            if (net->value[node->input[k]].size != output->size) fail(r, "size");
        break;
    case CONCATENATE: {
        int64_t channels = 0;
        for (int32_t k = 0; k < node->inputs; k++) {
            const struct value *input = &net->value[node->input[k]];
            if (input->height != output->height || input->width != output->width) fail(r, "size");
            channels += input->channels;
        }
        if (channels != output->channels) fail(r, "channels");
        break;
    }
    case RESHAPE: {
        const unsigned char *order = array(r, output->size, "order");
        node->order = room(r, output->size * 4);
        for (int64_t i = 0; !r->wrong && i < output->size; i++) {
            const int64_t place = item(order, i);
            if (place < 0 || place >= source->size) fail(r, "order");
            node->order[i] = (int32_t)place;
        }
        break;
    }
    default:
        node->mode = (int32_t)number(r, MODE_SUM, MODE_MAX, "mode");
        node->counted = (int32_t)number(r, 0, 1, "counted");
        if (source->size != output->size || source->size != net->classes) fail(r, "size of a readout");
    }
}

#include "lanes_load.h"

/* Whether an operation reads a value. */
static int reads(const struct op *node, int32_t value) {
    int found = node->kind == LINEAR && node->linear.addend == value;
    for (int32_t k = 0; k < node->inputs; k++) found |= node->input[k] == value;
    return found;
}

/* Whether anything but operations needs a value, if its events are not counted. */
static int is_needed(const es_net *net, int32_t value) {
    int found = value == net->input || value == net->readout;
    for (int32_t k = 0; k < net->delays; k++) found |= net->delay[k].source == value || net->delay[k].output == value;
    return found;
}

/* Find layers whose thresholds follow whole rows of sums; and maxima that can be taken of the sums instead of the levels:
   where thresholds never fall, and nothing else reads the levels. */
static void find_rows(struct reader *r) {
    es_net *net = r->net;
    for (int32_t k = 0; !r->wrong && k < net->ops; k++) {
        struct op *node = &net->op[k], *only = NULL;
        const struct linear *op = &node->linear;
        const struct value *value = &net->value[node->output];
        if (node->kind != LINEAR || node->cell.kind != THRESHOLD || op->wide || op->addend >= 0) continue;
        if (op->tiles.on || op->flat.on || op->few) continue;
        node->by_rows = 1;
        node->linear.masked = 0; /* nothing asks where events arrive */
        node->row_place = lay(r, (int64_t)value->width * op->padded * 2);
        if (node->cell.threshold.flips || is_needed(net, node->output)) continue;
        int32_t readers = 0;
        for (int32_t j = 0; j < net->ops; j++)
            if (reads(&net->op[j], node->output)) only = &net->op[j], readers++;
        if (readers != 1 || only <= node || only->kind != MAX_POOL || only->when != node->when) continue;
        const struct pool *pool = &only->pool;
        const struct value *output = &net->value[only->output];
        const int apart = pool->step_y == pool->kernel_y && pool->step_x == pool->kernel_x && !pool->top && !pool->left;
        const int inside = (int64_t)output->height * pool->kernel_y <= value->height &&
                           (int64_t)output->width * pool->kernel_x <= value->width;
        if (!apart || !inside || value->type != U8 || output->type != U8) continue;
        node->pooled = only;
        only->taken = 1;
        node->largest_place = lay(r, (int64_t)output->width * op->padded * 2);
    }
}

/* Read the range of each channel; a readout has none. */
static void read_ranges(struct reader *r, struct value *value) {
    const int64_t channels = value->type == I64 ? 0 : value->channels;
    const unsigned char *from = array(r, 2 * channels, "ranges");
    value->low = room(r, channels * 4);
    value->high = room(r, channels * 4);
    for (int64_t c = 0; !r->wrong && c < channels; c++) {
        const int64_t low = item(from, c), high = item(from, channels + c);
        if (low < INT32_MIN || low > high || high > INT32_MAX) fail(r, "ranges");
        value->low[c] = (int32_t)low;
        value->high[c] = (int32_t)high;
        value->negative |= low < 0;
        value->several |= high > 1;
    }
}

static void read_net(struct reader *r) {
    es_net *net = r->net;
    number(r, MAGIC, MAGIC, "format");
    net->steps = number(r, 1, MOST_NODES, "steps");
    net->values = (int32_t)number(r, 2, MOST_NODES, "values");
    net->value = room(r, net->values * (int64_t)sizeof *net->value);
    for (int32_t k = 0; !r->wrong && k < net->values; k++) {
        struct value *value = &net->value[k];
        value->type = (int32_t)number(r, U8, I64, "type of a value");
        value->height = (int32_t)number(r, 1, MOST_ELEMENTS, "height of a value");
        value->width = (int32_t)number(r, 1, MOST_ELEMENTS, "width of a value");
        value->channels = (int32_t)number(r, 1, MOST_ELEMENTS, "channels of a value");
        value->single = (int32_t)number(r, 0, 1, "zeros and ones");
        if ((int64_t)value->height * value->width > MOST_ELEMENTS) fail(r, "size of a value");
        value->size = (int64_t)value->height * value->width * value->channels;
        if (value->size > MOST_ELEMENTS || value->type == I8) fail(r, "size or type of a value");
        value->place = lay(r, value->size * es_bytes_of(value->type));
        if (!r->wrong) read_ranges(r, value);
    }
    net->input = (int32_t)number(r, 0, net->values - 1, "input");
    net->readout = (int32_t)number(r, 0, net->values - 1, "readout");
    if (r->wrong) return;
    if (net->value[net->readout].type != I64 || net->value[net->input].type == I64) fail(r, "readout");
    net->classes = net->value[net->readout].size;
    net->ops = (int32_t)number(r, 1, MOST_NODES, "operations");
    net->op = room(r, net->ops * (int64_t)sizeof *net->op);
    for (int32_t k = 0; !r->wrong && k < net->ops; k++) read_op(r, &net->op[k]);
    net->delays = (int32_t)number(r, 0, MOST_NODES, "delays");
    net->delay = room(r, net->delays * (int64_t)sizeof *net->delay);
    for (int32_t k = 0; !r->wrong && k < net->delays; k++) {
        struct delay *delay = &net->delay[k];
        delay->source = (int32_t)number(r, 0, net->values - 1, "source of a delay");
        delay->output = (int32_t)number(r, 0, net->values - 1, "output of a delay");
        delay->initial = (int32_t)number(r, INT32_MIN, INT32_MAX, "initial");
        if (net->value[delay->source].size != net->value[delay->output].size ||
            net->value[delay->source].type == I64 || net->value[delay->output].type == I64)
            fail(r, "size of a delay");
    }
    net->sources = (int32_t)number(r, 0, MOST_NODES, "sources");
    net->source = room(r, net->sources * (int64_t)sizeof *net->source);
    for (int32_t k = 0; !r->wrong && k < net->sources; k++) {
        struct source *source = &net->source[k];
        source->value = (int32_t)number(r, 0, net->values - 1, "source");
        source->graded = (int32_t)number(r, 0, 1, "graded");
        source->first = net->events;
        if (net->value[source->value].type == I64) fail(r, "source");
        net->events += net->value[source->value].size * net->steps;
        if (net->events > MOST) fail(r, "size");
    }
    net->bytes_sum = (int32_t)number(r, 0, MOST_SPIKES_OF_BYTES, "samples of a sum of bytes");
    net->kept = (int32_t)number(r, 0, net->values, "kept values");
    const unsigned char *kept = array(r, net->kept, "kept values");
    net->kept_value = room(r, net->kept * 4);
    for (int32_t k = 0; !r->wrong && k < net->kept; k++) {
        const int64_t value = item(kept, k);
        if (value < 0 || value >= net->values) fail(r, "kept values");
        net->kept_value[k] = (int32_t)value;
    }
    if (!r->wrong && r->from != r->end) fail(r, "end");
    if (!r->wrong) find_rows(r);
    pack_values(r);
    net->bytes_alone = net->bytes_sum > 0;
    for (int32_t k = 0; !r->wrong && k < net->sources; k++) {
        const struct value *value = &net->value[net->source[k].value];
        if (value->type != U8 || value->packed) net->bytes_alone = 0;
    }
    net->most_padded = whole_vectors(net, net->most_padded);
    net->sums_place = lay(r, net->bytes_sum ? net->events : 0);
    net->temporary_place = lay(r, 8 * net->most_padded + SLACK + net->temporary_place);
    net->wide_place = lay(r, 4 * (net->most_wide > net->most_padded ? net->most_wide : net->most_padded));
    load_lanes(r);
    if (net->lanes) net->bytes_alone = 0; /* they add to sums */
    if (r->scratch > MOST) fail(r, "scratch memory is too large");
    net->scratch = (size_t)r->scratch;
}

es_net *es_load(const void *program, size_t bytes, const char *kernels, char *error) {
    struct reader r = {.from = program, .end = (const unsigned char *)program + bytes};
    const struct kernels *chosen = kernels_of(kernels);
    r.net = calloc(1, sizeof *r.net);
    if (!chosen) fail(&r, "kernels");
    if (!r.net) fail(&r, "memory is missing");
    if (!r.wrong) {
        r.net->kernels = chosen;
        read_net(&r);
    }
    if (!r.wrong) return r.net;
    strncpy(error, r.wrong, ERROR_BYTES - 1);
    error[ERROR_BYTES - 1] = 0;
    es_free(r.net);
    return NULL;
}

size_t es_scratch(const es_net *net) { return net->scratch; }

int es_lanes(const es_net *net) { return net->lanes; }

int es_run(const es_net *net, void *scratch, const void *samples, int32_t type, int64_t count, int64_t sample_stride,
           int64_t step_stride, int64_t *answers, uint32_t *events, void *const *kept) {
    if (!net || !scratch || !samples || type < 0 || type >= TYPES || count < 0 || (uintptr_t)scratch % ALIGNED) return -1;
    const struct run run = {net, scratch, samples, type, count, sample_stride, step_stride, answers, events, kept};
    net->kernels->run(&run);
    return 0;
}
