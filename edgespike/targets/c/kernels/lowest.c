/* Return the place of the lowest bit of a word that is not 0. */
static unsigned lowest(uint32_t word)
{
#if defined(__GNUC__)
    return (unsigned)__builtin_ctzl(word);
#else
    static const uint8_t place[32] = {0, 1, 28, 2, 29, 14, 24, 3, 30, 22, 20, 15, 25, 17, 4, 8,
                                      31, 27, 13, 23, 21, 19, 16, 7, 26, 12, 18, 6, 11, 5, 10, 9};
    return place[(uint32_t)((word & (~word + 1)) * 0x077CB531u) >> 27];
#endif
}
