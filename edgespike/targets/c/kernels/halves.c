/* Take apart the sums of 16 outputs in the halves of words, which fit 16 bits after all: each word is the
   lower sum plus 65536 times the upper one, whatever overflowed on the way. */
static void take_halves(const uint32_t *words, const uint32_t *bias, int16_t *sums)
{
    unsigned k;
    for (k = 0; k < 8; k++) {
        const uint32_t word = words[k] + bias[k];
        const int32_t low = (int32_t)((word & 0xFFFFu) ^ 0x8000u) - 0x8000;
        const uint32_t high = (word - (uint32_t)low) >> 16;
        sums[k] = (int16_t)low;
        sums[k + 8] = (int16_t)((int32_t)(high ^ 0x8000u) - 0x8000);
    }
}
