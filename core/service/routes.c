/* Every endpoint of the contract and of its extensions. The dashboard's files are the server's own.
 */
#include "service/api.h"

const struct route service_routes[] = {
    {"POST", "/api/traces", ROUTE_WRITE, false, api_create_trace, api_written},
    {"POST", "/api/traces/{}/spans", ROUTE_WRITE, false, api_create_span, api_written},
    {"PATCH", "/api/spans/{}/complete", ROUTE_WRITE, false, api_complete_span, api_written},
    {"PATCH", "/api/traces/{}/complete", ROUTE_WRITE, false, api_complete_trace, api_written},
    {"POST", "/api/ingest", ROUTE_WRITE, false, ingest_prepare, ingest_answer},
    {"GET", "/api/traces", ROUTE_READ, false, api_list_prepare, api_list},
    {"GET", "/api/traces/{}", ROUTE_READ, false, api_trace_prepare, api_trace},
    {"GET", "/api/spans/{}", ROUTE_READ, false, NULL, api_span},
    {"GET", "/api/stats", ROUTE_READ, false, stats_prepare, stats_answer},
    {"GET", "/api/events", ROUTE_EVENTS, false, events_prepare, NULL},
    {"GET", "/health", ROUTE_READ, true, NULL, api_health},
    {0},
};
