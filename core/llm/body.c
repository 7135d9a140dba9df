#include "llm/body.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VECTOR_STRING_MIN 512 /* a longer string in an answer of vectors is one, in base64 */
#define NOTE_MAX          64  /* room for the note that a string was cut */
#define ESCAPE_FIRST      9

void body_init(struct body *b, size_t max, bool counting)
{
    memset(b, 0, sizeof(*b));
    buf_init(&b->text, max > 1024 ? max : 1024);
    b->counting = counting;
    b->filtering = counting;
}

void body_release(struct body *b)
{
    buf_release(&b->text);
}

/* Keeps what fits, and nothing after what did not: what is kept must not depend on how the body
 * was cut into pieces. */
static void keep(struct body *b, const char *data, size_t len)
{
    size_t room = b->full ? 0 : b->text.max - b->text.len;
    size_t fits = len < room ? len : room;
    if (fits > 0 && buf_append(&b->text, data, fits) != ERR_OK)
        fits = 0;
    if (fits < len) {
        b->full = true;
        b->cut += len - fits;
    }
}

/* A text of ours in place of bytes of the body. */
static void keep_note(struct body *b, const char *note, int len)
{
    if (b->full || buf_append(&b->text, note, (size_t)len) != ERR_OK)
        b->full = true;
}

static void string_begin(struct body *b)
{
    b->in_string = true;
    b->cutting = false;
    b->escape = 0;
    b->string_kept = b->string_cut = 0;
    b->string_start = b->text.len;
    /* Half of what is left, so that there is always room for the strings that follow. */
    b->string_max = b->counting ? VECTOR_STRING_MIN : (b->text.max - b->text.len) / 2;
    keep(b, "\"", 1);
}

static void string_end(struct body *b)
{
    char note[NOTE_MAX];
    int len = 1;
    b->in_string = false;
    memcpy(note, "\"", 2);
    if (b->cutting && b->counting && !b->full) {
        b->text.len = b->string_start;
        len = snprintf(note, sizeof(note), "-%" PRIu64, b->string_kept + b->string_cut);
    } else if (b->cutting) {
        len = snprintf(note, sizeof(note), " [%" PRIu64 " bytes cut]\"", b->string_cut);
        b->cut += b->string_cut;
    }
    keep_note(b, note, len);
}

/* Part of a string that may be cut in front of, but not inside, when whole is set. */
static void string_part(struct body *b, const char *data, size_t len, bool whole)
{
    size_t fits = len;
    if (!b->cutting && b->string_kept + len > b->string_max) {
        fits = whole ? 0 : b->string_max - (size_t)b->string_kept;
        if (fits < len && b->string_kept <= b->string_max)
            keep(b, data, fits);
        b->string_kept += fits;
        b->cutting = true;
        b->string_cut += len - fits;
    } else if (b->cutting) {
        b->string_cut += len;
    } else {
        keep(b, data, len);
        b->string_kept += len;
    }
}

/* A byte of an escape sequence goes where its backslash went. */
static void string_escape(struct body *b, const char *byte)
{
    if (b->escape == ESCAPE_FIRST)
        b->escape = *byte == 'u' ? 4 : 0;
    else
        b->escape--;
    if (b->cutting) {
        b->string_cut++;
        return;
    }
    keep(b, byte, 1);
    b->string_kept++;
}

/* Takes bytes of a string up to its closing quote; returns how many. */
static size_t string_feed(struct body *b, const char *data, size_t len)
{
    size_t i = 0;
    while (i < len) {
        if (b->escape == ESCAPE_FIRST || (b->escape > 0 && data[i] != '"')) {
            string_escape(b, data + i++);
        } else if (data[i] == '"') {
            string_end(b);
            return i + 1;
        } else if (data[i] == '\\') {
            string_part(b, data + i++, 1, true);
            b->escape = ESCAPE_FIRST;
        } else {
            size_t start = i;
            while (i < len && data[i] != '"' && data[i] != '\\')
                i++;
            string_part(b, data + start, i - start, false);
        }
    }
    return i;
}

/* Counts the numbers of an array up to its closing bracket; returns how many bytes it took. */
static size_t numbers_feed(struct body *b, const char *data, size_t len)
{
    const char *close = memchr(data, ']', len);
    size_t n = close ? (size_t)(close - data) : len;
    uint64_t commas = 0;
    for (size_t i = 0; i < n; i++)
        commas += data[i] == ',';
    b->numbers += commas;
    if (!close)
        return n;
    char text[NOTE_MAX];
    int written = snprintf(text, sizeof(text), "%" PRIu64, b->numbers);
    keep_note(b, text, written);
    b->array = BODY_PLAIN;
    return n + 1;
}

/* The byte after an opening bracket that was held back says what the array is. */
static bool array_is_numbers(struct body *b, char c)
{
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t')
        return false;
    if (c == '-' || (c >= '0' && c <= '9')) {
        b->array = BODY_NUMBERS;
        b->numbers = 1;
        return true;
    }
    b->array = BODY_PLAIN;
    keep(b, "[", 1);
    return false;
}

