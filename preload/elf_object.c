/* Symbol look-up in a loaded object. Everything read is checked to lie in one of the object's
 * segments, since a damaged or unusual object must not crash the host. */
#include "elf_object.h"

#include "text.h"

#define CHAIN_MAX      65536u  /* symbols looked at in one hash chain */
#define VERSION_HIDDEN 0x8000u /* not the default version (gABI, symbol versioning) */

uint32_t elf_hash(const char *name)
{
    uint32_t hash = 5381;
    for (const unsigned char *p = (const unsigned char *)name; *p != '\0'; p++)
        hash = hash * 33 + *p;
    return hash;
}

static uint32_t sysv_hash_of(const char *name)
{
    uint32_t hash = 0;
    for (const unsigned char *p = (const unsigned char *)name; *p != '\0'; p++) {
        hash = (hash << 4) + *p;
        hash ^= (hash >> 24) & 0xf0;
        hash &= 0x0fffffff;
    }
    return hash;
}

/* The segment that holds the address; false: none, or none that can be read. */
static bool find_segment(const struct elf_object *object, uintptr_t address, uintptr_t *at,
                         size_t *size)
{
    for (size_t i = 0; i < object->header_count; i++) {
        const ElfW(Phdr) *h = &object->headers[i];
        uintptr_t start = object->base + h->p_vaddr;
        if (h->p_type == PT_LOAD && (h->p_flags & PF_R) != 0 && address >= start &&
            address - start < h->p_memsz) {
            *at = start;
            *size = h->p_memsz;
            return true;
        }
    }
    return false;
}

static bool inside(const struct elf_object *object, const void *from, size_t length)
{
    uintptr_t address = (uintptr_t)from, start = object->tables;
    size_t size = object->tables_size;
    if (address - start >= size && !find_segment(object, address, &start, &size))
        return false;
    return length <= size - (address - start);
}

void elf_object_extent(struct elf_object *object, uintptr_t base, const ElfW(Phdr) * headers,
                       size_t header_count)
{
    object->base = base;
    object->headers = headers;
    object->header_count = header_count;
    object->start = UINTPTR_MAX;
    object->end = 0;
    for (size_t i = 0; i < header_count; i++) {
        if (headers[i].p_type != PT_LOAD)
            continue;
        uintptr_t start = base + headers[i].p_vaddr;
        if (start < object->start)
            object->start = start;
        if (start + headers[i].p_memsz > object->end)
            object->end = start + headers[i].p_memsz;
    }
}

/* glibc stores addresses in most entries of the dynamic section, musl and the kernel's vDSO leave
 * them as offsets. */
static const void *located(const struct elf_object *object, ElfW(Addr) value)
{
    uintptr_t address =
        value >= object->start && value < object->end ? value : object->base + value;
    return (const void *)address;
}

bool elf_object_read(struct elf_object *object, uintptr_t base, const ElfW(Phdr) * headers,
                     size_t header_count)
{
    memset(object, 0, sizeof(*object));
    elf_object_extent(object, base, headers, header_count);
    const ElfW(Dyn) *dynamic = NULL;
    size_t count = 0;
    for (size_t i = 0; i < header_count; i++) {
        if (headers[i].p_type == PT_DYNAMIC) {
            dynamic = (const ElfW(Dyn) *)(base + headers[i].p_vaddr);
            count = headers[i].p_memsz / sizeof(*dynamic);
        }
    }
    if (dynamic == NULL || !inside(object, dynamic, count * sizeof(*dynamic)))
        return false;
    for (size_t i = 0; i < count && dynamic[i].d_tag != DT_NULL; i++) {
        switch (dynamic[i].d_tag) {
        case DT_SYMTAB:
            object->symbols = located(object, dynamic[i].d_un.d_ptr);
            break;
        case DT_STRTAB:
            object->strings = located(object, dynamic[i].d_un.d_ptr);
            break;
        case DT_STRSZ:
            object->strings_size = dynamic[i].d_un.d_val;
            break;
        case DT_GNU_HASH:
            object->gnu_hash = located(object, dynamic[i].d_un.d_ptr);
            break;
        case DT_HASH:
            object->sysv_hash = located(object, dynamic[i].d_un.d_ptr);
            break;
        case DT_VERSYM:
            object->versions = located(object, dynamic[i].d_un.d_ptr);
            break;
        default:
            break;
        }
    }
    (void)find_segment(object, (uintptr_t)object->strings, &object->tables, &object->tables_size);
    return object->symbols != NULL && object->strings != NULL &&
           inside(object, object->strings, object->strings_size) &&
           (object->gnu_hash != NULL || object->sysv_hash != NULL);
}

