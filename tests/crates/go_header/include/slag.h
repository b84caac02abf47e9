/* slag.h - written by hand, and by another name than the crate's. */
#ifndef SLAG_H
#define SLAG_H

#include "slag_types.h"

#define SLAG_MAX 4096

/* A heap of slag, whose insides are nobody's business. */
struct slag *slag_new(slag_tons first);
void slag_add(struct slag *s, slag_tons more);
slag_tons slag_weight(const struct slag *s);
void slag_free(struct slag *s);

/* How long a name is; the name ends with a 0 byte. */
unsigned slag_name_length(const char *name);

/* What Go cannot call: it has no varargs. */
void slag_each(struct slag *s, void (*with)(slag_tons, void *), void *argument);

extern const unsigned char slag_version;

#endif
