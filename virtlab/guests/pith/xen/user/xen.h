// What a program needs to use what only a domain has (../request.h).
#pragma once

#include "../../user/user.h"
#include "../request.h"
#include "../xen_abi.h"

long xen(enum xen_operation operation, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
int xen_error(const char *what, long error);  // prints it; returns 1, to exit with
char *text_of(char *to, size_t size, const char *pattern, ...);
long store_read(const char *path, char *text, size_t size);  // ended by 0; its length or an error
void store_write(const char *path, const char *pattern, ...);  // ends the program if it is refused
uint64_t hash_of(uint64_t hash, const uint8_t *data, size_t n);  // FNV-1a, from HASH_START
#define HASH_START 0xcbf29ce484222325UL
void print_hash(const char *what, uint64_t hash, long n_bytes);
uint8_t pattern_at(uint32_t seed, uint64_t at);  // byte `at` of what the workloads write and send
