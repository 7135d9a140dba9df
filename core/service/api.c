#include "service/api.h"

#include <stdlib.h>

static void release_state(struct request *r)
{
    struct api_state *state = r->state;
    if (state != NULL)
        arena_release(&state->arena);
    free(state);
    free(r->writes);
    r->state = NULL;
    r->writes = NULL;
    r->write_count = 0;
}

struct api_state *api_state(struct request *r)
{
    if (r->state == NULL) {
        r->state = calloc(1, sizeof(struct api_state));
        r->release = release_state;
    }
    if (r->state == NULL)
        request_fail(r, 503, "out of memory");
    return r->state;
}

bool api_may_write(struct request *r)
{
    if (!r->backend->read_only)
        return true;
    request_fail(r, 403, "This server only shows what is stored");
    return false;
}

struct text api_body(const struct request *r)
{
    return (struct text){.at = buf_str(&r->body), .len = r->body.len};
}

void api_finish(struct request *r, int err)
{
    if (r->status != 0)
        return;
    if (err == ERR_OK)
        r->status = 200;
    else if (err == ERR_FULL)
        request_fail(r, 413,
                     "the answer would be too large: ask with content=false, or for single "
                     "spans");
    else
        request_fail(r, 503, "out of memory");
}
