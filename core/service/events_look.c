/* What others wrote: another server over the same tables, or the collector whose store is shown.
 * The newest traces and the running ones are read while somebody listens; what differs from the
 * last time is told. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "service/events.h"

/* The next watch to look at, copied out of the lock, since streams come and go meanwhile. */
struct looking {
    struct events *e;
    struct watch *watch; /* an address to compare with, no more */
    char *project, *trace;
    bool silent;
    bool moved; /* another process changed something */
    int64_t now;
};

static bool is_there(const struct events *e, const struct looking *l)
{
    const struct watch *w = e->watches;
    while (w != NULL && w != l->watch)
        w = w->next;
    return w != NULL && (l->project == NULL) == (w->project == NULL) &&
           (l->trace == NULL) == (w->trace == NULL) &&
           (l->project == NULL || strcmp(l->project, w->project) == 0) &&
           (l->trace == NULL || strcmp(l->trace, w->trace) == 0);
}

/* Of a running trace that one looks at alone, more changes than its figures tell: the answer of a
 * call that grows. */
static int each(void *user, const struct stored_trace *trace)
{
    struct looking *l = user;
    struct buf event;
    buf_init(&event, STREAM_BYTES);
    int err = event_print_trace(&event, trace);
    char *id = strndup(trace->trace_id.at, trace->trace_id.len);
    if (err == ERR_OK && id != NULL) {
        pthread_mutex_lock(&l->e->lock);
        if (is_there(l->e, l))
            events_give(
                l->e,
                &(struct news){.trace = id,
                               .trace_event = &event,
                               .only = l->watch,
                               .silent = l->silent,
                               .again = l->moved && l->trace != NULL && trace->end_time == 0},
                l->now);
        pthread_mutex_unlock(&l->e->lock);
    }
    free(id);
    buf_release(&event);
    return ERR_OK;
}

static void look(struct looking *l)
{
    const struct backend_ops *backend = l->e->service->settings.backend;
    struct backend_session *session = l->e->session;
    if (l->trace != NULL) {
        (void)backend->trace(session, text_of(l->project), text_of(l->trace), each, l);
        return;
    }
    struct stored_filter f = {.project_id = text_of(l->project), .limit = LOOK_TRACES};
    char *cursor = NULL;
    (void)backend->list(session, &f, each, l, &cursor);
    free(cursor);
    cursor = NULL;
    f.status = STORED_RUNNING;
    (void)backend->list(session, &f, each, l, &cursor);
    free(cursor);
}

/* The watch behind `after` in the list as it is now; false: there is none. */
static bool next_watch(struct looking *l, size_t index)
{
    const struct watch *w = l->e->watches;
    while (w != NULL && index-- > 0)
        w = w->next;
    if (w == NULL)
        return false;
    l->watch = (struct watch *)w;
    l->project = w->project == NULL ? NULL : strdup(w->project);
    l->trace = w->trace == NULL ? NULL : strdup(w->trace);
    l->silent = !w->seen;
    l->watch->seen = true;
    return (w->project == NULL || l->project != NULL) && (w->trace == NULL || l->trace != NULL);
}

static void look_at_all(struct events *e, int64_t now, bool moved, bool new_only)
{
    for (size_t index = 0;; index++) {
        struct looking l = {.e = e, .now = now, .moved = moved};
        pthread_mutex_lock(&e->lock);
        const bool more = !e->stopping && next_watch(&l, index);
        pthread_mutex_unlock(&e->lock);
        if (more && (!new_only || l.silent))
            look(&l);
        free(l.project);
        free(l.trace);
        if (!more)
            return;
    }
}

void events_look_again(struct events *e, int64_t now)
{
    look_at_all(e, now, false, false);
}

void events_look(struct events *e, int64_t now)
{
    bool moved = false;
    if (now - e->asked_at >= LOOK_NS) {
        const int64_t changes = e->service->settings.backend->changes(e->session);
        moved = changes < 0 ? now - e->looked_at >= LOOK_SLOW_NS : changes != e->changes;
        e->asked_at = now;
        e->changes = changes;
    }
    if (moved)
        e->looked_at = now;
    /* A watch that is new is looked at at once: what it sees then is where it starts from. */
    look_at_all(e, now, moved && e->changes >= 0, !moved);
}
