#include "cli/cli.h"

const struct cli_command *const cli_commands[] = {&command_run,    &command_list,
                                                  &command_show,   &command_spans,
                                                  &command_ui,     &command_status,
                                                  &command_doctor, &command_config,
                                                  &command_env,    &command_collect,
                                                  &command_serve,  &command_version,
                                                  &command_help,   NULL};
