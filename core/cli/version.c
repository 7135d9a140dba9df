#include <stdio.h>

#include "cli/cli.h"
#include "llm/llm.h"
#include "wire/record.h"

static int run(int argc, char **argv)
{
    const char *words[1];
    int count = cli_parse(&command_version, argc, argv, NULL, 0, words, 0);
    if (count < 0)
        return count == CLI_DONE ? CLI_OK : CLI_USAGE;
    printf("llm-tracer %s (wire format %d, prices %s)\n", TRACER_VERSION, WIRE_VERSION,
           llm_price_version());
    return CLI_OK;
}

const struct cli_command command_version = {
    .name = "version",
    .summary = "Prints the version",
    .usage = "",
    .help = "",
    .run = run,
};
