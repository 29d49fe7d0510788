#ifdef ${prefix}_COUNT
/* Add to a layer's counts how many synapses the events of a source reach. */
static void count_$kind(const struct fan_out *op, const $value *values)
{
    uint64_t *counts = ${prefix}_counting ? &${prefix}_counting->$counts[0][op->layer] : NULL;
    uint32_t y, x, c, k;
    if (!counts) return;
    for (y = 0; y < op->height; y++)
        for (x = 0; x < op->width; x++, values += $stride) {
            const $reached *reached = op->reached_$reached + (op->row[y] * op->columns + op->column[x]) * 3 * op->channels;
            for (c = 0; c < op->channels; c++, reached++) {
                const uint64_t events = $events;
                for (k = 0; events && k < 3; k++)
                    counts[k * ${prefix}_LAYERS] += events * reached[k * op->channels];
            }
        }
}
#endif
