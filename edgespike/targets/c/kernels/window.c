/* Taps of a row that lie side by side: their place in the window, and the first one's row of weights. */
struct segment { uint16_t row, column, width; uint32_t first; };

/* What a layer reads of its source. */
struct window {
    uint16_t height, width; /* of the source */
    uint32_t channels;
    uint16_t levels, rows; /* of values whose events are listed; and how many rows' lists are kept */
    uint16_t segments;
    const struct segment *segment;
};
