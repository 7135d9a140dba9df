#include "base/err.h"

const char *err_str(int err)
{
    switch (err) {
    case ERR_OK:
        return "success";
    case ERR_NOMEM:
        return "out of memory";
    case ERR_FULL:
        return "limit reached";
    case ERR_AGAIN:
        return "more input needed";
    case ERR_BAD:
        return "malformed input";
    case ERR_RANGE:
        return "value out of range";
    case ERR_IO:
        return "system error";
    case ERR_NOENT:
        return "not found";
    case ERR_EXIST:
        return "exists already";
    case ERR_BUSY:
        return "in use";
    case ERR_DENIED:
        return "not allowed";
    case ERR_UNSUPPORTED:
        return "not supported";
    case ERR_CORRUPT:
        return "corrupt data";
    case ERR_TIMEOUT:
        return "timed out";
    case ERR_CLOSED:
        return "closed";
    case ERR_VERSION:
        return "unknown format version";
    default:
        return "unknown error";
    }
}
