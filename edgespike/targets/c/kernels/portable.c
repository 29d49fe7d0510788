/* Halves may carry to the next here, which instructions that add halves lose. */
#ifndef EDGESPIKE_PORTABLE
#define EDGESPIKE_PORTABLE
#endif
