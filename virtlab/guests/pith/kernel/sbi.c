// Calls to the firmware in machine mode: the timer, power, and a console for the first messages.
// Source: RISC-V Supervisor Binary Interface Specification, Version 2.0, "Timer Extension",
// "System Reset Extension", "Legacy Extensions".
#include "kernel.h"

enum extension {
    LEGACY_PUT_CHARACTER = 0x01,
    TIMER = 0x54494d45,         // "TIME"
    SYSTEM_RESET = 0x53525354,  // "SRST"
};
#define RESET_SHUTDOWN 0
#define REASON_NONE 0
#define REASON_FAILURE 1

// The extension goes in a7, the function within it in a6; an error comes back in a0.
static long sbi_call(enum extension extension, uint64_t function, uint64_t argument0,
                     uint64_t argument1)
{
    register uint64_t a0 asm("a0") = argument0;
    register uint64_t a1 asm("a1") = argument1;
    register uint64_t a6 asm("a6") = function;
    register uint64_t a7 asm("a7") = extension;

    asm volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a6), "r"(a7) : "memory");
    return a0;
}

// A timer interrupt is pending from that time on, and no longer pending until then.
void sbi_set_timer(uint64_t when)
{
    if (sbi_call(TIMER, 0, when, 0) != 0)
        panic("the firmware has no timer");
}

void sbi_shutdown(bool failed)
{
    sbi_call(SYSTEM_RESET, 0, RESET_SHUTDOWN, failed ? REASON_FAILURE : REASON_NONE);
    for (;;)  // only firmware that cannot switch the board off comes back
        wait_for_interrupt();
}

void sbi_put(char c) { sbi_call(LEGACY_PUT_CHARACTER, 0, c, 0); }
