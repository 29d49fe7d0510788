/* What run_networks.c knows of a network in C. */
#include <stddef.h>
#include <stdint.h>

struct network {
    size_t memory;
    uint32_t steps, input, output;
    uint32_t observed;     /* how many layers are shown */
    const uint32_t *bytes; /* of a step's values of each */
    void **show;           /* where to copy them */
    void (*init)(void *net);
    void (*step)(void *net, const void *input);
    const void *(*answer)(const void *net);
    const void *(*run)(void *net, const void *input);
    uint32_t counts;       /* numbers of operations */
    const uint64_t *count; /* counts from here, or NULL */
};

extern const struct network *const networks[];
