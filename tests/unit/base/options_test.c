#include "unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/options.h"

static char folder[] = "/tmp/llm-options-XXXXXX";
static char config[64], log_path[64];

static void write_config(const char *text)
{
    FILE *f = fopen(config, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void table_is_whole(void **state)
{
    (void)state;
    for (int i = 0; i < OPTION_COUNT; i++) {
        assert_non_null(option_table[i].name);
        assert_non_null(option_table[i].help);
        if (option_table[i].fallback != NULL)
            assert_int_equal(option_check((enum option_id)i, option_table[i].fallback), ERR_OK);
    }
}

static void environment_wins_over_file_over_default(void **state)
{
    (void)state;
    write_config("# a comment\n\nTRACER_URL=http://file:1\nexport TRACER_SUMMARY='never'\n"
                 "TRACER_RING_MAX_MB=7\nTRACER_EXIT_WAIT_MS=soon\nnonsense\nTRACER_UNKNOWN=1\n");
    setenv("TRACER_CONFIG", config, 1);
    setenv("TRACER_URL", "http://environment:2", 1);
    setenv("TRACER_RING_MAX_MB", "", 1);
    setenv("TRACING_ENABLED", "maybe", 1);
    assert_int_equal(options_load(), ERR_OK);
    assert_string_equal(option_text(OPTION_TRACER_URL), "http://environment:2");
    assert_string_equal(option_source(OPTION_TRACER_URL), "environment");
    assert_string_equal(option_text(OPTION_TRACER_SUMMARY), "never");
    assert_string_equal(option_source(OPTION_TRACER_SUMMARY), config);
    assert_int_equal(option_int(OPTION_TRACER_RING_MAX_MB), 7);
    assert_int_equal(option_int(OPTION_TRACER_EXIT_WAIT_MS), 5000);
    assert_string_equal(option_source(OPTION_TRACER_EXIT_WAIT_MS), "default");
    assert_true(option_bool(OPTION_TRACING_ENABLED));
    assert_string_equal(option_text(OPTION_TRACER_API_KEY), "");
    assert_string_equal(options_file(), config);
}

static void what_is_refused_is_known(void **state)
{
    const char *source;
    (void)state;
    assert_string_equal(option_refused(OPTION_TRACING_ENABLED, &source), "maybe");
    assert_string_equal(source, "environment");
    assert_string_equal(option_refused(OPTION_TRACER_EXIT_WAIT_MS, &source), "soon");
    assert_string_equal(source, config);
    setenv("TRACER_EXIT_WAIT_MS", "7", 1);
    assert_null(option_refused(OPTION_TRACER_EXIT_WAIT_MS, &source));
    unsetenv("TRACER_EXIT_WAIT_MS");
    assert_null(option_refused(OPTION_TRACER_URL, &source));
    assert_null(option_refused(OPTION_TRACER_RING_MAX_MB, &source));
}

static void a_bad_line_is_one_warning(void **state)
{
    (void)state;
    char text[4096] = "";
    FILE *f = fopen(log_path, "r");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    fclose(f);
    assert_non_null(strstr(text, "llm-tracer.env:6: bad value for TRACER_EXIT_WAIT_MS"));
    assert_non_null(strstr(text, "llm-tracer.env:7: not a NAME=value line"));
    assert_non_null(strstr(text, "llm-tracer.env:8: unknown setting TRACER_UNKNOWN"));
    const char *bad = strstr(text, "TRACING_ENABLED: bad value");
    assert_non_null(bad);
    assert_null(strstr(bad + 1, "TRACING_ENABLED: bad value"));
}

static void values_are_checked(void **state)
{
    (void)state;
    assert_int_equal(option_check(OPTION_TRACER_RING_MAX_MB, "0"), ERR_RANGE);
    assert_int_equal(option_check(OPTION_TRACER_RING_MAX_MB, "12x"), ERR_BAD);
    assert_int_equal(option_check(OPTION_TRACER_RING_MAX_MB, "99999999999999999999"), ERR_RANGE);
    assert_int_equal(option_check(OPTION_TRACER_SUMMARY, "always"), ERR_OK);
    assert_int_equal(option_check(OPTION_TRACER_SUMMARY, "alway"), ERR_BAD);
    assert_int_equal(option_check(OPTION_TRACER_SUMMARY, "auto|always"), ERR_BAD);
    assert_int_equal(option_check(OPTION_TRACING_ENABLED, "OFF"), ERR_OK);
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(config, sizeof(config), "%s/llm-tracer.env", folder);
    snprintf(log_path, sizeof(log_path), "%s/log", folder);
    return log_to(log_path);
}

static int tear_down(void **state)
{
    (void)state;
    log_to(NULL);
    unlink(config);
    unlink(log_path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_whole),
        cmocka_unit_test(environment_wins_over_file_over_default),
        cmocka_unit_test(what_is_refused_is_known),
        cmocka_unit_test(a_bad_line_is_one_warning),
        cmocka_unit_test(values_are_checked),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
