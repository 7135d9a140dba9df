/* GET /health: who this is and what it can do. It looks at the store, so that a load balancer takes
 * a server away whose store is gone. */
#include "base/clock.h"
#include "service/api.h"
#include "service/internal.h"
#include "service/print.h"

static int stop_at_once(void *user, const struct stored_trace *trace)
{
    (void)user;
    (void)trace;
    return ERR_OK;
}

/* One look at an id that nobody has. */
static bool can_read(const struct request *r, struct backend_session *session)
{
    const int err =
        r->backend->trace(session, r->project_id, text_of("health"), stop_at_once, NULL);
    return err == ERR_OK || err == ERR_NOENT;
}

void api_health(struct request *r, struct backend_session *session)
{
    const bool healthy = can_read(r, session);
    struct buf *out = &r->answer;
    int err = buf_printf(out,
                         "{\"status\":\"%s\",\"service\":\"LLM Tracer\",\"version\":\"%s\","
                         "\"features\":[\"client-ids\",\"client-times\",\"ingest\",\"filters\","
                         "\"events\"],\"storage\":\"%s\",\"timestamp\":",
                         healthy ? "healthy" : "unhealthy", TRACER_VERSION, r->backend->name);
    if (err == ERR_OK)
        err = print_time(out, clock_wall_ns());
    if (err == ERR_OK)
        err = buf_printf(out, ",\"auth\":%s,\"read_only\":%s}",
                         r->service->settings.key_required ? "true" : "false",
                         r->backend->read_only ? "true" : "false");
    if (err == ERR_OK && !healthy)
        r->status = 503;
    api_finish(r, err);
}
