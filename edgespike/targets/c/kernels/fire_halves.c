/* Compare the sums of 16 outputs in the halves of words with thresholds of as many levels, and return
   whether they reach them in the bits from place up of a word for each level. What is taken away from a
   sum leaves its half's highest bit set if it reaches its threshold. */
#define COMPARE(k) (bits = bits >> 1 | ((sums[k] - theta[k]) & 0x80008000u))
static void fire_halves(const uint32_t *sums, const uint32_t *theta, uint32_t stride, const uint16_t *flipped,
                        unsigned levels, unsigned place, uint32_t *fired)
{
    for (; levels; levels--, theta += stride, fired++) {
        uint32_t bits = 0;
        COMPARE(0);
        COMPARE(1);
        COMPARE(2);
        COMPARE(3);
        COMPARE(4);
        COMPARE(5);
        COMPARE(6);
        COMPARE(7);
        bits = (bits >> 8 & 0xFFu) | (bits >> 16 & 0xFF00u);
        bits ^= *flipped;
        *fired = (place ? *fired : 0) | bits << place;
    }
}
