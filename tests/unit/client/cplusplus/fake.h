/* The functions of llm_tracer.h as far as its C++ classes call them: each writes one line into a
 * log instead of a record, so that a test sees what was called, in which order, with what. */
#ifndef TESTS_CLIENT_FAKE_H
#define TESTS_CLIENT_FAKE_H

#ifdef __cplusplus
extern "C" {
#endif

/* The lines since the last call of fake_clear, in static memory. */
const char *fake_log(void);
void fake_clear(void);

#ifdef __cplusplus
}
#endif
#endif
