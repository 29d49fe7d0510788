/* What works on packed bits, as it is laid out when a program is read. Included by engine.c alone. */

#define TABLE_BYTES (48 * 1024) /* The most bytes of a layer's tables: they should stay in a core's first cache. */

#define BLOCKS_BYTES (1024 * 1024) /* The most bytes of blocks from which tables are made; many may be the same. */
#define MOST_CHUNK 4 /* The most bits that are looked up at once. */

/* How far an output is from the tile that leads to it by a tap: (place in the tile + before - tap) / step, if whole. */
struct offsets { int64_t least, most; };

static void widen(struct offsets *offsets, int64_t step, int64_t before, int64_t tap) {
    for (int64_t inside = 0; inside < step; inside++) {
        const int64_t by = inside + before - tap;
        if (by % step) continue;
        if (by / step < offsets->least) offsets->least = by / step;
        if (by / step > offsets->most) offsets->most = by / step;
    }
}

/* Write a block for each bit of a tile: the weights that it adds to the sums of all outputs that the tile leads to. */
static void write_blocks(const struct linear *op, const unsigned char *weights, int64_t channels, struct offsets down,
                         struct offsets across, int16_t *block) {
    const struct tiles *tiles = &op->tiles;
    const int64_t bits = op->step_x * channels, row = tiles->block / tiles->kernel_y;
    for (int32_t s = 0; s < op->segments; s++) {
        const struct segment *segment = &op->segment[s];
        const int64_t by_y = segment->row - op->top, y = ((by_y % op->step_y) + op->step_y) % op->step_y;
        for (int64_t j = 0; j < segment->width; j++) {
            const int64_t by_x = segment->column + j - op->left, x = ((by_x % op->step_x) + op->step_x) % op->step_x;
            const int64_t place = ((y - by_y) / op->step_y - down.least) * row + ((x - by_x) / op->step_x - across.least) * op->outputs;
            for (int64_t c = 0; c < channels; c++) {
                int16_t *to = block + (y * bits + x * channels + c) * tiles->block + place;
                for (int64_t o = 0; o < op->outputs; o++)
                    to[o] = (int16_t)(to[o] + item(weights, (segment->first + j * channels + c) * op->outputs + o));
            }
        }
    }
}

/* Find which tables differ, if so many bits are looked up at once: the first bit of each; return how many. */
static int64_t find_tables(const struct tiles *tiles, int64_t tall, int64_t bits, int64_t chunk, const int16_t *block,
                           int32_t *table, int32_t *first) {
    const int64_t chunks = (bits + chunk - 1) / chunk;
    int64_t found = 0;
    for (int64_t k = 0; k < tall * chunks; k++) {
        const int64_t bit = k / chunks * bits + k % chunks * chunk;
        const int whole = (k % chunks + 1) * chunk <= bits;
        int64_t same = 0;
        while (same < found && !(whole && !memcmp(block + first[same] * tiles->block, block + bit * tiles->block,
                                                  (size_t)(chunk * tiles->block) * 2)))
            same++;
        if (same == found) first[found++] = (int32_t)bit;
        table[k] = (int32_t)same;
    }
    return found;
}

