/* Words of texts and JSON documents, and those of a query found in them. */
#include <string.h>

#include "store/words_inside.h"

enum kind { BREAK, PART, ALONE };

struct range {
    uint32_t first, last;
};

static bool in_ranges(const struct range *ranges, size_t count, uint32_t c)
{
    for (size_t i = 0; i < count; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

static enum kind kind_of(uint32_t c)
{
    /* Punctuation and space beyond ASCII; what is for private use; half pairs. */
    static const struct range breaks[] = {
        {0x80, 0xa9},     {0xab, 0xb4},     {0xb6, 0xb9},     {0xbb, 0xbf},       {0xd7, 0xd7},
        {0xf7, 0xf7},     {0x2000, 0x206f}, {0x2e00, 0x2e7f}, {0x3000, 0x3004},   {0x3008, 0x3020},
        {0x3030, 0x3030}, {0xd800, 0xf8ff}, {0xfe00, 0xfe6f}, {0xff00, 0xff0f},   {0xff1a, 0xff20},
        {0xff3b, 0xff40}, {0xff5b, 0xff65}, {0xfff0, 0xffff}, {0xe0000, 0x10ffff}};
    /* Scripts without spaces between words, or whose words carry others; symbols. */
    static const struct range alone[] = {{0x0e00, 0x0eff}, {0x1000, 0x109f},   {0x1780, 0x17ff},
                                         {0x2070, 0x2bff}, {0x2e80, 0x2fdf},   {0x3005, 0x9fff},
                                         {0xa000, 0xa48f}, {0xac00, 0xd7af},   {0xf900, 0xfaff},
                                         {0xff66, 0xff9f}, {0x1f000, 0x1faff}, {0x20000, 0x3ffff}};
    if (c < 0x80)
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ? PART
                                                                                          : BREAK;
    if (c < 0x250 && c >= 0xc0 && c != 0xd7 && c != 0xf7)
        return PART;
    if (in_ranges(breaks, sizeof(breaks) / sizeof(breaks[0]), c))
        return BREAK;
    return in_ranges(alone, sizeof(alone) / sizeof(alone[0]), c) ? ALONE : PART;
}

struct building {
    words_fn *each;
    void *user;
    int result; /* not 0: it is over */
    size_t len;
    bool more; /* the word goes on beyond what is kept of it */
    char word[WORD_MAX];
};

/* Of ASCII: the character of a word in lower case, or 0. */
static const char folded[128] = {
    ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6',
    ['7'] = '7', ['8'] = '8', ['9'] = '9', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd',
    ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k',
    ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r',
    ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y',
    ['Z'] = 'z', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e', ['f'] = 'f',
    ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm',
    ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't',
    ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y', ['z'] = 'z'};

static void end_word(struct building *b)
{
    if (b->len > 0 && b->result == 0)
        b->result = b->each(b->user, b->word, b->len);
    b->len = 0;
    b->more = false;
}

static void feed(struct building *b, uint32_t c)
{
    enum kind kind = kind_of(c);
    if (kind != PART)
        end_word(b);
    if (kind == BREAK || b->more)
        return;
    if (b->len + 4 > WORD_MAX) {
        b->more = true;
        return;
    }
    b->len += word_encode(word_lower(c), b->word + b->len);
    if (kind == ALONE)
        end_word(b);
}

/* The word characters of ASCII from at on; where they end. */
static const unsigned char *feed_ascii(struct building *b, const unsigned char *at,
                                       const unsigned char *end)
{
    while (at < end && *at < 0x80 && folded[*at] != 0) {
        if (b->len + 4 <= WORD_MAX)
            b->word[b->len++] = folded[*at];
        else
            b->more = true;
        at++;
    }
    return at;
}

static bool is_base64(unsigned char c)
{
    static const uint64_t set[4] = {/* + - / 0-9 = */ UINT64_C(0x23ffa80000000000),
                                    /* A-Z _ a-z */ UINT64_C(0x07fffffe87fffffe)};
    return (set[c >> 6] >> (c & 63) & 1) != 0;
}

/* Where the encoded data that begins here ends; at: none does. *plain is where to look again. */
static const unsigned char *after_blob(const unsigned char *at, const unsigned char *end,
                                       const unsigned char **plain)
{
    const unsigned char *p = at;
    while (p < end && is_base64(*p))
        p++;
    *plain = p + 1;
    return p - at > WORDS_BLOB ? p : at;
}

static int hex_digit(unsigned char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The character of an escape in a JSON string; at is the backslash. */
static uint32_t unescape(const unsigned char *at, const unsigned char *end, size_t *len)
{
    uint32_t c = 0;
    *len = end - at < 2 ? 1 : 2;
    if (end - at < 6 || at[1] != 'u')
        return ' '; /* of all others none is part of a word */
    for (int i = 2; i < 6; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return ' ';
        c = c << 4 | (uint32_t)digit;
    }
    *len = 6;
    if (c >= 0xd800 && c < 0xdc00 && end - at >= 12 && at[6] == '\\' && at[7] == 'u') {
        size_t second_len;
        unsigned char second[6];
        memcpy(second, at + 6, 6);
        uint32_t low = unescape(second, second + 6, &second_len);
        if (second_len == 6 && low >= 0xdc00 && low < 0xe000) {
            *len = 12;
            return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return c;
}

/* Characters from at to end; in_json: they lie in a JSON string. */
static void feed_range(struct building *b, const unsigned char *at, const unsigned char *end,
                       bool in_json)
{
    const unsigned char *plain = at; /* until there no encoded data begins */
    while (at < end && b->result == 0) {
        size_t len;
        uint32_t c;
        if (at >= plain && end - at > WORDS_BLOB && is_base64(*at)) {
            at = after_blob(at, end, &plain);
            if (at == end)
                break;
        }
        at = feed_ascii(b, at, end);
        if (at == end)
            break;
        c = *at;
        if (c < 0x80 && (c != '\\' || !in_json)) {
            end_word(b);
            at++;
            continue;
        }
        c = c == '\\' ? unescape(at, end, &len) : word_decode(at, end, &len);
        feed(b, c);
        at += len;
    }
    end_word(b);
}

int words_of_text(struct text t, words_fn *each, void *user)
{
    struct building b = {.each = each, .user = user};
    const unsigned char *at = (const unsigned char *)t.at;
    if (at == NULL)
        return 0;
    if (t.len <= 2 * WORDS_SEEN) {
        feed_range(&b, at, at + t.len, false);
    } else {
        feed_range(&b, at, at + WORDS_SEEN, false);
        feed_range(&b, at + t.len - WORDS_SEEN, at + t.len, false);
    }
    return b.result;
}

/* The quote that ends the string whose text begins at `at`; end: none. */
static const unsigned char *end_of_string(const unsigned char *at, const unsigned char *end)
{
    while (at < end && *at != '"')
        at += *at == '\\' && end - at > 1 ? 2 : 1;
    return at;
}

/* What of a value lies within reach of the document's ends. */
static void feed_value(struct building *b, struct text document, const unsigned char *at,
                       const unsigned char *end)
{
    const unsigned char *begin = (const unsigned char *)document.at;
    const unsigned char *head = begin + WORDS_SEEN;
    const unsigned char *tail = begin + document.len - WORDS_SEEN;
    if (document.len <= 2 * WORDS_SEEN) {
        feed_range(b, at, end, true);
        return;
    }
    if (at < head)
        feed_range(b, at, end < head ? end : head, true);
    if (end > tail)
        feed_range(b, at > tail ? at : tail, end, true);
}

static bool is_name(const unsigned char *after, const unsigned char *end)
{
    while (after < end && (*after == ' ' || *after == '\t' || *after == '\n' || *after == '\r'))
        after++;
    return after < end && *after == ':';
}

int words_of_json(struct text document, words_fn *each, void *user)
{
    struct building b = {.each = each, .user = user};
    const unsigned char *at = (const unsigned char *)document.at;
    const unsigned char *end = at == NULL ? at : at + document.len;
    while (at < end && b.result == 0) {
        const unsigned char *from = at;
        if (*at == '"') {
            at = end_of_string(at + 1, end);
            if (!is_name(at < end ? at + 1 : end, end))
                feed_value(&b, document, from + 1, at);
            at += at < end;
        } else if ((*at >= '0' && *at <= '9') || *at == '-') {
            while (at < end && *at != ',' && *at != '}' && *at != ']' && *at > ' ')
                at++;
            feed_value(&b, document, from, at);
        } else {
            at++;
        }
    }
    return b.result;
}

/* ---- Queries */

static bool same_word(const struct words_query *q, size_t i, const char *word, size_t len)
{
    return q->lengths[i] == len && memcmp(q->words[i], word, len) == 0;
}

static int ask_word(void *user, const char *word, size_t len)
{
    struct words_query *q = user;
    for (size_t i = 0; i < q->count; i++)
        if (same_word(q, i, word, len))
            return 0;
    memcpy(q->words[q->count], word, len);
    q->lengths[q->count++] = len;
    return q->count == WORDS_ASKED;
}

void words_query_init(struct words_query *q, struct text text)
{
    q->count = 0;
    (void)words_of_text(text, ask_word, q);
}

struct looking {
    const struct words_query *q;
    words_found *found;
};

static int look_word(void *user, const char *word, size_t len)
{
    struct looking *l = user;
    for (size_t i = 0; i < l->q->count; i++)
        if (same_word(l->q, i, word, len))
            *l->found |= UINT32_C(1) << i;
    return words_all(l->q, *l->found);
}

void words_look(const struct words_query *q, words_found *found, struct text t)
{
    struct looking l = {q, found};
    (void)words_of_text(t, look_word, &l);
}

void words_look_json(const struct words_query *q, words_found *found, struct text document)
{
    struct looking l = {q, found};
    (void)words_of_json(document, look_word, &l);
}

/* ---- Documents */

int words_of_trace(const struct stored_trace *t, words_fn *each, void *user)
{
    int result = words_of_text(t->name, each, user);
    if (result == 0)
        result = words_of_text(t->user_id, each, user);
    if (result == 0)
        result = words_of_text(t->session_id, each, user);
    return result == 0 ? words_of_text(t->output, each, user) : result;
}

int words_of_span(const struct stored_span *s, words_fn *each, void *user)
{
    int result = words_of_text(s->name, each, user);
    if (result == 0)
        result = words_of_text(s->model, each, user);
    if (result == 0)
        result = words_of_text(s->error, each, user);
    if (result == 0)
        result = words_of_json(s->input_data, each, user);
    return result == 0 ? words_of_json(s->output_data, each, user) : result;
}

bool words_in_trace(const struct words_query *q, const struct stored_trace *t)
{
    words_found found = 0;
    struct looking l = {q, &found};
    (void)words_of_trace(t, look_word, &l);
    return words_all(q, found);
}

bool words_in_span(const struct words_query *q, const struct stored_span *s)
{
    words_found found = 0;
    struct looking l = {q, &found};
    (void)words_of_span(s, look_word, &l);
    return words_all(q, found);
}
