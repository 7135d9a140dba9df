#include "http/coding.h"

#include <stdlib.h>
#include <string.h>

#include "http/head.h"

static const struct coding_kind *const kinds[] = {&coding_gzip, &coding_deflate, &coding_brotli,
                                                  &coding_zstd};

struct stage {
    const struct coding_kind *kind;
    void *decoder;
    char *output;  /* CODING_OUTPUT_BYTES */
    uint64_t left; /* bytes that it may still make for the next one */
};

/* stages[0] takes the bytes as sent. */
struct coding {
    struct stage stages[CODING_CHAIN_MAX];
    size_t count;
};

static const struct coding_kind *find_kind(const char *token, size_t len)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (head_token_is(token, len, kinds[i]->name))
            return kinds[i];
        if (kinds[i]->alias != NULL && head_token_is(token, len, kinds[i]->alias))
            return kinds[i];
    }
    return NULL;
}

/* Appends the codings that the fields of that name list, in the order in which they were applied.
 */
static int list_codings(const struct http_head *head, const char *name,
                        const struct coding_kind **list, size_t *count)
{
    for (size_t i = 0; i < head->header_count; i++) {
        if (strcmp(head->headers[i].name, name) != 0)
            continue;
        const char *value = head->headers[i].value, *token;
        size_t len;
        while (head_next_token(&value, &token, &len)) {
            if (head_token_is(token, len, "identity") || head_token_is(token, len, "chunked"))
                continue;
            const struct coding_kind *kind = find_kind(token, len);
            if (kind == NULL || *count == CODING_CHAIN_MAX)
                return ERR_UNSUPPORTED;
            list[(*count)++] = kind;
        }
    }
    return ERR_OK;
}

int coding_new(struct coding **out, const struct http_head *head, uint64_t max)
{
    const struct coding_kind *list[CODING_CHAIN_MAX];
    size_t count = 0;
    *out = NULL;
    int err = list_codings(head, "content-encoding", list, &count);
    if (err == ERR_OK)
        err = list_codings(head, "transfer-encoding", list, &count);
    if (err != ERR_OK || count == 0)
        return err;
    struct coding *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return ERR_NOMEM;
    for (; c->count < count; c->count++) {
        /* What was applied last is undone first. */
        struct stage *s = &c->stages[c->count];
        s->kind = list[count - 1 - c->count];
        s->left = max;
        s->decoder = s->kind->open();
        s->output = s->decoder == NULL ? NULL : malloc(CODING_OUTPUT_BYTES);
        if (s->output == NULL) {
            if (s->decoder != NULL)
                s->kind->close(s->decoder);
            coding_free(c);
            return ERR_NOMEM;
        }
    }
    *out = c;
    return ERR_OK;
}

void coding_free(struct coding *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->count; i++) {
        c->stages[i].kind->close(c->stages[i].decoder);
        free(c->stages[i].output);
    }
    free(c);
}

static int feed_stage(struct coding *c, size_t at, const char *data, size_t len, coding_sink *sink,
                      void *user, size_t *left)
{
    if (at >= CODING_CHAIN_MAX) /* never: what bounds the recursion, for the compiler to see */
        return ERR_BAD;
    struct stage *s = &c->stages[at];
    bool final = at + 1 == c->count;
    for (;;) {
        size_t before = len, ignored;
        int n = s->kind->decode(s->decoder, &data, &len, s->output, CODING_OUTPUT_BYTES);
        *left = len;
        if (n < 0 || (n == 0 && len > 0 && len == before))
            return ERR_BAD;
        if (!final && (uint64_t)n > s->left)
            return ERR_RANGE;
        s->left -= final ? 0 : (uint64_t)n;
        int err = ERR_OK;
        if (n > 0 && final)
            err = sink(user, s->output, (size_t)n) ? ERR_OK : ERR_FULL;
        else if (n > 0)
            err = feed_stage(c, at + 1, s->output, (size_t)n, sink, user, &ignored);
        if (err != ERR_OK || ((size_t)n < CODING_OUTPUT_BYTES && len == 0))
            return err;
    }
}

int coding_feed(struct coding *c, const char *data, size_t len, coding_sink *sink, void *user,
                size_t *left)
{
    return feed_stage(c, 0, data, len, sink, user, left);
}
