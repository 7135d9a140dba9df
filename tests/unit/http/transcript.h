/* Plays a scripted connection to the parser and writes down what it says, one line an exchange. */
#ifndef TESTS_UNIT_HTTP_TRANSCRIPT_H
#define TESTS_UNIT_HTTP_TRANSCRIPT_H

#include <stddef.h>

#include "base/buf.h"
#include "http/http.h"

enum step_kind {
    STEP_END,
    STEP_OUT,
    STEP_IN,
    STEP_IN_OLD,
    GAP_OUT,
    GAP_IN,
    EOF_OUT,
    EOF_IN,
    STEP_CLOSE
};

/* Step i happens at time 10 * (i + 1); STEP_IN_OLD, told late, at 5. */
struct step {
    enum step_kind kind;
    const char *data;
    size_t len;
};

#define OUT(text)                                                                                  \
    {                                                                                              \
        STEP_OUT, text, sizeof(text) - 1                                                           \
    }
#define IN(text)                                                                                   \
    {                                                                                              \
        STEP_IN, text, sizeof(text) - 1                                                            \
    }
#define IN_OLD(text)                                                                               \
    {                                                                                              \
        STEP_IN_OLD, text, sizeof(text) - 1                                                        \
    }
#define LOST_OUT(n)                                                                                \
    {                                                                                              \
        GAP_OUT, NULL, n                                                                           \
    }
#define LOST_IN(n)                                                                                 \
    {                                                                                              \
        GAP_IN, NULL, n                                                                            \
    }

enum split { SPLIT_NONE, SPLIT_BYTES, SPLIT_RANDOM };

/* Appends to out, for each exchange in the order of their ends:
 *   @OFFSET METHOD TARGET {BODY} T-T | STATUS {BODY} T-T | HOW
 * and where they are not 0: lost=REQUEST,RESPONSE, undecoded=request or response. Then `dead` if
 * it is. Every piece ends at a page that cannot be read. */
void transcript_run(struct buf *out, const struct step *steps, const struct http_options *options,
                    enum split split, unsigned seed);

#endif
