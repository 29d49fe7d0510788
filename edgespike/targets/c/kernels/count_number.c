#ifdef ${prefix}_COUNT
/* Return a channel's value, of bits. */
static uint64_t number(const uint32_t *bits, uint32_t levels, uint32_t c)
{
    uint64_t found = 0;
    uint32_t level;
    for (level = 0; level < levels; level++) found += bits[c / 32 * levels + level] >> c % 32 & 1;
    return found;
}
#endif
