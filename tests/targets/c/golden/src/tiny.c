/* tiny: graph 8bf32d88147049e3c3a89a8e774e1854b9a1fc6ea3be7a712c7291363c27d619. Written by edgespike. */
#include "tiny.h"

#include <string.h>

#define NETWORK tiny_net
#define INPUT tiny_input

/* With tiny_OBSERVE defined, tiny_observed[k] points to where a layer's values are copied
   at each step, in the types and order of the report. */
#ifdef tiny_OBSERVE
void *tiny_observed[2];
#define ALL(all, used) (all)
#define SEE(layer, values, bytes) memcpy(tiny_observed[layer], values, bytes)
#else
#define ALL(all, used) (used)
#define SEE(layer, values, bytes)
#define SEE_BITS(layer, first, positions, bits, channels, levels) (void)(first)
#endif

#ifdef tiny_COUNT
tiny_counts *tiny_counting;
#define COUNT(kind, fan_out, values) count_##kind(&fan_out, values)

void tiny_clear_counts(tiny_counts *counts)
{
    memset(counts, 0, sizeof *counts);
}
#else
#define COUNT(kind, fan_out, values)
#endif

/* Count the thresholds that each channel's sum reaches, or in a flipped channel does not. Those of a
   channel lie side by side, in ascending order; those of the next begin stride further. */
static void levels_int32_t_int16_t_uint8_t(const int32_t *sums, const int16_t *theta, unsigned stride,
                        const uint8_t *flipped, unsigned channels, unsigned levels, int32_t offset, int32_t unit, uint8_t *to)
{
    unsigned c;
    for (c = 0; c < channels; c++, theta += stride) {
        unsigned low = 0, high = levels;
        while (low < high) {
            const unsigned middle = (low + high) / 2;
            if (sums[c] >= theta[middle]) low = middle + 1;
            else high = middle;
        }
        to[c] = (uint8_t)(offset + unit * (int32_t)(flipped[c] ? levels - low : low));
    }
}

#ifdef tiny_COUNT
/* How many synapses of a layer each element of a source reaches: every one, then those whose trained
   weight is not 0, then those whose weight here is not 0; rows and columns of a class have the same. */
struct fan_out {
    uint32_t height, width, channels, levels, layer, columns;
    const uint32_t *row, *column;
    const uint32_t *reached_uint32_t;
    const uint64_t *reached_uint64_t;
};
#endif

#ifdef tiny_COUNT
/* Add to a layer's counts how many synapses the events of a source reach. */
static void count_graded_uint8_t_uint32_t(const struct fan_out *op, const uint8_t *values)
{
    uint64_t *counts = tiny_counting ? &tiny_counting->multiplied[0][op->layer] : NULL;
    uint32_t y, x, c, k;
    if (!counts) return;
    for (y = 0; y < op->height; y++)
        for (x = 0; x < op->width; x++, values += op->channels) {
            const uint32_t *reached = op->reached_uint32_t + (op->row[y] * op->columns + op->column[x]) * 3 * op->channels;
            for (c = 0; c < op->channels; c++, reached++) {
                const uint64_t events = values[c] != 0;
                for (k = 0; events && k < 3; k++)
                    counts[k * tiny_LAYERS] += events * reached[k * op->channels];
            }
        }
}
#endif

#ifdef tiny_COUNT
/* Add to a layer's counts how many synapses the events of a source reach. */
static void count_spikes_uint8_t_uint32_t(const struct fan_out *op, const uint8_t *values)
{
    uint64_t *counts = tiny_counting ? &tiny_counting->operations[0][op->layer] : NULL;
    uint32_t y, x, c, k;
    if (!counts) return;
    for (y = 0; y < op->height; y++)
        for (x = 0; x < op->width; x++, values += op->channels) {
            const uint32_t *reached = op->reached_uint32_t + (op->row[y] * op->columns + op->column[x]) * 3 * op->channels;
            for (c = 0; c < op->channels; c++, reached++) {
                const uint64_t events = (uint64_t)values[c];
                for (k = 0; events && k < 3; k++)
                    counts[k * tiny_LAYERS] += events * reached[k * op->channels];
            }
        }
}
#endif

#ifdef tiny_COUNT
static const uint32_t fan_out_0_row[1] = {
0,
};
static const uint32_t fan_out_0_column[1] = {
0,
};
static const uint32_t fan_out_0_reached[6] = {
3,3,3,3,3,3,
};
static const struct fan_out fan_out_0 = {1, 1, 2, 0, 0, 1, fan_out_0_row, fan_out_0_column, fan_out_0_reached, NULL};
#endif
static const int8_t weights_hidden[6] = {
1,3,-2,2,-1,1,
};
static const int32_t bias_hidden[3] = {
0,1,2,
};
static const uint8_t flipped_spikes[3] = {
0,0,1,
};
static const int16_t theta_spikes[3] = {
1,3,2,
};
#ifdef tiny_COUNT
static const uint32_t fan_out_1_row[1] = {
0,
};
static const uint32_t fan_out_1_column[1] = {
0,
};
static const uint32_t fan_out_1_reached[9] = {
2,2,2,2,2,1,2,2,1,
};
static const struct fan_out fan_out_1 = {1, 1, 3, 0, 1, 1, fan_out_1_row, fan_out_1_column, fan_out_1_reached, NULL};
#endif
static const int8_t weights_classes[6] = {
2,-1,-1,1,0,3,
};
static const int32_t bias_classes[2] = {
0,-1,
};

