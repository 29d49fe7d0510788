/* Numbers of a window that lie side by side, and the first one's row of weights. */
struct span { uint32_t place, count, row; };

/* Find the numbers of a window that begins at row y and column x. */
static unsigned find_spans(const struct window *op, int32_t y, int32_t x, struct span *span)
{
    unsigned s, found = 0;
    for (s = 0; s < op->segments; s++) {
        const struct segment *segment = &op->segment[s];
        const int32_t row = y + segment->row, from = x + segment->column, to = from + segment->width;
        const int32_t left = from < 0 ? 0 : from, right = to > op->width ? op->width : to;
        if (row < 0 || row >= op->height || left >= right) continue;
        span[found].place = ((uint32_t)row * op->width + (uint32_t)left) * op->channels;
        span[found].count = (uint32_t)(right - left) * op->channels;
        span[found].row = segment->first + (uint32_t)(left - from) * op->channels;
        found++;
    }
    return found;
}
