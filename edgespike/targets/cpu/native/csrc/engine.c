#include "engine.h"

const char *es_kernels(int place) { return place ? NULL : "portable"; }
