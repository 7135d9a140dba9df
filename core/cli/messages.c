#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/text.h"
#include "cli/tree.h"

#define TEXT_MAX ((size_t)64 * 1024 * 1024)

struct page {
    const struct term *term;
    struct buf *out;
};

/* One line of an escaped text, broken between words where it is too long. */
static void put_wrapped(const struct page *p, const char *line, size_t len, int indent,
                        enum paint paint)
{
    int room = p->term->columns - indent;
    do {
        size_t end = 0;
        size_t blank = 0;
        int width = 0;
        while (end < len) {
            uint32_t code = 0;
            size_t size = text_decode(line + end, len - end, &code);
            int columns = size == 0 ? 1 : text_code_width(code);
            if (width + columns > room)
                break;
            width += columns;
            if (line[end] == ' ')
                blank = end;
            end += size == 0 ? 1 : size;
        }
        size_t cut = end == len || blank == 0 ? end : blank;
        struct buf fitted;
        buf_init(&fitted, 65536);
        struct buf piece;
        buf_init(&piece, 65536);
        buf_append_cut(&piece, line, cut);
        text_fit(&fitted, buf_str(&piece), room, p->term->utf8);
        if (cut > 0) {
            term_repeat(p->out, " ", indent);
            term_paint(p->out, p->term, paint, buf_str(&fitted));
        }
        term_put(p->out, "\n");
        buf_release(&piece);
        buf_release(&fitted);
        line += cut;
        len -= cut;
        while (len > 0 && *line == ' ' && cut > 0) {
            line++;
            len--;
        }
    } while (len > 0);
}

static void put_block(const struct page *p, const char *text, int indent, enum paint paint)
{
    struct buf escaped;
    if (text == NULL)
        return;
    buf_init(&escaped, TEXT_MAX);
    text_escape(&escaped, text, strlen(text), TEXT_BLOCK);
    const char *line = buf_str(&escaped);
    size_t left = escaped.len;
    while (left > 0 && line[left - 1] == '\n')
        left--;
    while (left > 0) {
        const char *end = memchr(line, '\n', left);
        size_t len = end != NULL ? (size_t)(end - line) : left;
        put_wrapped(p, line, len, indent, paint);
        left -= len + (end != NULL);
        line += len + (end != NULL);
    }
    buf_release(&escaped);
}

static void put_json(const struct page *p, const char *before, const json *value, const char *after,
                     int indent, enum paint paint)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    term_put(&text, before);
    if (json_text(value) != NULL)
        term_put(&text, json_text(value));
    else if (value == NULL || json_print(value, &text) != ERR_OK)
        term_put(&text, value == NULL ? "" : "(too large)");
    term_put(&text, after);
    put_block(p, buf_str(&text), indent, paint);
    buf_release(&text);
}

/* Images, sound and files: what and how large, never their bytes. */
static void put_media(const struct page *p, const json *part, const char *type, int indent)
{
    char size[TEXT_FIGURE_MAX];
    struct buf line;
    buf_init(&line, 8192);
    const char *modality = json_get_text(part, "modality");
    const char *mime = json_get_text(part, "mime_type");
    const char *where = json_get_text(part, "uri");
    where = where != NULL ? where : json_get_text(part, "file_id");
    const char *content = json_get_text(part, "content");
    term_putf(&line, "[%.40s", modality != NULL ? modality : type);
    if (mime != NULL)
        term_putf(&line, " %.80s", mime);
    if (content != NULL)
        term_putf(&line, " %s", text_bytes((int64_t)(strlen(content) / 4 * 3), size));
    if (where != NULL)
        term_putf(&line, " %.300s", where);
    term_put(&line, "]");
    put_block(p, buf_str(&line), indent, PAINT_BLUE);
    buf_release(&line);
}

static void put_tool_call(const struct page *p, const json *part, const json *arguments, int indent)
{
    char before[300];
    const char *name = json_get_text(part, "name");
    snprintf(before, sizeof(before), "%s %.200s(", p->term->utf8 ? "→" : "->",
             name != NULL ? name : "?");
    put_json(p, before, arguments, ")", indent, PAINT_YELLOW);
}

static void put_part(const struct page *p, const json *part, int indent)
{
    const char *type = json_get_text(part, "type");
    const char *result = p->term->utf8 ? "← " : "<- ";
    if (json_text(part) != NULL) {
        put_block(p, json_text(part), indent, PAINT_NONE);
    } else if (type == NULL) {
        put_json(p, "", part, "", indent, PAINT_NONE);
    } else if (strcmp(type, "text") == 0) {
        const char *text = json_get_text(part, "content");
        put_block(p, text != NULL ? text : json_get_text(part, "text"), indent, PAINT_NONE);
    } else if (strcmp(type, "reasoning") == 0) {
        put_json(p, "", json_get(part, "content"), "", indent, PAINT_DIM);
    } else if (strcmp(type, "tool_call") == 0) {
        put_tool_call(p, part, json_get(part, "arguments"), indent);
    } else if (strcmp(type, "server_tool_call") == 0) {
        put_tool_call(p, part, json_get(part, "server_tool_call"), indent);
    } else if (strcmp(type, "tool_call_response") == 0) {
        put_json(p, result, json_get(part, "response"), "", indent, PAINT_GREEN);
    } else if (strcmp(type, "server_tool_call_response") == 0) {
        put_json(p, result, json_get(part, "server_tool_call_response"), "", indent, PAINT_GREEN);
    } else if (json_get(part, "modality") != NULL) {
        put_media(p, part, type, indent);
    } else {
        put_json(p, "", part, "", indent, PAINT_DIM);
    }
}

