/* Decide whether a network is small enough for lanes.h, and lay it out for that. Included by engine.c alone. */

#define MOST_LANES_PRODUCTS (1024 * 1024) /* of elements, outputs and positions of a layer, that are looked at while loading */
#define MOST_LANES_BYTES (1024 * 1024) /* of scratch memory */

/* The most work of all layers, where an entry is 1 with sums of 16 bits and 2 with 32. Lanes take as long whatever the
   samples are. Measured with AVX2, that is less than other kernels take up to here, even where 1 % of the elements are
   events; more than they take in a layer of twice the size. */
#define MOST_LANES_WORK 6144

/* What a source's largest values do with a layer's weights: the bounds of a block's sums. */
struct bounds { int64_t low[BLOCK], high[BLOCK]; };

/* A layer while its weights are listed: a table of one position's weights, elements times outputs. */
struct listing {
    struct linear *op;
    const struct value *source;
    int64_t elements, outputs, group;
    int64_t lanes;
    int64_t *table;
};

/* Fill the table of an output's position. */
static void list_position(const struct listing *from, int32_t y, int32_t x) {
    const struct linear *op = from->op;
    const struct value *source = from->source;
    const int64_t channels = source->channels, outputs = from->outputs;
    memset(from->table, 0, (size_t)(from->elements * outputs * 8));
    for (int32_t s = 0; s < op->segments; s++) {
        const int64_t row = (int64_t)y * op->step_y + op->segment[s].row - op->top;
        const int64_t first = item(op->given_segments, 4 * s + 3);
        for (int64_t i = 0; i < op->segment[s].bytes; i++) {
            const int64_t column = (int64_t)x * op->step_x + op->segment[s].column + i / channels - op->left;
            if (row < 0 || row >= op->source_height || column < 0 || column >= op->source_width) continue;
            const int64_t channel = i % channels;
            int64_t *to = from->table + ((row * source->width + column) * channels + channel) * outputs;
            if (op->product == CHANNELS) to[channel] += item(op->given, first * outputs + channel);
            else
                for (int64_t o = 0; o < outputs; o++) to[o] += item(op->given, (first + i) * outputs + o);
        }
    }
}

static int64_t weight_in(const struct listing *from, int64_t element, int64_t output) {
    return element < from->elements && output < from->outputs ? from->table[element * from->outputs + output] : 0;
}

/* Add to bounds what an entry's elements lead to. */
static void add_bounds(const struct listing *from, int64_t entry, int64_t output, struct bounds *to) {
    for (int64_t e = entry * from->group; e < (entry + 1) * from->group; e++) {
        const int64_t channel = e % from->source->channels;
        const int64_t low = from->source->low[channel], high = from->source->high[channel];
        for (int o = 0; o < BLOCK; o++) {
            const int64_t w = weight_in(from, e, output + o);
            to->low[o] += w > 0 ? w * low : w * high;
            to->high[o] += w > 0 ? w * high : w * low;
        }
    }
}

static int fit16(const struct bounds *bounds) {
    for (int o = 0; o < BLOCK; o++)
        if (bounds->low[o] < INT16_MIN || bounds->high[o] > INT16_MAX) return 0;
    return 1;
}

/* What is known of a layer after a look at all of its weights. */
struct look {
    int64_t largest; /* weight */
    int pairs; /* whether each two products of bytes fit 16 bits */
    int narrow; /* whether all sums do */
    int64_t low, high; /* bounds of all sums */
    int64_t entries, groups, most_groups /* of a block */;
    int begins; /* whether what sums begin with fits 16 bits */
};

static int is_entry(const struct listing *from, int64_t entry, int64_t output) {
    for (int64_t e = entry * from->group; e < (entry + 1) * from->group; e++)
        for (int o = 0; o < BLOCK; o++)
            if (weight_in(from, e, output + o)) return 1;
    return 0;
}

/* Return the bounds of what the sums of a block begin with: the bias, and what else is added. */
static struct bounds begin_bounds(const es_net *net, const struct listing *from, int64_t output) {
    const struct linear *op = from->op;
    struct bounds begin = {{0}, {0}};
    for (int o = 0; o < BLOCK && output + o < from->outputs; o++) {
        begin.low[o] = op->bias32[output + o] + (int64_t)(op->addend < 0 ? 0 : net->value[op->addend].low[output + o]);
        begin.high[o] = op->bias32[output + o] + (int64_t)(op->addend < 0 ? 0 : net->value[op->addend].high[output + o]);
    }
    return begin;
}

