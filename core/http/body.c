#include "http/body.h"

#include <string.h>

/* Digits of a length or chunk size: what has more is no length that could be meant. */
static int parse_length(const char *text, size_t len, uint64_t *out)
{
    uint64_t value = 0;
    if (len == 0 || len > 18)
        return ERR_BAD;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return ERR_BAD;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *out = value;
    return ERR_OK;
}

/* Several equal lengths are one (RFC 9110 §8.6). *found: there is one. */
static int content_length(const struct http_head *head, uint64_t *length, bool *found)
{
    *found = false;
    for (size_t i = 0; i < head->header_count; i++) {
        if (strcmp(head->headers[i].name, "content-length") != 0)
            continue;
        const char *value = head->headers[i].value, *token;
        size_t len;
        while (head_next_token(&value, &token, &len)) {
            uint64_t this;
            if (parse_length(token, len, &this) != ERR_OK || (*found && this != *length))
                return ERR_BAD;
            *length = this;
            *found = true;
        }
    }
    return ERR_OK;
}

/* *any: a transfer coding other than identity; *chunked: the last one is chunked. */
static void transfer_codings(const struct http_head *head, bool *any, bool *chunked)
{
    *any = *chunked = false;
    for (size_t i = 0; i < head->header_count; i++) {
        if (strcmp(head->headers[i].name, "transfer-encoding") != 0)
            continue;
        const char *value = head->headers[i].value, *token;
        size_t len;
        while (head_next_token(&value, &token, &len)) {
            if (head_token_is(token, len, "identity"))
                continue;
            *any = true;
            *chunked = head_token_is(token, len, "chunked");
        }
    }
}

static void set_kind(struct body *b, enum body_kind kind)
{
    b->kind = kind;
    b->chunk = CHUNK_SIZE;
    b->digits = 0;
    b->line_bytes = 0;
}

/* HTTP/2 and HTTP/3 need no length. */
static bool may_have_body(const char *method)
{
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
           strcmp(method, "PATCH") == 0;
}

