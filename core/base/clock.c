#include "base/clock.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

int64_t clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_boot_ns(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

int64_t clock_boot_to_wall(void)
{
    return clock_wall_ns() - clock_boot_ns();
}

char *clock_iso(int64_t wall_ns, char *out)
{
    int64_t sec = wall_ns / NS_PER_SEC;
    int64_t rest = wall_ns % NS_PER_SEC;
    if (rest < 0) {
        rest += NS_PER_SEC;
        sec--;
    }
    time_t t = (time_t)sec;
    struct tm tm;
    gmtime_r(&t, &tm);
    char date[24];
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, CLOCK_ISO_MAX, "%s.%06d+00:00", date, (int)(rest / NS_PER_US));
    return out;
}

/* Reads exactly `count` digits at *p, and goes behind them. */
static bool take_digits(const char **p, int count, int *value)
{
    *value = 0;
    for (; count > 0; count--, (*p)++) {
        if (!isdigit((unsigned char)**p))
            return false;
        *value = *value * 10 + (**p - '0');
    }
    return true;
}

static bool take_one_of(const char **p, const char *accepted)
{
    if (**p == '\0' || strchr(accepted, **p) == NULL)
        return false;
    (*p)++;
    return true;
}

static int parse_offset(const char *p, int64_t *seconds)
{
    if ((p[0] == 'Z' || p[0] == 'z') && p[1] == '\0') {
        *seconds = 0;
        return ERR_OK;
    }
    int hours;
    int minutes;
    int sign = *p == '-' ? -1 : 1;
    if (!take_one_of(&p, "+-") || !take_digits(&p, 2, &hours) || !take_one_of(&p, ":") ||
        !take_digits(&p, 2, &minutes) || *p != '\0' || hours > 23 || minutes > 59)
        return ERR_BAD;
    *seconds = ((int64_t)hours * 3600 + (int64_t)minutes * 60) * sign;
    return ERR_OK;
}

int clock_parse_iso(const char *text, int64_t *wall_ns)
{
    struct tm tm = {0};
    const char *p = text;
    if (!take_digits(&p, 4, &tm.tm_year) || !take_one_of(&p, "-") ||
        !take_digits(&p, 2, &tm.tm_mon) || !take_one_of(&p, "-") ||
        !take_digits(&p, 2, &tm.tm_mday) || !take_one_of(&p, "Tt ") ||
        !take_digits(&p, 2, &tm.tm_hour) || !take_one_of(&p, ":") ||
        !take_digits(&p, 2, &tm.tm_min) || !take_one_of(&p, ":") || !take_digits(&p, 2, &tm.tm_sec))
        return ERR_BAD;
    if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
        tm.tm_min > 59 || tm.tm_sec > 60)
        return ERR_BAD;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    int64_t fraction = 0;
    if (*p == '.') {
        int64_t unit = NS_PER_SEC;
        for (p++; isdigit((unsigned char)*p); p++) {
            unit /= 10;
            fraction += (*p - '0') * unit;
        }
    }
    int64_t offset;
    if (parse_offset(p, &offset) != ERR_OK)
        return ERR_BAD;
    int64_t ns; /* 64 bits hold the years from 1678 to 2261 */
    if (__builtin_mul_overflow((int64_t)timegm(&tm) - offset, NS_PER_SEC, &ns) ||
        __builtin_add_overflow(ns, fraction, &ns))
        return ERR_BAD;
    *wall_ns = ns;
    return ERR_OK;
}
