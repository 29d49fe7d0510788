/* Set the bit of each channel whose sum reaches its threshold, or in a flipped channel does not, for
   each level. */
static void fire_${sums}_$theta(const $sums *sums, const $theta *theta, const uint32_t *flipped,
                        unsigned channels, unsigned levels, uint32_t *fired)
{
    unsigned level, first, c;
    for (first = 0; first < channels; first += 32, flipped++)
        for (level = 0; level < levels; level++) {
            const unsigned end = channels - first < 32 ? channels : first + 32;
            const $theta *own = theta + (uint32_t)level * channels;
            uint32_t word = 0, bit = 1;
            for (c = first; c < end; c++, bit <<= 1)
                if (sums[c] >= own[c]) word |= bit;
            *fired++ = word ^ *flipped;
        }
}
