#include "llm/price_data.h"

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

extern const char price_data_end[];

size_t price_data_len(void)
{
    return (size_t)(price_data_end - price_data);
}
