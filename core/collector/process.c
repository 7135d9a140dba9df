/* The process of a ring: what its first record tells. That record stays in the ring, so that the
 * next collector learns it too. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "collector/internal.h"

#define TEXTS_MAX       4096u
#define COMMAND_MAX     512u
#define CLOCK_DRIFT_MAX (5 * NS_PER_SEC)
#define CLOCK_MAX       (UINT64_C(1) << 61) /* 73 years */
#define LISTENERS_MAX   1024u

void process_release(struct process *p)
{
    char *texts[] = {p->exe,      p->cwd,         p->command,   p->run_trace,
                     p->run_name, p->traceparent, p->endpoints, p->data_dir};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free(texts[i]);
    json_free(p->argv);
    for (size_t i = 0; i < p->wanted_count; i++) {
        destination_release(&p->wanted[i]);
        if (p->keys[i] != NULL)
            explicit_bzero(p->keys[i], strlen(p->keys[i]));
        free(p->keys[i]);
    }
    *p = (struct process){.listens = -1};
}

static void set_text(char **to, const char *text)
{
    free(*to);
    *to = text != NULL && *text != '\0' ? strdup(text) : NULL;
}

/* Texts of the record that are settings of the delivery; borrowed from the payload. */
struct delivery_texts {
    const char *url, *key, *project, *exports;
};

static void want(struct process *p, const char *kind, const char *url, const char *project,
                 const char *key)
{
    if (p->wanted_count == DESTINATIONS_MAX)
        return;
    struct destination *d = &p->wanted[p->wanted_count];
    *d = (struct destination){.kind = strdup(kind), .content = p->content};
    d->url = strdup(url);
    d->project_id = project != NULL ? strdup(project) : NULL;
    p->keys[p->wanted_count] = key != NULL ? strdup(key) : NULL;
    p->wanted_count++;
}

static void want_service(struct process *p, const struct delivery_texts *t)
{
    char url[1024];
    int n = snprintf(url, sizeof(url), "%s",
                     t->url != NULL ? t->url : option_table[OPTION_TRACER_URL].fallback);
    if (n < 0 || (size_t)n >= sizeof(url))
        return;
    for (size_t len = strlen(url); len > 0 && url[len - 1] == '/';)
        url[--len] = '\0';
    const char *project = t->project;
    if (project == NULL && strncmp(t->key, "project-", 8) == 0)
        project = t->key + 8;
    want(p, "service", url, project, t->key);
}

/* "file:PATH,console": a path may be relative to where the process was started. */
static void want_exports(struct process *p, const char *list)
{
    while (*list != '\0') {
        size_t len = strcspn(list, ",");
        char item[4096], path[8192];
        if (len > 0 && len < sizeof(item)) {
            memcpy(item, list, len);
            item[len] = '\0';
            if (strncmp(item, "file:", 5) == 0 && item[5] != '\0') {
                bool absolute = item[5] == '/' || p->cwd == NULL;
                int n = snprintf(path, sizeof(path), "%s%s%s", absolute ? "" : p->cwd,
                                 absolute ? "" : "/", item + 5);
                if (n > 0 && (size_t)n < sizeof(path))
                    want(p, "file", path, NULL, NULL);
            } else if (strcmp(item, "console") == 0) {
                want(p, "console", "", NULL, NULL);
            }
        }
        list += len + (list[len] == ',');
    }
}

/* Command lines carry prompts too: without content only the program and its script are kept. */
static json *reduce_argv(json *argv, bool content)
{
    json *clean = redact_argv(argv);
    if (!content) {
        json *few = json_array();
        for (size_t i = 0; i < 2; i++) {
            const char *text = json_text(json_at(clean, i));
            if (text != NULL && (i == 0 || (text[0] != '-' && strpbrk(text, " \t\n{") == NULL)))
                json_add(few, json_string(text));
        }
        json_free(clean);
        clean = few;
    }
    json_free(argv);
    return clean;
}

