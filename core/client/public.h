/* The public header, for the files that define what it declares: those functions alone are seen
 * from outside the library. */
#ifndef TRACER_CLIENT_PUBLIC_H
#define TRACER_CLIENT_PUBLIC_H

#pragma GCC visibility push(default)
#include "client/llm_tracer.h"
#pragma GCC visibility pop

#endif
