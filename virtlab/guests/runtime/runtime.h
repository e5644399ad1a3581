// What a C program on the bare machine can call. Included by the compiler before the program.
#pragma once
#ifndef __ASSEMBLER__  // and before start.S, which cannot read this

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int putchar(int c);             // sends one character on the serial port
int puts(const char *text);     // a line
void put_hex(uint64_t value);   // 0x and 16 digits
void exit(int status) __attribute__((noreturn));  // ends the run; 0 means all went well

#endif
