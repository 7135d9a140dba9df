#include "client/process.h"
#include "client/public.h"
#include "client/thread.h"

const char *llmt_strerror(int error)
{
    switch (error) {
    case LLMT_OK:
        return "no error";
    case LLMT_EINVAL:
        return "an argument is missing or malformed; nothing was recorded";
    case LLMT_ERANGE:
        return "a number is out of its range and was not recorded";
    case LLMT_ETYPE:
        return "not one of the eight span types; recorded as other";
    case LLMT_EJSON:
        return "not JSON; recorded as a text";
    case LLMT_EENDED:
        return "ended or closed before; nothing was recorded";
    case LLMT_ENOBUFS:
        return "no room; the loss is counted";
    case LLMT_ETIMEDOUT:
        return "not confirmed as delivered; it is kept and delivered later";
    case LLMT_ENOMEM:
        return "out of memory";
    case LLMT_EDISABLED:
        return "tracing is disabled; nothing is recorded";
    default:
        return "unknown error";
    }
}

int llmt_last_error(void)
{
    return thread_get(process_epoch())->last_error;
}

int llmt_version(void)
{
    return LLMT_VERSION_NUMBER;
}
