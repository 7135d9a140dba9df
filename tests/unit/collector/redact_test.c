/* Keys in command lines. */
#include "synthetic.h"

static void check(const char *in, const char *out)
{
    char *got = redact_text(in);
    assert_string_equal(got, out);
    free(got);
}

static void test_texts(void **state)
{
    (void)state;
    check("", "");
    check("python app.py --model gpt-4o", "python app.py --model gpt-4o");
    check("Authorization: Bearer sk-abcdefgh1234", "Authorization: Bearer [redacted]");
    check("authorization:Basic dXNlcjpwYXNz", "authorization:Basic [redacted]");
    check("x-api-key: abc", "x-api-key: [redacted]");
    check("X-Goog-Api-Key: abc", "X-Goog-Api-Key: [redacted]");
    check("Cookie: a=1; b=2", "Cookie: [redacted]");
    check("OPENAI_API_KEY=whatever", "OPENAI_API_KEY=[redacted]");
    check("--api-key=whatever", "--api-key=[redacted]");
    check("https://h/v1?key=abc&model=m", "https://h/v1?key=[redacted]&model=m");
    check("https://h/v1?access_token=abc", "https://h/v1?access_token=[redacted]");
    check("https://user:pass@host/x", "https://[redacted]@host/x");
    check("https://host/user@example", "https://host/user@example");
    check("use sk-proj-1234567890abcdef here", "use [redacted] here");
    check("AIzaSyA1234567890", "[redacted]");
    check("{\"api_key\": \"abc\", \"x\": 1}", "{\"api_key\": \"[redacted]\", \"x\": 1}");
    check("client(apiKey='abc')", "client(apiKey='[redacted]')");
    check("monkey=banana", "monkey=banana");
    check("keyboard: qwerty", "keyboard: qwerty");
    check("max_tokens=100", "max_tokens=100");
    check("-H 'Authorization: Bearer abcdefghijk' -d x",
          "-H 'Authorization: Bearer [redacted]' -d x");
    check("token = tok123", "token = [redacted]");
    check("key=", "key=");
    check("Bearer of news", "Bearer of news");
}

static void test_options_in_texts(void **state)
{
    (void)state;
    check("curl --oauth2-bearer s3cret https://h/", "curl --oauth2-bearer [redacted] https://h/");
    check("curl -u me:pw https://h/", "curl -u [redacted] https://h/");
    check("curl -sSu me:pw https://h/", "curl -sSu [redacted] https://h/");
    check("curl -ume:pw https://h/", "curl -u[redacted] https://h/");
    check("curl -u'me:pw' https://h/", "curl -u[redacted] https://h/");
    check("curl -u 'me:p w' x", "curl -u '[redacted]' x");
    check("curl -u me:\"p w\" x", "curl -u [redacted] x");
    check("curl --user me --proxy-user you:pw x",
          "curl --user [redacted] --proxy-user [redacted] x");
    check("curl --user=me:pw x", "curl --user=[redacted] x");
    check("curl -b sid=abc x", "curl -b [redacted] x");
    check("curl -b \"a=1; b=2\" x", "curl -b \"[redacted]\" x");
    check("curl --cookie a=1,b=2 x", "curl --cookie [redacted] x");
    check("tool --api-key abc,def --token 'g h' run", "tool --api-key [redacted] --token "
                                                      "'[redacted]' run");
    check("tool --token \"a b", "tool --token \"[redacted]");
    check("tool -token abc", "tool -token [redacted]");
    check("run(['curl', '-u', 'me:pw', \"--token\", \"x\"])",
          "run(['curl', '-u', '[redacted]', \"--token\", \"[redacted]\"])");
    check("sh -c \"curl -H \\\"Authorization: Bearer abc\\\" x\"",
          "sh -c \"curl -H \\\"Authorization: Bearer [redacted]\\\" x\"");
    check("curl -H 'Authorization: Own abc def' x", "curl -H 'Authorization: [redacted]' x");
    check("KEY='a b' tool", "KEY='[redacted]' tool");
    check("curl -x me:pw@proxy:3128 x", "curl -x [redacted]@proxy:3128 x");
    check("https://me:p@w@h/x", "https://[redacted]@h/x");
    check("http://h/?key=a,b&model=m", "http://h/?key=[redacted]&model=m");
    check("tool --token [redacted] x", "tool --token [redacted] x");
}

/* What only looks like it stays. */
static void test_kept(void **state)
{
    static const char *const texts[] = {"python3 -u app.py",
                                        "git checkout -b topic",
                                        "gunicorn -b 0.0.0.0:8000 app:app",
                                        "tool --token --verbose",
                                        "tool --max-tokens 100",
                                        "tool --tokenizer fast x",
                                        "the token is here",
                                        "a -key",
                                        "say --user",
                                        "10:30 at http://h:80/x@y",
                                        "git@host:me/repo"};
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        check(texts[i], texts[i]);
}

static void check_argv(const char *const *in, const char *const *out)
{
    json *argv = json_array();
    for (size_t i = 0; in[i] != NULL; i++)
        json_add(argv, json_string(in[i]));
    json *clean = redact_argv(argv);
    assert_int_equal(json_length(clean), json_length(argv));
    for (size_t i = 0; out[i] != NULL; i++)
        assert_string_equal(json_text(json_at(clean, i)), out[i]);
    json_free(clean);
    json_free(argv);
}

static void test_argv(void **state)
{
    (void)state;
    check_argv(
        (const char *[]){"curl", "-H", "Authorization: Bearer abcdefghijkl", "-d", "{}", NULL},
        (const char *[]){"curl", "-H", "Authorization: Bearer [redacted]", "-d", "{}", NULL});
    check_argv((const char *[]){"llm", "--api-key", "abc", "hello", NULL},
               (const char *[]){"llm", "--api-key", "[redacted]", "hello", NULL});
    check_argv((const char *[]){"curl", "-u", "me:pw", "http://h", NULL},
               (const char *[]){"curl", "-u", "[redacted]", "http://h", NULL});
    check_argv((const char *[]){"sh", "-c", "KEY=x; curl -H \"x-api-key: y\" http://h?key=z", NULL},
               (const char *[]){"sh", "-c",
                                "KEY=[redacted]; curl -H \"x-api-key: [redacted]\" "
                                "http://h?key=[redacted]",
                                NULL});
    check_argv((const char *[]){"tool", "--token", "--verbose", NULL},
               (const char *[]){"tool", "--token", "--verbose", NULL});
    check_argv(
        (const char *[]){"python3", "-u", "app.py", "-su", "a:b", "-b", "c=d", NULL},
        (const char *[]){"python3", "-u", "app.py", "-su", "[redacted]", "-b", "[redacted]", NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts),
                                       cmocka_unit_test(test_options_in_texts),
                                       cmocka_unit_test(test_kept), cmocka_unit_test(test_argv)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
