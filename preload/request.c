#include "request.h"

#include "endpoint.h"
#include "text.h"

#define PREFACE     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" /* RFC 9113 §3.4 */
#define PREFACE_LEN (sizeof(PREFACE) - 1)
#define HEADERS_MAX 8192 /* a Host header further behind is not looked for */

static const char methods[][8] = {"GET ",    "POST ",   "PUT ",    "PATCH ", "HEAD ",
                                  "DELETE ", "OPTIONS", "CONNECT", "TRACE "};

enum fit { FIT_NO, FIT_PART, FIT_WHOLE };

/* Whether data starts with text, or is the beginning of it. */
static enum fit fits(const char *data, size_t len, const char *text, size_t text_len)
{
    size_t n = len < text_len ? len : text_len;
    for (size_t i = 0; i < n; i++)
        if (data[i] != text[i])
            return FIT_NO;
    return len < text_len ? FIT_PART : FIT_WHOLE;
}

static enum fit has_method(const char *data, size_t len)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        size_t method_len = 0;
        while (method_len < 7 && methods[i][method_len] != '\0')
            method_len++;
        enum fit fit = fits(data, len, methods[i], method_len);
        if (fit != FIT_NO)
            return fit;
    }
    return FIT_NO;
}

/* What ends a request line: HTTP/1, or libcurl's view of HTTP/2 and 3, where it has no minor. */
static enum fit fits_version(const char *data, size_t len)
{
    static const char versions[][10] = {" HTTP/1.", " HTTP/2\r", " HTTP/3\r"};
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        enum fit fit = fits(data, len, versions[i], 8);
        if (fit != FIT_NO)
            return fit;
    }
    return FIT_NO;
}

/* An absolute target (to a proxy) names the host itself: RFC 9112 §3.2.2. */
static size_t skip_authority(const char *data, size_t start, size_t end, struct request_view *view)
{
    size_t at = start;
    while (at + 3 <= end && !(data[at] == ':' && data[at + 1] == '/' && data[at + 2] == '/')) {
        if (data[at] == '/' || data[at] == '?')
            return start;
        at++;
    }
    if (at + 3 > end)
        return start;
    size_t host = at + 3, path = text_find(data, host, end, '/');
    view->host = data + host;
    view->host_len = path - host;
    return path;
}

static bool is_host_name(const char *line, size_t len)
{
    return len >= 5 && text_lower(line[0]) == 'h' && text_lower(line[1]) == 'o' &&
           text_lower(line[2]) == 's' && text_lower(line[3]) == 't' && line[4] == ':';
}

/* Looks for the Host header from the line at `at` on. False: not there yet, more may come. */
static bool find_host(const char *data, size_t at, size_t len, struct request_view *view)
{
    size_t limit = len < HEADERS_MAX ? len : HEADERS_MAX;
    while (at < limit) {
        size_t end = text_find(data, at, len, '\n');
        if (end == len)
            return len >= HEADERS_MAX;
        size_t line_len = end - at;
        if (line_len > 0 && data[end - 1] == '\r')
            line_len--;
        if (line_len == 0)
            return true;
        if (is_host_name(data + at, line_len)) {
            const char *value = data + at + 5;
            size_t value_len = line_len - 5;
            while (value_len > 0 && (*value == ' ' || *value == '\t')) {
                value++;
                value_len--;
            }
            while (value_len > 0 && (value[value_len - 1] == ' ' || value[value_len - 1] == '\t'))
                value_len--;
            view->host = value;
            view->host_len = value_len;
            return true;
        }
        at = end + 1;
    }
    return len >= HEADERS_MAX;
}

static enum request_verdict look_http2(size_t len, const char *sni, const char *extra, bool tls)
{
    if (len < PREFACE_LEN)
        return REQUEST_MORE;
    size_t sni_len = sni == NULL ? 0 : text_length(sni);
    return endpoint_matches(sni, sni_len, NULL, 0, extra, tls) ? REQUEST_HTTP2 : REQUEST_UNKNOWN;
}

enum request_verdict request_look(const char *data, size_t len, const char *sni, const char *extra,
                                  bool tls, struct request_view *view)
{
    view->host = NULL;
    view->host_len = 0;
    if (fits(data, len, PREFACE, PREFACE_LEN) != FIT_NO)
        return look_http2(len, sni, extra, tls);
    enum fit method = has_method(data, len);
    if (method != FIT_WHOLE)
        return method == FIT_PART ? REQUEST_MORE : REQUEST_UNKNOWN;
    size_t line = text_find(data, 0, len, '\n');
    size_t target = text_find(data, 0, line, ' ') + 1;
    size_t target_end = target < line ? text_find(data, target, line, ' ') : line;
    if (target_end == line)
        return line == len && len < HEADERS_MAX ? REQUEST_MORE : REQUEST_UNKNOWN;
    enum fit version = fits_version(data + target_end, line - target_end);
    if (version != FIT_WHOLE)
        return version == FIT_PART && line == len ? REQUEST_MORE : REQUEST_UNKNOWN;
    if (data[0] == 'C') /* CONNECT: what comes through the tunnel is looked at by itself */
        return REQUEST_OTHER;
    size_t path = skip_authority(data, target, target_end, view);
    size_t path_end = text_find(data, path, target_end, '?');
    bool headers_known = find_host(data, line + 1, len, view);
    const char *host = view->host != NULL ? view->host : sni;
    size_t host_len = view->host != NULL ? view->host_len : sni == NULL ? 0 : text_length(sni);
    if (endpoint_matches(host, host_len, data + path, path_end - path, extra, tls))
        return REQUEST_MATCH;
    if (view->host != NULL && sni != NULL &&
        endpoint_matches(sni, text_length(sni), NULL, 0, extra, tls))
        return REQUEST_MATCH;
    return headers_known || view->host != NULL ? REQUEST_OTHER : REQUEST_MORE;
}
