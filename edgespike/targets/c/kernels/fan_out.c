#ifdef ${prefix}_COUNT
/* How many synapses of a layer each element of a source reaches: every one, then those whose trained
   weight is not 0, then those whose weight here is not 0; rows and columns of a class have the same. */
struct fan_out {
    uint32_t height, width, channels, levels, layer, columns;
    const uint32_t *row, *column;
    const uint32_t *reached_uint32_t;
    const uint64_t *reached_uint64_t;
};
#endif
