/* List the rows of weights of the events of a window that begins at row y and column x, those of the
   highest level first; ends: where the rows of each level end. Returns the sum of the values. */
static uint32_t find_rows(const struct window *op, const uint16_t *lists, const uint16_t *starts, int32_t y,
                          int32_t x, uint16_t *rows, uint16_t *ends)
{
    const unsigned columns = op->width + 1u;
    const uint16_t *first = rows;
    uint32_t sum = 0;
    unsigned s, level;
    for (level = op->levels; level; level--) {
        const uint16_t *before = rows;
        for (s = 0; s < op->segments; s++) {
            const struct segment *segment = &op->segment[s];
            const int32_t row = y + segment->row, from = x + segment->column, to = from + segment->width;
            const int32_t left = from < 0 ? 0 : from, right = to > op->width ? op->width : to;
            if (row >= 0 && row < op->height && left < right) {
                const unsigned kept = (unsigned)row % op->rows;
                const uint16_t *start = starts + (kept * op->levels + op->levels - level) * columns;
                const uint16_t *list = lists + (uint32_t)kept * op->width * op->channels;
                const uint16_t *event = list + start[left], *end = list + start[right];
                const uint32_t shift = segment->first - (uint32_t)from * op->channels;
                while (event != end) *rows++ = (uint16_t)(*event++ + shift);
            }
        }
        sum += (uint32_t)(rows - before) * level;
        *ends++ = (uint16_t)(rows - first);
    }
    return sum;
}
