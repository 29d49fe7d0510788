/* List the elements of a row of bytes whose value is exactly level, and where each column's begin.
   Returns the end of the list. */
static uint16_t list_bytes(const uint8_t *row, unsigned width, unsigned channels, unsigned level,
                           uint16_t *list, uint16_t end, uint16_t *starts)
{
    unsigned place = 0, x, c;
    for (x = 0; x < width; x++) {
        starts[x] = end;
        for (c = 0; c < channels; c++, place++)
            if (row[place] == level) list[end++] = (uint16_t)place;
    }
    starts[width] = end;
    return end;
}
