/* GET /health: who this is and what it can do. It looks at the store, so that a load balancer takes
 * a server away whose store is gone. */
#include "base/clock.h"
#include "service/api.h"
#include "service/internal.h"
#include "service/print.h"

#define HEALTH_NS NS_PER_SEC

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

/* Whoever asks, as often as they like: the store, which may cost by the request, is looked at about
 * once a second. */
static bool is_healthy(const struct request *r, struct backend_session *session)
{
    struct service *s = (struct service *)r->service;
    const int64_t now = clock_boot_ns();
    if (now < atomic_load(&s->health_until))
        return atomic_load(&s->healthy);
    const bool healthy = can_read(r, session);
    atomic_store(&s->healthy, healthy);
    atomic_store(&s->health_until, clock_boot_ns() + HEALTH_NS);
    return healthy;
}

void api_health(struct request *r, struct backend_session *session)
{
    const bool healthy = is_healthy(r, session);
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
