/* Multiply numbers by rows of weights of 16 outputs, two in each word, and add them up in its halves. */
static void pairs_$value(const uint32_t *weights, const $value *source, const struct span *span,
                        unsigned spans, uint32_t *sums)
{
    uint32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
    for (; spans; spans--, span++) {
        const $value *from = source + span->place, *end = from + span->count;
        const uint32_t *row = weights + span->row * 8;
        for (; from != end; from++, row += 8) {
            const uint32_t x = (uint32_t)*from;
            if (!x) continue;
            s0 += x * row[0], s1 += x * row[1], s2 += x * row[2], s3 += x * row[3];
            s4 += x * row[4], s5 += x * row[5], s6 += x * row[6], s7 += x * row[7];
        }
    }
    sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
    sums[4] = s4, sums[5] = s5, sums[6] = s6, sums[7] = s7;
}
