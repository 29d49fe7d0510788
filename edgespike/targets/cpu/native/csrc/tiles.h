/* Sums of events of single spikes from bits: tile by tile, or for one position. Included by kernels.h alone. */

/* List the words with events, and note which rows of sums they reach. Where events are is hard to predict: words are
   listed without branches. */
static int64_t list_words(const struct run *run, const struct linear *op, const struct value *source) {
    const struct tiles *tiles = &op->tiles;
    const int32_t tall = op->step_y, step = tiles->step, height = op->source_height;
    const uint32_t across = (uint32_t)tiles->across, first = (uint32_t)(tiles->column * op->outputs);
    const int64_t elements = (int64_t)op->source_width * source->channels, words = source->words, stride = tiles->stride;
    const int64_t rows = tiles->kernel_y;
    const uint64_t *row = (const uint64_t *)at(run, source->bits_place), inner = low_bits(step);
    uint8_t *touched = (uint8_t *)at(run, tiles->touched_place);
    struct word *to = (struct word *)at(run, tiles->words_place);
    int64_t tile = tiles->row, found = 0;
    uint32_t inside = 0;
    for (int32_t y = 0; y < height; y++, row += words) {
        uint32_t corner = (uint32_t)(tile * stride) + first;
        const int64_t before = found;
        for (int64_t bit = 0; bit < elements; bit += step, corner += across) {
            const uint64_t here = bits_from(row, bit) & low_bits(elements - bit) & inner;
            to[found].bits = here;
            to[found].sums = corner;
            to[found].inside = inside;
            found += here != 0;
        }
        if (found != before)
            for (int64_t k = 0; k < rows; k++) touched[tile + k] = 1;
        if ((int32_t)++inside == tall) inside = 0, tile++;
    }
    return found;
}

/* The same for words that are read as they are: they are looked at several at once. */
static int64_t list_whole_words(const struct run *run, const struct linear *op, const struct value *source) {
    const struct tiles *tiles = &op->tiles;
    const int64_t words = op->source_height * source->words, rows = tiles->kernel_y;
    const uint64_t *bits = (const uint64_t *)at(run, source->bits_place);
    const struct word *place = tiles->words;
    uint8_t *touched = (uint8_t *)at(run, tiles->touched_place);
    struct word *const begin = (struct word *)at(run, tiles->words_place), *to = begin;
    for (int64_t first = 0; first < words; first += 64) {
        uint64_t found = 0;
        const int64_t here = words - first < 64 ? words - first : 64;
        for (int64_t k = 0; k < here; k += VECTOR / 8) found |= nonzero_words(bits + first + k) << k;
        for (found &= low_bits(here); found; found &= found - 1, to++) {
            const int64_t k = first + __builtin_ctzll(found);
            for (int64_t y = 0; y < rows; y++) touched[place[k].bits + (uint64_t)y] = 1;
            *to = place[k];
            to->bits = bits[k];
        }
    }
    return to - begin;
}

/* Entries that are written before it is looked whether there are more; lists have room for them. */
#define LISTED_AT_ONCE 2
#define PAIRS_AT_ONCE 4
#define PAIRS_AHEAD 8 /* whose weights are asked for while those of a pair are added */

/* List what is added for each chunk with events: a place in the tables in the high half, one of the sums in the low half.
   Some are written at once, whether they are needed or not. */
static const uint64_t *list_chunks(const struct run *run, const struct linear *op, const struct value *source) {
    const struct tiles *tiles = &op->tiles;
    const int64_t words = (tiles->words ? list_whole_words : list_words)(run, op, source);
    const struct word *word = (const struct word *)at(run, tiles->words_place);
    const uint64_t place0 = tiles->place[0], place1 = tiles->place[1], place2 = tiles->place[2], place3 = tiles->place[3];
    const uint64_t block = (uint64_t)tiles->block << 32, last = (uint64_t)1 << 63;
    const struct chunks *const chunks = tiles->chunks;
    uint64_t *to = (uint64_t *)at(run, op->list_place);
    for (int64_t k = 0; k < words; k++, word++) {
        const uint64_t bits = word->bits, sums = word->sums;
        const struct chunks *own = chunks + word->inside;
        uint64_t left = (bits & place0) | (bits & place1) >> 1 | (bits & place2) >> 2 | (bits & place3) >> 3;
        uint64_t *const end = to + __builtin_popcountll(left);
        do {
            UNROLL for (int i = 0; i < LISTED_AT_ONCE; i++) {
                const int chunk = __builtin_ctzll(left | last);
                to[i] = own->places[chunk] + sums + (bits >> chunk & own->bits[chunk]) * block;
                left &= left - 1;
            }
            to += LISTED_AT_ONCE;
        } while (to < end);
        to = end;
    }
    return to;
}

/* Add listed blocks: n vectors of each of their rows, and so many rows, or 0 if that is not known here. */
INLINE void add_blocks(const struct run *run, const struct linear *op, const uint64_t *end, const int n,
                       const int known) {
    const struct tiles *tiles = &op->tiles;
    const int64_t stride = tiles->stride, rows = known ? known : tiles->kernel_y, vectors = n ? n : tiles->vectors;
    const int16_t *table = tiles->table;
    int16_t *plane = (int16_t *)at(run, tiles->plane_place);
    for (const uint64_t *listed = (const uint64_t *)at(run, op->list_place); listed < end; listed++) {
        const int16_t *from = table + (*listed >> 32);
        int16_t *to = plane + (uint32_t)*listed;
        if (known) {
            UNROLL for (int y = 0; y < known; y++, to += stride)
                UNROLL for (int i = 0; i < n; i++, from += LANES16)
                    store_s16v(to + i * LANES16, load_s16v(to + i * LANES16) + load_s16v(from));
        } else {
            for (int64_t y = 0; y < rows; y++, to += stride)
                for (int64_t i = 0; i < vectors; i++, from += LANES16)
                    store_s16v(to + i * LANES16, load_s16v(to + i * LANES16) + load_s16v(from));
        }
    }
}

