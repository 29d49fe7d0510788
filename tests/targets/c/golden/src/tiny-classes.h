/* tiny: what its answers mean. */
#ifndef tiny_CLASSES_H
#define tiny_CLASSES_H

#include "tiny.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How many classes there are. */
#define tiny_CLASSES 2
/* The name of each class, in UTF-8. */
extern const char *const tiny_class_names[tiny_CLASSES];

/* A number of the answer times its scale is the logit. */
extern const double tiny_scales[tiny_OUTPUT_SIZE];

/* Return the class of an answer: the index of its largest logit, the first of equal ones. */
uint32_t tiny_classify(const tiny_output *answer);

#ifdef __cplusplus
}
#endif

#endif
