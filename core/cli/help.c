#include <stdio.h>

#include "cli/cli.h"

static int run(int argc, char **argv)
{
    const char *words[1];
    int count = argc == 0 ? 0 : cli_parse(&command_help, argc, argv, NULL, 0, words, 1);
    if (count < 0)
        return count == CLI_DONE ? CLI_OK : CLI_USAGE;
    if (count == 1) {
        const struct cli_command *command = cli_command_find(words[0]);
        if (command == NULL)
            return cli_error(&command_help, "no command \"%.60s\"; `llm-tracer help` lists them",
                             words[0]);
        cli_command_help(command);
        return CLI_OK;
    }
    printf("llm-tracer shows the LLM calls of programs that nobody changed.\n\n"
           "  llm-trace python app.py     run a program and trace its calls\n\n"
           "Usage: llm-tracer COMMAND [options]\n\n");
    for (size_t i = 0; cli_commands[i] != NULL; i++)
        if (!cli_commands[i]->hidden)
            printf("  %-9s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    printf("\n`llm-tracer COMMAND --help` tells more about each.\n");
    return CLI_OK;
}

const struct cli_command command_help = {
    .name = "help",
    .summary = "Lists the commands, or tells about one",
    .usage = "[COMMAND]",
    .help = "",
    .run = run,
};
