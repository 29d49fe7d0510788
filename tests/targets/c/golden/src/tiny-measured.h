#ifndef tiny_MEASURED_H
#define tiny_MEASURED_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How many measured numbers one step takes. */
#define tiny_MEASURED_SIZE 2

/* Turns measured numbers into the model's input, in the same order.
   Returns 1; or 0, and writes nothing, if a number is infinite or NaN. */
int tiny_from_measured(const double measured[tiny_MEASURED_SIZE],
                       uint8_t input[tiny_MEASURED_SIZE]);

#ifdef __cplusplus
}
#endif

#endif
