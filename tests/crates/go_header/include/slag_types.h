#ifndef SLAG_TYPES_H
#define SLAG_TYPES_H

#include <stdint.h>

struct slag;
typedef uint32_t slag_tons;

#endif
