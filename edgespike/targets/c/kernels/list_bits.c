/* List the elements of a row whose value is exactly level, and where each column's begin. A word of
   the row holds one bit for each of 32 channels; its planes say which values are at least 1, 2, ...
   Returns the end of the list. */
static uint16_t list_bits(const uint32_t *bits, unsigned width, unsigned channels, unsigned levels,
                          unsigned level, uint16_t *list, uint16_t end, uint16_t *starts)
{
    unsigned first = 0, x, c;
    for (x = 0; x < width; x++, first += channels) {
        starts[x] = end;
        for (c = 0; c < channels; c += 32, bits += levels) {
            uint32_t word = bits[level - 1];
            if (level < levels) word &= ~bits[level];
            for (; word; word &= word - 1) list[end++] = (uint16_t)(first + c + lowest(word));
        }
    }
    starts[width] = end;
    return end;
}
