/* The process record: who we are and what the settings said, for the collector. */
#include "wire/owner_private.h"
#include "wire/sys.h"
#include "wire/text.h"

#define STAT_PPID        4
#define STAT_START_TICKS 22
#define STAT_START_STACK 28
#define ARGUMENTS_MAX    64

static const struct {
    char text[16];
    enum owner_setting setting;
} told[] = {
    {"url=", OWNER_URL},
    {"key=", OWNER_KEY},
    {"project=", OWNER_PROJECT},
    {"content=", OWNER_CONTENT},
    {"endpoints=", OWNER_ENDPOINTS},
    {"run_trace=", OWNER_RUN_TRACE},
    {"run_name=", OWNER_RUN_NAME},
    {"traceparent=", OWNER_TRACEPARENT},
    {"data_dir=", OWNER_DATA_DIR},
    {"export=", OWNER_EXPORT},
    {"max_content=", OWNER_MAX_CONTENT},
};

/* Adds the text NAME followed by value; what does not fit is left out. */
static void add(struct owner_candidate *c, const char *name, const char *value, size_t len)
{
    size_t name_len = text_length(name);
    if (c->text_count == OWNER_TEXTS || name_len + len > OWNER_TEXT - c->text_used)
        return;
    char *at = c->text + c->text_used;
    wire_copy(at, name, name_len);
    wire_copy(at + name_len, value, len);
    c->texts[c->text_count++] = (struct wire_piece){at, name_len + len};
    c->text_used += (uint32_t)(name_len + len);
}

static void add_link(struct owner_candidate *c, const char *name, const char *path)
{
    long len = sys_readlink(path, c->scratch, sizeof(c->scratch));
    if (len > 0)
        add(c, name, c->scratch, (size_t)len);
}

/* The file's first bytes, as many as the scratch holds with a NUL behind them. */
static size_t read_file(struct owner_candidate *c, const char *path)
{
    size_t have = 0;
    long fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0), got = 1;
    while (fd >= 0 && (got > 0 || got == -EINTR) && have < sizeof(c->scratch) - 1) {
        got = sys_read((int)fd, c->scratch + have, sizeof(c->scratch) - 1 - have);
        if (got > 0)
            have += (size_t)got;
    }
    if (fd >= 0)
        sys_close((int)fd);
    c->scratch[have] = '\0';
    return have;
}

static void add_arguments(struct owner_candidate *c)
{
    size_t have = read_file(c, "/proc/self/cmdline"), at = 0;
    for (unsigned i = 0; i < ARGUMENTS_MAX && at < have; i++) {
        size_t len = text_length(c->scratch + at);
        char name[16];
        struct text t = text_in(name, sizeof(name));
        text_add(&t, "argv");
        text_number(&t, i);
        text_char(&t, '=');
        add(c, name, c->scratch + at, len);
        at += len + 1;
    }
}

/* Fields of /proc/self/stat behind the program's name, which may hold spaces and parentheses. */
static void read_stat(struct owner_candidate *c)
{
    size_t have = read_file(c, "/proc/self/stat"), at = have;
    while (at > 0 && c->scratch[at - 1] != ')')
        at--;
    for (int field = 3; at < have && field <= STAT_START_STACK; field++) {
        while (at < have && c->scratch[at] == ' ')
            at++;
        uint64_t value = text_to_number(c->scratch + at);
        if (field == STAT_PPID)
            c->info.ppid = (uint32_t)value;
        else if (field == STAT_START_TICKS)
            c->info.start_ticks = value;
        else if (field == STAT_START_STACK)
            c->info.exec_nonce = value;
        while (at < have && c->scratch[at] != ' ')
            at++;
    }
}

/* The inode in "pid:[4026531836]". */
static uint64_t pid_namespace(struct owner_candidate *c)
{
    static const char front[] = "pid:[";
    long len = sys_readlink("/proc/self/ns/pid", c->scratch, sizeof(c->scratch) - 1);
    if (len <= (long)sizeof(front) - 1)
        return 0;
    c->scratch[len] = '\0';
    for (size_t i = 0; i < sizeof(front) - 1; i++)
        if (c->scratch[i] != front[i])
            return 0;
    return text_to_number(c->scratch + sizeof(front) - 1);
}

void owner_describe(struct owner_candidate *c, const struct owner_host *host, uint32_t pid)
{
    c->text_count = 0;
    c->text_used = 0;
    __builtin_memset(&c->info, 0, sizeof(c->info));
    c->info.pid = pid;
    c->info.uid = (uint32_t)sys_geteuid();
    c->info.ppid = (uint32_t)sys_getppid();
    c->info.pid_ns = pid_namespace(c);
    c->info.boot_time = host->now();
    c->info.wall_time = host->wall();
    read_stat(c);
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        const char *value = host->setting(told[i].setting);
        if (value)
            add(c, told[i].text, value, text_length(value));
    }
    add_link(c, "exe=", "/proc/self/exe");
    long len = sys_call6(__NR_getcwd, (long)c->scratch, sizeof(c->scratch), 0, 0, 0, 0);
    if (len > 1)
        add(c, "cwd=", c->scratch, (size_t)len - 1);
    add_arguments(c);
}
