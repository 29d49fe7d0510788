#include "tiny-measured.h"

#include <float.h>
#include <math.h>

#if DBL_MANT_DIG != 53
#error "a double must have 64 bits: set the compiler's option for that"
#endif
#if defined(__FAST_MATH__) || FLT_EVAL_METHOD < 0 || FLT_EVAL_METHOD > 1
#error "this must round like IEEE 754: compile it without -ffast-math, and not for the x87"
#endif

/* An array of size -1 if the compiler takes 0.5 for a float (-fsingle-precision-constant). */
typedef char constants_are_doubles[sizeof(0.5) == sizeof(double) ? 1 : -1];

#define LEAST 0
#define MOST 3
#define SCALES 2

static const double offset[SCALES] = {
  0x1.8000000000000p+0, /* 1.5 */
  -0x1.4000000000000p+4, /* -20.0 */
};
static const double step[SCALES] = {
  0x1.0000000000000p-1, /* 0.5 */
  0x1.4000000000000p+3, /* 10.0 */
};

int tiny_from_measured(const double measured[tiny_MEASURED_SIZE],
                       uint8_t input[tiny_MEASURED_SIZE]) {
  long i;
  for (i = 0; i < tiny_MEASURED_SIZE; ++i) {
    if (!isfinite(measured[i])) {
      return 0;
    }
  }
  for (i = 0; i < tiny_MEASURED_SIZE; ++i) {
    const double x = (measured[i] - offset[i % SCALES]) / step[i % SCALES] + 0.5;
    int32_t whole = x < LEAST ? LEAST : MOST;
    if (x >= LEAST && x < MOST) {
      whole = (int32_t)x;
      whole -= whole > x; /* the cast rounds towards 0 */
    }
    input[i] = (uint8_t)(whole + 0);
  }
  return 1;
}