/* Add events tile by tile if the source has but zeros and ones, sums have 16 bits, and tables are small. */
static void read_tiles(struct reader *r, struct linear *op, const struct value *source, const unsigned char *weights) {
    struct tiles *tiles = &op->tiles;
    const int64_t channels = source->channels, lanes = r->net->kernels->vector / 2, tall = op->step_y;
    if (r->wrong || !source->single || source->type != U8 || op->wide || op->height * op->width == 1) return;
    if (tall > 64 || op->step_x > 64 || op->step_x * channels > 64 || op->outputs > 1024) return;
    struct offsets down = {INT32_MAX, INT32_MIN}, across = down;
    int64_t taps = 0;
    for (int32_t s = 0; s < op->segments; s++) {
        const struct segment *segment = &op->segment[s];
        taps += segment->width;
        if (taps > 1 << 16) return;
        widen(&down, tall, op->top, segment->row);
        for (int64_t j = 0; j < segment->width; j++) widen(&across, op->step_x, op->left, segment->column + j);
    }
    const int64_t kernel_y = down.most - down.least + 1, kernel_x = across.most - across.least + 1;
    const int64_t bits = op->step_x * channels, all = tall * bits;
    if (kernel_y < 1 || kernel_x < 1 || kernel_y > 64 || kernel_x > 64 || 2 * taps < tall * op->step_x * kernel_y * kernel_x) return;
    const int64_t vectors = (kernel_x * op->outputs + lanes - 1) / lanes;
    tiles->kernel_y = (int32_t)kernel_y, tiles->kernel_x = (int32_t)kernel_x;
    tiles->vectors = (int32_t)vectors;
    tiles->block = kernel_y * vectors * lanes;
    if (tiles->block * 2 > TABLE_BYTES || all * tiles->block * 2 > BLOCKS_BYTES) return;
    int16_t *block = room(r, (all + MOST_CHUNK) * tiles->block * 2);
    int32_t *table = room(r, all * 4), *first = room(r, all * 4);
    if (r->wrong) return;
    write_blocks(op, weights, channels, down, across, block);
    int64_t chunk = 2 * MOST_CHUNK, tables = 0, bytes = TABLE_BYTES + 1;
    while (bytes > TABLE_BYTES && chunk > 1) {
        chunk /= 2;
        tables = find_tables(tiles, tall, bits, chunk, block, table, first);
        bytes = (tables << chunk) * tiles->block * 2;
    }
    if (bytes > TABLE_BYTES) return;
    const int64_t entries = (int64_t)1 << chunk, in_tile = (bits + chunk - 1) / chunk, in_word = 64 / bits;
    tiles->table = room(r, bytes);
    for (int64_t k = 0; !r->wrong && k < tables; k++)
        for (int64_t entry = 1; entry < entries; entry++) {
            int16_t *to = tiles->table + (k * entries + entry) * tiles->block;
            for (int64_t bit = 0; bit < chunk; bit++)
                for (int64_t i = 0; (entry >> bit & 1) && i < tiles->block; i++)
                    to[i] = (int16_t)(to[i] + block[(first[k] + bit) * tiles->block + i]);
        }
    tiles->step = (int32_t)(in_word * bits), tiles->across = (int32_t)(in_word * op->outputs);
    tiles->chunks = room(r, tall * (int64_t)sizeof *tiles->chunks);
    if (r->wrong) return;
    for (int64_t k = 0; k < tall * in_word * in_tile; k++) {
        const int64_t inside = k / (in_word * in_tile), tile = k / in_tile % in_word, own = k % in_tile;
        const int64_t begin = own * chunk, end = begin + chunk < bits ? begin + chunk : bits, bit = tile * bits + begin;
        tiles->chunks[inside].places[bit] =
            (uint64_t)(table[inside * in_tile + own] * entries * tiles->block) << 32 | (uint64_t)(tile * op->outputs);
        tiles->chunks[inside].bits[bit] = (uint8_t)((1 << (end - begin)) - 1);
        for (int64_t i = 0; i < end - begin; i++) tiles->place[i] |= (uint64_t)1 << (bit + i);
    }
    const int64_t rows = (op->source_height + tall - 1) / tall, columns = (op->source_width + op->step_x - 1) / op->step_x;
    tiles->first_y = (int32_t)(down.least < 0 ? -down.least : 0), tiles->first_x = (int32_t)(across.least < 0 ? -across.least : 0);
    tiles->row = (int32_t)(tiles->first_y + down.least), tiles->column = (int32_t)(tiles->first_x + across.least);
    const int64_t last_y = rows + tiles->row + kernel_y, last_x = columns + tiles->column + kernel_x;
    tiles->plane_rows = last_y > tiles->first_y + op->height ? last_y : tiles->first_y + op->height;
    tiles->stride = (last_x > tiles->first_x + op->width ? last_x : tiles->first_x + op->width) * op->outputs;
    if (tiles->plane_rows * tiles->stride > INT32_MAX) return;
    tiles->plane_place = lay(r, tiles->plane_rows * tiles->stride * 2);
    tiles->touched_place = lay(r, tiles->plane_rows);
    const int64_t words = (op->source_width * channels + tiles->step - 1) / tiles->step;
    tiles->words_place = lay(r, (words * op->source_height + 1) * (int64_t)sizeof(struct word));
    if (tiles->step == 64 && op->source_width == source->width) {
        tiles->words = room(r, words * op->source_height * (int64_t)sizeof(struct word));
        for (int64_t k = 0; !r->wrong && k < words * op->source_height; k++) {
            const int64_t row = tiles->row + k / words / tall;
            tiles->words[k].bits = (uint64_t)row;
            tiles->words[k].sums = (uint32_t)(row * tiles->stride + tiles->column * op->outputs + k % words * tiles->across);
            tiles->words[k].inside = (uint32_t)(k / words % tall);
        }
    }
    const int64_t width = (int64_t)op->width * op->outputs;
    tiles->begins = room(r, width * 2);
    for (int64_t i = 0; !r->wrong && i < width; i++) tiles->begins[i] = ((const int16_t *)op->bias)[i % op->outputs];
    tiles->on = !r->wrong;
}

