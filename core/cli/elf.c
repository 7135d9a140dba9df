#include "cli/elf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADERS_MAX 128
#define DYNAMIC_MAX ((size_t)65536)
#define STRINGS_MAX ((size_t)16 * 1024 * 1024)
#define SYMBOLS_MAX ((size_t)32 * 1024 * 1024)
#define SCAN_CHUNK  ((size_t)1024 * 1024)
#define SCAN_MAX    ((uint64_t)1024 * 1024 * 1024)
#define MARK_MAX    64

struct source {
    int fd;
    uint64_t size;
};

/* Reads exactly len bytes at offset. ERR_BAD when they are not in the file. */
static int read_at(const struct source *s, uint64_t offset, void *out, size_t len)
{
    if (offset > s->size || len > s->size - offset)
        return ERR_BAD;
    for (size_t done = 0; done < len;) {
        ssize_t n = pread(s->fd, (char *)out + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? ERR_BAD : ERR_IO;
        done += (size_t)n;
    }
    return ERR_OK;
}

/* Reads len bytes (0..max) into new memory with a NUL behind. */
static int read_new(const struct source *s, uint64_t offset, uint64_t len, size_t max, char **out)
{
    if (len > max)
        return ERR_BAD;
    char *data = malloc((size_t)len + 1);
    if (data == NULL)
        return ERR_NOMEM;
    int err = read_at(s, offset, data, (size_t)len);
    if (err != ERR_OK) {
        free(data);
        return err;
    }
    data[len] = '\0';
    *out = data;
    return ERR_OK;
}

static int open_source(struct source *s, const char *path)
{
    struct stat st;
    s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (s->fd < 0)
        return ERR_IO;
    if (fstat(s->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(s->fd);
        errno = errno != 0 ? errno : EINVAL;
        return ERR_BAD;
    }
    s->size = (uint64_t)st.st_size;
    return ERR_OK;
}

struct headers {
    Elf64_Ehdr file;
    Elf64_Phdr program[HEADERS_MAX];
    size_t count;
};

static int read_headers(const struct source *s, struct headers *h)
{
    int err = read_at(s, 0, &h->file, sizeof(h->file));
    if (err != ERR_OK)
        return err;
    if (h->file.e_phnum > HEADERS_MAX ||
        (h->file.e_phnum > 0 && h->file.e_phentsize != sizeof(Elf64_Phdr)))
        return ERR_BAD;
    h->count = h->file.e_phnum;
    return read_at(s, h->file.e_phoff, h->program, h->count * sizeof(Elf64_Phdr));
}

static const Elf64_Phdr *header_of(const struct headers *h, uint32_t type)
{
    for (size_t i = 0; i < h->count; i++)
        if (h->program[i].p_type == type)
            return &h->program[i];
    return NULL;
}

/* Where in the file an address of the loaded program is. */
static int file_offset(const struct headers *h, uint64_t address, uint64_t *offset)
{
    for (size_t i = 0; i < h->count; i++) {
        const Elf64_Phdr *p = &h->program[i];
        if (p->p_type == PT_LOAD && address >= p->p_vaddr && address - p->p_vaddr < p->p_filesz &&
            p->p_offset <= UINT64_MAX - (address - p->p_vaddr)) {
            *offset = p->p_offset + (address - p->p_vaddr);
            return ERR_OK;
        }
    }
    return ERR_BAD;
}

static int read_interp(const struct source *s, const struct headers *h, struct elf_file *e)
{
    const Elf64_Phdr *p = header_of(h, PT_INTERP);
    if (p == NULL)
        return ERR_OK;
    if (p->p_filesz == 0 || p->p_filesz >= sizeof(e->interp))
        return ERR_BAD;
    int err = read_at(s, p->p_offset, e->interp, (size_t)p->p_filesz);
    e->interp[p->p_filesz] = '\0';
    return err;
}

/* The text at an offset of the string table, or NULL. strings has a NUL behind its end. */
static const char *string_at(const char *strings, size_t size, uint64_t offset)
{
    return offset < size ? strings + offset : NULL;
}

static void copy_text(char *out, const char *text)
{
    if (text != NULL && strlen(text) < ELF_TEXT_MAX)
        memcpy(out, text, strlen(text) + 1);
}

static int take_entry(struct elf_file *e, const Elf64_Dyn *d, const char *strings, size_t size)
{
    const char *text = string_at(strings, size, d->d_un.d_val);
    if (d->d_tag == DT_NEEDED && text != NULL && *text != '\0' && strlen(text) < ELF_TEXT_MAX) {
        if (e->needed_count == ELF_NEEDED_MAX)
            return ERR_BAD;
        e->needed[e->needed_count] = strdup(text);
        if (e->needed[e->needed_count] == NULL)
            return ERR_NOMEM;
        e->needed_count++;
    } else if (d->d_tag == DT_RPATH) {
        copy_text(e->rpath, text);
    } else if (d->d_tag == DT_RUNPATH) {
        copy_text(e->runpath, text);
    }
    return ERR_OK;
}

static int read_dynamic(const struct source *s, const struct headers *h, struct elf_file *e)
{
    const Elf64_Phdr *p = header_of(h, PT_DYNAMIC);
    char *data = NULL;
    char *strings = NULL;
    uint64_t at = 0;
    uint64_t address = 0;
    uint64_t size = 0;
    if (p == NULL)
        return ERR_OK;
    e->has_dynamic = true;
    int err = read_new(s, p->p_offset, p->p_filesz, DYNAMIC_MAX, &data);
    if (err != ERR_OK)
        return err;
    size_t count = (size_t)p->p_filesz / sizeof(Elf64_Dyn);
    Elf64_Dyn d;
    for (size_t i = 0; i < count; i++) {
        memcpy(&d, data + i * sizeof(d), sizeof(d));
        if (d.d_tag == DT_NULL)
            count = i;
        else if (d.d_tag == DT_STRTAB)
            address = d.d_un.d_ptr;
        else if (d.d_tag == DT_STRSZ)
            size = d.d_un.d_val;
    }
    if (address != 0) {
        err = file_offset(h, address, &at);
        if (err == ERR_OK)
            err = read_new(s, at, size, STRINGS_MAX, &strings);
    }
    for (size_t i = 0; i < count && err == ERR_OK && strings != NULL; i++) {
        memcpy(&d, data + i * sizeof(d), sizeof(d));
        err = take_entry(e, &d, strings, (size_t)size);
    }
    free(strings);
    free(data);
    return err;
}

static bool defines(const char *symbols, size_t count, const char *strings, size_t size,
                    const char *name)
{
    for (size_t i = 0; i < count; i++) {
        Elf64_Sym symbol;
        memcpy(&symbol, symbols + i * sizeof(symbol), sizeof(symbol));
        const char *text = string_at(strings, size, symbol.st_name);
        if (text != NULL && symbol.st_shndx != SHN_UNDEF && strcmp(text, name) == 0)
            return true;
    }
    return false;
}

/* Section headers are a courtesy that may be stripped: what is wrong in them is no error. */
static void read_symbols(const struct source *s, const struct headers *h, struct elf_file *e)
{
    Elf64_Shdr section;
    Elf64_Shdr strings_section;
    char *symbols = NULL;
    char *strings = NULL;
    for (size_t i = 0; i < h->file.e_shnum && i < 1024; i++) {
        uint64_t at = h->file.e_shoff + i * sizeof(section);
        if (h->file.e_shentsize != sizeof(section) || at < h->file.e_shoff ||
            read_at(s, at, &section, sizeof(section)) != ERR_OK)
            return;
        if (section.sh_type != SHT_DYNSYM)
            continue;
        at = h->file.e_shoff + (uint64_t)section.sh_link * sizeof(section);
        if (section.sh_link >= h->file.e_shnum ||
            read_at(s, at, &strings_section, sizeof(strings_section)) != ERR_OK)
            return;
        if (read_new(s, section.sh_offset, section.sh_size, SYMBOLS_MAX, &symbols) == ERR_OK &&
            read_new(s, strings_section.sh_offset, strings_section.sh_size, SYMBOLS_MAX,
                     &strings) == ERR_OK)
            e->exports_ssl = defines(symbols, (size_t)section.sh_size / sizeof(Elf64_Sym), strings,
                                     (size_t)strings_section.sh_size, "SSL_write");
        free(symbols);
        free(strings);
        return;
    }
}

static int read_file(const struct source *s, struct elf_file *e)
{
    unsigned char ident[20]; /* e_ident, e_type, e_machine: the same in both classes */
    int err = read_at(s, 0, ident, sizeof(ident));
    if (err != ERR_OK)
        return err;
    if (memcmp(ident, ELFMAG, SELFMAG) != 0 ||
        (ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64))
        return ERR_BAD;
    if (ident[EI_DATA] != ELFDATA2LSB)
        return ERR_UNSUPPORTED;
    e->is_64 = ident[EI_CLASS] == ELFCLASS64;
    e->machine = (uint16_t)(ident[18] | ident[19] << 8);
    if (!e->is_64)
        return ERR_OK;
    struct headers *h = malloc(sizeof(*h));
    if (h == NULL)
        return ERR_NOMEM;
    err = read_headers(s, h);
    if (err == ERR_OK)
        err = read_interp(s, h, e);
    if (err == ERR_OK)
        err = read_dynamic(s, h, e);
    if (err == ERR_OK)
        read_symbols(s, h, e);
    free(h);
    return err;
}

int elf_read(struct elf_file *e, const char *path)
{
    struct source s;
    memset(e, 0, sizeof(*e));
    int err = open_source(&s, path);
    if (err != ERR_OK)
        return err;
    err = read_file(&s, e);
    close(s.fd);
    if (err != ERR_OK)
        elf_release(e);
    return err;
}

void elf_release(struct elf_file *e)
{
    for (size_t i = 0; i < e->needed_count; i++)
        free(e->needed[i]);
    memset(e, 0, sizeof(*e));
}

const char *elf_machine_name(uint16_t machine)
{
    switch (machine) {
    case EM_X86_64:
        return "x86-64";
    case EM_AARCH64:
        return "aarch64";
    case EM_386:
        return "i386";
    case EM_ARM:
        return "arm";
    case EM_RISCV:
        return "riscv";
    default:
        return "unknown machine";
    }
}

int64_t elf_find_marks(const char *path, const struct elf_mark *marks, size_t count)
{
    struct source s;
    int64_t found = 0;
    int err = open_source(&s, path);
    if (err != ERR_OK)
        return err;
    char *chunk = malloc(SCAN_CHUNK + MARK_MAX);
    size_t kept = 0; /* the end of the last chunk: a mark may lie across */
    uint64_t limit = s.size < SCAN_MAX ? s.size : SCAN_MAX;
    for (uint64_t at = 0; chunk != NULL && at < limit;) {
        size_t len = limit - at < SCAN_CHUNK ? (size_t)(limit - at) : SCAN_CHUNK;
        if (read_at(&s, at, chunk + kept, len) != ERR_OK)
            break;
        at += len;
        len += kept;
        for (size_t i = 0; i < count && i < 32; i++)
            if ((found & INT64_C(1) << i) == 0 &&
                memmem(chunk, len, marks[i].bytes, marks[i].len) != NULL)
                found |= INT64_C(1) << i;
        kept = len < MARK_MAX ? len : MARK_MAX;
        memmove(chunk, chunk + len - kept, kept);
    }
    free(chunk);
    close(s.fd);
    return found;
}
