#include <stdlib.h>
#include <string.h>

#include "http/http.h"
#include "llm/llm.h"
#include "llm/redact.h"
#include "unit/cmocka_all.h"

static void values_of_secret_parameters_go(void **state)
{
    static const char *const cases[][2] = {
        {"/v1/chat/completions", "/v1/chat/completions"},
        {"", ""},
        {"/v1beta/models/g:generateContent?key=AIzaSy", "/v1beta/models/g:generateContent?key=***"},
        {"/x?a=1&KEY=s&b=2", "/x?a=1&KEY=***&b=2"},
        {"/x?api_key=s&access_token=t;sig=u#f", "/x?api_key=***&access_token=***;sig=***#f"},
        {"/x?%6bey=s&k%65%79=t", "/x?%6bey=***&k%65%79=***"},
        {"/x?key&keys=1&monkey=2", "/x?key&keys=1&monkey=2"},
        {"/x?X-Amz-Signature=abc&X-Amz-Date=1", "/x?X-Amz-Signature=***&X-Amz-Date=1"},
        {"https://user:pass@example.com/p?x=1", "https://***@example.com/p?x=1"},
        {"https://example.com/a@b?x=1", "https://example.com/a@b?x=1"},
        {"/x?next=https://a:b@c/&token=t", "/x?next=https://a:b@c/&token=***"},
        {"/x?key=", "/x?key=***"},
        {"/x?=&&?", "/x?=&&?"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *text = llm_redact_target(cases[i][0]);
        assert_string_equal(text, cases[i][1]);
        free(text);
    }
}

static void headers_with_secrets_are_not_public(void **state)
{
    static const char *const secret[] = {
        "authorization",
        "Authorization",
        "x-api-key",
        "api-key",
        "cookie",
        "set-cookie",
        "x-goog-api-key",
        "proxy-authorization",
        "x-amz-security-token",
        "ocp-apim-subscription-key",
        "helicone-auth-token",
        "x-my-api-key",
        "x-client-secret",
    };
    static const char *const open[] = {
        "content-type",
        "user-agent",
        "x-request-id",
        "openai-organization",
        "traceparent",
        "anthropic-version",
        "x-ratelimit-remaining-tokens",
        "retry-after",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(secret) / sizeof(*secret); i++)
        assert_false(llm_header_is_public(secret[i]));
    for (size_t i = 0; i < sizeof(open) / sizeof(*open); i++)
        assert_true(llm_header_is_public(open[i]));
}

static void keys_of_the_request_are_masked(void **state)
{
    static struct http_head head = {
        .target = "/x?key=AIzaQuery99&q=harmless-word",
        .header_count = 4,
        .headers = {{"authorization", "Bearer sk-abcdef123456"},
                    {"cookie", "a=1; session=cookie-value-1"},
                    {"x-api-key", "short"},
                    {"user-agent", "harmless-agent"}},
    };
    char text[] =
        "key sk-abcdef123456 or AIzaQuery99, sk-abcdef123456; cookie-value-1; short Bearer "
        "harmless-word harmless-agent";
    (void)state;
    llm_mask_secrets(text, &head);
    assert_string_equal(text, "key *************** or ***********, ***************; "
                              "**************; short Bearer harmless-word harmless-agent");
    llm_mask_secrets(NULL, &head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_secret_parameters_go),
        cmocka_unit_test(keys_of_the_request_are_masked),
        cmocka_unit_test(headers_with_secrets_are_not_public),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
