/*
 * version.h - of all programs of one build: the daemon takes no helper of another one.
 */
#pragma once

#ifndef BLOOMERY_VERSION
#define BLOOMERY_VERSION "0.1.0"
#endif
