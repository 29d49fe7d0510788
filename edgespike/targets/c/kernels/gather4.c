/* The same for 4 bits a weight: 17 rows fit the bytes of words before they are added to halves. */
static void gather4(const uint32_t *weights, const uint16_t *row, const uint16_t *ends, unsigned levels,
                    uint32_t start, uint32_t *sums)
{
    uint32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
    const uint16_t *first = row;
    unsigned k;
    for (k = 0; k < 8; k++) sums[k] = start;
    while (levels--) {
        const uint16_t *end = first + *ends++;
        while (row != end) {
            const uint16_t *stop = end - row > 17 ? row + 17 : end;
            uint32_t a = 0, b = 0, c = 0, d = 0;
            for (; row != stop; row++) {
                const uint32_t *weight = weights + (size_t)*row * 2;
                const uint32_t x = weight[0], y = weight[1];
                a += x & 0x0F0F0F0Fu;
                b += (x >> 4) & 0x0F0F0F0Fu;
                c += y & 0x0F0F0F0Fu;
                d += (y >> 4) & 0x0F0F0F0Fu;
            }
            ADD_EVEN(s0, a);
            ADD_ODD(s1, a);
            ADD_EVEN(s2, b);
            ADD_ODD(s3, b);
            ADD_EVEN(s4, c);
            ADD_ODD(s5, c);
            ADD_EVEN(s6, d);
            ADD_ODD(s7, d);
        }
        sums[0] += s0, sums[1] += s1, sums[2] += s2, sums[3] += s3;
        sums[4] += s4, sums[5] += s5, sums[6] += s6, sums[7] += s7;
    }
}
