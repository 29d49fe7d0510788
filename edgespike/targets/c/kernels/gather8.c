/* Add rows of weights of 16 outputs, 8 bits a weight, to sums in the halves of words, which begin at
   start. The rows of a level count as often as its value: totals go on from level to level, and are added
   up after each. 257 rows fit halves: instructions that add halves lose what a half carries to the next. */
static void gather8(const uint32_t *weights, const uint16_t *row, const uint16_t *ends, unsigned levels,
                    uint32_t start, uint32_t *sums)
{
    uint32_t total[8];
    const uint16_t *first = row;
    unsigned k;
    for (k = 0; k < 8; k++) sums[k] = start, total[k] = 0;
    while (levels--) {
        const uint16_t *end = first + *ends++;
        while (row != end) {
            const uint16_t *stop = end - row > 257 ? row + 257 : end;
            uint32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
            for (; row != stop; row++) {
                const uint32_t *weight = weights + (size_t)*row * 4;
                const uint32_t a = weight[0], b = weight[1], c = weight[2], d = weight[3];
                ADD_EVEN(s0, a);
                ADD_ODD(s1, a);
                ADD_EVEN(s2, b);
                ADD_ODD(s3, b);
                ADD_EVEN(s4, c);
                ADD_ODD(s5, c);
                ADD_EVEN(s6, d);
                ADD_ODD(s7, d);
            }
            total[0] += s0, total[1] += s1, total[2] += s2, total[3] += s3;
            total[4] += s4, total[5] += s5, total[6] += s6, total[7] += s7;
        }
        for (k = 0; k < 8; k++) sums[k] += total[k];
    }
}
