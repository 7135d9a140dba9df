/* The one error enum of the project. Functions that can fail return 0 (or a count) on success and
 * one of these on failure; all are negative. */
#ifndef TRACER_BASE_ERR_H
#define TRACER_BASE_ERR_H

enum err {
    ERR_OK = 0,
    ERR_NOMEM = -1,        /* out of memory */
    ERR_FULL = -2,         /* a ceiling was reached; what did not fit was not taken */
    ERR_AGAIN = -3,        /* more input is needed, or try later */
    ERR_BAD = -4,          /* malformed input */
    ERR_RANGE = -5,        /* a value outside its range */
    ERR_IO = -6,           /* the system refused; errno says why */
    ERR_NOENT = -7,        /* no such object */
    ERR_EXIST = -8,        /* it exists already */
    ERR_BUSY = -9,         /* someone else holds it */
    ERR_DENIED = -10,      /* not allowed, or not ours */
    ERR_UNSUPPORTED = -11, /* known, but not something we can do */
    ERR_CORRUPT = -12,     /* stored data does not hold together */
    ERR_TIMEOUT = -13,     /* the bound on waiting was reached */
    ERR_CLOSED = -14,      /* the other side is gone */
    ERR_VERSION = -15      /* made by another version of the format */
};

#define WARN_UNUSED_RESULT __attribute__((warn_unused_result))

/* A short English phrase for any value of the enum; never NULL; static storage. Thread-safe. */
const char *err_str(int err);

#endif
