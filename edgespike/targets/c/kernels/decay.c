/* Multiply by kept / 2^bits, towards zero. */
static $value decay_$value($value v, $value kept, unsigned bits)
{
    return v < 0 ? -(-v * kept >> bits) : v * kept >> bits;
}
