/* Levels whose thresholds are so even that a product gives them: checked for every threshold. */
static void line_${sums}_$named(const $sums *sums, const int32_t *slope, const int32_t *shift, unsigned bits,
                        unsigned channels, int32_t levels, $wide offset, $wide unit, $value *to)
{
    unsigned c;
    for (c = 0; c < channels; c++) {
        const int32_t line = (int32_t)sums[c] * slope[c] + shift[c];
        int32_t level = line < 0 ? 0 : line >> bits;
        if (level > levels) level = levels;
        to[c] = ($value)(offset + unit * ($wide)level);
    }
}
