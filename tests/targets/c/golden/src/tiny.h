/* tiny: graph 8bf32d88147049e3c3a89a8e774e1854b9a1fc6ea3be7a712c7291363c27d619. Written by edgespike. */
#ifndef tiny_NETWORK_H
#define tiny_NETWORK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The graph's SHA-256. */
#define tiny_HASH "8bf32d88147049e3c3a89a8e774e1854b9a1fc6ea3be7a712c7291363c27d619"

/* Numbers of one step of the input, 0..3, channels last: 2. */
#define tiny_INPUT_SIZE 2
#define tiny_STEPS 1
/* What one unit of the input stands for. */
#define tiny_INPUT_SCALE 0.5
/* Numbers of the answer. */
#define tiny_OUTPUT_SIZE 2

typedef uint8_t tiny_input;
typedef int8_t tiny_output;

/* All memory that the network works in: 48 bytes at most. Nobody else may change it. */
typedef struct tiny_net {
    uint32_t step;
    /* kept from step to step */
    int8_t value_answer[2];
    union {
        int32_t sums_hidden[3];
        int32_t sums_classes[2];
    } at0;
    union {
        uint8_t value_spikes[3];
    } at1;
    union {
        int8_t value_classes[2];
    } at2;
} tiny_net;

/* Begin a sample. */
void tiny_init(tiny_net *net);

/* Compute one step. */
void tiny_step(tiny_net *net, const tiny_input *input);

/* Return the answer after the steps so far; it is part of net. */
const tiny_output *tiny_answer(const tiny_net *net);

/* Compute a whole sample: tiny_STEPS steps, one after the other in input.
   Returns the answer. */
const tiny_output *tiny_run(tiny_net *net, const tiny_input *input);

/* With tiny_COUNT defined, the operations of each weighted layer are counted: spikes times the
   synapses that they reach, and events that carry a number times those that multiply it.
   Synapses are every one, then those whose trained weight is not 0, then those whose weight here
   is not 0. Layers:
   0: hidden
   1: classes */
#ifdef tiny_COUNT
#define tiny_LAYERS 2
typedef struct tiny_counts {
    uint64_t operations[3][tiny_LAYERS], multiplied[3][tiny_LAYERS];
} tiny_counts;

/* Where steps add what they count, to what is there; NULL: nowhere. */
extern tiny_counts *tiny_counting;

/* Begin to count. */
void tiny_clear_counts(tiny_counts *counts);
#endif

#ifdef __cplusplus
}
#endif

#endif
