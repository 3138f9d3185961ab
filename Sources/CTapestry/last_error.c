#include "last_error.h"

#include <stdio.h>

#include "tapestry.h"

// In C, as Swift has no variables of a thread. Long enough for a path and the longest reason.
static _Thread_local char last_error[8192];

void tapestry_set_last_error(const char *message) { snprintf(last_error, sizeof last_error, "%s", message); }

const char *tapestry_last_error(void) { return last_error; }

const char *tapestry_version(void) { return TAPESTRY_VERSION; }
