/* Nothing: what the loader finds for 32-bit programs through $LIB, so that it says nothing. */
extern const int llmtracer_preload_is_not_for_32_bit;
const int llmtracer_preload_is_not_for_32_bit = 1;
