/*
 * command.h - what bloomeryd does besides serving: one function a word of the command line, in a file of its own.
 * argv[0] is the word itself. They print for people and return the exit code: 0 done, 1 it failed or something is
 * wrong, 2 a bad call.
 */
#pragma once

#include "base/err.h"
#include "daemon/config.h"

int command_images(int argc, char **argv, const struct config *c);
int command_key(int argc, char **argv, const struct config *c);
int command_kit(int argc, char **argv, const struct config *c);
int command_doctor(int argc, char **argv, const struct config *c);

/* Print an error and its hint; returns 1. */
int command_failed(const struct err *err);