/* Look at a block. */
static void look_at_block(const es_net *net, const struct listing *from, int64_t output, struct look *look) {
    struct bounds all = begin_bounds(net, from, output);
    for (int64_t entry = 0; entry * from->group < from->elements; entry++) {
        struct bounds pair = {{0}, {0}};
        add_bounds(from, entry, output, &pair);
        add_bounds(from, entry, output, &all);
        if (!fit16(&pair)) look->pairs = 0;
    }
    if (!fit16(&all)) look->narrow = 0;
    for (int o = 0; o < BLOCK; o++) {
        if (all.low[o] < look->low) look->low = all.low[o];
        if (all.high[o] > look->high) look->high = all.high[o];
    }
}

/* List a block's weights, in groups whose sums fit 16 bits where that is asked for; the first begins with what is given.
   Only count them where there is no memory yet. */
static void list_block(const struct listing *from, struct lanes *to, int64_t output, int grouped,
                       const struct bounds *begin, struct look *look) {
    const int64_t bytes = (to->product == PAIRS8 ? 2 : 4) * from->lanes, before = look->groups;
    const int bits = to->product == PAIRS8 || to->product == QUADS8 ? 8 : to->product == PAIRS16 ? 16 : 32;
    struct bounds sums = *begin;
    for (int64_t entry = 0; entry * from->group < from->elements; entry++) {
        if (!is_entry(from, entry, output)) continue;
        add_bounds(from, entry, output, &sums);
        if (grouped && !fit16(&sums)) { /* another group */
            if (to->ends) to->ends[look->groups] = (int32_t)look->entries;
            look->groups++;
            sums = (struct bounds){{0}, {0}};
            add_bounds(from, entry, output, &sums);
        }
        for (int o = 0; to->weight && o < BLOCK; o++) {
            char *word = (char *)(to->weight + look->entries * BLOCK + o);
            for (int k = 0; k < 32 / bits; k++) {
                const int64_t w = weight_in(from, entry * from->group + k % from->group, output + o);
                if (bits == 8) ((int8_t *)word)[k] = (int8_t)w;
                else if (bits == 16) ((int16_t *)word)[k] = (int16_t)w;
                else *(int32_t *)word = (int32_t)w;
            }
        }
        if (to->place) to->place[look->entries] = (uint32_t)(entry * bytes);
        look->entries++;
    }
    if (to->ends) to->ends[look->groups] = (int32_t)look->entries;
    look->groups++;
    if (look->groups - before > look->most_groups) look->most_groups = look->groups - before;
}

/* List all blocks. */
static void list_blocks(const es_net *net, const struct listing *from, struct lanes *to, int grouped, int with_begin,
                        struct look *look) {
    const struct linear *op = from->op;
    int32_t block = 0;
    look->entries = look->groups = look->most_groups = 0;
    look->begins = 1;
    for (int64_t p = 0; p < (int64_t)op->height * op->width; p++) {
        list_position(from, (int32_t)(p / op->width), (int32_t)(p % op->width));
        for (int64_t o = 0; o < from->outputs; o += BLOCK, block++) {
            const struct bounds begin = with_begin ? begin_bounds(net, from, o) : (struct bounds){{0}, {0}};
            if (!fit16(&begin)) look->begins = 0;
            to->groups[block] = (int32_t)look->groups;
            to->neurons[block] = (int32_t)(from->outputs - o < BLOCK ? from->outputs - o : BLOCK);
            for (int k = 0; k < to->neurons[block]; k++) to->bias[block * BLOCK + k] = op->bias32[o + k];
            list_block(from, to, o, grouped, &begin, look);
        }
    }
    to->groups[block] = (int32_t)look->groups;
}

static int32_t level_on_line(const struct threshold *op, int64_t channel, float x) {
    const float line = x * op->slope[channel], most = (float)op->levels, level = line + op->shift[channel];
    return (int32_t)(level < 0 ? 0 : level > most ? most : level);
}

/* Return whether the levels of all sums beyond 16 bits are those at their ends. */
static int saturates(const struct cell *cell, const struct look *look) {
    const struct threshold *op = &cell->threshold;
    if (cell->kind != THRESHOLD) return 0;
    for (int64_t c = 0; c < cell->channels; c++) {
        if (op->method == LINE) {
            if (look->low < INT16_MIN &&
                level_on_line(op, c, (float)look->low) != level_on_line(op, c, (float)INT16_MIN))
                return 0;
            if (look->high > INT16_MAX &&
                level_on_line(op, c, (float)look->high) != level_on_line(op, c, (float)INT16_MAX))
                return 0;
            continue;
        }
        const int64_t each = op->levels + (op->method == NEAR);
        for (int64_t k = 0; k < op->levels; k++) {
            const int32_t theta = op->method == COMPARE ? op->theta[k * cell->padded + c] : op->theta[c * each + k];
            if (theta >= INT16_MAX || theta <= -INT16_MAX) return 0;
        }
    }
    return 1;
}