/* Read bits for one output position, if each row of the source is one of the window's. */
static void read_flat(struct reader *r, struct linear *op, const struct value *source, const unsigned char *weights) {
    struct flat *flat = &op->flat;
    if (r->wrong || !source->single || source->type != U8 || op->wide || op->height * op->width != 1) return;
    if (op->weight_bits > 16 || op->segments != source->height || op->top || op->left) return;
    if (op->source_height != source->height || op->source_width != source->width) return;
    flat->first = room(r, (int64_t)source->height * 4);
    uint8_t *given = room(r, source->height);
    for (int32_t s = 0; !r->wrong && s < op->segments; s++) {
        const struct segment *segment = &op->segment[s];
        if (segment->row >= source->height || segment->column || segment->width != source->width || given[segment->row]++)
            return;
        flat->first[segment->row] = segment->first;
    }
    /* Narrower vectors multiply bytes in several instructions; wider ones wait for rows that no event needs. */
    int even = op->weight_bits == 8 && r->net->kernels->vector == 32;
    for (int32_t y = 0; !r->wrong && y < source->height; y++) even &= flat->first[y] % 2 == 0;
    if (even) {
        flat->pairs = room(r, ((int64_t)op->rows + 1) / 2 * op->padded * 2);
        if (!r->wrong) pack(r, op, weights, 0, op->rows, 2, 8, flat->pairs, 0);
    }
    flat->on = !r->wrong;
}

static int16_t clipped(int64_t x) { return (int16_t)(x < INT16_MIN ? INT16_MIN : x > INT16_MAX ? INT16_MAX : x); }

/* Rows of a parameter, a position's channels behind the other's, up to whole words of bits. */
static int32_t *spread(struct reader *r, const struct cell *cell, const struct value *output, const int32_t *from,
                       int32_t filler) {
    const struct fire *fire = &cell->fire;
    const int64_t count = fire->row ? output->height : 1, lanes = fire->lanes;
    int32_t *to = room(r, count * lanes * 4);
    for (int64_t y = 0; !r->wrong && y < count; y++)
        for (int64_t i = 0; i < lanes; i++) {
            const int64_t position = fire->row ? y * output->width + i / cell->channels : 0;
            to[y * lanes + i] = i < fire->length ? from[position * cell->padded + i % cell->channels] : filler;
        }
    return to;
}

static int16_t *narrowed(struct reader *r, const int32_t *from, int64_t count) {
    int16_t *to = room(r, count * 2);
    for (int64_t i = 0; !r->wrong && i < count; i++) to[i] = clipped(from[i]);
    return to;
}

/* Find between which potentials any sum of the layer fits 16 bits as well. */
static void find_limits(struct reader *r, const struct linear *op, const struct value *source, const unsigned char *weights,
                        struct fire *fire) {
    int64_t *low = room(r, (int64_t)op->outputs * 8), *high = room(r, (int64_t)op->outputs * 8), lowest = 0, highest = 0;
    for (int64_t o = 0; !r->wrong && o < op->outputs; o++) low[o] = high[o] = op->bias32[o];
    for (int32_t s = 0; !r->wrong && s < op->segments; s++)
        for (int64_t i = 0; i < (int64_t)op->segment[s].width * source->channels; i++)
            for (int64_t o = 0; o < op->outputs; o++) {
                const int64_t x = item(weights, (op->segment[s].first + i) * op->outputs + o);
                if (x < 0) low[o] += x;
                else high[o] += x;
            }
    for (int64_t o = 0; !r->wrong && o < op->outputs; o++) {
        if (low[o] < lowest) lowest = low[o];
        if (high[o] > highest) highest = high[o];
    }
    /* Sums have 16 bits, whatever their weights. */
    fire->lowest = (int16_t)(INT16_MIN - clipped(lowest));
    fire->highest = (int16_t)(INT16_MAX - clipped(highest));
}

