#include "llm/price_table.h"

#include <ctype.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "llm/llm.h"
#include "llm/price_data.h"

#define MODEL_NAME_MAX 512
#define FOUND_MAX      4096 /* answers remembered; model names come from the network */
#define FALLBACK_DEPTH 3

/* gen_ai.provider.name to the table's names, where they differ. */
static const struct alias {
    const char *provider, *id;
} aliases[] = {
    {"azure.ai.openai", "azure"},
    {"azure.ai.inference", "azure"},
    {"aws.bedrock", "aws"},
    {"gcp.gemini", "google"},
    {"gcp.vertex_ai", "google"},
    {"gcp.gen_ai", "google"},
    {"x_ai", "x-ai"},
    {"mistral_ai", "mistral"},
    {"moonshot_ai", "moonshotai"},
    {"together_ai", "together"},
    {"zhipu", "zhipuai"},
    {"voyage", "voyageai"},
};

static struct {
    json *root;
    struct map found;   /* "provider\nmodel" to entry, or to not_found */
    struct map names;   /* gen_ai.provider.name to entry, or to not_found */
    struct map regexes; /* pattern to compiled regex_t */
} table;

static json *not_found; /* any value that is no entry */

/* Read at the first use; tried again when there was no memory for it. */
static const json *providers(void)
{
    if (!table.root) {
        map_init(&table.found);
        map_init(&table.names);
        map_init(&table.regexes);
        table.root = json_parse(price_data, price_data_len());
        not_found = table.root;
    }
    return json_get(table.root, "providers");
}

const char *price_table_source(void)
{
    providers();
    const char *source = json_get_text(table.root, "source");
    return source ? source : "";
}

/* Compiled once; a pattern that does not compile matches nothing. */
static bool regex_matches(const char *pattern, const char *text)
{
    regex_t *re = map_get(&table.regexes, pattern, strlen(pattern));
    if (!re) {
        re = malloc(sizeof(*re));
        if (!re || regcomp(re, pattern, REG_EXTENDED | REG_NOSUB) != 0) {
            free(re);
            return false;
        }
        if (map_set(&table.regexes, pattern, strlen(pattern), re) != ERR_OK) {
            regfree(re);
            free(re);
            return false;
        }
    }
    return regexec(re, text, 0, NULL, 0) == 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* A match tree; text is lower case, as its words are. The depth is the table's own. */
static bool matches(const json *rule, const char *text)
{
    const json *first = json_first(rule);
    const char *kind = json_key(first);
    const char *word = json_text(first);
    if (!kind)
        return false;
    if (strcmp(kind, "or") == 0 || strcmp(kind, "and") == 0) {
        bool any = *kind == 'o';
        for (const json *e = json_first(first); e; e = json_next(e))
            if (matches(e, text) == any)
                return any;
        return !any;
    }
    if (strcmp(kind, "not") == 0)
        return !matches(first, text);
    if (!word)
        return false;
    if (strcmp(kind, "equals") == 0)
        return strcmp(text, word) == 0;
    if (strcmp(kind, "starts_with") == 0)
        return strncmp(text, word, strlen(word)) == 0;
    if (strcmp(kind, "ends_with") == 0)
        return ends_with(text, word);
    if (strcmp(kind, "contains") == 0)
        return strstr(text, word) != NULL;
    if (strcmp(kind, "regex") == 0)
        return regex_matches(word, text);
    return false;
}

static const json *provider_by_id(const char *id)
{
    for (const json *e = json_first(providers()); e; e = json_next(e)) {
        const char *name = json_get_text(e, "id");
        if (name && strcmp(name, id) == 0)
            return e;
    }
    return NULL;
}

static const json *find_provider(const char *provider)
{
    for (size_t i = 0; i < sizeof(aliases) / sizeof(*aliases); i++)
        if (strcmp(aliases[i].provider, provider) == 0)
            return provider_by_id(aliases[i].id);
    const json *found = provider_by_id(provider);
    for (const json *e = json_first(providers()); e && !found; e = json_next(e)) {
        const json *rule = json_get(e, "match");
        if (rule && matches(rule, provider))
            found = e;
    }
    return found;
}

static void remember(struct map *answers, const char *key, size_t len, const json *entry)
{
    if (answers->count >= FOUND_MAX) {
        map_release(answers);
        map_init(answers);
    }
    if (map_set(answers, key, len, (void *)(entry ? entry : not_found)) != ERR_OK)
        return; /* it is searched for again */
}

const json *price_provider(const char *provider)
{
    if (!provider || !*provider || !providers())
        return NULL;
    size_t len = strlen(provider);
    const json *found = map_get(&table.names, provider, len);
    if (found)
        return found == not_found ? NULL : found;
    found = find_provider(provider);
    remember(&table.names, provider, len, found);
    return found;
}

/* The first model of the list whose rule matches, else that of a provider it falls back to. */
static const json *search(const json *provider, const char *model, int depth)
{
    for (const json *e = json_first(json_get(provider, "models")); e; e = json_next(e))
        if (matches(json_get(e, "match"), model))
            return e;
    if (depth == 0)
        return NULL;
    for (const json *e = json_first(json_get(provider, "fallback")); e; e = json_next(e)) {
        const json *other = json_text(e) ? provider_by_id(json_text(e)) : NULL;
        const json *found = other ? search(other, model, depth - 1) : NULL;
        if (found)
            return found;
    }
    return NULL;
}

/* The number that n digits make; negative when they are none. */
static int digits(const char *text, size_t n)
{
    int value = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isdigit((unsigned char)text[i]))
            return -1;
        value = value * 10 + text[i] - '0';
    }
    return value;
}

