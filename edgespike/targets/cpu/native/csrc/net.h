/* A network as it is kept after it was read: what the kernels run. */
#ifndef EDGESPIKE_NET_H
#define EDGESPIKE_NET_H

#include "codes.h"
#include "engine.h"

#define FEW_VECTORS 6 /* of sums, whatever their bits */
#define WINDOWS 4 /* small windows whose products are summed at once */

/* Bytes that may be read and written behind every buffer: kernels work on whole vectors. */
#define SLACK 128

/* The most channels whose sums stay in registers at once, in vectors. Without vector instructions each takes several
   registers, and compilers need minutes for many. */
#if defined(__SSE2__) || defined(__ARM_NEON)
#define MOST_VECTORS 12
#else
#define MOST_VECTORS 4
#endif

struct value {
    int32_t type; /* U8, I16 or I32 */
    int32_t height, width, channels;
    int64_t size; /* elements of one sample and step: positions, channels last */
    int64_t place; /* in the scratch memory, bytes */
    int32_t single; /* nothing but zeros and ones */
    int32_t packed; /* kept as bits: each row of positions begins a word; before the first, a vector may be read */
    int32_t read; /* whether its bytes are read, if it is kept as bits */
    int64_t words; /* of bits of a row */
    int64_t bits_place;
    int32_t *low, *high; /* the range of each channel, as the program says */
    int32_t negative, several; /* whether any is below 0, and above 1 */
    int64_t lanes_place; /* in the scratch memory: elements of as many samples as there are lanes */
};

/* Taps of a row that lie side by side: the same weights serve each of their positions. */
struct segment {
    int32_t row, column; /* of the padded source, from where an output's window begins */
    int32_t width; /* positions */
    int32_t first; /* row of the weights of its first element */
    int32_t bytes; /* width * channels: elements, whatever their type */
};

/* To which outputs of a row an event leads: the first, how many, and the row of weights of the first one. */
struct reach { int32_t first; int16_t low, count; };

/* A row of the output that a row of the source leads to, and the row of weights where its segment begins. */
struct target { int32_t y, first; };

/* Numbers of a channel's search: seven thresholds, and for each place between them rows of eight more. */
#define SEARCHED 64
#define MOST_SEARCHED 63 /* levels */
#define COMPARED_IN_LANES 16 /* most levels that are compared one by one */

struct threshold {
    int32_t levels, offset, unit;
    int32_t method; /* enum method */
    int32_t flips; /* whether any channel is flipped */
    int32_t *theta; /* (levels, channels + padding); SEARCH (channels + padding, levels), NEAR the same with one more */
    int16_t *theta16; /* the same, clipped to 16 bits, or NULL where that would change a level */
    int16_t *search; /* for lanes.h: SEARCHED numbers of each channel, or NULL */
    int32_t *flipped; /* -1 or 0 */
    float *slope, *shift;
};

struct membrane {
    int32_t emits_potential, comparison /* 0 >=, 1 > */, reset /* enum reset_code */;
    int32_t when; /* enum reset_time_code */
    int32_t decays, decays_current, current_saturates, saturates, biased, wide;
    int32_t plain; /* resets in the same step, no current of its own, no bias; it emits spikes */
    int32_t decay_bits, rests; /* rests: a neuron at rest without input stays as it is */
    int32_t one_product; /* a potential times what a decay keeps fits 32 bits */
    int64_t unit, back, most_spikes, highest;
    /* For each neuron, rows of channels padded; 64 bits where wide. */
    int32_t *theta, *kept, *kept_current, *bias, *least;
    int64_t *theta64, *kept64, *kept_current64, *bias64, *least64;
    int32_t per_neuron; /* whether parameters have a row for each position, or one for all */
    int64_t v_place, current_place, fired_place, active_place; /* in the scratch memory */
};