/* The command line as a name: the program without its folder. */
static char *join(const json *argv)
{
    struct buf out;
    buf_init(&out, COMMAND_MAX);
    for (json *arg = json_first(argv); arg != NULL; arg = json_next(arg)) {
        const char *text = json_text(arg);
        const char *slash = text != NULL && arg == json_first(argv) ? strrchr(text, '/') : NULL;
        if (slash != NULL && slash[1] != '\0')
            text = slash + 1;
        if (out.len > 0)
            buf_append_cut(&out, " ", 1);
        if (text != NULL)
            buf_append_cut(&out, text, strlen(text));
    }
    char *text = buf_take(&out);
    buf_release(&out);
    return text;
}

static void set_run_name(struct process *p, const char *name)
{
    free(p->run_name);
    p->run_name = redact_text(name);
    if (p->run_name == NULL || p->content)
        return;
    size_t first = strcspn(p->run_name, " "); /* the program; what follows may be a prompt */
    p->run_name[first] = '\0';
}

static bool valid_trace(const char *hex)
{
    uint8_t id[TRACE_ID_LEN];
    return id_from_hex(hex, TRACE_ID_LEN, id) == ERR_OK && !id_is_zero(id, TRACE_ID_LEN);
}

static void read_text(struct process *p, struct delivery_texts *t, const char *name, size_t len,
                      const char *value)
{
    struct {
        const char *name;
        char **to;
    } const kept[] = {{"exe", &p->exe},
                      {"cwd", &p->cwd},
                      {"traceparent", &p->traceparent},
                      {"endpoints", &p->endpoints},
                      {"data_dir", &p->data_dir},
                      {"run_name", &p->run_name}};
    struct {
        const char *name;
        const char **to;
    } const lent[] = {
        {"url", &t->url}, {"key", &t->key}, {"project", &t->project}, {"export", &t->exports}};
    if (*value == '\0')
        return;
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (strlen(kept[i].name) == len && memcmp(kept[i].name, name, len) == 0)
            set_text(kept[i].to, value);
    for (size_t i = 0; i < sizeof(lent) / sizeof(lent[0]); i++)
        if (strlen(lent[i].name) == len && memcmp(lent[i].name, name, len) == 0)
            *lent[i].to = value;
    if (len == 9 && memcmp(name, "run_trace", 9) == 0 && valid_trace(value))
        set_text(&p->run_trace, value);
    if (len == 7 && memcmp(name, "content", 7) == 0)
        p->content = strcmp(value, "metadata") != 0;
    if (len == 11 && memcmp(name, "max_content", 11) == 0 &&
        option_check(OPTION_TRACER_MAX_CONTENT_BYTES, value) == ERR_OK)
        p->content_max = strtoll(value, NULL, 10);
}

static bool is_argument(const char *name, size_t len)
{
    if (len < 5 || memcmp(name, "argv", 4) != 0)
        return false;
    for (size_t i = 4; i < len; i++)
        if (!isdigit((unsigned char)name[i]))
            return false;
    return true;
}

static int64_t clock_offset(const struct wire_process_info *info)
{
    int64_t ours = clock_boot_to_wall();
    int64_t theirs = 0;
    if (info->boot_time == 0 || info->wall_time == 0 || info->wall_time > CLOCK_MAX ||
        info->boot_time > CLOCK_MAX)
        return ours;
    theirs = (int64_t)info->wall_time - (int64_t)info->boot_time;
    int64_t drift = theirs - ours;
    /* Ours follows a clock that was set; theirs is right in another time namespace. */
    return drift < CLOCK_DRIFT_MAX && drift > -CLOCK_DRIFT_MAX ? ours : theirs;
}

