/* Characters, for fold.c and words.c. */
#ifndef TRACER_STORE_WORDS_INSIDE_H
#define TRACER_STORE_WORDS_INSIDE_H

#include "store/words.h"

uint32_t word_lower(uint32_t c);
/* The character at `at`, which is before end; *len its bytes. What is no UTF-8 is one byte, told as
 * 0xfffd. */
uint32_t word_decode(const unsigned char *at, const unsigned char *end, size_t *len);
/* At most 4 bytes; returns how many. */
size_t word_encode(uint32_t c, char *out);

#endif
