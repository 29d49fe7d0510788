/* Multiply by kept / 2^bits, towards zero, in two parts that fit 64 bits. */
static int64_t decay_in_parts(int64_t v, int64_t kept, unsigned bits)
{
    const int64_t size = v < 0 ? -v : v, rest = size & (((int64_t)1 << bits) - 1);
    const int64_t left = (size >> bits) * kept + (rest * kept >> bits);
    return v < 0 ? -left : left;
}
