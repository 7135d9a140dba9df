/* What the tests of core/wire/owner.h share: an owner in memory that a fork empties, and a host
 * whose settings, clocks and place a test decides. */
#ifndef TESTS_WIRE_OWNER_HELP_H
#define TESTS_WIRE_OWNER_HELP_H

#include <dirent.h>
#include <limits.h>

#include "wire/owner_private.h"
#include "wire_help.h"

#define SECOND UINT64_C(1000000000)

static struct {
    struct ring_owner owner;
} __attribute__((aligned(4096))) owned;

static bool owner_wiped;
static char owner_dir[64];
static const char *owner_settings[OWNER_SETTINGS];
static char *owner_variables[64];
static char owner_object[PATH_MAX]; /* empty: not known */
static _Atomic uint64_t owner_clock = 1000 * SECOND;

static const char *told_setting(enum owner_setting name)
{
    return owner_settings[name];
}

static char *const *told_variables(void)
{
    return owner_variables;
}

static bool told_path(char *out, size_t size)
{
    size_t len = strlen(owner_object);
    if (len == 0 || len >= size)
        return false;
    memcpy(out, owner_object, len + 1);
    return true;
}

static uint64_t told_now(void)
{
    return atomic_load(&owner_clock);
}

static uint64_t told_wall(void)
{
    return atomic_load(&owner_clock) + 7 * SECOND;
}

static struct owner_host owner_host = {told_setting, told_variables, told_path, told_now,
                                       told_wall};

static inline struct ring_writer *ring_now(void)
{
    return owner_ring(&owned.owner, &owner_host, told_now());
}

/* A process that has no ring yet, and a directory of its own. */
static inline int owner_setup(void **state)
{
    (void)state;
    make_dir(owner_dir, sizeof(owner_dir));
    memset(&owned, 0, sizeof(owned));
    memset(owner_settings, 0, sizeof(owner_settings));
    memset(owner_variables, 0, sizeof(owner_variables));
    owner_object[0] = '\0';
    owner_settings[OWNER_RUNTIME_DIR] = owner_dir;
    owner_settings[OWNER_RING_MAX_MB] = "4";
    owner_wiped = owner_init(&owned.owner, &owned, sizeof(owned));
    return 0;
}

static inline int owner_teardown(void **state)
{
    (void)state;
    struct ring_writer *ring = owner_ring_if_any(&owned.owner);
    if (ring != NULL)
        ring_writer_discard(ring);
    remove_dir(owner_dir);
    return 0;
}

/* The names in the directory that begin with prefix. */
static inline int files_in(const char *dir, const char *prefix)
{
    int count = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        count += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
    closedir(d);
    return count;
}

/* Waits for a child that tells by its exit code how it went. */
static inline void assert_child_well(pid_t child)
{
    int status = -1;
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#endif