/* Choose how a layer multiplies. */
static int32_t product_in_lanes(const es_net *net, const struct value *source, const struct look *look) {
    const int bytes = source->type == U8 && !source->negative && look->largest <= INT8_MAX;
    if (bytes && net->kernels->quads) return QUADS8;
    if (bytes && look->pairs) return PAIRS8;
    return source->type != I32 && look->largest <= INT16_MAX ? PAIRS16 : SINGLES;
}

static int64_t group_of(int32_t product) { return product == QUADS8 ? 4 : product == SINGLES ? 1 : 2; }

/* List the weights of a layer; return whether that could be done. */
static int list_layer(struct reader *r, struct op *node, int64_t *work) {
    const es_net *net = r->net;
    const struct value *source = &net->value[node->input[0]];
    struct linear *op = &node->linear;
    struct lanes *to = &node->lanes;
    struct listing from = {op, source, source->size, op->outputs, 2, net->kernels->vector, NULL};
    const int64_t table = from.elements * from.outputs, positions = (int64_t)op->height * op->width;
    if (table * positions > MOST_LANES_PRODUCTS) return 0;
    if (op->rows * from.outputs * positions > MOST_LANES_WORK * BLOCK * 4) return 0;
    to->blocks = (int32_t)(positions * ((from.outputs + BLOCK - 1) / BLOCK));
    to->groups = room(r, ((int64_t)to->blocks + 1) * 4);
    to->neurons = room(r, (int64_t)to->blocks * 4);
    to->bias = room(r, (int64_t)to->blocks * BLOCK * 4);
    from.table = r->wrong ? NULL : malloc((size_t)table * 8);
    if (!from.table) return 0;
    struct look look = {.pairs = 1, .narrow = 1};
    for (int64_t p = 0; p < positions; p++) {
        list_position(&from, (int32_t)(p / op->width), (int32_t)(p % op->width));
        for (int64_t i = 0; i < table; i++) {
            const int64_t size = from.table[i] < 0 ? -from.table[i] : from.table[i];
            if (size > look.largest) look.largest = size;
        }
        for (int64_t o = 0; o < from.outputs; o += BLOCK) look_at_block(net, &from, o, &look);
    }
    to->product = product_in_lanes(net, source, &look);
    from.group = group_of(to->product);
    const int narrow = to->product == PAIRS8 && (!op->wide || look.narrow);
    const int ends_known = to->product == PAIRS8 && !narrow && saturates(&node->cell, &look);
    to->wide = !narrow && !ends_known;
    const int grouped = to->product == PAIRS8 && !narrow;
    list_blocks(net, &from, to, grouped, ends_known, &look);
    if (ends_known && (look.most_groups > 2 || !look.begins)) {
        to->wide = 1;
        list_blocks(net, &from, to, grouped, 0, &look);
    }
    *work += look.entries * (to->wide ? 2 : 1);
    if (look.largest <= INT32_MAX && *work <= MOST_LANES_WORK) {
        to->ends = room(r, look.groups * 4);
        to->place = room(r, look.entries * 4);
        to->weight = room(r, look.entries * BLOCK * 4);
        if (!r->wrong) list_blocks(net, &from, to, grouped, !to->wide && ends_known, &look);
    }
    free(from.table);
    return to->weight != NULL;
}

/* Give each neuron a row of lanes: parameters repeat for all of them. */
static void spread_membrane(struct reader *r, const struct cell *cell, struct cell *to) {
    const struct membrane *op = &cell->membrane;
    const int64_t lanes = r->net->kernels->vector, neurons = (int64_t)cell->positions * cell->channels;
    const int64_t bytes = op->wide ? 8 : 4, all = neurons * lanes * bytes;
    *to = *cell;
    to->channels = to->padded = (int32_t)lanes;
    to->positions = (int32_t)neurons;
    to->membrane.per_neuron = 1;
    const void *from[] = {op->wide ? (void *)op->theta64 : op->theta, op->wide ? (void *)op->kept64 : op->kept,
                          op->wide ? (void *)op->kept_current64 : op->kept_current,
                          op->wide ? (void *)op->bias64 : op->bias, op->wide ? (void *)op->least64 : op->least};
    void *spread[5];
    for (int k = 0; k < 5; k++) {
        spread[k] = room(r, all);
        for (int64_t i = 0; !r->wrong && i < neurons * lanes; i++) {
            const int64_t neuron = i / lanes, position = op->per_neuron ? neuron / cell->channels : 0;
            const int64_t place = position * cell->padded + neuron % cell->channels;
            memcpy((char *)spread[k] + i * bytes, (const char *)from[k] + place * bytes, (size_t)bytes);
        }
    }
    to->membrane.theta = spread[0], to->membrane.theta64 = spread[0];
    to->membrane.kept = spread[1], to->membrane.kept64 = spread[1];
    to->membrane.kept_current = spread[2], to->membrane.kept_current64 = spread[2];
    to->membrane.bias = spread[3], to->membrane.bias64 = spread[3];
    to->membrane.least = spread[4], to->membrane.least64 = spread[4];
    to->membrane.v_place = lay(r, all);
    to->membrane.current_place = lay(r, op->decays_current ? all : 0);
    to->membrane.fired_place = lay(r, op->when == 1 ? all : 0);
}

