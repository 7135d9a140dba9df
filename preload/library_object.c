#include "library_object.h"

#include <link.h>

#include "text.h"

#pragma weak dl_iterate_phdr

struct object_search {
    uintptr_t address;
    struct library_object *out;
    bool found;
};

static bool object_holds(const struct library_object *object, const void *at, size_t size)
{
    uintptr_t address = (uintptr_t)at;

    return at != NULL && address >= object->low && size <= object->size &&
           address - object->low <= object->size - size;
}

/* Some loaders have made the pointers of the dynamic section absolute (glibc), some have not
 * (musl, the vDSO). */
static const void *object_pointer(const struct library_object *object, uintptr_t value)
{
    if (object_holds(object, (const void *)value, 1)) {
        return (const void *)value;
    }
    value += object->base;
    return object_holds(object, (const void *)value, 1) ? (const void *)value : NULL;
}

static void object_read_entry(struct library_object *object, const ElfW(Dyn) * entry)
{
    switch (entry->d_tag) {
    case DT_STRTAB:
        object->strings = object_pointer(object, entry->d_un.d_ptr);
        break;
    case DT_STRSZ:
        object->strings_size = entry->d_un.d_val;
        break;
    case DT_SYMTAB:
        object->symbols = object_pointer(object, entry->d_un.d_ptr);
        break;
    case DT_GNU_HASH:
        object->gnu_hash = object_pointer(object, entry->d_un.d_ptr);
        break;
    case DT_HASH:
        object->sysv_hash = object_pointer(object, entry->d_un.d_ptr);
        break;
    case DT_RELA:
        object->relocations[0] = object_pointer(object, entry->d_un.d_ptr);
        break;
    case DT_RELASZ:
        object->relocation_sizes[0] = entry->d_un.d_val;
        break;
    case DT_JMPREL:
        object->relocations[1] = object_pointer(object, entry->d_un.d_ptr);
        break;
    case DT_PLTRELSZ:
        object->relocation_sizes[1] = entry->d_un.d_val;
        break;
    default:
        break;
    }
}

static void object_read_dynamic(struct library_object *object)
{
    const ElfW(Dyn) *entries = object->dynamic;
    size_t i;

    if (!object_holds(object, entries, object->dynamic_count * sizeof(*entries))) {
        object->dynamic = NULL;
        object->dynamic_count = 0;
        return;
    }
    for (i = 0; i < object->dynamic_count && entries[i].d_tag != DT_NULL; i++) {
        object_read_entry(object, &entries[i]);
    }
    object->dynamic_count = i;
    if (!object_holds(object, object->strings, object->strings_size)) {
        object->strings = NULL;
        object->strings_size = 0;
    }
}

static int object_visit(struct dl_phdr_info *info, size_t size, void *user)
{
    struct object_search *search = user;
    struct library_object object = {.base = info->dlpi_addr, .low = UINTPTR_MAX};
    uintptr_t high = 0;

    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + segment->p_vaddr;

        if (segment->p_type == PT_LOAD) {
            object.low = start < object.low ? start : object.low;
            high = start + segment->p_memsz > high ? start + segment->p_memsz : high;
        } else if (segment->p_type == PT_DYNAMIC) {
            object.dynamic = (const void *)start;
            object.dynamic_count = segment->p_memsz / sizeof(ElfW(Dyn));
        }
    }
    if (search->address < object.low || search->address >= high) {
        return 0;
    }
    object.size = high - object.low;
    object.path = info->dlpi_name != NULL ? info->dlpi_name : "";
    object_read_dynamic(&object);
    *search->out = object;
    search->found = true;
    return 1;
}

bool library_object_at(const void *address, struct library_object *out)
{
    struct object_search search = {.address = (uintptr_t)address, .out = out};

    if (dl_iterate_phdr != NULL && address != NULL) {
        dl_iterate_phdr(object_visit, &search);
    }
    return search.found;
}

/* The text at that offset of the string table; NULL if it has no end there. */
static const char *object_string(const struct library_object *object, size_t offset)
{
    if (offset >= object->strings_size) {
        return NULL;
    }
    for (size_t i = offset; i < object->strings_size; i++) {
        if (object->strings[i] == '\0') {
            return object->strings + offset;
        }
    }
    return NULL;
}

static size_t path_folder_length(const char *path)
{
    size_t length = 0;

    for (size_t i = 0; path[i] != '\0'; i++) {
        if (path[i] == '/') {
            length = i + 1;
        }
    }
    return length;
}

const char *library_object_name(const struct library_object *object)
{
    const ElfW(Dyn) *entries = object->dynamic;

    for (size_t i = 0; i < object->dynamic_count; i++) {
        const char *name =
            entries[i].d_tag == DT_SONAME ? object_string(object, entries[i].d_un.d_val) : NULL;
        if (name != NULL) {
            return name;
        }
    }
    return object->path + path_folder_length(object->path);
}

bool library_object_needs(const struct library_object *object, const char *name)
{
    const ElfW(Dyn) *entries = object->dynamic;

    for (size_t i = 0; i < object->dynamic_count; i++) {
        const char *needed =
            entries[i].d_tag == DT_NEEDED ? object_string(object, entries[i].d_un.d_val) : NULL;
        if (needed != NULL && text_equal(needed, name)) {
            return true;
        }
    }
    return false;
}

/* How many symbols may be imports: the GNU hash table covers only what comes behind them. */
static size_t object_import_count(const struct library_object *object)
{
    if (object_holds(object, object->sysv_hash, 2 * sizeof(uint32_t))) {
        return object->sysv_hash[1];
    }
    if (object_holds(object, object->gnu_hash, 2 * sizeof(uint32_t))) {
        return object->gnu_hash[1];
    }
    return 0;
}

bool library_object_imports(const struct library_object *object, const char *name)
{
    const ElfW(Sym) *symbols = object->symbols;
    size_t count = object_import_count(object);

    if (count > object->size / sizeof(*symbols) ||
        !object_holds(object, symbols, count * sizeof(*symbols))) {
        return false;
    }
    for (size_t i = 1; i < count; i++) {
        const char *text =
            symbols[i].st_shndx == SHN_UNDEF ? object_string(object, symbols[i].st_name) : NULL;
        if (text != NULL && text_equal(text, name)) {
            return true;
        }
    }
    return false;
}

static bool object_symbol_is(const struct library_object *object, size_t index, const char *name)
{
    const ElfW(Sym) *symbols = object->symbols;
    const char *text;

    if (index > object->size / sizeof(*symbols) ||
        !object_holds(object, symbols, (index + 1) * sizeof(*symbols))) {
        return false;
    }
    text = object_string(object, symbols[index].st_name);
    return text != NULL && text_equal(text, name);
}

/* RELA alone: x86-64 and aarch64 have no other kind. */
bool library_object_relocates(const struct library_object *object, const char *name)
{
    for (size_t table = 0; table < 2; table++) {
        const ElfW(Rela) *entries = object->relocations[table];
        size_t count = object->relocation_sizes[table] / sizeof(*entries);

        if (!object_holds(object, entries, count * sizeof(*entries))) {
            continue;
        }
        for (size_t i = 0; i < count; i++) {
            size_t symbol = ELF64_R_SYM(entries[i].r_info);

            if (symbol != 0 && object_symbol_is(object, symbol, name)) {
                return true;
            }
        }
    }
    return false;
}

bool library_object_beside(const struct library_object *object, const char *path)
{
    size_t length = path_folder_length(object->path);

    if (length == 0 || length != path_folder_length(path)) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (object->path[i] != path[i]) {
            return false;
        }
    }
    return true;
}
