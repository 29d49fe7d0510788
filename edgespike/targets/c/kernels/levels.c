/* Count the thresholds that each channel's sum reaches, or in a flipped channel does not. Those of a
   channel lie side by side, in ascending order; those of the next begin stride further. */
static void levels_${sums}_${theta}_$named(const $sums *sums, const $theta *theta, unsigned stride,
                        const uint8_t *flipped, unsigned channels, unsigned levels, $wide offset, $wide unit, $value *to)
{
    unsigned c;
    for (c = 0; c < channels; c++, theta += stride) {
        unsigned low = 0, high = levels;
        while (low < high) {
            const unsigned middle = (low + high) / 2;
            if (sums[c] >= theta[middle]) low = middle + 1;
            else high = middle;
        }
        to[c] = ($value)(offset + unit * ($wide)(flipped[c] ? levels - low : low));
    }
}