static void filter(struct body *b, const char *data, size_t len)
{
    size_t i = 0;
    while (i < len) {
        if (b->in_string) {
            i += string_feed(b, data + i, len - i);
            continue;
        }
        if (b->array == BODY_NUMBERS) {
            i += numbers_feed(b, data + i, len - i);
            continue;
        }
        if (b->array == BODY_ARRAY_OPEN && array_is_numbers(b, data[i]))
            continue;
        if (data[i] == '"') {
            string_begin(b);
            i++;
            continue;
        }
        if (data[i] == '[' && b->counting) {
            b->array = BODY_ARRAY_OPEN;
            i++;
            continue;
        }
        size_t start = i++;
        while (i < len && data[i] != '"' && data[i] != '[' && b->array == BODY_PLAIN)
            i++;
        if (b->array == BODY_PLAIN)
            keep(b, data + start, i - start);
    }
}

/* The text outgrows the ceiling: it is read again from its beginning, and strings give way. */
static void filter_start(struct body *b)
{
    struct buf old = b->text;
    buf_init(&b->text, old.max);
    b->filtering = true;
    filter(b, buf_str(&old), old.len);
    buf_release(&old);
}

void body_feed(struct body *b, const char *data, size_t len)
{
    if (!b->filtering && buf_append(&b->text, data, len) == ERR_OK)
        return;
    if (!b->filtering)
        filter_start(b);
    filter(b, data, len);
}

json *body_parse(struct body *b)
{
    json *value = json_parse(buf_str(&b->text), b->text.len);
    if (value || b->text.len == 0)
        return value;
    if (b->in_string && b->cutting)
        b->cut += b->string_cut;
    if (body_mend(&b->text) != ERR_OK)
        return NULL;
    return json_parse(buf_str(&b->text), b->text.len);
}

/* Where a reader of a JSON text is. */
struct mend {
    const char *text;
    size_t len, at;
    bool object[JSON_DEPTH_MAX]; /* kinds of the open brackets */
    size_t depth;
    bool want_key;
    size_t good; /* the text up to here is whole once the open brackets are closed */
    bool open_string;
};

/* Reads the string at m->at. False at the end of the text. */
static bool mend_string(struct mend *m)
{
    bool key = m->depth > 0 && m->object[m->depth - 1] && m->want_key;
    size_t i = m->at + 1;
    size_t safe = i;
    while (i < m->len && m->text[i] != '"') {
        size_t n = 1;
        if (m->text[i] == '\\')
            n = i + 1 < m->len && m->text[i + 1] == 'u' ? 6 : 2;
        i += n;
        if (i <= m->len)
            safe = i;
    }
    if (i >= m->len) {
        if (!key) {
            m->good = safe;
            m->open_string = true;
        }
        return false;
    }
    m->at = i + 1;
    if (key)
        m->want_key = false;
    else
        m->good = m->at;
    return true;
}

static bool mend_bracket(struct mend *m, char c)
{
    m->at++;
    if (c == '{' || c == '[') {
        if (m->depth == JSON_DEPTH_MAX)
            return false;
        m->object[m->depth++] = c == '{';
        m->want_key = true;
    } else {
        if (m->depth == 0)
            return false;
        m->depth--;
    }
    m->good = m->at;
    return true;
}

/* A number or a word: whole only when something follows it. */
static bool mend_word(struct mend *m)
{
    size_t i = m->at;
    while (i < m->len && !strchr(",]} \t\r\n\"[{:", m->text[i]))
        i++;
    if (i == m->len || i == m->at)
        return false;
    m->at = m->good = i;
    return true;
}

static bool mend_step(struct mend *m)
{
    char c = m->text[m->at];
    switch (c) {
    case ' ':
    case '\t':
    case '\r':
    case '\n':
    case ':':
        m->at++;
        return true;
    case ',':
        m->at++;
        m->want_key = true;
        return true;
    case '"':
        return mend_string(m);
    case '{':
    case '[':
    case '}':
    case ']':
        return mend_bracket(m, c);
    default:
        return c != '\0' && mend_word(m);
    }
}

int body_mend(struct buf *text)
{
    struct mend m = {.text = buf_str(text), .len = text->len};
    while (m.at < m.len && mend_step(&m))
        continue;
    if (m.good == 0)
        return ERR_BAD;
    text->len = m.good;
    text->max += JSON_DEPTH_MAX + 1; /* the ceiling is for what was sent */
    if (m.open_string && buf_append_char(text, '"') != ERR_OK)
        return ERR_NOMEM;
    while (m.depth > 0) {
        m.depth--;
        if (buf_append_char(text, m.object[m.depth] ? '}' : ']') != ERR_OK)
            return ERR_NOMEM;
    }
    return ERR_OK;
}
