#include "service/server_log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"

#define PER_MINUTE 10

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t minute;
static unsigned said, left_out;

/* Whether one more may be said; *silent: how many were not since the last one. */
static int may_say(unsigned *silent)
{
    pthread_mutex_lock(&lock);
    int64_t now = clock_boot_ns() / (60 * NS_PER_SEC);
    if (now != minute) {
        minute = now;
        said = 0;
    }
    int may = said < PER_MINUTE;
    *silent = may ? left_out : 0;
    if (may) {
        said++;
        left_out = 0;
    } else {
        left_out++;
    }
    pthread_mutex_unlock(&lock);
    return may;
}

void service_complain(const char *format, ...)
{
    unsigned silent;
    char text[512];
    if (!may_say(&silent))
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (silent > 0)
        log_error("%s (and %u messages before it that were left out)", text, silent);
    else
        log_error("%s", text);
}
