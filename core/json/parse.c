/* Text to a tree, in one pass over the text. cJSON's own parser is not used: it cuts strings at
 * \u0000, refuses half a surrogate pair, reads whole numbers as doubles, and takes twice the time
 * and more. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json/node.h"
#include "json/utf8.h"

struct parser {
    const char *at, *end;
    size_t depth, depth_max;
};

/* A string between its quotes. */
struct text {
    const char *start;
    size_t len;
    size_t room; /* that its bytes need at most */
    bool plain;  /* they are copied as they are */
};

static void skip_space(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\r' || *p->at == '\t'))
        p->at++;
}

static bool skip_char(struct parser *p, char c)
{
    if (p->at == p->end || *p->at != c)
        return false;
    p->at++;
    return true;
}

/* The four hexadecimal digits of an escape, or -1. */
static int hex4(const char *text, const char *end)
{
    int value = 0;
    if (end - text < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* The length of the escape at text[0] == '\\', or 0. */
static size_t escape_len(const char *text, const char *end)
{
    if (end - text < 2)
        return 0;
    if (text[1] == 'u')
        return hex4(text + 2, end) < 0 ? 0 : 6;
    return text[1] != '\0' && strchr("\"\\/bfnrt", text[1]) != NULL ? 2 : 0;
}

/* Finds the end of the string that begins at p->at, behind its quote. Control characters are taken
 * as they are, since some programs write them. */
static bool scan_text(struct parser *p, struct text *t)
{
    size_t extra = 0;
    t->start = p->at;
    t->plain = true;
    for (;;) {
        p->at += utf8_plain_span(p->at, (size_t)(p->end - p->at));
        if (p->at == p->end)
            return false;
        char c = *p->at;
        size_t n = 1;
        if (c == '"')
            break;
        if (c == '\\') {
            n = escape_len(p->at, p->end);
            if (n == 0)
                return false;
            t->plain = false;
        } else if (c == '\0' || (unsigned char)c >= 0x80) {
            if (c != '\0')
                utf8_char(p->at, (size_t)(p->end - p->at), &n);
            extra += UTF8_REPLACEMENT_LEN - n;
            t->plain = false;
        }
        p->at += n;
    }
    t->len = (size_t)(p->at++ - t->start);
    t->room = t->len + extra;
    return true;
}

static size_t put_utf8(char *to, int code)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xc0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xe0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3f));
        to[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 0x3f));
    to[2] = (char)(0x80 | (code >> 6 & 0x3f));
    to[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* A \u escape: *used is 6, or 12 for a pair of surrogates. Half a pair and NUL, which a C string
 * cannot hold, become U+FFFD. */
static size_t unescape_unicode(char *to, const char *text, const char *end, size_t *used)
{
    int code = hex4(text + 2, end);
    *used = 6;
    if (code >= 0xd800 && code <= 0xdbff && end - text >= 12 && text[6] == '\\' && text[7] == 'u') {
        int low = hex4(text + 8, end);
        if (low >= 0xdc00 && low <= 0xdfff) {
            *used = 12;
            return put_utf8(to, 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
        }
    }
    return put_utf8(to, code == 0 || (code >= 0xd800 && code <= 0xdfff) ? 0xfffd : code);
}

/* Writes the string's characters and NUL. */
static void copy_text(char *to, const struct text *t)
{
    const char *at = t->start, *end = t->start + t->len;
    if (t->plain) {
        memcpy(to, at, t->len);
        to[t->len] = '\0';
        return;
    }
    while (at < end) {
        size_t n = utf8_plain_span(at, (size_t)(end - at));
        memcpy(to, at, n);
        to += n;
        at += n;
        if (at == end)
            break;
        n = 1;
        if (*at == '\\' && at[1] == 'u') {
            to += unescape_unicode(to, at, end, &n);
        } else if (*at == '\\') {
            static const char letters[] = "bfnrt", bytes[] = "\b\f\n\r\t";
            const char *letter = strchr(letters, at[1]);
            *to++ = letter == NULL ? at[1] : bytes[letter - letters];
            n = 2;
        } else if (*at == '\0' || (unsigned char)*at >= 0x80) {
            if (*at != '\0')
                utf8_char(at, (size_t)(end - at), &n);
            memcpy(to, UTF8_REPLACEMENT, UTF8_REPLACEMENT_LEN);
            to += UTF8_REPLACEMENT_LEN;
        } else {
            *to++ = *at;
        }
        at += n;
    }
    *to = '\0';
}

/* A node with its name (NULL: none) filled in. */
static json *named_node(int type, const struct text *name, size_t text_room)
{
    json *value = node_new(type, name == NULL ? SIZE_MAX : name->room, text_room);
    if (value != NULL && name != NULL)
        copy_text(value->string, name);
    return value;
}

static json *parse_string(struct parser *p, const struct text *name)
{
    struct text t;
    p->at++;
    if (!scan_text(p, &t))
        return NULL;
    json *value = named_node(cJSON_String, name, t.room);
    if (value != NULL)
        copy_text(value->valuestring, &t);
    return value;
}

/* NaN and infinities, which Python writes, are null. */
static json *parse_word(struct parser *p, const struct text *name)
{
    static const struct {
        const char *word;
        int type;
    } words[] = {{"null", cJSON_NULL}, {"true", cJSON_True},     {"false", cJSON_False},
                 {"NaN", cJSON_NULL},  {"Infinity", cJSON_NULL}, {"-Infinity", cJSON_NULL}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t len = strlen(words[i].word);
        if ((size_t)(p->end - p->at) >= len && memcmp(p->at, words[i].word, len) == 0) {
            p->at += len;
            return named_node(words[i].type, name, SIZE_MAX);
        }
    }
    return NULL;
}

/* A number that is no small whole one keeps its digits, to be printed as it was. */
static json *parse_number(struct parser *p, const struct text *name)
{
    bool whole;
    const char *text = p->at;
    size_t len = number_span(text, (size_t)(p->end - text), &whole);
    if (len == 0)
        return parse_word(p, name);
    p->at += len;
    double number = number_value(text, len);
    if (!isfinite(number))
        return named_node(cJSON_NULL, name, SIZE_MAX);
    bool small = whole && len <= 15 && !(number == 0 && text[0] == '-');
    json *value = named_node(cJSON_Number, name, small ? SIZE_MAX : len);
    if (value == NULL)
        return NULL;
    value->valuedouble = number;
    if (!small)
        memcpy(value->valuestring, text, len);
    return value;
}

static json *parse_value(struct parser *p, const struct text *name);

static bool parse_member(struct parser *p, json *object)
{
    struct text name;
    if (!skip_char(p, '"') || !scan_text(p, &name))
        return false;
    skip_space(p);
    if (!skip_char(p, ':'))
        return false;
    skip_space(p);
    json *value = parse_value(p, &name);
    if (value != NULL)
        node_append(object, value);
    return value != NULL;
}

static bool parse_element(struct parser *p, json *array)
{
    json *value = parse_value(p, NULL);
    if (value != NULL)
        node_append(array, value);
    return value != NULL;
}

static json *parse_container(struct parser *p, const struct text *name)
{
    bool object = *p->at == '{';
    char close = object ? '}' : ']';
    if (p->depth == p->depth_max)
        return NULL;
    json *value = named_node(object ? cJSON_Object : cJSON_Array, name, SIZE_MAX);
    if (value == NULL)
        return NULL;
    p->depth++;
    p->at++;
    skip_space(p);
    bool ok = skip_char(p, close);
    while (!ok) {
        if (!(object ? parse_member(p, value) : parse_element(p, value)))
            break;
        skip_space(p);
        ok = skip_char(p, close);
        if (!ok && !skip_char(p, ','))
            break;
        skip_space(p);
    }
    p->depth--;
    if (ok)
        return value;
    cJSON_Delete(value);
    return NULL;
}

static json *parse_value(struct parser *p, const struct text *name)
{
    if (p->at == p->end)
        return NULL;
    switch (*p->at) {
    case '{':
    case '[':
        return parse_container(p, name);
    case '"':
        return parse_string(p, name);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return parse_number(p, name);
    default:
        return parse_word(p, name);
    }
}

static json *parse_whole(const char *text, size_t len, size_t depth_max)
{
    static const char bom[] = "\xef\xbb\xbf";
    if (text == NULL)
        return NULL;
    struct parser p = {.at = text, .end = text + len, .depth_max = depth_max};
    if (len >= 3 && memcmp(text, bom, 3) == 0)
        p.at += 3;
    skip_space(&p);
    json *value = parse_value(&p, NULL);
    skip_space(&p);
    if (value == NULL || p.at == p.end)
        return value;
    cJSON_Delete(value);
    return NULL;
}

json *json_parse(const char *text, size_t len)
{
    return parse_whole(text, len, JSON_DEPTH_MAX);
}

json *json_parse_printed(const char *text, size_t len)
{
    return parse_whole(text, len, JSON_DEPTH_MAX + JSON_DEPTH_ADDED);
}

void json_free(json *value)
{
    cJSON_Delete(value);
}
