/* Keys: which are accepted, whose project a request is of, and where a server may listen. */
#include <stdlib.h>
#include <string.h>

#include "service/auth.h"
#include "unit/cmocka_all.h"

static struct auth *make(const char *keys, bool required, const char *fallback)
{
    struct auth *a = NULL;
    char *why = NULL;
    assert_int_equal(auth_new(&a, keys, required, fallback, &why), ERR_OK);
    assert_null(why);
    return a;
}

static void expect(const struct auth *a, const char *key, int err, const char *project)
{
    struct text t;
    assert_int_equal(auth_project(a, key, &t), err);
    if (project == NULL) {
        assert_null(t.at);
    } else {
        assert_int_equal(t.len, strlen(project));
        assert_memory_equal(t.at, project, t.len);
    }
}

static void listed_keys_alone_are_accepted(void **state)
{
    (void)state;
    struct auth *a = make(" project-one, project-two ,", true, "project-public");
    expect(a, "project-one", ERR_OK, "one");
    expect(a, "project-two", ERR_OK, "two");
    expect(a, "project-three", ERR_DENIED, NULL);
    expect(a, "project-on", ERR_DENIED, NULL);
    expect(a, "project-onee", ERR_DENIED, NULL);
    expect(a, "project-ond", ERR_DENIED, NULL); /* one bit */
    expect(a, NULL, ERR_NOENT, NULL);
    expect(a, "", ERR_NOENT, NULL);
    auth_free(a);
}

static void form_of_a_key(void **state)
{
    char longest[256] = "project-";
    (void)state;
    struct auth *a = make("", true, NULL);
    expect(a, "project-a_B-9", ERR_OK, "a_B-9");
    expect(a, "project-project-x", ERR_OK, "project-x"); /* what follows the first project- */
    expect(a, "project-", ERR_BAD, NULL);
    expect(a, "Project-a", ERR_BAD, NULL);
    expect(a, "xproject-a", ERR_BAD, NULL);
    expect(a, "project-a b", ERR_BAD, NULL);
    expect(a, "project-\xc3\xa4", ERR_BAD, NULL);
    expect(a, "project-a/", ERR_BAD, NULL);
    memset(longest + 8, 'x', 100);
    expect(a, longest, ERR_OK, longest + 8);
    longest[108] = 'x';
    expect(a, longest, ERR_BAD, NULL);
    memset(longest + 8, 'x', 247);
    expect(a, longest, ERR_BAD, NULL);
    auth_free(a);
}

static void without_a_key(void **state)
{
    (void)state;
    struct auth *open = make("", false, "project-public");
    assert_false(auth_required(open));
    expect(open, NULL, ERR_OK, "public");
    expect(open, "project-mine", ERR_OK, "mine");
    expect(open, "mine", ERR_BAD, NULL);
    auth_free(open);
    struct auth *listed = make("project-one", false, "project-public");
    expect(listed, NULL, ERR_OK, "public");
    expect(listed, "project-one", ERR_OK, "one");
    expect(listed, "project-two", ERR_DENIED, NULL);
    auth_free(listed);
    struct auth *all = make("", false, NULL); /* every project */
    expect(all, NULL, ERR_OK, NULL);
    auth_free(all);
}

static void refused(const char *keys, const char *fallback, const char *say)
{
    struct auth *a = NULL;
    char *why = NULL;
    assert_int_equal(auth_new(&a, keys, true, fallback, &why), ERR_RANGE);
    assert_null(a);
    assert_non_null(why);
    assert_non_null(strstr(why, say));
    assert_null(strstr(why, "secret")); /* a key never shows */
    free(why);
}

static void malformed_keys_are_refused_at_the_start(void **state)
{
    (void)state;
    refused("secret", NULL, "key 1 ");
    refused("project-ok,secret", NULL, "key 2 ");
    refused("project-ok,,project-b", NULL, "key 2 ");
    refused("project-secret one", NULL, "key 1 ");
    refused("", "secret", "DEFAULT_PROJECT_KEY");
}

static int may_listen(const char *keys, bool required, bool loopback, const char *say)
{
    struct auth *a = make(keys, required, "project-public");
    char *why = NULL;
    int err = auth_may_listen(a, loopback, "http://0.0.0.0:1", &why);
    assert_true((err == ERR_OK) == (why == NULL));
    if (say != NULL)
        assert_non_null(strstr(why, say));
    free(why);
    auth_free(a);
    return err;
}

static void others_are_let_in_only_with_keys(void **state)
{
    (void)state;
    assert_int_equal(may_listen("", true, true, NULL), ERR_OK);
    assert_int_equal(may_listen("", false, true, NULL), ERR_OK);
    assert_int_equal(may_listen("project-a", true, false, NULL), ERR_OK);
    assert_int_equal(may_listen("", true, false, "API_KEYS"), ERR_RANGE);
    assert_int_equal(may_listen("project-a", false, false, "API_KEY_REQUIRED=true"), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listed_keys_alone_are_accepted),
        cmocka_unit_test(form_of_a_key),
        cmocka_unit_test(without_a_key),
        cmocka_unit_test(malformed_keys_are_refused_at_the_start),
        cmocka_unit_test(others_are_let_in_only_with_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
