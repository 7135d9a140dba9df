/* Which ids were active when the bytes of a connection's requests were sent. */
#include <stdlib.h>
#include <string.h>

#include "collector/internal.h"

#define ACTIVES_MAX                                                                                \
    16u /* changes of the active ids within the requests that are not parsed yet                   \
         */

struct actives {
    size_t count;
    struct {
        uint64_t offset;
        bool any;
        struct active_ids ids;
    } from[ACTIVES_MAX];
};

void conn_note_active(struct conn *c, uint64_t offset, const struct active_ids *ids)
{
    struct actives *a = c->actives;
    if (a == NULL) {
        if (ids == NULL)
            return;
        a = c->actives = calloc(1, sizeof(*a));
        if (a == NULL)
            return;
    }
    if (a->count > 0) {
        bool any = a->from[a->count - 1].any;
        if (any == (ids != NULL) &&
            (!any || memcmp(&a->from[a->count - 1].ids, ids, sizeof(*ids)) == 0))
            return;
    }
    if (a->count == ACTIVES_MAX)
        memmove(a->from, a->from + 1, --a->count * sizeof(a->from[0]));
    a->from[a->count].offset = offset;
    a->from[a->count].any = ids != NULL;
    if (ids != NULL)
        a->from[a->count].ids = *ids;
    a->count++;
}

const struct active_ids *conn_active_at(struct conn *c, uint64_t offset)
{
    struct actives *a = c->actives;
    if (a == NULL || a->count == 0 || a->from[0].offset > offset)
        return NULL;
    size_t past = 0;
    while (past + 1 < a->count && a->from[past + 1].offset <= offset)
        past++;
    a->count -= past;
    memmove(a->from, a->from + past, a->count * sizeof(a->from[0]));
    return a->from[0].any ? &a->from[0].ids : NULL;
}
