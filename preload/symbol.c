/* The loaded objects, by a weak dl_iterate_phdr, which glibc and musl both have and which a
 * constructor that joins a thread does not block (dlsym's first use would be). */
#include "symbol.h"

#include "elf_object.h"
#include "symbol_bind.h"
#include "text.h"

int dl_iterate_phdr(int (*)(struct dl_phdr_info *, size_t, void *), void *) __attribute__((weak));

/* An address of ours, to know our own object by. */
static const char own_mark;

static bool is_own(const struct elf_object *object)
{
    uintptr_t mark = (uintptr_t)&own_mark;
    return mark >= object->start && mark < object->end;
}

/* The kernel's vDSO is in glibc's list of objects too; nothing in it is ever wanted here. */
static bool is_usable(const struct dl_phdr_info *info)
{
    return info->dlpi_phdr != NULL && info->dlpi_phnum > 0;
}

static int iterate(int (*each)(struct dl_phdr_info *, size_t, void *), void *user)
{
    return dl_iterate_phdr == NULL ? 0 : dl_iterate_phdr(each, user);
}

struct bind_walk {
    const char *names;
    void **out;
    size_t count;
    bool behind; /* our own object was met */
};

/* Looks for what is still missing; true when nothing is. */
static bool bind_in(const struct elf_object *object, const struct bind_walk *walk)
{
    const char *name = walk->names;
    bool whole = true;
    for (size_t i = 0; i < walk->count; i++, name += text_length(name) + 1) {
        if (__atomic_load_n(&walk->out[i], __ATOMIC_RELAXED) != NULL)
            continue;
        void *address = elf_object_function(object, name, elf_hash(name));
        if (address != NULL)
            __atomic_store_n(&walk->out[i], address, __ATOMIC_RELAXED);
        else
            whole = false;
    }
    return whole;
}

static int bind_object(struct dl_phdr_info *info, size_t size, void *user)
{
    (void)size;
    struct bind_walk *walk = user;
    struct elf_object object;
    if (!is_usable(info))
        return 0;
    elf_object_extent(&object, info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum);
    if (!walk->behind || is_own(&object)) {
        walk->behind = walk->behind || is_own(&object);
        return 0;
    }
    if (!elf_object_read(&object, info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum))
        return 0;
    return bind_in(&object, walk);
}

void symbol_bind(const char *names, void **out, size_t count)
{
    struct bind_walk walk = {.names = names, .out = out, .count = count};
    iterate(bind_object, &walk);
}

void *symbol_next(const char *name)
{
    void *found = NULL;
    symbol_bind(name, &found, 1);
    return found;
}

struct address_walk {
    uintptr_t address;
    const char *name;
    uint32_t hash;
    void *found;
};

static int look_in_object_of(struct dl_phdr_info *info, size_t size, void *user)
{
    (void)size;
    struct address_walk *walk = user;
    struct elf_object object;
    if (!is_usable(info))
        return 0;
    elf_object_extent(&object, info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum);
    if (walk->address < object.start || walk->address >= object.end)
        return 0;
    if (elf_object_read(&object, info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum))
        walk->found = elf_object_function(&object, walk->name, walk->hash);
    return 1;
}

void *symbol_in_object_of(const void *address, const char *name)
{
    struct address_walk walk = {(uintptr_t)address, name, elf_hash(name), NULL};
    iterate(look_in_object_of, &walk);
    return walk.found;
}

struct all_walk {
    const char *name;
    uint32_t hash;
    void **out;
    size_t count, max;
};

static int count_object(struct dl_phdr_info *info, size_t size, void *user)
{
    (void)size;
    struct all_walk *walk = user;
    struct elf_object object;
    if (!is_usable(info) ||
        !elf_object_read(&object, info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum) ||
        is_own(&object))
        return 0;
    void *address = elf_object_function(&object, walk->name, walk->hash);
    if (address != NULL) {
        if (walk->count < walk->max)
            walk->out[walk->count] = address;
        walk->count++;
    }
    return 0;
}

size_t symbol_all(const char *name, void **out, size_t max)
{
    struct all_walk walk = {name, elf_hash(name), out, 0, max};
    iterate(count_object, &walk);
    return walk.count;
}

static int read_generation(struct dl_phdr_info *info, size_t size, void *user)
{
    if (size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof(info->dlpi_subs))
        *(uint64_t *)user = info->dlpi_adds + info->dlpi_subs;
    return 1;
}

uint64_t symbol_generation(void)
{
    uint64_t generation = 0;
    iterate(read_generation, &generation);
    return generation;
}

static int read_own_path(struct dl_phdr_info *info, size_t size, void *user)
{
    (void)size;
    struct elf_object object;
    if (!is_usable(info))
        return 0;
    elf_object_extent(&object, info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum);
    if (!is_own(&object))
        return 0;
    *(const char **)user = info->dlpi_name;
    return 1;
}

const char *symbol_own_path(void)
{
    const char *path = NULL;
    iterate(read_own_path, &path);
    return path != NULL && path[0] != '\0' ? path : NULL;
}
