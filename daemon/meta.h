/* meta.h - what the server says about itself: profiles, keys, health, readiness, its interface. Loop thread only. */
#pragma once

#include "daemon/http.h"

void meta_profiles(struct request *r);
void meta_profile(struct request *r);
void meta_keys(struct request *r); /* public halves of the signing keys */
void meta_health(struct request *r);
void meta_ready(struct request *r);
void meta_openapi(struct request *r);