/* Write thresholds of 16 bits as `searched` in lanes.h reads them: x > number stands for x >= threshold. */
static void write_search(struct reader *r, struct cell *cell) {
    struct threshold *op = &cell->threshold;
    const int32_t levels = op->levels;
    if (op->method == LINE || levels > MOST_SEARCHED || (op->method == COMPARE && levels <= COMPARED_IN_LANES)) return;
    int16_t *all = room(r, (int64_t)cell->channels * SEARCHED * 2);
    for (int64_t c = 0; !r->wrong && c < cell->channels; c++) {
        int16_t *to = all + c * SEARCHED;
        for (int64_t i = 0; i < SEARCHED; i++) to[i] = INT16_MAX;
        for (int64_t k = 0; k < levels; k++) {
            const int64_t each = levels + (op->method == NEAR);
            const int32_t theta = op->method == COMPARE ? op->theta[k * cell->padded + c] : op->theta[c * each + k];
            if (theta > INT16_MAX || theta < 2 - INT16_MAX) return;
            if (k % 8 == 7) to[k / 8] = (int16_t)(theta - 1);
            else to[8 * (1 + k % 8) + k / 8] = (int16_t)(theta - 1);
        }
    }
    op->search = all;
}

static int spread_cell(struct reader *r, struct op *node) {
    if (node->cell.kind == THRESHOLD) write_search(r, &node->cell);
    if (node->cell.kind != MEMBRANE) return 1;
    const int64_t neurons = (int64_t)node->cell.positions * node->cell.channels;
    if (neurons * r->net->kernels->vector * 32 > MOST_LANES_BYTES) return 0;
    spread_membrane(r, &node->cell, &node->lanes_cell);
    return 1;
}

/* Lay out scratch memory for lanes; return whether it is little. */
static int lay_lanes(struct reader *r) {
    es_net *net = r->net;
    const int64_t lanes = net->kernels->vector, before = r->scratch;
    int64_t image = 0;
    for (int32_t k = 0; k < net->values; k++) {
        struct value *value = &net->value[k];
        if (value->type == I64) continue;
        if (value->size * lanes * 4 > MOST_LANES_BYTES) return 0;
        value->lanes_place = lay(r, value->size * lanes * es_bytes_of(value->type));
    }
    for (int32_t k = 0; k < net->ops; k++) {
        const int64_t bytes = (net->value[net->op[k].input[0]].size + 3) * lanes * 4;
        if (net->op[k].kind == LINEAR && bytes > image) image = bytes;
    }
    net->image_place = lay(r, image);
    net->block_place = lay(r, (NEURONS_AT_ONCE + BLOCK) * lanes * 4);
    net->wide_sums_place = lay(r, (NEURONS_AT_ONCE + BLOCK) * lanes * 4);
    net->total_place = lay(r, net->classes * lanes * 8);
    return r->scratch - before <= MOST_LANES_BYTES;
}

/* Lay out a network for lanes if it is small. */
static void load_lanes(struct reader *r) {
    es_net *net = r->net;
    const int64_t before = r->scratch;
    int64_t work = 0;
    int32_t readouts = 0;
    if (r->wrong) return;
    int fits = lay_lanes(r);
    for (int32_t k = 0; k < net->ops && fits && !r->wrong; k++) {
        struct op *node = &net->op[k];
        readouts += node->kind == READOUT;
        if (node->kind == READOUT && node->output != net->readout) fits = 0;
        if (node->kind == LINEAR && !list_layer(r, node, &work)) fits = 0;
        if (fits && (node->kind == LINEAR || node->kind == CELL) && !spread_cell(r, node)) fits = 0;
    }
    for (int32_t k = 0; k < net->kept; k++)
        if (net->value[net->kept_value[k]].type == I64 && net->kept_value[k] != net->readout) fits = 0;
    if (readouts != 1 || r->scratch - before > MOST_LANES_BYTES) fits = 0;
    const int64_t lanes = net->kernels->vector;
    /* So many samples take less in lanes than one by one: a quarter of the lanes in the smallest nets. */
    if (fits) net->lanes = (int32_t)(lanes / 4 + lanes * 3 / 4 * work / MOST_LANES_WORK);
    else if (!r->wrong) r->scratch = before;
}
