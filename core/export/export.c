#include "export/export.h"

#include "export/exporters.h"

const struct exporter *const exporters[] = {&exporter_service, &exporter_file, &exporter_console,
                                            NULL};

const struct export_timing export_timing_default = {
    .request = 2000, /* service contract, "Common rules" */
    .retry_min = 1000,
    .retry_max = 60000,
    .rate_limit = 4000,
    .blocked = 180000,
    .idle = 2000,
    .suspect_tries = 8,
};
