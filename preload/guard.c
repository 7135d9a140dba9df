/* Nested hooks (track.h). A guard names its call by the address of its own frame: a call inside
 * another lies below it on the same stack. One that siglongjmp left behind is recognised by not
 * lying above, or lying too far away. */
#include "track.h"

#define NESTED_WITHIN                                                                              \
    16384 /* bytes of stack between a public function and another one inside it                    \
           */

static _Thread_local struct {
    track_key key;
    uintptr_t frame;
} current __attribute__((tls_model("initial-exec")));

bool track_enter(struct track_guard *guard, track_key key)
{
    uintptr_t frame = (uintptr_t)guard;
    guard->key = key;
    guard->frame = frame;
    guard->saved_key = current.key;
    guard->saved_frame = current.frame;
    bool above = current.frame > frame && current.frame - frame < NESTED_WITHIN;
    if (above && current.key == key)
        return false;
    if (!above) { /* stale, or on another stack: nothing to come back to */
        guard->saved_key = 0;
        guard->saved_frame = 0;
    }
    current.key = key;
    current.frame = frame;
    return true;
}

void track_leave(struct track_guard *guard)
{
    if (current.frame != guard->frame)
        return;
    current.key = guard->saved_key;
    current.frame = guard->saved_frame;
}
