// Traps: everything that interrupts a program.
#include "kernel.h"

static const char *const exception_names[N_EXCEPTIONS] = {
    [INSTRUCTION_MISALIGNED] = "misaligned jump",
    [INSTRUCTION_ACCESS_FAULT] = "jump to what is not memory",
    [ILLEGAL_INSTRUCTION] = "illegal instruction",
    [BREAKPOINT] = "breakpoint",
    [LOAD_MISALIGNED] = "misaligned load",
    [LOAD_ACCESS_FAULT] = "load from what is not memory",
    [STORE_MISALIGNED] = "misaligned store",
    [STORE_ACCESS_FAULT] = "store to what is not memory",
    [INSTRUCTION_PAGE_FAULT] = "jump to a page it may not execute",
    [LOAD_PAGE_FAULT] = "load from a page it may not read",
    [STORE_PAGE_FAULT] = "store to a page it may not write",
};

void trap_entry(void);

void trap_init(void) { set_trap_entry(trap_entry); }

static const char *name_of(uint64_t cause)
{
    return cause < N_EXCEPTIONS && exception_names[cause] ? exception_names[cause] : "trap";
}

static void handle_interrupt(uint64_t number, bool from_user)
{
    switch (number) {
    case INTERRUPT_TIMER:
        timer_start_slice();
        wake_sleepers();
        if (from_user)
            yield();
        break;
    case INTERRUPT_EXTERNAL:
        interrupts_handle();
        break;
    default:
        panic("interrupt %lu, which nobody asked for", number);
    }
}

static bool handle_page_fault(uint64_t cause, uint64_t va)
{
    enum access access = cause == INSTRUCTION_PAGE_FAULT ? ACCESS_EXECUTE
                         : cause == LOAD_PAGE_FAULT      ? ACCESS_READ
                                                         : ACCESS_WRITE;

    return user_page(va, access) != 0;
}

static void handle_exception(uint64_t cause, struct trap_frame *frame)
{
    if (cause == USER_ECALL) {
        frame->sepc += 4;  // go on after the ecall; exec() overwrites this
        ++*frame->n_calls;
        long result = system_call(frame);
        if (result < 0 && memory_try_again())
            frame->sepc -= 4;
        else
            frame->a0 = result;
        return;
    }
    uint64_t value = read_csr(stval);  // for a page fault, the address
    switch (cause) {
    case INSTRUCTION_PAGE_FAULT:
    case LOAD_PAGE_FAULT:
    case STORE_PAGE_FAULT:
        if (handle_page_fault(cause, value) || memory_try_again())
            return;
    }
    print("%s (process %d): %s, pc %p, value %p\n", current->name, current->number, name_of(cause),
          frame->sepc, value);
    process_exit(STATUS_FAULT);
}

// Called by trap_entry; when it returns, what the frame describes goes on.
void trap(struct trap_frame *frame)
{
    uint64_t cause = read_csr(scause);
    bool from_user = (frame->sstatus & SSTATUS_SPP) == 0;

    if (cause & SCAUSE_INTERRUPT)
        handle_interrupt(cause & ~SCAUSE_INTERRUPT, from_user);
    else if (from_user)
        handle_exception(cause, frame);
    else
        panic("%s, pc %p, value %p", name_of(cause), frame->sepc, read_csr(stval));

    // Only here: a process that is killed while it waits inside the kernel first comes back out,
    // and so leaves nothing half done.
    if (from_user && current->killed)
        process_exit(current->killed);
}
