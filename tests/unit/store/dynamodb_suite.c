/* The tests of every backend, against the DynamoDB that the environment names (as of the service's
 * settings): tests/e2e/test_dynamodb.py starts one. Usage:
 * dynamodb_suite [scale [pattern of tests to leave out]] */
#include "base/options.h"

#include "backend_suite.h"

int main(int argc, char **argv)
{
    struct backend_suite_options options = {.scale = argc > 1 ? (unsigned)atoi(argv[1]) : 1};
    if (argc > 2)
        cmocka_set_skip_filter(argv[2]);
    if (options_load() != ERR_OK || option_text(OPTION_DYNAMODB_ENDPOINT_URL)[0] == '\0') {
        fprintf(stderr, "DYNAMODB_ENDPOINT_URL is not set\n");
        return 77;
    }
    struct backend_settings settings = {
        .traces_table = option_text(OPTION_DYNAMODB_TRACES_TABLE),
        .spans_table = option_text(OPTION_DYNAMODB_SPANS_TABLE),
        .endpoint_url = option_text(OPTION_DYNAMODB_ENDPOINT_URL),
        .region = option_text(OPTION_AWS_REGION),
        .ttl_days = 90,
        .init = true,
    };
    return backend_suite_run(&backend_dynamodb, &settings, &options) == 0 ? 0 : 1;
}
