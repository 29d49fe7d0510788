/* The same for 2 bits a weight: $few rows fit fields of 4 bits, and $times as many the bytes of words,
   before they are added to halves. */
#define ADD_FIELDS(x) (even += (x) & 0x33333333u, odd += ((x) >> 2) & 0x33333333u)
static void gather2_$few(const uint32_t *weights, const uint16_t *row, const uint16_t *ends, unsigned levels,
                    uint32_t start, uint32_t *sums)
{
    uint32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
    const uint16_t *first = row;
    unsigned k;
    for (k = 0; k < 8; k++) sums[k] = start;
    while (levels--) {
        const uint16_t *end = first + *ends++;
        while (row != end) {
            uint32_t a = 0, b = 0, c = 0, d = 0;
            for (k = 0; k < $times && row != end; k++) {
                uint32_t even = 0, odd = 0;
                if (end - row >= $few) {
$unrolled
                    row += $few;
                } else {
                    for (; row != end; row++) ADD_FIELDS(weights[*row]);
                }
                a += even & 0x0F0F0F0Fu;
                b += (even >> 4) & 0x0F0F0F0Fu;
                c += odd & 0x0F0F0F0Fu;
                d += (odd >> 4) & 0x0F0F0F0Fu;
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