int body_begin(struct body *b, const struct http_head *head, enum http_role role,
               const char *method, bool sniff)
{
    bool coded, chunked, has_length;
    b->left = 0;
    b->sniffed_len = 0;
    set_kind(b, BODY_NONE);
    if (role == HTTP_RESPONSE && (head->status < 200 || head->status == 204 ||
                                  head->status == 304 || strcmp(method, "HEAD") == 0))
        return ERR_OK;
    transfer_codings(head, &coded, &chunked);
    if (chunked) {
        set_kind(b, sniff ? BODY_SNIFF : BODY_CHUNKED);
        return ERR_OK;
    }
    if (coded && role == HTTP_REQUEST)
        return ERR_BAD;
    int err = content_length(head, &b->left, &has_length);
    if (err != ERR_OK)
        return err;
    if (has_length && !coded)
        b->kind = b->left == 0 ? BODY_NONE : BODY_LENGTH;
    else if (role == HTTP_RESPONSE || (sniff && head->minor == 0 && may_have_body(method)))
        b->kind = BODY_UNTIL_CLOSE;
    return ERR_OK;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int size_line_ended(struct body *b)
{
    if (b->digits == 0)
        return ERR_BAD;
    b->chunk = b->left > 0 ? CHUNK_DATA : CHUNK_TRAILER_START;
    b->line_bytes = 0;
    return ERR_OK;
}

/* One byte of the chunk framing. */
static int framing_byte(struct body *b, char c, bool *end)
{
    if (++b->line_bytes > HTTP_HEAD_BYTES_MAX)
        return ERR_BAD;
    switch (b->chunk) {
    case CHUNK_SIZE: {
        int digit = hex_digit(c);
        if (digit >= 0) {
            if (++b->digits > 15) /* below 2^60 */
                return ERR_BAD;
            b->left = b->left * 16 + (uint64_t)digit;
            return ERR_OK;
        }
        if (c == '\n')
            return size_line_ended(b);
        b->chunk = CHUNK_EXTENSION;
        return b->digits > 0 && (c == '\r' || c == ';' || c == ' ' || c == '\t') ? ERR_OK : ERR_BAD;
    }
    case CHUNK_EXTENSION:
        return c == '\n' ? size_line_ended(b) : ERR_OK;
    case CHUNK_DATA_END:
        if (c == '\n') {
            b->chunk = CHUNK_SIZE;
            b->digits = 0;
            b->line_bytes = 0;
            return ERR_OK;
        }
        return c == '\r' && b->line_bytes == 1 ? ERR_OK : ERR_BAD;
    case CHUNK_TRAILER_START:
        if (c == '\n')
            *end = true;
        else if (c != '\r')
            b->chunk = CHUNK_TRAILER;
        return ERR_OK;
    case CHUNK_TRAILER:
        if (c == '\n')
            b->chunk = CHUNK_TRAILER_START;
        return ERR_OK;
    default:
        return ERR_BAD;
    }
}

static void data_bytes(struct body *b, const char *data, size_t len, struct body_part *part)
{
    part->data = data;
    part->len = len < b->left ? len : (size_t)b->left;
    part->used += part->len;
    b->left -= part->len;
}

static int chunked_next(struct body *b, const char *data, size_t len, struct body_part *part)
{
    while (part->used < len && b->chunk != CHUNK_DATA && !part->end) {
        int err = framing_byte(b, data[part->used++], &part->end);
        if (err != ERR_OK)
            return err;
    }
    if (b->chunk == CHUNK_DATA && part->used < len) {
        data_bytes(b, data + part->used, len - part->used, part);
        if (b->left == 0) {
            b->chunk = CHUNK_DATA_END;
            b->line_bytes = 0;
        }
    }
    return ERR_OK;
}

/* Chunk framing begins with hexadecimal digits and a line end or `;`; nothing else that a server
 * sends (JSON, server-sent events, compressed data) does. */
static int sniff_next(struct body *b, const char *data, size_t len, struct body_part *part)
{
    while (part->used < len) {
        char c = data[part->used++];
        b->sniffed[b->sniffed_len++] = c;
        if (hex_digit(c) >= 0 && b->sniffed_len < sizeof(b->sniffed))
            continue;
        if (b->sniffed_len == 1 || b->sniffed_len > 16 || (c != '\r' && c != '\n' && c != ';')) {
            set_kind(b, BODY_UNTIL_CLOSE);
            part->data = b->sniffed;
            part->len = b->sniffed_len;
            return ERR_OK;
        }
        set_kind(b, BODY_CHUNKED);
        for (size_t i = 0; i < b->sniffed_len; i++)
            if (framing_byte(b, b->sniffed[i], &part->end) != ERR_OK)
                return ERR_BAD;
        return ERR_OK;
    }
    return ERR_OK;
}

int body_next(struct body *b, const char *data, size_t len, struct body_part *part)
{
    *part = (struct body_part){0};
    switch (b->kind) {
    case BODY_LENGTH:
        data_bytes(b, data, len, part);
        part->end = b->left == 0;
        return ERR_OK;
    case BODY_UNTIL_CLOSE:
        part->data = data;
        part->len = part->used = len;
        return ERR_OK;
    case BODY_CHUNKED:
        return chunked_next(b, data, len, part);
    case BODY_SNIFF:
        return sniff_next(b, data, len, part);
    default:
        return ERR_BAD;
    }
}

uint64_t body_skip(struct body *b, uint64_t len, bool *known)
{
    *known = true;
    if (b->kind == BODY_UNTIL_CLOSE)
        return len;
    if (b->kind == BODY_LENGTH) {
        uint64_t inside = len < b->left ? len : b->left;
        b->left -= inside;
        return inside;
    }
    if (b->kind == BODY_CHUNKED && b->chunk == CHUNK_DATA && len <= b->left) {
        b->left -= len;
        if (b->left == 0) {
            b->chunk = CHUNK_DATA_END;
            b->line_bytes = 0;
        }
        return len;
    }
    *known = false;
    return len;
}

bool body_at_end(const struct body *b)
{
    return b->kind == BODY_NONE || (b->kind == BODY_LENGTH && b->left == 0);
}
