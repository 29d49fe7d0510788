/* What Python calls. The lines between the two marks are read by cffi as well. */
#ifndef EDGESPIKE_ENGINE_H
#define EDGESPIKE_ENGINE_H

#include <stddef.h>
#include <stdint.h>

/* begin */
typedef struct es_net es_net;

/* Name of the kernel set at a place, fastest first, of those that this processor runs; NULL after the last. */
const char *es_kernels(int place);

/* Read a program, a copy of which is kept. NULL if it is wrong or memory is missing: error (ERROR_BYTES of codes.h) says why. */
es_net *es_load(const void *program, size_t bytes, const char *kernels, char *error);
void es_free(es_net *net);

/* Bytes of memory that each thread needs for es_run, aligned to 64. */
size_t es_scratch(const es_net *net);

/* The fewest samples of a call that run at the same time, each in a lane of its own; 0 if none ever do. */
int es_lanes(const es_net *net);

/* Run samples. Strides are in bytes; a step stride of 0 shows a sample unchanged at every step.
   answers: (samples, classes), the readout after the last step, or NULL.
   events: sums of events over the samples: for each source (steps, neurons), or NULL.
   kept: for each observed node an array (samples, steps, neurons) of its type, or NULL.
   Returns 0, or -1 if an argument is wrong. */
int es_run(const es_net *net, void *scratch, const void *samples, int32_t type, int64_t count,
           int64_t sample_stride, int64_t step_stride, int64_t *answers, uint32_t *events, void *const *kept);
/* end */

#endif