/* ERR_BAD when the record is too short to be one; its texts are taken as far as they are whole. */
int process_read(struct process *p, const uint8_t *payload, size_t length)
{
    struct wire_process_info info;
    struct delivery_texts t = {0};
    if (length < sizeof(info))
        return ERR_BAD;
    memcpy(&info, payload, sizeof(info));
    process_release(p);
    p->content = true;
    p->content_max = option_int(OPTION_TRACER_MAX_CONTENT_BYTES);
    p->pid = info.pid;
    p->pid_ns = info.pid_ns;
    p->boot_to_wall = clock_offset(&info);
    json *argv = json_array();
    const char *at = (const char *)payload + sizeof(info);
    const char *end = (const char *)payload + length;
    for (uint32_t i = 0; i < info.text_count && i < TEXTS_MAX && at < end; i++) {
        const char *stop = memchr(at, '\0', (size_t)(end - at));
        if (stop == NULL)
            break;
        const char *equals = memchr(at, '=', (size_t)(stop - at));
        if (equals != NULL && is_argument(at, (size_t)(equals - at)))
            json_add(argv, json_string(equals + 1));
        else if (equals != NULL)
            read_text(p, &t, at, (size_t)(equals - at), equals + 1);
        at = stop + 1;
    }
    p->argv = reduce_argv(argv, p->content);
    p->command = join(p->argv);
    if (p->run_name != NULL) {
        char *name = p->run_name;
        p->run_name = NULL;
        set_run_name(p, name);
        free(name);
    }
    if (t.key != NULL)
        want_service(p, &t);
    if (t.exports != NULL)
        want_exports(p, t.exports);
    return ERR_OK;
}

/* For the ring's row. Everything else the next collector reads from the ring itself. */
json *process_to_json(const struct process *p)
{
    json *o = json_object();
    json_set_int(o, "pid", p->pid);
    json_set_text(o, "exe", p->exe);
    json_set_text(o, "data_dir", p->data_dir);
    json_set_int(o, "boot_to_wall", p->boot_to_wall);
    return o;
}

/* Reads the inodes of listening sockets out of /proc/PID/net/tcp: the fourth field is the state
 * (0A: LISTEN), the tenth the inode. */
static size_t listening_inodes(int64_t pid, const char *table, uint64_t *out, size_t count)
{
    char path[64], line[512];
    snprintf(path, sizeof(path), "/proc/%lld/net/%s", (long long)pid, table);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return count;
    while (count < LISTENERS_MAX && fgets(line, sizeof(line), f) != NULL) {
        char *rest = line, *field[10] = {NULL};
        for (size_t i = 0; i < 10; i++)
            field[i] = strtok_r(i == 0 ? line : NULL, " ", &rest);
        if (field[9] != NULL && strcmp(field[3], "0A") == 0)
            out[count++] = strtoull(field[9], NULL, 10);
    }
    fclose(f);
    return count;
}

static bool holds_inode(int64_t pid, const uint64_t *inodes, size_t count)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%lld/fd", (long long)pid);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return false;
    bool found = false;
    for (struct dirent *e = readdir(dir); e != NULL && !found; e = readdir(dir)) {
        char target[64];
        ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);
        if (n <= 0)
            continue;
        target[n] = '\0';
        if (strncmp(target, "socket:[", 8) != 0)
            continue;
        uint64_t inode = strtoull(target + 8, NULL, 10);
        for (size_t i = 0; i < count && !found; i++)
            found = inodes[i] == inode;
    }
    closedir(dir);
    return found;
}

/* Whether the process accepts connections, looked at once: a server listens before it calls. A
 * process of another PID namespace cannot be looked at. */
bool process_listens(struct process *p)
{
    if (p->listens >= 0)
        return p->listens == 1;
    p->listens = 0;
    struct stat st;
    if (p->pid <= 0 || stat("/proc/self/ns/pid", &st) != 0 ||
        (p->pid_ns != 0 && p->pid_ns != st.st_ino))
        return false;
    uint64_t *inodes = malloc(LISTENERS_MAX * sizeof(uint64_t));
    if (inodes == NULL)
        return false;
    size_t count = listening_inodes(p->pid, "tcp", inodes, 0);
    count = listening_inodes(p->pid, "tcp6", inodes, count);
    if (count > 0 && holds_inode(p->pid, inodes, count))
        p->listens = 1;
    free(inodes);
    return p->listens == 1;
}
