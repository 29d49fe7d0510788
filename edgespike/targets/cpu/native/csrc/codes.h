/* Numbers that Python knows too: those of codes.py have the same names, and a test compares them. */
#ifndef EDGESPIKE_CODES_H
#define EDGESPIKE_CODES_H

#include <stdint.h>

#define MAGIC 0x31736567646504 /* changes with the format of programs */

/* Limits of a program. */
#define MOST_ELEMENTS (1 << 27) /* of a value, a row, a stride, a padding */
#define MOST_NODES (1 << 20) /* values, operations and their inputs, delays, sources; steps too */
#define MOST_LEVELS (1 << 20) /* of a threshold */
#define MOST_DECAY_BITS 24
#define SPLIT_BITS 15 /* most bits of a decay whose product is computed in two parts of 32 bits */
#define WIDE_LIMIT ((int64_t)1 << 59) /* largest magnitude of a potential in 64 bits: sums of a few still fit */
#define MOST_SPIKES_OF_BYTES 255 /* what a sum of bytes holds */
#define LARGEST_IN_BYTES 7 /* weight, or weight times a level, that is added in bytes: at least 16 before sums need 16 bits */

#define ALIGNED 64 /* bytes: where scratch memory begins */
#define ERROR_BYTES 200

/* Types of stored values; samples have any of them. */
enum type { U8, I8, I16, I32, I64, U16, U32, TYPES };

enum op_kind { LINEAR = 1, CELL, MAX_POOL, SUM_POOL, ADD, MULTIPLY, CONCATENATE, RESHAPE, READOUT };

enum when { ALWAYS, ONCE /* only at the first step of an input that never changes */, LAST };

enum product {
    EVENTS, /* rows of weights are added for each event */
    LEVELS, /* rows of weights times a small number are added for each number */
    PAIRS8, /* pairs of unsigned bytes times pairs of signed bytes, sums of 16 bits */
    QUADS8, /* four bytes each, sums of 32 bits */
    PAIRS16, /* pairs of 16 bits, sums of 32 bits */
    SINGLES, /* 32 bits */
    CHANNELS, /* each channel by itself, by weights of its own; sums of 32 bits */
};

enum cell_kind { PLAIN, THRESHOLD, MEMBRANE };

enum method {
    COMPARE, /* with each threshold */
    LINE, /* floor(x * slope + shift) */
    SEARCH,
    NEAR, /* the line, and a comparison with the threshold after it */
};

enum reset_code { RESET_NONE, RESET_ZERO, RESET_SUBTRACT };

enum reset_time_code { SAME_STEP, NEXT_STEP, SAME_STEP_RAISED };

enum mode_code { MODE_SUM, MODE_LAST, MODE_MAX };

#endif
