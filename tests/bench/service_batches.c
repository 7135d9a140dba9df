/* Batches of spans as the exporter sends them, with words enough that a search has to choose. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "service_load.h"

#define SPANS_A_TRACE  10
#define SPAN_BYTES_MAX 2048
#define WORDS          20000

static uint64_t random_state;

static uint64_t random_next(void)
{
    /* splitmix64, by Sebastiano Vigna */
    uint64_t z = (random_state += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

/* A word of a vocabulary in which, as in language, a few are in most texts and most in few. */
static size_t put_word(char *out, size_t size)
{
    static const char *const syllables[] = {"ba", "ke", "lo", "mi", "nu", "ra", "se", "to",
                                            "vi", "wu", "xa", "ye", "zo", "di", "fu", "ga"};
    double u = (double)(random_next() >> 11) / 9007199254740992.0;
    size_t n = (size_t)(u * u * u * WORDS);
    return (size_t)snprintf(out, size, "%s%s%s%s ", syllables[n & 15], syllables[n >> 4 & 15],
                            syllables[n >> 8 & 15], syllables[n >> 12 & 15]);
}

static size_t put_words(char *out, size_t size, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count && len + 16 < size; i++)
        len += put_word(out + len, size - len);
    return len;
}

static void iso(char *out, size_t size, int64_t us)
{
    struct tm t;
    time_t seconds = us / 1000000;
    gmtime_r(&seconds, &t);
    size_t n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &t);
    snprintf(out + n, size - n, ".%06d+00:00", (int)(us % 1000000));
}

static size_t put_trace(char *out, const char *project, uint64_t id, int64_t start)
{
    char from[40], to[40];
    iso(from, sizeof(from), start);
    iso(to, sizeof(to), start + 60000000);
    return (size_t)sprintf(
        out,
        "{\"op\":\"create_trace\",\"trace_id\":\"%032llx\",\"name\":\"job-%u\",\"project_id\":\"%"
        "s\","
        "\"start_time\":\"%s\",\"end_time\":\"%s\",\"user_id\":\"user-%u\",\"session_id\":\"s-%u\","
        "\"tags\":[\"env-%u\",\"bench\"]}\n",
        (unsigned long long)id, (unsigned)(random_next() % 50), project, from, to,
        (unsigned)(random_next() % 1000), (unsigned)(random_next() % 5000),
        (unsigned)(random_next() % 4));
}

static size_t put_span(char *out, uint64_t trace, unsigned number, int64_t start)
{
    static const char *const models[] = {"gpt-4o", "gpt-4o-mini", "claude-sonnet-4", "gemini-pro"};
    char from[40], to[40];
    int64_t lasts = 200000 + (int64_t)(random_next() % 5000000);
    start += number * 5500000LL;
    iso(from, sizeof(from), start);
    iso(to, sizeof(to), start + lasts);
    size_t n = (size_t)sprintf(
        out,
        "{\"op\":\"create_span\",\"trace_id\":\"%032llx\",\"span_id\":\"%016llx\",\"name\":"
        "\"chat\","
        "\"span_type\":\"llm\",\"model\":\"%s\",\"start_time\":\"%s\",\"end_time\":\"%s\","
        "\"tokens_input\":%u,\"tokens_output\":%u,\"cost_usd\":0.00%u,\"metadata\":{\"provider\":"
        "\"openai\",\"ttft_ms\":%u},\"input_data\":{\"messages\":[{\"role\":\"user\",\"parts\":[{"
        "\"type\":\"text\",\"content\":\"",
        (unsigned long long)trace, (unsigned long long)(trace * SPANS_A_TRACE + number),
        models[random_next() % 4], from, to, (unsigned)(random_next() % 2000),
        (unsigned)(random_next() % 500), (unsigned)(random_next() % 999 + 1),
        (unsigned)(lasts / 3000));
    n += put_words(out + n, SPAN_BYTES_MAX - n - 400, 20);
    n += (size_t)sprintf(out + n, "\"}]}]},\"output_data\":{\"messages\":[{\"role\":\"assistant\","
                                  "\"parts\":[{\"type\":\"text\",\"content\":\"");
    n += put_words(out + n, SPAN_BYTES_MAX - n - 100, 20);
    if (random_next() % 50 == 0)
        return n + (size_t)sprintf(out + n, "\"}]}]},\"error\":\"rate limited\"}\n");
    return n + (size_t)sprintf(out + n, "\"}]}]}}\n");
}

static void compress_batch(struct load_batch *b)
{
    z_stream z = {0};
    if (deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    size_t room = deflateBound(&z, b->len);
    char *out = malloc(room);
    if (out == NULL)
        abort();
    z.next_in = (Bytef *)b->bytes;
    z.avail_in = (uInt)b->len;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)room;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    free(b->bytes);
    b->len = room - z.avail_out;
    b->bytes = realloc(out, b->len);
    deflateEnd(&z);
}

void load_batches_make(struct load_batches *b, const char *project, size_t count, size_t spans,
                       bool gzip, uint64_t seed, double days)
{
    int64_t now = (int64_t)time(NULL) * 1000000;
    size_t traces = count * ((spans + SPANS_A_TRACE - 1) / SPANS_A_TRACE), made = 0;
    random_state = seed;
    b->count = count;
    b->at = calloc(count, sizeof(b->at[0]));
    char *text = malloc(spans * (SPAN_BYTES_MAX + 64) + 1);
    if (b->at == NULL || text == NULL)
        abort();
    for (size_t i = 0; i < count; i++) {
        uint64_t trace = 0;
        int64_t start = now;
        size_t len = 0;
        for (unsigned n = 0; n < spans; n++) {
            if (n % SPANS_A_TRACE == 0) {
                double share = (double)(traces - made++) / (double)traces;
                trace = random_next() >> 8;
                start = now - (int64_t)(share * days * 86400e6);
                len += put_trace(text + len, project, trace, start);
            }
            len += put_span(text + len, trace, n % SPANS_A_TRACE, start);
        }
        b->at[i].len = len;
        b->at[i].bytes = malloc(len);
        if (b->at[i].bytes == NULL)
            abort();
        memcpy(b->at[i].bytes, text, len);
        if (gzip)
            compress_batch(&b->at[i]);
    }
    free(text);
}

void load_batches_release(struct load_batches *b)
{
    for (size_t i = 0; i < b->count; i++)
        free(b->at[i].bytes);
    free(b->at);
}
