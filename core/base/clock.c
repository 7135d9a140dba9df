#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
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

static int parse_offset(const char *p, int64_t *seconds)
{
    if ((p[0] == 'Z' || p[0] == 'z') && p[1] == '\0') {
        *seconds = 0;
        return ERR_OK;
    }
    int hours = 0;
    int minutes = 0;
    int end = 0;
    if ((p[0] != '+' && p[0] != '-') || sscanf(p + 1, "%2d:%2d%n", &hours, &minutes, &end) != 2 ||
        p[1 + end] != '\0' || hours > 23 || minutes > 59 || hours < 0 || minutes < 0)
        return ERR_BAD;
    *seconds = (int64_t)(hours * 3600 + minutes * 60) * (p[0] == '-' ? -1 : 1);
    return ERR_OK;
}

int clock_parse_iso(const char *text, int64_t *wall_ns)
{
    struct tm tm = {0};
    int end = 0;
    if (sscanf(text, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end) != 6 ||
        end == 0)
        return ERR_BAD;
    if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
        tm.tm_min > 59 || tm.tm_sec > 60 || tm.tm_hour < 0 || tm.tm_min < 0 || tm.tm_sec < 0)
        return ERR_BAD;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    const char *p = text + end;
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
    *wall_ns = ((int64_t)timegm(&tm) - offset) * NS_PER_SEC + fraction;
    return ERR_OK;
}
