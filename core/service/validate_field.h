/* The types of fields in bodies. Private to the validate_*.c files. */
#ifndef TRACER_SERVICE_VALIDATE_FIELD_H
#define TRACER_SERVICE_VALIDATE_FIELD_H

#include "service/validate.h"
#include "json/scan.h"

enum field_type {                 /* what is written to */
                  TYPE_TEXT,      /* struct text: "" where it is not needed is not told */
                  TYPE_ID,        /* struct text: one that a client made */
                  TYPE_PROJECT,   /* struct text */
                  TYPE_SPAN_TYPE, /* enum span_type */
                  TYPE_OBJECT,    /* struct text: JSON on one line */
                  TYPE_TAGS,      /* struct text: JSON */
                  TYPE_TOKENS,    /* int64_t */
                  TYPE_COST,      /* double */
                  TYPE_TIME       /* int64_t */
};

struct field_rule {
    int field; /* of validate_body.c */
    enum field_type type;
    bool needed;
    size_t max;    /* characters; 0: any number */
    size_t offset; /* in struct stored_write */
};

struct reading {
    struct arena *arena;
    struct problems *problems;
    const char *field; /* that is read; static */
    int64_t index;
    int err; /* ERR_NOMEM */
};

/* Notes a problem of the field that is read. */
void field_wrong(struct reading *r, enum problem_kind kind, int64_t number);
/* Reads the value; *to stays as it is when the value is absent or wrong. */
void field_read(struct reading *r, const struct field_rule *rule, const struct scan_value *value,
                void *to);

#endif
