/* Times as clients write them. clock_parse_iso is for what this program wrote; here a day has to
 * exist, and hundreds of thousands are read a second. */
#include "base/clock.h"
#include "service/validate.h"

#define SECONDS_A_DAY INT64_C(86400)
#define YEAR_MAX      2199

struct reader {
    const char *at, *end;
};

static bool take_digits(struct reader *r, int count, int *out)
{
    *out = 0;
    for (; count > 0; count--) {
        if (r->at == r->end || *r->at < '0' || *r->at > '9')
            return false;
        *out = *out * 10 + (*r->at++ - '0');
    }
    return true;
}

static bool take_char(struct reader *r, char a, char b)
{
    if (r->at == r->end || (*r->at != a && *r->at != b))
        return false;
    r->at++;
    return true;
}

/* Days from 1970-01-01 in the Gregorian calendar, by years that begin in March. */
static int64_t days_of(int year, int month, int day)
{
    const int64_t y = month <= 2 ? year - 1 : year;
    const int64_t era = y / 400, of_era = y % 400;
    const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int month_length(int year, int month)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return lengths[month - 1] + (month == 2 && leap);
}

/* 1 to 9 digits behind the point; further ones are read and dropped. */
static bool take_fraction(struct reader *r, int64_t *ns)
{
    int64_t unit = NS_PER_SEC;
    const char *from = r->at;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
        unit /= 10;
        *ns += (*r->at - '0') * unit;
    }
    return r->at > from;
}

/* `Z`, `+01:00` or `+0100`. In a query a `+` that nobody escaped has become a space. */
static bool take_offset(struct reader *r, int64_t *seconds)
{
    int hours, minutes;
    *seconds = 0;
    if (take_char(r, 'Z', 'z'))
        return true;
    const bool west = take_char(r, '-', '-');
    if (!west && !take_char(r, '+', ' '))
        return false;
    if (!take_digits(r, 2, &hours))
        return false;
    (void)take_char(r, ':', ':');
    if (!take_digits(r, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *seconds = ((int64_t)hours * 3600 + (int64_t)minutes * 60) * (west ? -1 : 1);
    return true;
}

int time_read(struct text text, int64_t *wall_ns)
{
    struct reader r = {.at = text.at, .end = text.at + text.len};
    int year, month, day, hour, minute, second;
    int64_t ns = 0, offset;
    if (!take_digits(&r, 4, &year) || !take_char(&r, '-', '-') || !take_digits(&r, 2, &month) ||
        !take_char(&r, '-', '-') || !take_digits(&r, 2, &day) || !take_char(&r, 'T', ' ') ||
        !take_digits(&r, 2, &hour) || !take_char(&r, ':', ':') || !take_digits(&r, 2, &minute) ||
        !take_char(&r, ':', ':') || !take_digits(&r, 2, &second))
        return ERR_BAD;
    if (month < 1 || month > 12 || day < 1 || day > month_length(year, month) || hour > 23 ||
        minute > 59 || second > 59)
        return ERR_BAD;
    if (take_char(&r, '.', ',') && !take_fraction(&r, &ns))
        return ERR_BAD;
    if (!take_offset(&r, &offset) || r.at != r.end)
        return ERR_BAD;
    const int64_t seconds = days_of(year, month, day) * SECONDS_A_DAY + (int64_t)hour * 3600 +
                            (int64_t)minute * 60 + second - offset;
    if (seconds < SECONDS_A_DAY || year > YEAR_MAX)
        return ERR_RANGE;
    *wall_ns = seconds * NS_PER_SEC + ns;
    return ERR_OK;
}
