// For the implementation of tapestry.h alone.
#ifndef TAPESTRY_LAST_ERROR_H
#define TAPESTRY_LAST_ERROR_H

// What `tapestry_last_error` says to this thread from now on: as much of `message` as there is room for.
void tapestry_set_last_error(const char *message);

#endif
