#include "llm/price_data.h"

#include <stdint.h>

/* PRICES_JSON is the file's path, set by the build. */
__asm__(".section .rodata\n"
        ".balign 16\n"
        ".global price_data\n"
        ".global price_data_end\n"
        "price_data:\n"
        ".incbin \"" PRICES_JSON "\"\n"
        "price_data_end:\n"
        ".byte 0\n"
        ".previous\n");

extern const char price_data_end[]; /* the same object as price_data, to the linker */

size_t price_data_len(void)
{
    return (uintptr_t)price_data_end - (uintptr_t)price_data;
}
