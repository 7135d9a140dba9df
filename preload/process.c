/* The process record: who we are and what the environment said, for the collector. */
#include "clock.h"
#include "environment.h"
#include "session.h"
#include "sys.h"
#include "text.h"

#define STAT_PPID        4
#define STAT_START_TICKS 22
#define STAT_START_STACK 28
#define ARGUMENTS_MAX    64

static const struct {
    const char *text;
    enum environment_name name;
} told[] = {
    {"url=", ENV_TRACER_URL},
    {"key=", ENV_TRACER_API_KEY},
    {"project=", ENV_TRACER_PROJECT_ID},
    {"content=", ENV_TRACER_CAPTURE_CONTENT},
    {"endpoints=", ENV_TRACER_ENDPOINTS},
    {"run_trace=", ENV_TRACER_RUN_TRACE},
    {"run_name=", ENV_TRACER_RUN_NAME},
    {"traceparent=", ENV_TRACEPARENT},
    {"data_dir=", ENV_TRACER_DATA_DIR},
    {"export=", ENV_TRACER_EXPORT},
    {"max_content=", ENV_TRACER_MAX_CONTENT_BYTES},
};

static size_t room(const struct ring_candidate *c)
{
    return PROCESS_TEXT - c->text_used;
}

/* Adds the text NAME followed by value; what does not fit is left out. */
static void add(struct ring_candidate *c, const char *name, const char *value, size_t len)
{
    size_t name_len = text_length(name);
    if (c->text_count == PROCESS_TEXTS || name_len + len > room(c))
        return;
    char *at = c->text + c->text_used;
    memcpy(at, name, name_len);
    memcpy(at + name_len, value, len);
    c->texts[c->text_count++] = (struct wire_piece){at, name_len + len};
    c->text_used += (uint32_t)(name_len + len);
}

static void add_link(struct ring_candidate *c, const char *name, const char *path)
{
    long len = SYS4(__NR_readlinkat, AT_FDCWD, path, c->scratch, sizeof(c->scratch));
    if (len > 0)
        add(c, name, c->scratch, (size_t)len);
}

static void add_arguments(struct ring_candidate *c)
{
    size_t have = sys_read_file("/proc/self/cmdline", c->scratch, sizeof(c->scratch));
    size_t at = 0;
    for (unsigned i = 0; i < ARGUMENTS_MAX && at < have; i++) {
        size_t end = at;
        while (end < have && c->scratch[end] != '\0')
            end++;
        char name[16];
        size_t used = 0;
        text_put(name, sizeof(name), &used, "argv", 4);
        text_put_number(name, sizeof(name), &used, i);
        text_put(name, sizeof(name), &used, "=", 1);
        add(c, name, c->scratch + at, end - at);
        at = end + 1;
    }
}

/* Fields of /proc/self/stat behind the program's name, which may hold spaces and parentheses. */
static void read_stat(struct ring_candidate *c)
{
    size_t have = sys_read_file("/proc/self/stat", c->scratch, sizeof(c->scratch) - 1);
    c->scratch[have] = '\0';
    size_t at = have;
    while (at > 0 && c->scratch[at - 1] != ')')
        at--;
    for (int field = 3; at < have && field <= STAT_START_STACK; field++) {
        while (at < have && c->scratch[at] == ' ')
            at++;
        uint64_t value = text_number(c->scratch + at);
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
static uint64_t pid_namespace(struct ring_candidate *c)
{
    long len =
        SYS4(__NR_readlinkat, AT_FDCWD, "/proc/self/ns/pid", c->scratch, sizeof(c->scratch) - 1);
    if (len <= 0)
        return 0;
    c->scratch[len] = '\0';
    return text_starts(c->scratch, "pid:[") ? text_number(c->scratch + 5) : 0;
}

void process_describe(struct ring_candidate *c, uint64_t now)
{
    c->text_count = 0;
    c->text_used = 0;
    memset(&c->info, 0, sizeof(c->info));
    c->info.pid = atomic_load_explicit(&session.pid, memory_order_relaxed);
    c->info.uid = (uint32_t)SYS0(__NR_geteuid);
    c->info.ppid = (uint32_t)SYS0(__NR_getppid);
    c->info.pid_ns = pid_namespace(c);
    c->info.boot_time = now;
    c->info.wall_time = clock_wall();
    read_stat(c);
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        const char *value = environment_get(told[i].name);
        if (value != NULL)
            add(c, told[i].text, value, text_length(value));
    }
    add_link(c, "exe=", "/proc/self/exe");
    long len = SYS2(__NR_getcwd, c->scratch, sizeof(c->scratch));
    if (len > 1)
        add(c, "cwd=", c->scratch, (size_t)len - 1);
    add_arguments(c);
}