/* hidden: a row of weights for each value that is not 0 */
static void run_hidden(NETWORK *net, const INPUT *input)
{
    int32_t *sums = net->at0.sums_hidden;
    const uint8_t *source = input;
    uint8_t *to = net->at1.value_spikes;
    uint32_t tap_y, tap_x, group, c, o;
    {
        const uint32_t position = 0;
        const int32_t top = 0;
        const int32_t left = 0;
        for (o = 0; o < 3; o++) sums[o] = bias_hidden[o];
        for (tap_y = 0; tap_y < 1; tap_y++) {
            const int32_t at_y = top + (int32_t)(tap_y * 1u);
            if (at_y < 0 || at_y >= 1) continue;
            for (tap_x = 0; tap_x < 1; tap_x++) {
                const int32_t at_x = left + (int32_t)(tap_x * 1u);
                const int8_t *row = weights_hidden + (tap_y * 1 + tap_x) * 6u;
                const uint8_t *from = source + ((uint32_t)at_y * 1u + (uint32_t)at_x) * 2u;
                int32_t *sum = sums;
                if (at_x < 0 || at_x >= 1) continue;
                for (group = 0; group < 1; group++, sum += 3)
                    for (c = 0; c < 2; c++, from++, row += 3) {
                        const int32_t number = *from;
                        if (!number) continue;
                        for (o = 0; o < 3; o++) sum[o] += number * row[o];
                    }
            }
        }
        levels_int32_t_int16_t_uint8_t(sums, theta_spikes, 1, flipped_spikes, 3, 1, 0, 1, to + position * 3u);
    }
}

/* classes: a row of weights for each value that is not 0 */
static void run_classes(NETWORK *net)
{
    int32_t *sums = net->at0.sums_classes;
    const uint8_t *source = net->at1.value_spikes;
    int8_t *to = net->at2.value_classes;
    uint32_t tap_y, tap_x, group, c, o;
    {
        const uint32_t position = 0;
        const int32_t top = 0;
        const int32_t left = 0;
        for (o = 0; o < 2; o++) sums[o] = bias_classes[o];
        for (tap_y = 0; tap_y < 1; tap_y++) {
            const int32_t at_y = top + (int32_t)(tap_y * 1u);
            if (at_y < 0 || at_y >= 1) continue;
            for (tap_x = 0; tap_x < 1; tap_x++) {
                const int32_t at_x = left + (int32_t)(tap_x * 1u);
                const int8_t *row = weights_classes + (tap_y * 1 + tap_x) * 6u;
                const uint8_t *from = source + ((uint32_t)at_y * 1u + (uint32_t)at_x) * 3u;
                int32_t *sum = sums;
                if (at_x < 0 || at_x >= 1) continue;
                for (group = 0; group < 1; group++, sum += 2)
                    for (c = 0; c < 3; c++, from++, row += 2) {
                        const int32_t number = *from;
                        if (!number) continue;
                        for (o = 0; o < 2; o++) sum[o] += number * row[o];
                    }
            }
        }
        for (uint32_t i = 0; i < 2; i++)
            to[position * 2u + i] = (int8_t)sums[i];
    }
}

/* answer: readout */
static void run_answer(NETWORK *net)
{
    uint32_t i;
    for (i = 0; i < 2; i++) {
        const int8_t now = (int8_t)net->at2.value_classes[i];
        if (net->step) net->value_answer[i] = (int8_t)(net->value_answer[i] + now);
        else net->value_answer[i] = now;
    }
}

void tiny_init(NETWORK *net)
{
    net->step = 0;
}

void tiny_step(NETWORK *net, const INPUT *input)
{
    COUNT(graded_uint8_t_uint32_t, fan_out_0, input);
    run_hidden(net, input);
    SEE(0, net->at1.value_spikes, 3u);
    COUNT(spikes_uint8_t_uint32_t, fan_out_1, net->at1.value_spikes);
    run_classes(net);
    run_answer(net);
    SEE(1, net->value_answer, 2u);
    net->step++;
}

const tiny_output *tiny_answer(const NETWORK *net)
{
    return net->value_answer;
}

const tiny_output *tiny_run(NETWORK *net, const INPUT *input)
{
    uint32_t step;
    tiny_init(net);
    for (step = 0; step < tiny_STEPS; step++) {
        tiny_step(net, input);
        input += tiny_INPUT_SIZE;
    }
    return tiny_answer(net);
}
