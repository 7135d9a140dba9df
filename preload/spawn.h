/* Starting a collector from inside a host that was started with nothing but LD_PRELOAD. */
#ifndef TRACER_PRELOAD_SPAWN_H
#define TRACER_PRELOAD_SPAWN_H

/* Starts `llm-tracer collect --spawned` as a process of its own that the host never sees: no
 * SIGCHLD, no child in wait(-1), no change of masks or pending signals. Does nothing in process 1
 * and in subreapers, whose children it would become. Waits until the program is replaced (about a
 * millisecond); the caller limits how often. */
void spawn_collector(void);

#endif
