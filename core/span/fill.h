/* What the files of this room share to put spans together. */
#ifndef TRACER_SPAN_FILL_H
#define TRACER_SPAN_FILL_H

#include <stdbool.h>

#include "json/json.h"

/* *to becomes *from, unless that is NULL; *from becomes NULL. */
void json_move(json **to, json **from);
/* Adds the members of `from` that `to` does not have (or, when they win, all) and frees `from`. */
void json_merge(json **to, json *from, bool wins);

#endif