/* A date that exists, in eight digits from 2000 on. */
static bool is_date(const char *text)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (digits(text, 8) < 0 || strncmp(text, "20", 2) != 0)
        return false;
    int year = digits(text, 4), month = digits(text + 4, 2), day = digits(text + 6, 2);
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month >= 1 && month <= 12 && day >= 1 &&
           day <= days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* "-20250131" to "-2025-01-31", the second way in which the table looks for a name. */
static bool dashed_dates(const char *model, char *out, size_t size)
{
    bool changed = false;
    size_t n = 0;
    for (size_t i = 0; model[i] && n + 4 < size;) {
        char next = '\0';
        if (model[i] == '-' && strnlen(model + i, 9) == 9)
            next = model[i + 9];
        bool date = model[i] == '-' && strnlen(model + i, 9) == 9 && is_date(model + i + 1) &&
                    (next == '\0' || next == '-' || next == ':');
        if (!date) {
            out[n++] = model[i++];
            continue;
        }
        if (n + 12 >= size)
            return false;
        n += (size_t)snprintf(out + n, size - n, "-%.4s-%.2s-%.2s", model + i + 1, model + i + 5,
                              model + i + 7);
        i += 9;
        changed = true;
    }
    out[n] = '\0';
    return changed;
}

const json *price_model(const json *provider, const char *model)
{
    char name[MODEL_NAME_MAX], dashed[MODEL_NAME_MAX + 64], key[MODEL_NAME_MAX + 128];
    const char *id = json_get_text(provider, "id");
    if (!id || !model)
        return NULL;
    model += strspn(model, " \t\r\n");
    size_t len = strlen(model);
    while (len > 0 && strchr(" \t\r\n", model[len - 1]))
        len--;
    if (len == 0 || len >= sizeof(name))
        return NULL;
    for (size_t i = 0; i < len; i++)
        name[i] = (char)tolower((unsigned char)model[i]);
    name[len] = '\0';
    int key_len = snprintf(key, sizeof(key), "%.100s\n%s", id, name);
    const json *found = map_get(&table.found, key, (size_t)key_len);
    if (found)
        return found == not_found ? NULL : found;
    found = search(provider, name, FALLBACK_DEPTH);
    if (!found && dashed_dates(name, dashed, sizeof(dashed)))
        found = search(provider, dashed, FALLBACK_DEPTH);
    remember(&table.found, key, (size_t)key_len, found);
    return found;
}

/* "16:30:00Z", always UTC in the table. Seconds of the day; negative: no time. */
static int seconds_of_day(const char *text)
{
    if (!text || strlen(text) != 9)
        return -1;
    int h = digits(text, 2), m = digits(text + 3, 2), s = digits(text + 6, 2);
    return h < 0 || m < 0 || s < 0 ? -1 : h * 3600 + m * 60 + s;
}

static bool active(const json *constraint, int64_t wall_ns)
{
    char text[64];
    int64_t start;
    if (!constraint)
        return true;
    const char *date = json_get_text(constraint, "start_date");
    if (date) {
        snprintf(text, sizeof(text), "%.20sT00:00:00Z", date);
        return clock_parse_iso(text, &start) == ERR_OK && wall_ns >= start;
    }
    int from = seconds_of_day(json_get_text(constraint, "start_time"));
    int to = seconds_of_day(json_get_text(constraint, "end_time"));
    int64_t day = 86400 * NS_PER_SEC;
    int64_t now = (wall_ns % day + day) % day;
    if (from < 0 || to < 0)
        return false;
    bool after = now >= from * NS_PER_SEC, before = now < to * NS_PER_SEC;
    return to < from ? after || before : after && before;
}

const json *price_in_force(const json *model, int64_t wall_ns)
{
    const json *prices = json_get(model, "prices");
    if (!json_is_array(prices))
        return prices;
    const json *found = json_get(json_first(prices), "prices");
    for (const json *e = json_first(prices); e; e = json_next(e))
        if (active(json_get(e, "constraint"), wall_ns))
            found = json_get(e, "prices"); /* the last active one wins */
    return found;
}
