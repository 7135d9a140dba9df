/* A span as one line of JSON: what the store keeps and `spans --json` prints. Written by hand, not
 * through a tree, since this is done for each span: a tree costs several times as much. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "span/span.h"

/* Where the text goes; the first error stays. */
struct printer {
    struct buf *out;
    int err;
};

static void put(struct printer *p, const char *text, size_t len)
{
    if (p->err == ERR_OK)
        p->err = buf_append(p->out, text, len);
}

/* A member's key with the comma before it; every span has trace_id in front. */
#define KEY(p, name) put(p, ",\"" name "\":", sizeof(name) + 3)

static void put_text(struct printer *p, const char *text)
{
    if (p->err == ERR_OK)
        p->err = json_quote(p->out, text, strlen(text));
}

#define TEXT(p, name, value)                                                                       \
    do {                                                                                           \
        if ((value) != NULL) {                                                                     \
            KEY(p, name);                                                                          \
            put_text(p, value);                                                                    \
        }                                                                                          \
    } while (0)

static char *digits_before(char *end, uint64_t value)
{
    do {
        *--end = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return end;
}

static void put_int(struct printer *p, int64_t value)
{
    char text[24];
    char *end = text + sizeof(text);
    char *at = digits_before(end, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    if (value < 0)
        *--at = '-';
    put(p, at, (size_t)(end - at));
}

#define FIGURE(p, name, value)                                                                     \
    do {                                                                                           \
        if ((value) >= 0) {                                                                        \
            KEY(p, name);                                                                          \
            put_int(p, value);                                                                     \
        }                                                                                          \
    } while (0)

/* A count of thousandths, such as microseconds, as a number of wholes: 1500 is 1.5. */
static void put_thousandths(struct printer *p, int64_t value)
{
    put_int(p, value / 1000);
    int rest = (int)(value % 1000);
    if (rest == 0)
        return;
    char text[4] = {'.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10),
                    (char)('0' + rest % 10)};
    size_t len = 4;
    while (text[len - 1] == '0')
        len--;
    put(p, text, len);
}

static void put_milliseconds(struct printer *p, const char *key, size_t key_len, double ms)
{
    if (!(ms >= 0) || ms > 1e12)
        return;
    put(p, key, key_len);
    put_thousandths(p, llround(ms * 1000));
}

static void put_cost(struct printer *p, double usd)
{
    if (!(usd >= 0) || !isfinite(usd))
        return;
    char text[40];
    /* Twelve digits: below any price, and 0.1 + 0.2 stays 0.3. */
    int len = snprintf(text, sizeof(text), "%.12g", usd);
    char *comma = strchr(text, ','); /* the program's locale */
    if (comma != NULL)
        *comma = '.';
    KEY(p, "cost_usd");
    put(p, text, (size_t)len);
}

static char *two_digits(char *at, int value)
{
    at[0] = (char)('0' + value / 10);
    at[1] = (char)('0' + value % 10);
    return at + 2;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Gregorian date of a day since 1970 (H. Hinnant, "chrono-compatible low-level date algorithms").
 */
static void civil_from_days(int64_t days, int *year, int *month, int *day)
{
    int64_t z = days + 719468;
    int64_t era = floor_div(z, 146097);
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2));
}

/* The text of clock_iso, without the C library's calendar: two of these a span would be a fifth of
 * what storing it costs. Years 1677 to 2262, the range of int64_t nanoseconds. */
static void put_time(struct printer *p, int64_t wall_ns)
{
    int64_t us = floor_div(wall_ns, NS_PER_US);
    int64_t sec = floor_div(us, 1000000);
    int64_t days = floor_div(sec, 86400);
    int in_day = (int)(sec - days * 86400);
    int fraction = (int)(us - sec * 1000000);
    int year, month, day;
    civil_from_days(days, &year, &month, &day);
    char text[36] = "\"";
    char *at = two_digits(two_digits(text + 1, year / 100), year % 100);
    *at++ = '-';
    at = two_digits(at, month);
    *at++ = '-';
    at = two_digits(at, day);
    *at++ = 'T';
    at = two_digits(at, in_day / 3600);
    *at++ = ':';
    at = two_digits(at, in_day / 60 % 60);
    *at++ = ':';
    at = two_digits(at, in_day % 60);
    *at++ = '.';
    at = two_digits(two_digits(two_digits(at, fraction / 10000), fraction / 100 % 100),
                    fraction % 100);
    memcpy(at, "+00:00\"", 7);
    put(p, text, (size_t)(at + 7 - text));
}

static void put_id(struct printer *p, const uint8_t *id, size_t len)
{
    char hex[TRACE_ID_HEX + 2] = "\"";
    id_to_hex(id, len, hex + 1);
    hex[2 * len + 1] = '"';
    put(p, hex, 2 * len + 2);
}

static void put_json(struct printer *p, const json *value)
{
    if (p->err == ERR_OK)
        p->err = json_print(value, p->out);
}

#define JSON(p, name, value)                                                                       \
    do {                                                                                           \
        if ((value) != NULL) {                                                                     \
            KEY(p, name);                                                                          \
            put_json(p, value);                                                                    \
        }                                                                                          \
    } while (0)

static void put_identity(struct printer *p, const struct span *s)
{
    put(p, "{\"trace_id\":", 12);
    put_id(p, s->trace_id, TRACE_ID_LEN);
    KEY(p, "span_id");
    put_id(p, s->span_id, SPAN_ID_LEN);
    if (!id_is_zero(s->parent_span_id, SPAN_ID_LEN)) {
        KEY(p, "parent_span_id");
        put_id(p, s->parent_span_id, SPAN_ID_LEN);
    }
    TEXT(p, "name", s->name);
    TEXT(p, "span_type", span_type_name(s->type));
}

static void put_times(struct printer *p, const struct span *s)
{
    if (s->start_time != 0) {
        KEY(p, "start_time");
        put_time(p, s->start_time);
    }
    if (s->end_time == 0)
        return;
    KEY(p, "end_time");
    put_time(p, s->end_time);
    /* Of the microseconds shown, so that it agrees with them. */
    int64_t us = floor_div(s->end_time, NS_PER_US) - floor_div(s->start_time, NS_PER_US);
    if (s->start_time == 0)
        return;
    KEY(p, "duration_ms");
    put_thousandths(p, us > 0 ? us : 0);
}

static void put_model(struct printer *p, const struct span *s)
{
    TEXT(p, "model", s->model);
    TEXT(p, "provider", s->provider);
    TEXT(p, "operation", s->operation);
    TEXT(p, "request_model", s->request_model);
    TEXT(p, "response_model", s->response_model);
    TEXT(p, "response_id", s->response_id);
    if (s->stream >= 0) {
        KEY(p, "stream");
        put(p, s->stream ? "true" : "false", s->stream ? 4 : 5);
    }
}

static void put_figures(struct printer *p, const struct span *s)
{
    FIGURE(p, "chunk_count", s->chunk_count);
    put_milliseconds(p, ",\"ttfc_ms\":", 11, s->ttfc_ms);
    put_milliseconds(p, ",\"ttft_ms\":", 11, s->ttft_ms);
    FIGURE(p, "tokens_input", s->tokens_input);
    FIGURE(p, "tokens_output", s->tokens_output);
    FIGURE(p, "tokens_cache_read", s->tokens_cache_read);
    FIGURE(p, "tokens_cache_write", s->tokens_cache_write);
    FIGURE(p, "tokens_reasoning", s->tokens_reasoning);
    TEXT(p, "usage_source", s->usage_source);
    put_cost(p, s->cost_usd);
    TEXT(p, "cost_source", s->cost_source);
    if (s->uncounted) {
        KEY(p, "counted");
        put(p, "false", 5);
    }
}

static void put_outcome(struct printer *p, const struct span *s)
{
    JSON(p, "finish_reasons", s->finish_reasons);
    FIGURE(p, "status_code", s->status_code);
    FIGURE(p, "retry", s->retry);
    TEXT(p, "error", s->error);
    TEXT(p, "error_type", s->error_type);
    if (s->partial) {
        KEY(p, "partial");
        put(p, "true", 4);
    }
}

/* An object without members known to be there: the first key's comma becomes its brace. */
static void put_process(struct printer *p, const struct span_process *process)
{
    if (process->pid <= 0 && process->exe == NULL && process->argv == NULL)
        return;
    KEY(p, "process");
    size_t brace = p->out->len;
    if (process->pid > 0)
        FIGURE(p, "pid", process->pid);
    TEXT(p, "exe", process->exe);
    JSON(p, "argv", process->argv);
    if (p->err == ERR_OK)
        p->out->data[brace] = '{';
    put(p, "}", 1);
}

static void put_capture(struct printer *p, const struct span *s)
{
    if (s->capture_route == NULL && s->dropped_bytes <= 0)
        return;
    KEY(p, "capture");
    size_t brace = p->out->len;
    TEXT(p, "route", s->capture_route);
    FIGURE(p, "dropped_bytes", s->dropped_bytes);
    if (p->err == ERR_OK)
        p->out->data[brace] = '{';
    put(p, "}", 1);
}

int span_print(const struct span *s, struct buf *out)
{
    if (s->printed != NULL)
        return buf_append(out, s->printed, s->printed_len);
    struct printer p = {.out = out};
    size_t before = out->len;
    p.err = buf_reserve(out, out->len + 1024 < out->max ? out->len + 1024 : out->max);
    put_identity(&p, s);
    put_times(&p, s);
    put_model(&p, s);
    put_figures(&p, s);
    put_outcome(&p, s);
    JSON(&p, "input_data", s->input_data);
    JSON(&p, "output_data", s->output_data);
    JSON(&p, "metadata", s->metadata);
    put_process(&p, &s->process);
    put_capture(&p, s);
    put(&p, "}", 1);
    if (p.err != ERR_OK && out->data != NULL) { /* nothing half */
        out->len = before;
        out->data[before] = '\0';
    }
    return p.err;
}

static void drop(json **value)
{
    json_free(*value);
    *value = NULL;
}

int span_seal(struct span *s, size_t max)
{
    if (s->printed != NULL)
        return ERR_OK;
    struct buf text;
    buf_init(&text, max);
    int err = span_print(s, &text);
    if (err != ERR_OK) {
        buf_release(&text);
        return err;
    }
    s->printed_len = text.len;
    s->printed = buf_take(&text);
    drop(&s->finish_reasons);
    drop(&s->input_data);
    drop(&s->output_data);
    drop(&s->metadata);
    drop(&s->process.argv);
    return ERR_OK;
}
