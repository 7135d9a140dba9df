#include "descriptor.h"

#include "conn.h"
#include "track.h"

_Atomic uint8_t descriptor_states[FD_MAX];

static _Atomic int highest = -1;

int descriptor_highest(void)
{
    return atomic_load_explicit(&highest, memory_order_relaxed);
}

void descriptor_set(int fd, enum descriptor_state state)
{
    if ((unsigned)fd >= FD_MAX)
        return;
    int high = descriptor_highest();
    while (state != DESCRIPTOR_NONE && high < fd &&
           !atomic_compare_exchange_weak(&highest, &high, fd))
        continue;
    atomic_store_explicit(&descriptor_states[fd], (uint8_t)state, memory_order_relaxed);
}

void descriptor_connected(int fd, enum descriptor_state state)
{
    if ((unsigned)fd >= FD_MAX || !session_may_change())
        return;
    track_end(TRACK_FD(fd), false);
    descriptor_set(fd, state);
}

void descriptor_closed(int fd)
{
    if (descriptor_state(fd) == DESCRIPTOR_NONE || !session_may_change())
        return;
    descriptor_set(fd, DESCRIPTOR_NONE);
    track_end(TRACK_FD(fd), false);
}

void descriptor_shared(int from, int to)
{
    if (from == to || (unsigned)to >= FD_MAX)
        return;
    enum descriptor_state state = descriptor_state(from);
    if ((state == DESCRIPTOR_NONE && descriptor_state(to) == DESCRIPTOR_NONE) ||
        !session_may_change())
        return;
    track_end(TRACK_FD(to), false);
    int slot = conn_find(TRACK_FD(from));
    if (slot != CONN_NONE) {
        atomic_fetch_add(&session.conns[slot].descriptors, 1);
        atomic_store(&session.fd_slots[to], (uint16_t)(slot + 1));
    }
    descriptor_set(to, state);
}

void descriptor_range_closed(unsigned first, unsigned last)
{
    int high = descriptor_highest();
    for (unsigned fd = first; high >= 0 && fd <= last && fd <= (unsigned)high; fd++)
        descriptor_closed((int)fd);
}