static bool name_is(const struct elf_object *object, uint32_t offset, const char *name)
{
    if (offset >= object->strings_size)
        return false;
    const char *text = object->strings + offset;
    size_t room = object->strings_size - offset;
    for (size_t i = 0; i < room; i++) {
        if (text[i] != name[i])
            return false;
        if (name[i] == '\0')
            return true;
    }
    return false;
}

/* Whether symbol `index` defines the function; *hidden: not its default version. */
static bool defines(const struct elf_object *object, uint32_t index, const char *name,
                    const ElfW(Sym) * *found, bool *hidden)
{
    const ElfW(Sym) *symbol = object->symbols + index;
    if (!inside(object, symbol, sizeof(*symbol)) || symbol->st_shndx == SHN_UNDEF ||
        symbol->st_value == 0 || !name_is(object, symbol->st_name, name))
        return false;
    unsigned type = ELF64_ST_TYPE(symbol->st_info), bind = ELF64_ST_BIND(symbol->st_info);
    if ((type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE) || bind == STB_LOCAL)
        return false;
    *found = symbol;
    *hidden = false;
    const uint16_t *version = object->versions == NULL ? NULL : object->versions + index;
    if (version != NULL && inside(object, version, sizeof(*version)))
        *hidden = (*version & VERSION_HIDDEN) != 0;
    return true;
}

static const ElfW(Sym) * find_gnu(const struct elf_object *object, const char *name, uint32_t hash)
{
    const uint32_t *table = object->gnu_hash;
    if (!inside(object, table, 16) || table[0] == 0 || table[2] == 0)
        return NULL;
    uint32_t bucket_count = table[0], first = table[1], bloom_count = table[2];
    const ElfW(Addr) *bloom = (const ElfW(Addr) *)(table + 4);
    const uint32_t bits = 8 * sizeof(*bloom);
    const ElfW(Addr) *word = bloom + (hash / bits) % bloom_count;
    if (!inside(object, word, sizeof(*word)) ||
        ((*word >> (hash % bits)) & (*word >> ((hash >> (table[3] & 31)) % bits)) & 1) == 0)
        return NULL;
    const uint32_t *buckets = (const uint32_t *)(bloom + bloom_count);
    const uint32_t *bucket = buckets + hash % bucket_count;
    if (!inside(object, bucket, sizeof(*bucket)) || *bucket < first)
        return NULL;
    const uint32_t *chain = buckets + bucket_count;
    const ElfW(Sym) *older = NULL;
    for (uint32_t index = *bucket, n = 0; n < CHAIN_MAX; index++, n++) {
        const uint32_t *entry = chain + (index - first);
        if (!inside(object, entry, sizeof(*entry)))
            break;
        const ElfW(Sym) * symbol;
        bool hidden;
        if ((*entry | 1) == (hash | 1) && defines(object, index, name, &symbol, &hidden)) {
            if (!hidden)
                return symbol;
            older = symbol;
        }
        if ((*entry & 1) != 0)
            break;
    }
    return older;
}

static const ElfW(Sym) * find_sysv(const struct elf_object *object, const char *name)
{
    const uint32_t *table = object->sysv_hash;
    if (!inside(object, table, 8) || table[0] == 0)
        return NULL;
    uint32_t bucket_count = table[0], chain_count = table[1];
    const uint32_t *buckets = table + 2, *chain = buckets + bucket_count;
    const uint32_t *bucket = buckets + sysv_hash_of(name) % bucket_count;
    const ElfW(Sym) *older = NULL;
    if (!inside(object, bucket, sizeof(*bucket)))
        return NULL;
    for (uint32_t index = *bucket, n = 0; index != 0 && index < chain_count && n < CHAIN_MAX; n++) {
        const ElfW(Sym) * symbol;
        bool hidden;
        if (defines(object, index, name, &symbol, &hidden)) {
            if (!hidden)
                return symbol;
            older = symbol;
        }
        if (!inside(object, chain + index, sizeof(*chain)))
            break;
        index = chain[index];
    }
    return older;
}

void *elf_object_function(const struct elf_object *object, const char *name, uint32_t hash)
{
    const ElfW(Sym) *symbol =
        object->gnu_hash != NULL ? find_gnu(object, name, hash) : find_sysv(object, name);
    if (symbol == NULL)
        return NULL;
    uintptr_t address = object->base + symbol->st_value;
    if (ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC) {
#if defined(__x86_64__)
        /* Resolvers of x86-64 take no argument. */
        void *(*resolver)(void);
        memcpy(&resolver, &address, sizeof(resolver));
        return resolver();
#else
        return NULL;
#endif
    }
    return (void *)address;
}
