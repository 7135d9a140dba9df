/* Prices what it is told on standard input, a line each:
 *   PROVIDER MODEL INPUT OUTPUT CACHE_READ CACHE_WRITE CACHE_WRITE_1H REASONING AUDIO_INPUT
 *   AUDIO_OUTPUT WEB_SEARCHES WALL_MS
 * separated by tabs, and prints the cost in USD or "unknown". For prices_match.sh. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "llm/call.h"
#include "llm/llm.h"

int main(void)
{
    char line[4096], provider[512], model[1024];
    while (fgets(line, sizeof(line), stdin)) {
        struct llm_call *call = llm_call_new();
        if (!call)
            return 1;
        struct llm_usage *u = &call->usage;
        int64_t wall_ms;
        int n = sscanf(line,
                       "%511[^\t]\t%1023[^\t]\t%" SCNd64 "%" SCNd64 "%" SCNd64 "%" SCNd64 "%" SCNd64
                       "%" SCNd64 "%" SCNd64 "%" SCNd64 "%" SCNd64 "%" SCNd64,
                       provider, model, &u->input, &u->output, &u->cache_read, &u->cache_write,
                       &u->cache_write_1h, &u->reasoning, &u->audio_input, &u->audio_output,
                       &u->web_searches, &wall_ms);
        if (n != 12)
            return 1;
        call->provider = strdup(provider);
        call->response_model = strdup(model);
        llm_price(call, wall_ms * NS_PER_MS);
        if (call->cost_source == LLM_COST_UNKNOWN)
            puts("unknown");
        else
            printf("%.17g\n", call->cost_usd);
        llm_call_free(call);
    }
    return 0;
}
