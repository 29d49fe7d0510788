/* Add the bytes 0 and 2 of a word to the halves of a sum, and the bytes 1 and 3. */
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__) && !defined(EDGESPIKE_PORTABLE)
#define ADD_EVEN(sum, x) __asm__("uxtab16 %0, %0, %1" : "+r"(sum) : "r"(x))
#define ADD_ODD(sum, x) __asm__("uxtab16 %0, %0, %1, ror #8" : "+r"(sum) : "r"(x))
#else
#define ADD_EVEN(sum, x) ((sum) += (x) & 0x00FF00FFu)
#define ADD_ODD(sum, x) ((sum) += ((x) >> 8) & 0x00FF00FFu)
#endif
