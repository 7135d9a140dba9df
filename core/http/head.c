#include "http/head.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#define METHOD_BYTES_MAX 32

/* RFC 9110 §5.6.2 tchar. */
static bool is_token(unsigned char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

size_t head_end(const char *text, size_t len, size_t *scanned)
{
    size_t at = *scanned;
    while (at < len) {
        const char *lf = memchr(text + at, '\n', len - at);
        if (lf == NULL)
            break;
        at = (size_t)(lf - text);
        size_t before = at > 0 && text[at - 1] == '\r' ? at - 1 : at;
        at++;
        if (before > 0 && text[before - 1] == '\n')
            return at;
    }
    *scanned = len;
    return 0;
}

bool head_plausible(const char *text, size_t len, enum http_role role)
{
    if (role == HTTP_RESPONSE)
        return memcmp(text, "HTTP/", len < 5 ? len : 5) == 0;
    for (size_t i = 0; i < len && i <= METHOD_BYTES_MAX; i++) {
        if (text[i] == ' ')
            return i > 0;
        if (i == METHOD_BYTES_MAX || !is_token((unsigned char)text[i]))
            return false;
    }
    return true;
}

/* The length of "HTTP/x.y", "HTTP/2" or "HTTP/3" at text, or 0. */
static size_t version(const char *text, size_t len, bool any_version, int *minor)
{
    *minor = 0;
    if (len >= 8 && memcmp(text, "HTTP/1.", 7) == 0 && text[7] >= '0' && text[7] <= '9') {
        *minor = text[7] - '0';
        return 8;
    }
    if (!any_version || len < 6 || memcmp(text, "HTTP/", 5) != 0 || text[5] < '2' || text[5] > '3')
        return 0;
    return len >= 8 && text[6] == '.' && text[7] == '0' ? 8 : 6;
}

bool head_starts(const char *text, size_t len, enum http_role role, bool any_version)
{
    int minor;
    if (role == HTTP_RESPONSE) {
        size_t n = version(text, len, any_version, &minor);
        return n > 0 && len > n + 1 && text[n] == ' ' && text[n + 1] >= '1' && text[n + 1] <= '9';
    }
    size_t n = 0;
    while (n < len && n < METHOD_BYTES_MAX &&
           ((text[n] >= 'A' && text[n] <= 'Z') || text[n] == '-'))
        n++;
    if (n < 3 || n + 1 >= len || text[n] != ' ' || is_blank(text[n + 1]))
        return false;
    const char *lf = memchr(text, '\n', len);
    if (lf == NULL)
        return memchr(text, '\0', len) == NULL;
    size_t end = (size_t)(lf - text);
    if (text[end - 1] == '\r')
        end--;
    while (end > n && text[end - 1] != ' ')
        end--;
    return version(text + end, len - end, any_version, &minor) > 0;
}

static int parse_request_line(char *line, size_t len, bool any_version, struct http_head *out)
{
    while (len > 0 && is_blank(line[len - 1]))
        len--;
    char *space = memchr(line, ' ', len);
    char *last = memrchr(line, ' ', len);
    if (memchr(line, '\0', len) != NULL)
        return ERR_BAD;
    if (space == NULL || space == line || last == space || space - line > METHOD_BYTES_MAX)
        return ERR_BAD;
    for (const char *c = line; c < space; c++)
        if (!is_token((unsigned char)*c))
            return ERR_BAD;
    size_t rest = len - (size_t)(last + 1 - line);
    if (version(last + 1, rest, any_version, &out->minor) != rest)
        return ERR_BAD;
    *space++ = '\0';
    while (space < last && is_blank(*space))
        space++;
    while (last > space && is_blank(last[-1]))
        last--;
    *last = '\0';
    out->method = line;
    out->target = space;
    return space == last ? ERR_BAD : ERR_OK;
}

static int parse_status_line(const char *line, size_t len, bool any_version, struct http_head *out)
{
    size_t n = version(line, len, any_version, &out->minor);
    if (n == 0)
        return ERR_BAD;
    while (n < len && is_blank(line[n]))
        n++;
    int status = 0;
    size_t digits = 0;
    for (; n < len && line[n] >= '0' && line[n] <= '9' && digits < 4; n++, digits++)
        status = status * 10 + line[n] - '0';
    if (digits != 3 || status < 100 || (n < len && !is_blank(line[n])))
        return ERR_BAD;
    out->status = status;
    return ERR_OK;
}

/* RFC 9110 §5.5: NUL and CR inside a value become a space. Ends the value with NUL. */
static char *trim_value(char *value, char *end)
{
    for (char *c = value; c < end; c++)
        if (*c == '\0' || *c == '\r' || *c == '\n')
            *c = ' ';
    while (value < end && is_blank(*value))
        value++;
    while (end > value && is_blank(end[-1]))
        end--;
    *end = '\0';
    return value;
}

/* A line without a colon or a name is nothing that clients agree on: it is left out. */
static int parse_field(char *line, char *end, struct http_head *out)
{
    char *colon = memchr(line, ':', (size_t)(end - line));
    if (colon == NULL || colon == line || is_blank(*line))
        return ERR_OK;
    if (out->header_count == HTTP_HEADERS_MAX)
        return ERR_FULL;
    char *name_end = colon;
    while (name_end > line && is_blank(name_end[-1]))
        name_end--;
    for (char *c = line; c < name_end; c++) {
        if (!is_token((unsigned char)*c))
            return ERR_OK;
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + ('a' - 'A'));
    }
    *name_end = '\0';
    out->headers[out->header_count++] =
        (struct http_header){.name = line, .value = trim_value(colon + 1, end)};
    return ERR_OK;
}

/* The LF that ends the line at text, or end. */
static char *line_end(char *text, char *end)
{
    char *lf = memchr(text, '\n', (size_t)(end - text));
    return lf == NULL ? end : lf;
}

int head_parse(char *text, size_t len, enum http_role role, bool any_version, struct http_head *out)
{
    char *end = text + len;
    char *lf = line_end(text, end);
    char *stop = lf > text && lf[-1] == '\r' ? lf - 1 : lf;
    size_t line = (size_t)(stop - text);
    out->header_count = 0;
    int err = role == HTTP_REQUEST ? parse_request_line(text, line, any_version, out)
                                   : parse_status_line(text, line, any_version, out);
    char *at = lf < end ? lf + 1 : end;
    while (err == ERR_OK && at < end) {
        lf = line_end(at, end);
        /* RFC 9112 §5.2: a line that begins with white space continues the one before. */
        while (lf + 1 < end && is_blank(lf[1]))
            lf = line_end(lf + 1, end);
        err = parse_field(at, lf, out);
        at = lf < end ? lf + 1 : end;
    }
    return err;
}

const char *http_header_get(const struct http_head *head, const char *name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (strcmp(head->headers[i].name, name) == 0)
            return head->headers[i].value;
    return NULL;
}

bool head_next_token(const char **value, const char **token, size_t *len)
{
    const char *at = *value;
    while (*at == ',' || is_blank(*at))
        at++;
    if (*at == '\0')
        return false;
    const char *end = at + strcspn(at, ",");
    *value = end;
    size_t n = strcspn(at, ";,");
    while (n > 0 && is_blank(at[n - 1]))
        n--;
    *token = at;
    *len = n;
    return true;
}

bool head_token_is(const char *token, size_t len, const char *word)
{
    return strlen(word) == len && strncasecmp(token, word, len) == 0;
}
