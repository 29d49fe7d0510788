/* For every processor: vectors of 16 bytes, which compilers turn into SSE2, NEON or plain code. */
#define VECTOR 16
#define SET es_portable
#define SET_NAME "portable"
static int available(void) { return 1; }
#define SET_AVAILABLE available
#include "kernels.h"
