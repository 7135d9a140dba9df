#include "service/print.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "json/json.h"

#define DIGITS_MAX    24
#define SECONDS_A_DAY INT64_C(86400)

/* Appends `,"name":` or, for the first one of an object, `{"name":`. */
static int print_name(struct buf *out, const char *name)
{
    return buf_append(out, name, strlen(name));
}

/* Writes the digits so that they end at `end`; returns where they begin. */
static char *put_digits(char *end, uint64_t value)
{
    do {
        *--end = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return end;
}

int print_int(struct buf *out, int64_t value)
{
    char digits[DIGITS_MAX];
    char *end = digits + sizeof(digits);
    char *at = put_digits(end, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    if (value < 0)
        *--at = '-';
    return buf_append(out, at, (size_t)(end - at));
}

int print_count(struct buf *out, int64_t value)
{
    return value < 0 ? buf_append(out, "null", 4) : print_int(out, value);
}

/* Nearly all figures are a whole number of billionths. Their quotient is rounded as a reader of the
 * decimal rounds it, both being exact; so when it is the value, the decimal reads back as it. */
static bool print_decimal(struct buf *out, double value, int *err)
{
    const double billion = 1e9, scaled = round(value * billion);
    if (!(scaled < 9007199254740992.0) || scaled / billion != value)
        return false;
    char text[2 * DIGITS_MAX];
    char *end = text + sizeof(text);
    const uint64_t billionths = (uint64_t)scaled;
    uint64_t rest = billionths % 1000000000;
    char *at = end;
    if (rest > 0) {
        int places = 9;
        for (; rest % 10 == 0; places--)
            rest /= 10;
        at = put_digits(end, rest);
        while (end - at < places)
            *--at = '0';
        *--at = '.';
    }
    at = put_digits(at, billionths / 1000000000);
    *err = buf_append(out, at, (size_t)(end - at));
    return true;
}

int print_figure(struct buf *out, double value)
{
    int err;
    char text[40];
    if (!isfinite(value) || value < 0)
        return buf_append(out, "null", 4);
    if (print_decimal(out, value, &err))
        return err;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return buf_append_str(out, text);
}

int print_text(struct buf *out, struct text text)
{
    return text.at == NULL ? buf_append(out, "null", 4) : json_quote(out, text.at, text.len);
}

/* JSON as it was kept. */
static int print_raw(struct buf *out, struct text text)
{
    return text.at == NULL || text.len == 0 ? buf_append(out, "null", 4)
                                            : buf_append(out, text.at, text.len);
}

/* Exactly so many digits, with zeros in front. */
static void put(char *to, int64_t value, int digits)
{
    while (digits-- > 0) {
        to[digits] = (char)('0' + value % 10);
        value /= 10;
    }
}

/* The day of the Gregorian calendar, by years that begin in March. */
static void put_date(char *to, int64_t days)
{
    days += 719468;
    const int64_t era = days / 146097, of_era = days % 146097;
    const int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    const int64_t month = (5 * of_year + 2) / 153;
    put(to + 8, of_year - (153 * month + 2) / 5 + 1, 2);
    put(to + 5, month < 10 ? month + 3 : month - 9, 2);
    put(to, era * 400 + year + (month >= 10), 4);
}

int print_time(struct buf *out, int64_t wall_ns)
{
    char text[] = "\"0000-00-00T00:00:00.000000+00:00\"";
    if (wall_ns <= 0)
        return buf_append(out, "null", 4);
    const int64_t seconds = wall_ns / NS_PER_SEC, of_day = seconds % SECONDS_A_DAY;
    put_date(text + 1, seconds / SECONDS_A_DAY);
    put(text + 12, of_day / 3600, 2);
    put(text + 15, of_day / 60 % 60, 2);
    put(text + 18, of_day % 60, 2);
    put(text + 21, wall_ns % NS_PER_SEC / NS_PER_US, 6);
    return buf_append(out, text, sizeof(text) - 1);
}

/* Times of the client may come from a clock that was set back: no duration is negative. */
static int print_duration(struct buf *out, int64_t start, int64_t end)
{
    if (end <= 0)
        return buf_append(out, "null", 4);
    return print_int(out, end < start ? 0 : (end - start) / NS_PER_MS);
}

enum stored_status trace_status(const struct stored_trace *trace)
{
    if (trace->end_time == 0)
        return STORED_RUNNING;
    return trace->errors > 0 || trace->error.at != NULL ? STORED_ERROR : STORED_OK;
}

const char *status_name(enum stored_status status)
{
    switch (status) {
    case STORED_RUNNING:
        return "running";
    case STORED_ERROR:
        return "error";
    case STORED_OK:
    case STORED_ANY:
        break;
    }
    return "ok";
}

#define TRY(call)                                                                                  \
    do {                                                                                           \
        const int try_err = (call);                                                                \
        if (try_err != ERR_OK)                                                                     \
            return try_err;                                                                        \
    } while (0)
#define MEMBER(name, call)                                                                         \
    do {                                                                                           \
        TRY(print_name(out, name));                                                                \
        TRY(call);                                                                                 \
    } while (0)

static int print_trace_figures(struct buf *out, const struct stored_trace *t)
{
    MEMBER(",\"span_count\":", print_int(out, t->span_count));
    MEMBER(",\"total_cost\":", print_figure(out, t->total_cost > 0 ? t->total_cost : 0));
    MEMBER(",\"status\":\"", buf_append_str(out, status_name(trace_status(t))));
    MEMBER("\",\"error\":", print_text(out, t->error));
    MEMBER(",\"model\":", print_text(out, t->model));
    MEMBER(",\"models\":", print_count(out, t->models));
    MEMBER(",\"calls\":", print_count(out, t->calls));
    MEMBER(",\"errors\":", print_count(out, t->errors));
    MEMBER(",\"running\":", print_count(out, t->running));
    MEMBER(",\"tokens_input\":", print_count(out, t->tokens_input));
    MEMBER(",\"tokens_output\":", print_count(out, t->tokens_output));
    MEMBER(",\"tokens_cache_read\":", print_count(out, t->tokens_cache_read));
    MEMBER(",\"ttft_ms\":", print_figure(out, t->ttft_ms));
    return buf_append_char(out, '}');
}

int print_trace(struct buf *out, const struct stored_trace *t)
{
    MEMBER("{\"trace_id\":", print_text(out, t->trace_id));
    MEMBER(",\"name\":", print_text(out, t->name));
    MEMBER(",\"project_id\":", print_text(out, t->project_id));
    MEMBER(",\"start_time\":", print_time(out, t->start_time));
    MEMBER(",\"end_time\":", print_time(out, t->end_time));
    MEMBER(",\"duration_ms\":", print_duration(out, t->start_time, t->end_time));
    MEMBER(",\"metadata\":", print_raw(out, t->metadata));
    MEMBER(",\"tags\":", print_raw(out, t->tags));
    MEMBER(",\"user_id\":", print_text(out, t->user_id));
    MEMBER(",\"session_id\":", print_text(out, t->session_id));
    MEMBER(",\"output\":", print_text(out, t->output));
    return print_trace_figures(out, t);
}

int print_span(struct buf *out, const struct stored_span *s)
{
    MEMBER("{\"span_id\":", print_text(out, s->span_id));
    MEMBER(",\"trace_id\":", print_text(out, s->trace_id));
    MEMBER(",\"parent_span_id\":", print_text(out, s->parent_span_id));
    MEMBER(",\"name\":", print_text(out, s->name));
    MEMBER(",\"span_type\":\"", buf_append_str(out, span_type_name(s->type)));
    MEMBER("\",\"start_time\":", print_time(out, s->start_time));
    MEMBER(",\"end_time\":", print_time(out, s->end_time));
    MEMBER(",\"duration_ms\":", print_duration(out, s->start_time, s->end_time));
    MEMBER(",\"input_data\":", print_raw(out, s->input_data));
    MEMBER(",\"output_data\":", print_raw(out, s->output_data));
    MEMBER(",\"metadata\":", print_raw(out, s->metadata));
    MEMBER(",\"model\":", print_text(out, s->model));
    MEMBER(",\"tokens_input\":", print_count(out, s->tokens_input));
    MEMBER(",\"tokens_output\":", print_count(out, s->tokens_output));
    MEMBER(",\"cost_usd\":", print_figure(out, s->cost_usd));
    MEMBER(",\"error\":", print_text(out, s->error));
    return buf_append_char(out, '}');
}
