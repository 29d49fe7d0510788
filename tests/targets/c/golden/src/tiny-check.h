/* tiny: samples and the answers that the network must give, all of them exact. */
#ifndef tiny_CHECK_H
#define tiny_CHECK_H

#include "tiny.h"

#ifdef __cplusplus
extern "C" {
#endif

#define tiny_CHECK_SAMPLES 25
extern const tiny_input tiny_check_inputs[tiny_CHECK_SAMPLES]
    [tiny_STEPS * tiny_INPUT_SIZE];
extern const tiny_output tiny_check_answers[tiny_CHECK_SAMPLES]
    [tiny_OUTPUT_SIZE];
extern const uint32_t tiny_check_classes[tiny_CHECK_SAMPLES];

/* Run all samples. Returns how many answers differ from the expected ones: 0 if all is well. */
uint32_t tiny_check(tiny_net *net);

#ifdef __cplusplus
}
#endif

#endif
