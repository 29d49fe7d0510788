/* The sums of a position where 16 bits do not hold them: so many rows at a time that no half of a word
   overflows, which are added to sums of 32 bits. */
static void wide_$gather(const uint32_t *weights, uint32_t chunk, const uint16_t *row, const uint16_t *ends,
                        unsigned levels, unsigned outputs, const int32_t *bias, uint32_t less, int32_t *sums)
{
    const uint16_t *first = row;
    unsigned o, k;
    for (o = 0; o < outputs; o++) sums[o] = (int32_t)((uint32_t)bias[o] - less);
    for (; levels; levels--) {
        const uint16_t *end = first + *ends++;
        while (row != end) {
            const uint16_t count = (uint16_t)(end - row > 257 ? 257 : end - row);
            for (o = 0; o < outputs; o += 16) {
                uint32_t words[8];
                $gather(weights + o / 16 * chunk, row, &count, 1, 0, words);
                for (k = 0; k < 8; k++) {
                    int32_t *low = sums + o + k, *high = low + 8;
                    *low = (int32_t)((uint32_t)*low + (words[k] & 0xFFFFu) * levels);
                    *high = (int32_t)((uint32_t)*high + (words[k] >> 16) * levels);
                }
            }
            row += count;
        }
    }
}