/* Step membranes a row at a time, if they emit single spikes, have no current of their own, and fit 32 bits. */
static void read_fire(struct reader *r, struct op *node, const unsigned char *weights) {
    const struct linear *op = &node->linear;
    struct cell *cell = &node->cell;
    struct fire *fire = &cell->fire;
    const struct membrane *membrane = &cell->membrane;
    const struct value *source = &r->net->value[node->input[0]], *output = &r->net->value[node->output];
    if (r->wrong || !(op->tiles.on || op->flat.on) || cell->kind != MEMBRANE || output->type != U8) return;
    if (!membrane->plain || membrane->wide || membrane->most_spikes != 1) return;
    const int64_t length = (int64_t)output->width * cell->channels, lanes = (length + 63) / 64 * 64;
    /* Short rows of many would take far more memory in whole words. */
    if (length > 16 * 1024 * 1024 || (lanes > 4 * length && output->height * lanes > 1 << 18)) return;
    fire->length = (int32_t)length, fire->lanes = (int32_t)lanes;
    fire->row = membrane->per_neuron ? lanes : 0;
    fire->bar = spread(r, cell, output, membrane->theta, INT32_MAX);
    fire->taken = spread(r, cell, output, membrane->theta, 0);
    fire->kept = spread(r, cell, output, membrane->kept, 0);
    fire->least = spread(r, cell, output, membrane->least, 0);
    if (r->wrong) return;
    const int64_t count = (fire->row ? output->height : 1) * lanes;
    int32_t quiet = INT32_MAX, kept = fire->kept[0], same = 1, fits = 1;
    for (int64_t i = 0; i < count; i++) {
        const int inside = i % lanes < length;
        if (!membrane->comparison && inside) fire->bar[i]--;
        if (membrane->reset != 2) fire->taken[i] = 0;
        if (inside && fire->bar[i] < quiet) quiet = fire->bar[i];
        if (inside && fire->kept[i] != kept) same = 0;
        if (inside && fire->least[i] > INT16_MIN) fits = 0;
    }
    if (membrane->highest < INT16_MAX) fits = 0;
    if (membrane->decays && same)
        for (int32_t by = 1; by <= membrane->decay_bits; by++)
            if ((int64_t)kept << by == (int64_t)1 << membrane->decay_bits) fire->shift = by;
    fire->narrow = membrane->unit == 1 && !membrane->decays && (fits || !membrane->saturates);
    fire->quiet = clipped(quiet == INT32_MAX ? quiet : quiet + 1);
    fire->bar16 = narrowed(r, fire->bar, count);
    fire->taken16 = narrowed(r, fire->taken, count);
    if (fire->narrow) find_limits(r, op, source, weights, fire);
    const int64_t rows = output->height, vector = r->net->kernels->vector;
    fire->v16_place = lay(r, fire->narrow ? rows * lanes * 2 : 0);
    fire->v_place = lay(r, rows * lanes * 4);
    fire->ends_place = lay(r, rows * 2 * vector);
    fire->wide_place = lay(r, rows);
    fire->stirred_place = lay(r, rows);
    fire->on = !r->wrong;
}

#define COUNTER_BYTES ((int64_t)1024 * 1024) /* The most bytes of counters of bits. */

/* Lay out bits of the values that are read as bits, and find whose bytes are read as well. */
static void pack_values(struct reader *r) {
    es_net *net = r->net;
    if (r->wrong) return;
    for (int32_t k = 0; k < net->ops; k++) {
        const struct op *node = &net->op[k];
        const int reads_bits = node->kind == LINEAR && (node->linear.tiles.on || node->linear.flat.on);
        const int counts_bits = reads_bits && node->counted && net->steps <= 255;
        if (reads_bits) net->value[node->input[0]].packed = 1;
        net->op[k].counted_blocks = counts_bits;
        if (node->cell.fire.on) net->value[node->output].packed = 1;
        if (node->kind == LINEAR && node->linear.addend >= 0) net->value[node->linear.addend].read = 1;
        for (int32_t i = 0; i < node->inputs; i++)
            if (!reads_bits || (node->counted && !counts_bits)) net->value[node->input[i]].read = 1;
    }
    for (int32_t k = 0; k < net->delays; k++) net->value[net->delay[k].source].read = 1;
    for (int32_t k = 0; k < net->values; k++) {
        struct value *value = &net->value[k];
        if (!value->packed) continue;
        value->words = ((int64_t)value->width * value->channels + 63) / 64;
        value->bits_place = lay(r, ALIGNED + value->height * value->words * 8) + ALIGNED;
    }
    const int64_t vector = net->kernels->vector;
    for (int32_t k = 0; k < net->ops; k++) {
        struct op *node = &net->op[k];
        const struct value *source = &net->value[node->input[0]];
        if (!node->counted_blocks) continue;
        node->counted_blocks = (source->height * source->words * 8 + vector - 1) / vector;
        node->counts_place = lay(r, node->counted_blocks * vector * 8);
    }
    const struct value *input = &net->value[net->input];
    if (input->packed) net->entered_place = lay(r, (input->size / 64 + 2 * (int64_t)input->channels) * 8);
    int64_t bytes = 0;
    int32_t in_bytes = 0;
    for (int32_t k = 0; k < net->sources; k++) {
        struct source *source = &net->source[k];
        const struct value *value = &net->value[source->value];
        const int64_t blocks = (value->height * value->words * 8 + vector - 1) / vector;
        const int64_t own = net->steps * blocks * vector * 8; /* counters have 8 bits */
        in_bytes |= !value->packed;
        if (!value->packed || bytes + own > COUNTER_BYTES) continue;
        bytes += own;
        source->blocks = blocks;
        source->places = lay(r, own);
    }
    if (!in_bytes) net->bytes_sum = 0;
}
