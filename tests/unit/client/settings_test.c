/* What a client is opened with: options, else the environment, else defaults. */
#include "told.h"

#include "client/hex.h"
#include "client/settings.h"

static struct settings *get(const char *url, const char *key, const char *project, unsigned *faults)
{
    unsigned unused;
    return settings_get(
        &(llmt_client_options){.base_url = url, .api_key = key, .project_id = project},
        faults ? faults : &unused);
}

static void defaults(void **state)
{
    (void)state;
    unsigned faults;
    const struct settings *s = settings_get(NULL, &faults);
    assert_string_equal(s->url, "http://localhost:8001");
    assert_string_equal(s->key, "");
    assert_string_equal(s->project, "");
    assert_int_equal(s->timeout_ms, 5000);
    assert_int_equal(s->mode, LLMT_ASYNC);
    assert_int_equal(faults, SETTINGS_NO_KEY);
    assert_ptr_equal(get("", "", "", NULL), s); /* empty is none; the same is kept once */
}

static void environment_and_options(void **state)
{
    (void)state;
    setenv("TRACER_URL", "https://env.example/base/", 1);
    setenv("TRACER_API_KEY", "project-env", 1);
    unsigned faults;
    const struct settings *s = settings_get(NULL, &faults);
    assert_string_equal(s->url, "https://env.example/base");
    assert_string_equal(s->key, "project-env");
    assert_string_equal(s->project, "env");
    assert_int_equal(faults, 0);
    setenv("TRACER_PROJECT_ID", "told", 1);
    assert_string_equal(settings_get(NULL, &faults)->project, "told");
    s = get("http://opt///", "project-opt", NULL, &faults);
    assert_string_equal(s->url, "http://opt");
    assert_string_equal(s->key, "project-opt");
    assert_string_equal(s->project, "told");
    assert_string_equal(get(NULL, NULL, "mine", NULL)->project, "mine");
    unsetenv("TRACER_URL");
    unsetenv("TRACER_API_KEY");
    unsetenv("TRACER_PROJECT_ID");
}

static void keys(void **state)
{
    (void)state;
    char longest[120] = "project-";
    memset(longest + 8, 'x', 100);
    const char *const good[] = {"project-a", "project-project-b", "project-A_z-09", "project--",
                                longest};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        unsigned faults;
        const struct settings *s = get(NULL, good[i], NULL, &faults);
        assert_int_equal(faults, 0);
        assert_string_equal(s->key, good[i]);
        assert_string_equal(s->project, good[i] + 8);
    }
    char longer[120] = "project-";
    memset(longer + 8, 'x', 101);
    const char *const bad[] = {"a",           "project",     "project-",
                               "project-a b", "project-a\n", "project-\xc3\xa4",
                               "PROJECT-a",   " project-a",  longer};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        unsigned faults;
        const struct settings *s = get(NULL, bad[i], NULL, &faults);
        assert_int_equal(faults, SETTINGS_BAD_KEY);
        assert_string_equal(s->key, "");
        assert_string_equal(s->project, "");
    }
    unsigned faults;
    assert_string_equal(get(NULL, "project-a", "b/c", &faults)->project, "a");
    assert_int_equal(faults, SETTINGS_BAD_PROJECT);
}

static void timeouts(void **state)
{
    (void)state;
    static const int given[] = {0, 1, 600000, 600001, -1}, used[] = {5000, 1, 600000, 600000, 5000};
    for (int i = 0; i < 5; i++) {
        unsigned faults;
        const struct settings *s =
            settings_get(&(llmt_client_options){.timeout_ms = given[i]}, &faults);
        assert_int_equal(s->timeout_ms, used[i]);
        assert_int_equal((faults & SETTINGS_BAD_TIMEOUT) != 0, i > 2);
    }
}

static void same_settings_are_one(void **state)
{
    (void)state;
    assert_ptr_equal(get("http://a", "project-a", NULL, NULL),
                     get("http://a//", "project-a", "a", NULL));
    assert_ptr_not_equal(get("http://a", "project-a", NULL, NULL),
                         get("http://b", "project-a", NULL, NULL));
    assert_ptr_not_equal(get("http://a", "project-a", NULL, NULL),
                         get("http://a", "project-a", "b", NULL));
    /* Texts that only together are the same. */
    assert_ptr_not_equal(get("http://ab", "project-c", NULL, NULL),
                         get("http://a", "project-bc", NULL, NULL));
    struct settings *many[600];
    for (int i = 0; i < 600; i++) {
        char url[40];
        snprintf(url, sizeof(url), "http://host-%d", i);
        many[i] = get(url, NULL, NULL, NULL);
        assert_string_equal(many[i]->url, url);
    }
    for (int i = 0; i < 600; i++)
        assert_ptr_equal(get(many[i]->url, NULL, NULL, NULL), many[i]);
}

static void long_urls_are_cut(void **state)
{
    (void)state;
    static char url[SETTINGS_URL_MAX + 100];
    memset(url, 'u', sizeof(url) - 1);
    assert_int_equal(strlen(get(url, NULL, NULL, NULL)->url), SETTINGS_URL_MAX);
}

static void ids_as_text(void **state)
{
    (void)state;
    uint8_t id[8];
    assert_true(hex_read("00-F0-67aa0ba902B7", id, 8));
    assert_memory_equal(id, "\x00\xf0\x67\xaa\x0b\xa9\x02\xb7", 8);
    static const char *const bad[] = {"",
                                      "-",
                                      "00f067aa0ba902b",
                                      "00f067aa0ba902b7a",
                                      "00f067aa0ba902bg",
                                      "0000000000000000",
                                      "00f067aa0ba902b7 "};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(hex_read(bad[i], id, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(environment_and_options),
        cmocka_unit_test(keys),
        cmocka_unit_test(timeouts),
        cmocka_unit_test(same_settings_are_one),
        cmocka_unit_test(long_urls_are_cut),
        cmocka_unit_test(ids_as_text),
    };
    told_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
