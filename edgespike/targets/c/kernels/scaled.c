/* Levels of an 8-bit net: a product that is rounded twice, the second time a half away from zero. This
   gives the level on both sides of every threshold, which was checked. */
static void scaled_${sums}_$named(const $sums *sums, const int32_t *mantissa, const uint8_t *shift,
                        const int16_t *zero, unsigned channels, int32_t levels, $wide offset, $wide unit,
                        $value *to)
{
    unsigned c;
    for (c = 0; c < channels; c++) {
        const int32_t high = (int32_t)(((int64_t)sums[c] * mantissa[c] + 0x40000000) >> 31);
        const int32_t half = (int32_t)(((uint32_t)1 << shift[c]) >> 1);
        int32_t level = high < 0 ? -((half - high) >> shift[c]) : (high + half) >> shift[c];
        level += zero[c];
        level = level < 0 ? 0 : level > levels ? levels : level;
        to[c] = ($value)(offset + unit * ($wide)level);
    }
}