static enum paint role_paint(const char *role)
{
    if (strcmp(role, "user") == 0)
        return PAINT_GREEN;
    if (strcmp(role, "assistant") == 0)
        return PAINT_CYAN;
    return strcmp(role, "tool") == 0 ? PAINT_YELLOW : PAINT_MAGENTA;
}

static void put_message(const struct page *p, const json *message)
{
    const char *role = json_get_text(message, "role");
    const char *finish = json_get_text(message, "finish_reason");
    const json *parts = json_get(message, "parts");
    const json *content = parts != NULL ? parts : json_get(message, "content");
    struct buf head;
    buf_init(&head, 512);
    role = role != NULL ? role : "?";
    text_escape(&head, role, strlen(role), TEXT_LINE);
    term_put(p->out, "  ");
    term_paint(p->out, p->term, role_paint(role), buf_str(&head));
    if (finish != NULL) {
        buf_clear(&head);
        term_put(&head, "  (");
        text_escape(&head, finish, strlen(finish), TEXT_LINE);
        term_put(&head, ")");
        term_paint(p->out, p->term, PAINT_DIM, buf_str(&head));
    }
    term_put(p->out, "\n");
    buf_release(&head);
    if (!json_is_array(content)) {
        if (content != NULL)
            put_part(p, content, 4);
        return;
    }
    for (const json *part = json_first(content); part != NULL; part = json_next(part))
        put_part(p, part, 4);
}

/* One a line: what programs say by hand are objects with a few members. */
static void put_members(const struct page *p, const json *data, const char *title)
{
    if (data == NULL || json_length(data) == 0)
        return;
    term_put(p->out, "  ");
    term_paint(p->out, p->term, PAINT_BOLD, title);
    term_put(p->out, "\n");
    if (!json_is_object(data))
        put_json(p, "", data, "", 4, PAINT_NONE);
    for (const json *e = json_is_object(data) ? json_first(data) : NULL; e != NULL;
         e = json_next(e)) {
        struct buf before;
        buf_init(&before, 512);
        buf_append_cut(&before, json_key(e), strlen(json_key(e)));
        buf_append_cut(&before, ": ", 2);
        put_json(p, buf_str(&before), e, "", 4, PAINT_NONE);
        buf_release(&before);
    }
}

static void put_side(const struct page *p, const json *data, const char *title)
{
    const json *messages = json_get(data, "messages");
    const json *system = json_get(data, "system_instructions");
    if (data == NULL || json_length(data) == 0)
        return;
    if (system != NULL) {
        term_put(p->out, "  ");
        term_paint(p->out, p->term, PAINT_MAGENTA, "system");
        term_put(p->out, "\n");
        if (json_is_array(system))
            for (const json *part = json_first(system); part != NULL; part = json_next(part))
                put_part(p, part, 4);
        else
            put_part(p, system, 4);
    }
    if (json_is_array(messages)) {
        for (const json *m = json_first(messages); m != NULL; m = json_next(m))
            put_message(p, m);
        return;
    }
    if (system == NULL)
        put_members(p, data, title);
}

void messages_print(const struct span *s, const struct term *term, struct buf *out)
{
    const struct page p = {.term = term, .out = out};
    char figure[TEXT_FIGURE_MAX];
    struct buf head;
    struct buf fitted;
    /* A captured span's is the provider's, and long. */
    const json *metadata = s->capture_route == NULL ? s->metadata : NULL;
    if (s->input_data == NULL && s->output_data == NULL && s->error == NULL && metadata == NULL)
        return;
    buf_init(&head, 2048);
    buf_init(&fitted, 2048);
    term_putf(&head, "%s ", term->utf8 ? "──" : "--");
    term_putf(&head, "%s ", span_type_name(s->type));
    if (s->name != NULL)
        text_escape(&head, s->name, strlen(s->name), TEXT_LINE);
    if (s->end_time != 0)
        term_putf(&head, "  %s", text_duration(s->end_time - s->start_time, figure));
    text_fit(&fitted, buf_str(&head), term->columns, term->utf8);
    term_put(out, "\n");
    term_paint(out, term, PAINT_BOLD, buf_str(&fitted));
    term_put(out, "\n");
    buf_release(&head);
    buf_release(&fitted);
    put_side(&p, s->input_data, "input");
    put_side(&p, s->output_data, "output");
    put_members(&p, metadata, "metadata");
    if (s->error != NULL) {
        term_put(out, "  ");
        term_paint(out, term, PAINT_RED, "error");
        term_put(out, "\n");
        put_block(&p, s->error, 4, PAINT_RED);
    }
}

void output_print(const struct trace *t, const struct term *term, struct buf *out)
{
    const struct page p = {.term = term, .out = out};
    if (t->output == NULL || ((int)strlen(t->output) <= term->columns - (int)strlen("output ") &&
                              strchr(t->output, '\n') == NULL))
        return;
    term_put(out, "\n");
    term_paint(out, term, PAINT_BOLD, term->utf8 ? "── output" : "-- output");
    term_put(out, "\n");
    put_block(&p, t->output, 4, PAINT_NONE);
}
