/* The kinds of exporters, one file each. */
#ifndef TRACER_EXPORT_EXPORTERS_H
#define TRACER_EXPORT_EXPORTERS_H

#include "export/export.h"

extern const struct exporter exporter_service; /* service.c: service-contract over HTTP */
extern const struct exporter exporter_file;    /* file.c: one span a line */
extern const struct exporter exporter_console; /* console.c: for people */

#endif
