// Replaces the running program by another one from a file. All of it happens in fs_enter().
// Source: System V Application Binary Interface, Edition 4.1, "Object Files", "ELF Identification",
// "Program Header".
#include "kernel.h"

#define ELF_MAGIC 0x464c457f    // "\x7fELF"
#define ELF_64_BITS 2
#define ELF_RISCV 243
#define ELF_PITH 112            // the mark of this kernel's programs (virtlab/guests/elf.py)
#define SEGMENT_LOAD 1
#define SEGMENT_EXECUTE 1
#define SEGMENT_WRITE 2

struct elf_header {
    uint32_t magic;
    uint8_t class, byte_order, version_of_this, system, more[8];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry;
    uint64_t segments_offset, sections_offset;
    uint32_t flags;
    uint16_t header_size, segment_size, n_segments;
};

struct segment {
    uint32_t type, flags;
    uint64_t offset, va, pa, n_bytes_in_file, n_bytes, alignment;
};

// The program's first stack page while it is being built: the kernel writes at page what the
// program will see at USER_END - PAGE_SIZE. It ends with the arguments:
//
//   | stack grows down ...| argv[0] argv[1] ... 0 | texts |
struct new_stack {
    char *page;
    uint64_t free;            // bytes of the page not yet used, from its start
    uint64_t argv[MAX_ARGUMENTS + 1];
    int argc;
};
#define STACK_PAGE_VA (USER_END - PAGE_SIZE)

// Copies the texts, and notes where the new program will find them.
static int push_arguments(struct new_stack *stack, uint64_t argv_va)
{
    char text[MAX_PATH];
    uint64_t text_va;

    for (;; argv_va += sizeof text_va) {
        if (copy_from_user(&text_va, argv_va, sizeof text_va) < 0)
            return -E_FAULT;
        if (text_va == 0)
            return 0;
        int n = copy_text_from_user(text, text_va, sizeof text) + 1;
        if (n <= 0)
            return n - 1;
        if (stack->argc == MAX_ARGUMENTS)
            return -E_TOOMANY;
        stack->free -= n;
        memcpy(stack->page + stack->free, text, n);
        stack->argv[stack->argc++] = STACK_PAGE_VA + stack->free;
    }
}

// The address of argv; the stack itself begins right below.
static uint64_t finish_stack(struct new_stack *stack)
{
    size_t n = (stack->argc + 1) * sizeof stack->argv[0];

    stack->free = (stack->free - n) & ~15UL;  // the calling convention asks for 16
    memcpy(stack->page + stack->free, stack->argv, n);
    return STACK_PAGE_VA + stack->free;
}

// Only what the file holds gets pages now; the rest of a segment, which is zero, when it is used.
static int load_segment(pte_t *root, uint32_t inode, const struct segment *segment)
{
    uint64_t permissions = ACCESS_READ | (segment->flags & SEGMENT_WRITE ? ACCESS_WRITE : 0) |
                           (segment->flags & SEGMENT_EXECUTE ? ACCESS_EXECUTE : 0);

    if (segment->va % PAGE_SIZE || segment->va < USER_BASE || segment->va >= USER_STACK ||
        segment->n_bytes > USER_STACK - segment->va || segment->n_bytes_in_file > segment->n_bytes)
        return -E_NOEXEC;
    for (uint64_t done = 0; done < segment->n_bytes_in_file; done += PAGE_SIZE) {
        uint64_t n = least(segment->n_bytes_in_file - done, PAGE_SIZE);
        char *page = page_alloc_zeroed();
        if (page == 0)
            return -E_NOMEM;
        int result = vm_map(root, segment->va + done, page, permissions);
        if (result < 0) {
            page_free(page);
            return result;
        }
        if (fs_read(inode, page, segment->offset + done, n, false) != (int)n)
            return -E_NOEXEC;
    }
    return 0;
}

// An instruction set that the hart does not have, or system calls that mean something else here:
// the file says for what it was made, and is not tried.
static int why_not(const struct elf_header *header)
{
    if (header->magic != ELF_MAGIC)
        return -E_NOEXEC;
    if (header->class != ELF_64_BITS || header->machine != ELF_RISCV)
        return -E_MACHINE;
    return header->system == ELF_PITH ? 0 : -E_SYSTEM;
}

// Loads all segments; *end is where the heap may begin.
static int load(pte_t *root, const char *path, uint64_t *entry, uint64_t *end)
{
    struct elf_header header;
    struct segment segment;
    uint32_t below;
    int inode = overlay_find(path, false, &below);

    if (inode < 0)
        return inode;
    if (fs_read(inode, &header, 0, sizeof header, false) != sizeof header)
        return -E_NOEXEC;
    int refused = why_not(&header);
    if (refused)
        return refused;
    *entry = header.entry;
    *end = USER_BASE;
    for (int i = 0; i < header.n_segments; i++) {
        uint64_t offset = header.segments_offset + i * sizeof segment;
        if (fs_read(inode, &segment, offset, sizeof segment, false) != sizeof segment)
            return -E_NOEXEC;
        if (segment.type != SEGMENT_LOAD || segment.n_bytes == 0)
            continue;
        int result = load_segment(root, inode, &segment);
        if (result < 0)
            return result;
        if (segment.va + segment.n_bytes > *end)
            *end = PAGE_ROUND_UP(segment.va + segment.n_bytes);
    }
    return 0;
}

static const char *last_name(const char *path)
{
    const char *name = path;

    for (; *path; path++)
        if (*path == '/')
            name = path + 1;
    return name;
}

// A new stack and the program in a new address space; the result is argc, and so in a0 like any
// result of a system call. Until nothing can fail any more the old program stays as it is.
int exec(const char *path, uint64_t argv_va)
{
    struct new_stack stack = {.page = page_alloc_zeroed(), .free = PAGE_SIZE};
    pte_t *root = vm_create(), *old = current->root;
    uint64_t entry, end;
    int result = -E_NOMEM;

    if (stack.page && root)
        result = vm_map(root, STACK_PAGE_VA, stack.page, ACCESS_READ | ACCESS_WRITE);
    if (result < 0 && stack.page)
        page_free(stack.page);
    if (result == 0 && argv_va)
        result = push_arguments(&stack, argv_va);
    if (result == 0)
        result = load(root, path, &entry, &end);
    if (result < 0) {
        if (root)
            vm_destroy(root);  // and all pages that it maps
        return result;
    }

    current->root = root;
    switch_page_table(root);
    vm_destroy(old);
    flush_instructions();  // what was written as data is about to be executed
    current->heap_start = current->heap_end = end;
    memset(current->name, 0, NAME_LENGTH);
    memcpy(current->name, last_name(path), least(strlen(last_name(path)), NAME_LENGTH - 1));
    current->frame->sepc = entry;
    current->frame->a1 = current->frame->sp = finish_stack(&stack);
    return stack.argc;
}
