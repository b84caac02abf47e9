/*
 * elf_fs.h - which instructions of x86_64 go through %fs, as thread-local storage does that is not emulated, and what a
 * compiler's -fstack-protector adds. By the disassembler Zydis, whose one include is elf_fs.c. One thread.
 */
#pragma once

#include "inspect/elf_image.h"
#include "inspect/report.h"

/* r->root gets fs: {instructions, functions [the first that have some], whole (all code was looked at)}, or null for another
 * machine. Code is what lies in executable sections, in a file without sections in executable segments; it is taken
 * apart anew at each function of the symbol table, so that data between functions leads nothing astray. <0: a table of symbols goes
 * beyond the file (ERR_CONTRACT). */
int elf_fs_put(struct elf_image *img, struct report *r, struct err *err);