#define BLOCKS(name, n, known)                                                                                      \
    static void name(const struct run *run, const struct linear *op, const uint64_t *end) {                     \
        add_blocks(run, op, end, n, known);                                                                         \
    }
BLOCKS(add_blocks_any, 0, 0)
BLOCKS(add_blocks_1, 1, 3)
BLOCKS(add_blocks_2, 2, 3)
BLOCKS(add_blocks_3, 3, 3)
BLOCKS(add_blocks_6, 6, 3)

static void sum_tiles(const struct run *run, const struct linear *op, const struct value *source) {
    const struct tiles *tiles = &op->tiles;
    const uint64_t *end = list_chunks(run, op, source);
    switch (tiles->kernel_y == 3 ? tiles->vectors : 0) {
    case 1: add_blocks_1(run, op, end); break;
    case 2: add_blocks_2(run, op, end); break;
    case 3: add_blocks_3(run, op, end); break;
    case 6: add_blocks_6(run, op, end); break;
    default: add_blocks_any(run, op, end);
    }
}

/* Add pairs of rows of 8 bits: where a pair begins in the high half of an entry, which of the two in the low half. */
INLINE void add_pairs(const uint64_t *list, const uint64_t *end, const int8_t *pairs, int64_t place, const int16_t *bias,
                      int16_t *to, const int n) {
    s16v sum[MOST_VECTORS];
    UNROLL for (int k = 0; k < n; k++) sum[k] = load_s16v(bias + place + k * LANES16);
    pairs += 2 * place;
    for (; list < end; list++) {
        const s16v which = all16((int16_t)*list);
        const int8_t *from = pairs + (*list >> 32), *later = pairs + (list[list + PAIRS_AHEAD < end ? PAIRS_AHEAD : 0] >> 32);
        UNROLL for (int k = 0; k < n; k += 64 / VECTOR) __builtin_prefetch(later + k * VECTOR); /* weights fill no cache */
        UNROLL for (int k = 0; k < n; k++) sum[k] += pairs8(which, load_s16v(from + k * VECTOR));
    }
    UNROLL for (int k = 0; k < n; k++) store_s16v(to + place + k * LANES16, sum[k]);
}

#define ADD_PAIRS(list, n) add_pairs(list, end, op->flat.pairs, place, op->bias, to, n)
static void sum_pairs(const uint64_t *list, const uint64_t *end, const struct linear *op, int16_t *to) {
    for (int64_t place = 0, n; place < op->padded; place += n * LANES16) {
        n = vectors_now((op->padded - place) / LANES16);
        SIZES(ADD_PAIRS, list)
    }
}

/* List pairs of rows with events; some are written at once, whether they are needed or not. */
static const uint64_t *list_pairs(const struct run *run, const struct linear *op, const struct value *source) {
    const uint64_t *bits = (const uint64_t *)at(run, source->bits_place);
    const uint64_t stride = (uint64_t)op->padded, last = (uint64_t)1 << 63;
    const int64_t words = source->words;
    uint64_t *to = (uint64_t *)at(run, op->list_place);
    for (int32_t y = 0; y < source->height; y++, bits += words) {
        uint64_t first = (uint64_t)op->flat.first[y] * stride;
        for (int64_t k = 0; k < words; k++, first += 64 * stride) {
            const uint64_t word = bits[k];
            uint64_t left = (word | word >> 1) & 0x5555555555555555;
            uint64_t *const end = to + __builtin_popcountll(left);
            while (to < end) {
                UNROLL for (int i = 0; i < PAIRS_AT_ONCE; i++) {
                    const int bit = __builtin_ctzll(left | last);
                    const uint64_t both = word >> bit;
                    to[i] = (first + (uint64_t)bit * stride) << 32 | (both & 1) | (both & 2) << 7;
                    left &= left - 1;
                }
                to += PAIRS_AT_ONCE;
            }
            to = end;
        }
    }
    return to;
}

/* Sum what arrives at the only output position. */
static int16_t *sum_flat(const struct run *run, const struct linear *op, const struct value *source) {
    int16_t *to = (int16_t *)at(run, run->net->temporary_place);
    if (op->flat.pairs) {
        const uint64_t *const last = list_pairs(run, op, source);
        sum_pairs((const uint64_t *)at(run, op->list_place), last, op, to);
        return to;
    }
    const uint64_t *packed = (const uint64_t *)at(run, source->bits_place);
    uint32_t *const list = (uint32_t *)at(run, op->list_place), *end = list;
    const int64_t words = source->words;
    for (int32_t y = 0; y < source->height; y++, packed += words)
        for (int64_t k = 0; k < words; k++) end = list_bits(end, packed[k], (uint32_t)(op->flat.first[y] + 64 * k));
    const int64_t count = end - list;
    for (int i = 0; i < AT_ONCE; i++) end[i] = (uint32_t)op->rows;
    (op->weight_bits == 8 ? add_rows8 : add_rows16)(list, count, op->weight, op->padded, op->bias, to);
    return to;
}
