/* Multiply numbers by rows of weights of 8 outputs, and add them to sums of 32 bits. */
static void eights_$value(const int8_t *weights, const $value *source, const struct span *span,
                        unsigned spans, int32_t *sums)
{
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    int32_t s4 = sums[4], s5 = sums[5], s6 = sums[6], s7 = sums[7];
    for (; spans; spans--, span++) {
        const $value *from = source + span->place, *end = from + span->count;
        const int8_t *row = weights + span->row * 8;
        for (; from != end; from++, row += 8) {
            const int32_t x = *from;
            if (!x) continue;
            s0 += x * row[0], s1 += x * row[1], s2 += x * row[2], s3 += x * row[3];
            s4 += x * row[4], s5 += x * row[5], s6 += x * row[6], s7 += x * row[7];
        }
    }
    sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
    sums[4] = s4, sums[5] = s5, sums[6] = s6, sums[7] = s7;
}
