static void clear(uint32_t *words, uint32_t count)
{
    while (count--) *words++ = 0;
}