/* Membranes whose spikes become bits: rows of positions, their channels side by side, in whole words. */
struct fire {
    int32_t on;
    int32_t length, lanes; /* of a row: its neurons, and up to a whole word */
    int32_t narrow; /* potentials begin in 16 bits; a row of them may need 32 later */
    int16_t lowest, highest; /* potentials between which the next sum still fits 16 bits */
    int16_t quiet; /* below that no neuron fires by itself */
    int32_t shift; /* a decay that halves so many times, or 0 */
    int64_t row; /* from a row's parameters to the next one's, 0 if all rows share them */
    int16_t *bar16, *taken16; /* what a potential must exceed, and what a spike takes from it */
    int32_t *bar, *taken, *kept, *least;
    int64_t v16_place, v_place, ends_place, wide_place, stirred_place; /* in the scratch memory */
};

struct cell {
    int32_t kind;
    int32_t channels, padded; /* padded to whole vectors */
    int32_t positions;
    struct threshold threshold;
    struct membrane membrane;
    struct fire fire;
};

/* Some bits of a tile, which are looked up at once: the table holds what each combination of them adds to a block of
   sums. For each place in a word where such bits begin: where their table begins (in the high half) and their sums (in
   the low half), and which bits they are. */
struct chunks { uint64_t places[64]; uint8_t bits[64]; };

/* A word with events: its bits, where its tiles' sums begin, and the row of its tiles. As it is laid out, it holds which
   row of sums it reaches first instead of bits. */
struct word { uint64_t bits; uint32_t sums, inside; };

/* Events of single spikes, added tile by tile: a tile is what a stride covers of the source. All outputs that it leads
   to are a block of sums. */
struct tiles {
    int32_t on;
    int32_t kernel_y, kernel_x; /* of a block, in positions of the output */
    int32_t vectors; /* of a row of a block */
    int32_t row, column; /* in the plane: where the block of the first tile begins */
    int32_t first_y, first_x; /* and where the outputs begin */
    int32_t step, across; /* bits of a row that are read at once, and sums to which they lead */
    uint64_t place[4]; /* the first bits of all chunks of a word, the second ones, and so on */
    struct chunks *chunks; /* for each row of a tile */
    struct word *words; /* of the source, if its words hold whole tiles; else NULL */
    int16_t *table, *begins; /* begins: what a row of sums begins with */
    int64_t block, stride, plane_rows; /* sums of a block, and of a row of the plane, in which outputs have a border */
    int64_t plane_place, touched_place, words_place; /* scratch */
};

/* Events of single spikes for one output position: the row of weights of the first element of each of the source's. */
struct flat {
    int32_t on;
    int32_t *first;
    int8_t *pairs; /* rows of weights two by two, if they have 8 bits: those of an output side by side */
};

struct linear {
    int32_t product, wide /* sums of 32 bits, else 16 */, weight_bits;
    int32_t source_height, source_width; /* what of the source is read */
    int32_t height, width; /* of the output */
    int32_t step_y, step_x, top, left, padded_height, padded_width;
    int32_t segments;
    struct segment *segment;
    int32_t rows, outputs, padded;
    int32_t largest_weight, largest_bias;
    void *weight; /* as the product wants them */
    void *bias; /* 16 bits, padded, as its low bits are where it needs more */
    int32_t *bias32;
    int32_t biased;
    uint64_t step_bits, channel_bits; /* every bit that a stride, or the number of channels, divides */
    int32_t scatters; /* whether events may be added to a plane of sums: all segments have the same columns */
    double adds; /* rows of weights that an event leads to, on average */
    struct reach *reach; /* of each element of a padded row */
    struct target *target;
    int32_t *targets; /* where the targets of each padded row begin */
    int64_t plane_place, reached_place;
    struct tiles tiles;
    struct flat flat;
    int32_t masked; /* rows of at most 64 positions: activity is kept as bits */
    int64_t list_place, starts_place, rows_place, kinds_place, image_place, bits_place, active_place; /* scratch */
    int64_t list_room;
    int32_t times; /* rows of weights of an element: one for each level, where levels are added */
    int64_t row_bytes; /* of rows that are added in bytes */
    int32_t bytes_hold; /* how many rows of weights of 8 bits may be added in bytes; 0 if that is few */
    int32_t window_groups; /* of a small window, 0 of a large one */
    int64_t *window; /* where what is multiplied at once lies */
    int64_t window_place;
    int32_t few; /* vectors of sums of a layer of one position whose source is multiplied as it lies; 0 if it is not */
    int32_t addend; /* a value with which sums begin, beside the bias; -1 if there is none */
    int64_t addend_place;
    const unsigned char *given, *given_segments; /* weights and segments in the program, while it is read */
};

