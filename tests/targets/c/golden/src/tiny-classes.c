#include "tiny-classes.h"

const char *const tiny_class_names[tiny_CLASSES] = {
    "calm",
    "windy"
};

const double tiny_scales[tiny_OUTPUT_SIZE] = {
    0x1.0000000000000p-2, /* 0.25 */
    0x1.0000000000000p-1, /* 0.5 */
};

#include <float.h>

#if DBL_MANT_DIG != 53
#error "a double must have 64 bits: set the compiler's option for that"
#endif
#if defined(__FAST_MATH__) || FLT_EVAL_METHOD < 0 || FLT_EVAL_METHOD > 1
#error "this must round like IEEE 754: compile it without -ffast-math, and not for the x87"
#endif

uint32_t tiny_classify(const tiny_output *answer)
{
    double largest = (double)answer[0] * tiny_scales[0];
    uint32_t best = 0, i;
    for (i = 1; i < tiny_OUTPUT_SIZE; i++) {
        const double logit = (double)answer[i] * tiny_scales[i];
        if (logit > largest) {
            largest = logit;
            best = i;
        }
    }
    return best;
}

