/* The spans of a trace as a tree with bars on a common time axis, and their conversations. */
#ifndef TRACER_CLI_TREE_H
#define TRACER_CLI_TREE_H

#include "cli/term.h"
#include "span/span.h"

/* What the tree shows of a span: a copy without prompts and answers. */
struct tree_node {
    uint8_t span_id[SPAN_ID_LEN];
    uint8_t parent_id[SPAN_ID_LEN];
    enum span_type type;
    char *label; /* escaped: name, and the model unless the name has it */
    char *error; /* escaped, or NULL */
    int64_t start_time, end_time;
    double ttft_ms;
    int64_t tokens_input, tokens_output, tokens_cache_read;
    double cost_usd;
    int64_t dropped_bytes;
    bool partial;
    bool uncounted; /* figures in brackets: those below it count */
    bool shown;
    size_t first_child, last_child, next; /* indexes + 1; 0: none */
    bool has_parent;
};

struct tree {
    struct tree_node *nodes;
    size_t count, cap;
    int64_t errors, running, cached; /* cached: SPAN_UNKNOWN when nobody told */
};

void tree_init(struct tree *t);
void tree_release(struct tree *t);
/* ERR_NOMEM. Spans in order of their start. */
int tree_add(struct tree *t, const struct span *s) WARN_UNUSED_RESULT;
/* Links children to parents; a span whose parent is not here is a root. Once, after all are in. */
int tree_link(struct tree *t) WARN_UNUSED_RESULT;
void tree_print(struct tree *t, int64_t trace_start, int64_t trace_end, const struct term *term,
                struct buf *out);

/* messages.c: prompts, answers, tool calls and results of one span; nothing when it has none. */
void messages_print(const struct span *s, const struct term *term, struct buf *out);
/* What came out of the trace as a whole, if it is more than a line. */
void output_print(const struct trace *t, const struct term *term, struct buf *out);

#endif
