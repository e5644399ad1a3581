// Memory, strings and formatted text, for the kernel and for programs alike.
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline size_t least(size_t a, size_t b) { return a < b ? a : b; }

void *memset(void *to, int value, size_t n);
void *memcpy(void *to, const void *from, size_t n);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);

// Sends each character of the formatted text to put(). Knows %c %s %d %u, %p (an address as
// uint64_t, four digits to a group), %%, the length l, a width, and - for text flush left.
void format(void (*put)(char), const char *pattern, va_list arguments);