/* A layer for many samples at once: outputs in blocks of BLOCK, for each block its weights that are not all zero. */
#define BLOCK 6
#define NEURONS_AT_ONCE 64
struct lanes {
    int32_t product, wide; /* wide: sums of 32 bits */
    int32_t blocks; /* of all positions */
    int32_t *neurons; /* of each block: BLOCK, or less at the end of a position */
    int32_t *groups; /* where the groups of each block begin: products whose sums fit 16 bits, where it matters */
    int32_t *ends; /* where the entries of each group end */
    uint32_t *place; /* of each entry: where the elements are that it multiplies, in the source as it is mixed */
    int32_t *weight; /* of each entry BLOCK times 32 bits: the weights as they lie in memory, repeated if they have less */
    int32_t *bias; /* BLOCK for each block */
};

struct pool { int32_t kernel_y, kernel_x, step_y, step_x, top, left; };

struct op {
    int32_t kind, when; /* enum when */
    int32_t inputs, *input, output;
    struct linear linear;
    struct cell cell;
    struct pool pool;
    int32_t *order; /* RESHAPE: place of each element of the output in the source */
    int32_t mode; /* READOUT: enum mode_code */
    int32_t by_rows; /* LINEAR: thresholds follow whole rows of sums of 16 bits */
    int64_t row_place; /* such a row */
    const struct op *pooled; /* LINEAR, by rows: what takes the largest of its values, and nothing else reads them, or NULL */
    int64_t largest_place; /* a row of the largest sums */
    int32_t taken; /* MAX_POOL: whether it runs with the layer before it */
    int32_t counted; /* LINEAR: 1 if a readout sums it, and nothing else reads it */
    int64_t counts_place;
    int64_t counted_blocks; /* vectors of the source's bits, if these are counted, else 0 */
    struct lanes lanes;
    struct cell lanes_cell; /* membranes: a row of lanes for each neuron */
};

struct delay { int32_t source, output, initial; };

/* Where events are summed. */
struct source {
    int32_t value, graded;
    int64_t first;
    int64_t places, blocks; /* counters of bits: where they lie in the scratch memory, and vectors of a step; 0 if none */
};

struct es_net {
    const struct kernels *kernels;
    int64_t steps, classes;
    int32_t values, ops, delays, sources, kept;
    struct value *value;
    struct op *op;
    struct delay *delay;
    struct source *source;
    int32_t *kept_value;
    int32_t input, readout; /* values */
    int32_t bytes_sum; /* how many samples the sums of events of 8 bits hold, 0 if there are none */
    int32_t bytes_alone; /* whether all sums are first of 8 bits */
    int64_t events; /* of all sources and steps */
    int64_t sums_place, temporary_place, wide_place;
    int64_t entered_place; /* bits of a sample as it is given */
    int64_t most_wide; /* numbers of 32 bits */
    int64_t most_padded;
    int32_t lanes; /* fewest samples that run in lanes; 0 if none do */
    int64_t image_place, block_place, wide_sums_place, total_place; /* for lanes */
    size_t scratch;
    struct block *memory;
};

struct run {
    const es_net *net;
    char *scratch;
    const void *samples;
    int32_t type;
    int64_t count, sample_stride, step_stride;
    int64_t *answers;
    uint32_t *events;
    void *const *kept;
};

struct kernels {
    const char *name;
    int (*available)(void);
    int32_t vector; /* bytes */
    int32_t quads; /* whether it has instructions for products of four bytes */
    void (*run)(const struct run *);
};

/* Whether a layer adds rows of weights that lists name. */
static inline int es_listed(const struct linear *op) { return op->product == EVENTS || op->product == LEVELS; }

extern const struct kernels es_portable, es_avx2, es_avx512;

static inline int64_t es_bytes_of(int32_t type) {
    static const int8_t bytes[TYPES] = {1, 1, 2, 4, 8, 2, 4};
    return bytes[type];
}

#endif
