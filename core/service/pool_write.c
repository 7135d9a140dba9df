#include "service/pool_write.h"

#include <stdlib.h>
#include <string.h>

#include "service/connection_inbound.h"

static int write_one(const struct backend_ops *ops, struct backend_session *session,
                     const struct inbound *e)
{
    if (e->r.write_count == 0)
        return ERR_OK;
    return ops->write(session, e->r.writes, e->r.write_count);
}

/* The writes of all in one array; the caller frees it. NULL: there are none, or no memory. */
static struct stored_write **gather(struct inbound *all, size_t *count)
{
    *count = 0;
    for (const struct inbound *e = all; e != NULL; e = e->next)
        *count += e->r.write_count;
    struct stored_write **writes =
        *count == 0 ? NULL : calloc(*count, sizeof(struct stored_write *));
    size_t at = 0;
    for (const struct inbound *e = all; writes != NULL && e != NULL; e = e->next) {
        memcpy(&writes[at], e->r.writes, e->r.write_count * sizeof(struct stored_write *));
        at += e->r.write_count;
    }
    return writes;
}

static void answer(struct inbound *e, struct backend_session *session, int result)
{
    e->r.write_result = result;
    e->r.route->answer(&e->r, session);
}

void write_batch(const struct backend_ops *ops, struct backend_session *session,
                 struct inbound *all)
{
    size_t count;
    struct stored_write **writes = all->next == NULL ? NULL : gather(all, &count);
    int err = writes == NULL ? ERR_NOMEM : ops->write(session, writes, count);
    free(writes);
    /* What is true for all of them needs no second look. */
    bool same_for_all = err == ERR_OK || err == ERR_FULL || err == ERR_BUSY;
    for (struct inbound *e = all; e != NULL; e = e->next)
        answer(e, session, same_for_all ? err : write_one(ops, session, e));
}
